"""I1: a run begins once and ends at most once, and behind its end nothing happens to it."""

from __future__ import annotations

from collections.abc import Iterator

from dalsegno.actors.workflow_actor.run.events import (
    EffectsDropped,
    EffectsParked,
    Record,
    RunClosed,
    RunStarted,
)
from dalsegno.actors.workflow_actor.updates.events import UpdateAwaited
from dalsegno.persistence.port import JournalRow
from dalsegno.verification.finding import Invariant, Violation

HOUSEKEEPING = (EffectsParked, EffectsDropped)
"""Events of effects that a closed run still has to send."""


class Endings:
    def __init__(self) -> None:
        self._ended_at: int | None = None

    def on_record(self, row: JournalRow, record: Record) -> Iterator[Violation]:
        along: tuple[str, ...] = ()  # updates that the run that follows is given; with who waits for them
        for event in record.events:
            if isinstance(event, RunStarted) and row.sequence != 1:
                yield Violation(Invariant.ENDS_ONCE, row.sequence, "the run starts a second time")
            goes_along = isinstance(event, UpdateAwaited) and event.update_id in along
            if self._ended_at is not None and not isinstance(event, HOUSEKEEPING) and not goes_along:
                kind = "it ends again" if isinstance(event, RunClosed) else f"{type(event).__name__} happens"
                text = f"{kind}, and the run had ended at {self._ended_at}"
                yield Violation(Invariant.ENDS_ONCE, row.sequence, text)
            elif isinstance(event, RunClosed):
                self._ended_at = row.sequence
                along = event.updates
