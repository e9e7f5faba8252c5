"""Parcels as nobody may deploy them while some are on their way: they are weighed, and never packed."""

from __future__ import annotations

from dalsegno import activity, workflow


@activity.defn
async def weigh() -> str:
    return "weighed"


@workflow.defn(name="Parcel")
class ParcelChanged:
    @workflow.run
    async def run(self, rounds: int) -> list[str]:
        return [await workflow.execute_activity(weigh) for _ in range(rounds)]

    @workflow.signal
    def release(self) -> None: ...


@workflow.defn(name="Looping")
class Looping:
    @workflow.run
    async def run(self) -> None:
        while True:
            str(self)
