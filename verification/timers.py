"""I13: a timer fires at most once and never early, and an instance wakes in time for its timers."""

from __future__ import annotations

from collections.abc import Iterator

from dalsegno.actors.workflow_actor.run import events as ev
from dalsegno.actors.workflow_actor.run.state import WorkflowState
from dalsegno.actors.workflow_actor.timers import events as tim
from dalsegno.persistence.port import JournalRow
from dalsegno.verification.finding import Invariant, Violation
from dalsegno.verification.rows import Head


class Timers:
    """`from_start` False: an unknown part of the journal lies before."""

    def __init__(self, *, from_start: bool) -> None:
        self._from_start = from_start
        self._due: dict[int, int] = {}
        self._first_known: int | None = None
        self._fired_older: set[int] = set()

    def on_record(self, row: JournalRow, record: ev.Record) -> Iterator[Violation]:
        for event in record.events:
            match event:
                case ev.Ran():
                    self._wanted(event)
                case tim.TimerElapsed():
                    yield from self._fired(row, event.number)
                case ev.RunClosed():
                    self._due.clear()
                case _:
                    pass

    def _wanted(self, event: ev.Ran) -> None:
        for want in event.wants:
            if isinstance(want, tim.TimerWanted):
                self._due[want.number] = want.fire_at
                self._first_known = want.number if self._first_known is None else self._first_known
            elif isinstance(want, tim.TimerUnwanted):
                self._due.pop(want.number, None)

    def _fired(self, row: JournalRow, number: int) -> Iterator[Violation]:
        due = self._due.pop(number, None)
        if due is not None:
            if row.time < due:
                text = f"timer {number} fires {(due - row.time) / 1e6:.6f} s early"
                yield Violation(Invariant.TIMERS, row.sequence, text)
        elif self._may_be_older(number):
            self._fired_older.add(number)
        else:
            text = f"timer {number} fires, and it was not running (any more)"
            yield Violation(Invariant.TIMERS, row.sequence, text)

    def _may_be_older(self, number: int) -> bool:
        if self._from_start or number in self._fired_older:
            return False
        return self._first_known is None or number < self._first_known


def wakes_in_time(head: Head, state: WorkflowState) -> Iterator[Violation]:
    """`state` is that at the end of the journal."""
    if head.current is None or not head.is_current or not state.timers or state.is_closed:
        return
    number, due = min(state.timers.items(), key=lambda timer: timer[1])
    wake_at = head.current.wake_at
    if wake_at is None:
        yield Violation(Invariant.TIMERS, None, f"timer {number} is running, and the instance has no wake-up")
    elif wake_at > due:
        text = f"the instance wakes {(wake_at - due) / 1e6:.6f} s after its timer {number} is due"
        yield Violation(Invariant.TIMERS, None, text)
