"""Parcels of today, which are weighed before they are packed; those that are on their way are not."""

from __future__ import annotations

from dalsegno import activity, workflow
from tests.system.packing_before import pack


@activity.defn
async def weigh() -> str:
    return "weighed"


def activates(asked: workflow.PatchActivationInput) -> bool:
    return not asked.workflow_info.workflow_id.startswith("late")


@workflow.defn(name="Parcel")
class ParcelToday:
    def __init__(self) -> None:
        self.released = 0

    @workflow.run
    async def run(self, rounds: int) -> list[str]:
        done = []
        for number in range(rounds):
            if workflow.patched("weigh-first"):
                done.append(await workflow.execute_activity(weigh))
            done.append(await workflow.execute_activity(pack, "plain"))
            await workflow.wait_condition(lambda number=number: self.released > number)  # type: ignore[misc]
        return done

    @workflow.signal
    def release(self) -> None:
        self.released += 1
