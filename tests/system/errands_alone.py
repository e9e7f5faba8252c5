"""Activities that clients start by themselves."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from dalsegno import ApplicationError, activity, workflow


@dataclass
class Parcel:
    number: int
    grams: int


@activity.defn
async def weigh(parcel: Parcel, more: int = 0) -> Parcel:
    return Parcel(parcel.number, parcel.grams + more)


@activity.defn
def who_am_i() -> list[str]:
    info = activity.info()
    return [info.activity_id, info.workflow_id, info.task_queue, str(info.in_workflow)]


@activity.defn
async def fail_until(attempt: int) -> int:
    if activity.info().attempt < attempt:
        raise ApplicationError("not yet", type="NotYet")
    return activity.info().attempt


@activity.defn
async def decline(reason: str) -> None:
    raise ApplicationError(reason, 7, type="Declined", non_retryable=True)


@activity.defn
async def wait_for_ever() -> str:
    try:
        await asyncio.Event().wait()
    finally:
        activity.heartbeat("stopping")
    return "never"


@workflow.defn
class NeverStarted:
    """A host is to have some workflow."""

    @workflow.run
    async def run(self) -> None: ...


class Scales:
    @activity.defn(name="calibrate")
    async def calibrate(self, parcel: Parcel) -> int:
        return parcel.grams


calibrate = Scales().calibrate
