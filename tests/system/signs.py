"""A workflow that sets as many signs as it is asked to, and then waits. For hosts."""

from __future__ import annotations

from dataclasses import dataclass, replace

from dalsegno import workflow


@dataclass(frozen=True)
class Score:
    wanted: int
    played: int = 0


@workflow.defn
class DalSegno:
    def __init__(self) -> None:
        self.score = Score(0)
        self.is_over = False

    @workflow.run
    async def run(self, score: Score) -> int:
        self.score = score
        if score.played < score.wanted:
            workflow.checkpoint(replace(score, played=score.played + 1))
        await workflow.wait_condition(lambda: self.is_over)
        return score.played

    @workflow.signal
    def fine(self) -> None:
        self.is_over = True

    @workflow.query
    def played(self) -> int:
        return self.score.played
