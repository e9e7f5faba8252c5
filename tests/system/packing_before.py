"""Parcels, as their code was at first."""

from __future__ import annotations

from dalsegno import activity, workflow


@activity.defn
async def pack(what: str) -> str:
    return f"packed {what}"


@workflow.defn(name="Parcel")
class Parcel:
    def __init__(self) -> None:
        self.released = 0

    @workflow.run
    async def run(self, rounds: int) -> list[str]:
        done = []
        for number in range(rounds):
            done.append(await workflow.execute_activity(pack, "plain"))
            await workflow.wait_condition(lambda number=number: self.released > number)  # type: ignore[misc]
        return done

    @workflow.signal
    def release(self) -> None:
        self.released += 1
