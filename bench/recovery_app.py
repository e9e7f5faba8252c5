"""What `recovery` signals: a workflow that counts, and sets a sign every hundred beats to stay small."""

from __future__ import annotations

from dataclasses import dataclass

from dalsegno import workflow

BEATS_PER_LAP = 100


@dataclass(frozen=True)
class Laps:
    run: int = 0


@workflow.defn
class Probe:
    def __init__(self) -> None:
        self.beats = 0

    @workflow.run
    async def run(self, laps: Laps) -> None:
        await workflow.wait_condition(lambda: self.beats >= BEATS_PER_LAP)
        workflow.checkpoint(Laps(laps.run + 1))

    @workflow.signal
    def beat(self) -> None:
        self.beats += 1
