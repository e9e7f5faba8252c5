"""I34: IDs are never given twice, whoever gives them: runs, activities, timers, tokens of attempts."""

from __future__ import annotations

from collections.abc import Iterator

from dalsegno.actors.workflow_actor.activities import events as act
from dalsegno.actors.workflow_actor.activities.activity import number_in
from dalsegno.actors.workflow_actor.run import events as ev
from dalsegno.actors.workflow_actor.run.succession import next_run_id
from dalsegno.actors.workflow_actor.timers import events as tim
from dalsegno.broker.protocol import ids
from dalsegno.broker.protocol.messages import SignalWithStart, StartWorkflow, UpdateWithStart
from dalsegno.persistence.port import JournalRow
from dalsegno.verification.finding import Invariant, Violation
from dalsegno.verification.used_ids import Use, UsedIDs

STARTS = frozenset(kind.TYPE for kind in (StartWorkflow, SignalWithStart, UpdateWithStart))


class Identity:
    """Of one run; `used` is of the whole namespace."""

    def __init__(self, workflow_id: str, used: UsedIDs) -> None:
        self._workflow_id = workflow_id
        self._used = used
        self._last_activity = 0
        self._last_timer = 0

    def on_record(self, row: JournalRow, record: ev.Record) -> Iterator[Violation]:
        for event in record.events:
            match event:
                case ev.RunStarted():
                    yield from self._started(row, event)
                case ev.RunClosed(next_run_id=str() as named) if named != next_run_id(row.run_id):
                    text = f"the run that follows it is said to be {named}"
                    yield Violation(Invariant.IDENTITY, row.sequence, text)
                case ev.Ran():
                    yield from self._wanted(row, event)
                case act.AttemptScheduled():
                    yield from self._token(row, event.number, event.token)
                case _:
                    pass

    def _started(self, row: JournalRow, event: ev.RunStarted) -> Iterator[Violation]:
        info = event.info
        if (info.run_id, info.workflow_id) != (row.run_id, self._workflow_id):
            text = f"the row starts run {info.run_id} of workflow {info.workflow_id}"
            yield Violation(Invariant.IDENTITY, row.sequence, text)
        if info.continued_run_id is not None:
            if next_run_id(info.continued_run_id) != row.run_id:
                text = f"the run ID is not the one that run {info.continued_run_id} gives"
                yield Violation(Invariant.IDENTITY, row.sequence, text)
            return
        type_, _, message_id = row.cause.partition(" ")
        if type_ in STARTS and ids.run_id(self._workflow_id, message_id or None) != row.run_id:
            text = f"the run ID is not the one that {row.cause} gives"
            yield Violation(Invariant.IDENTITY, row.sequence, text)

    def _wanted(self, row: JournalRow, event: ev.Ran) -> Iterator[Violation]:
        for want in event.wants:
            if isinstance(want, act.ActivityWanted):
                number = want.spec.number
                if number <= self._last_activity:
                    yield Violation(Invariant.IDENTITY, row.sequence, f"activity {number} begins a second time")
                self._last_activity = max(number, self._last_activity)
                yield from self._token(row, number, want.token)
            elif isinstance(want, tim.TimerWanted):
                if want.number <= self._last_timer:
                    yield Violation(
                        Invariant.IDENTITY, row.sequence, f"timer {want.number} begins a second time"
                    )
                self._last_timer = max(want.number, self._last_timer)

    def _token(self, row: JournalRow, number: int, token: bytes) -> Iterator[Violation]:
        if number_in(token) != number:
            text = f"the token of activity {number} is of activity {number_in(token)}"
            yield Violation(Invariant.IDENTITY, row.sequence, text)
        earlier = self._used.use("token", token.hex(), at=Use(row.run_id, row.sequence, row.time))
        if earlier is not None:
            where = f"run {earlier.run_id}, sequence {earlier.sequence}"
            text = f"the token of an attempt of activity {number} was given before, in {where}"
            yield Violation(Invariant.IDENTITY, row.sequence, text)
