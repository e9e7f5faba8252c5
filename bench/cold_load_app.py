"""What `cold_load` brings back: a workflow that counts signals, and sets a sign when one of them says so."""

from __future__ import annotations

from dataclasses import dataclass

from dalsegno import workflow


@dataclass(frozen=True)
class Tally:
    beats: int = 0


@workflow.defn
class Storied:
    def __init__(self) -> None:
        self.beats = 0
        self.sign_wanted = False

    @workflow.run
    async def run(self, tally: Tally) -> None:
        self.beats += tally.beats
        await workflow.wait_condition(lambda: self.sign_wanted)
        workflow.checkpoint(Tally(self.beats))

    @workflow.signal
    def beat(self, sign: bool) -> None:
        self.beats += 1
        self.sign_wanted = sign

    @workflow.query
    def counted(self) -> int:
        return self.beats
