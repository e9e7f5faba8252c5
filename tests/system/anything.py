"""Workflows and activities of any name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dalsegno import RawValue, activity, workflow


@activity.defn
class Adds:
    def __init__(self, start: int) -> None:
        self.start = start

    async def __call__(self, number: int) -> int:
        return self.start + number


adds = Adds(40)


@activity.defn(dynamic=True)
async def anything(args: Sequence[RawValue]) -> list[Any]:
    convert = activity.payload_converter().from_payload
    return [activity.info().activity_type, *(convert(raw.payload, int) for raw in args)]


@workflow.defn(dynamic=True)
class Anything:
    @workflow.run
    async def run(self, args: Sequence[RawValue]) -> list[Any]:
        number = workflow.payload_converter().from_payload(args[0].payload, int)
        added = await workflow.execute_activity_class(Adds, number)
        return [
            workflow.info().workflow_type,
            added,
            await workflow.execute_activity("tune", args=[1, args[0]]),
        ]
