"""I10: an activity is resolved at most once, and by an attempt that is not over.

The journal does not keep the token with which a result came: that was compared when it came. What can be seen
is that no result arrives for what is settled, or while the next attempt is still being waited for.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from dalsegno.actors.workflow_actor.activities import events as act
from dalsegno.actors.workflow_actor.run import events as ev
from dalsegno.persistence.port import JournalRow
from dalsegno.verification.finding import Invariant, Violation


class _Pending(Struct):
    cancellation_type: str = ""
    over: bool = False
    """Its attempt is, and the next has not begun."""
    paused: bool = False
    """A person may say what becomes of it."""
    outside: bool = False


class Resolutions:
    """Memory is for pending activities alone. `from_start` False: an unknown part of the journal lies before,
    in which activities of lower numbers may have begun."""

    def __init__(self, *, from_start: bool) -> None:
        self._from_start = from_start
        self._pending: dict[int, _Pending] = {}
        self._first_known: int | None = None
        self._settled_older: set[int] = set()

    def on_record(self, row: JournalRow, record: ev.Record) -> Iterator[Violation]:
        for event in record.events:
            match event:
                case ev.Ran():
                    self._wanted(event)
                case act.ActivityCompleted() | act.ActivityFailed():
                    yield from self._resolved(row, event)
                case act.AttemptBegun() | act.RetryPlanned() | act.AttemptScheduled():
                    yield from self._attempt(row, event)
                case act.AttemptsExhausted() | act.AttemptsRenewed():
                    yield from self._attempt(row, event)
                case act.TaskOverdue() | act.TaskResent() | act.TaskReturned() | act.HeartbeatKept():
                    yield from self._attempt(row, event)
                case act.AttemptWentOutside():
                    yield from self._attempt(row, event)
                case ev.RunClosed():
                    self._pending.clear()
                case _:
                    pass

    def _wanted(self, event: ev.Ran) -> None:
        for want in event.wants:
            if isinstance(want, act.ActivityWanted):
                number = want.spec.number
                self._pending[number] = _Pending(want.spec.cancellation_type)
                self._first_known = number if self._first_known is None else self._first_known
            elif isinstance(want, act.ActivityUnwanted):
                pending = self._pending.get(want.number)
                # Others may still end by themselves, and then say so; so may one that goes on outside.
                if pending is not None and pending.cancellation_type == "try_cancel" and not pending.outside:
                    del self._pending[want.number]

    def _find(self, number: int) -> _Pending | None:
        pending = self._pending.get(number)
        if pending is None and self._may_be_older(number):
            pending = self._pending[number] = _Pending()
        return pending

    def _may_be_older(self, number: int) -> bool:
        if self._from_start or number in self._settled_older:
            return False
        return self._first_known is None or number < self._first_known

    def _resolved(
        self, row: JournalRow, event: act.ActivityCompleted | act.ActivityFailed
    ) -> Iterator[Violation]:
        number = event.number
        pending = self._find(number)
        if pending is None:
            text = f"activity {number} is resolved, and it was not pending (any more)"
            yield Violation(Invariant.ACTIVITIES, row.sequence, text)
            return
        if pending.over and not pending.paused and isinstance(event, act.ActivityCompleted):
            text = f"activity {number} completes by an attempt that had failed before"
            yield Violation(Invariant.ACTIVITIES, row.sequence, text)
        del self._pending[number]
        if not self._from_start and (self._first_known is None or number < self._first_known):
            self._settled_older.add(number)

    def _attempt(
        self,
        row: JournalRow,
        event: act.AttemptBegun
        | act.RetryPlanned
        | act.AttemptScheduled
        | act.AttemptsExhausted
        | act.AttemptsRenewed
        | act.TaskOverdue
        | act.TaskResent
        | act.TaskReturned
        | act.HeartbeatKept
        | act.AttemptWentOutside,
    ) -> Iterator[Violation]:
        pending = self._find(event.number)
        if pending is None:
            kind = type(event).__name__
            text = f"{kind} happens to activity {event.number}, which was not pending (any more)"
            yield Violation(Invariant.ACTIVITIES, row.sequence, text)
        elif isinstance(event, act.AttemptWentOutside):
            pending.outside = True
        elif isinstance(event, act.AttemptBegun):
            pending.outside = False
        elif isinstance(event, act.AttemptsRenewed) and not pending.paused and self._from_start:
            text = f"activity {event.number} is begun anew, and its attempts were not exhausted"
            yield Violation(Invariant.ACTIVITIES, row.sequence, text)
        elif isinstance(event, act.RetryPlanned | act.AttemptsExhausted):
            pending.over, pending.outside = True, False
            pending.paused = isinstance(event, act.AttemptsExhausted)
        elif isinstance(event, act.AttemptScheduled | act.AttemptsRenewed):
            pending.over = pending.paused = False
