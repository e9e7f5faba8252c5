"""What became durable, read as it is written: the whole journal, never trimmed, and what follows from it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from dalsegno.actors.workflow_actor.activities import events as act
from dalsegno.actors.workflow_actor.local_activities import events as loc
from dalsegno.actors.workflow_actor.run import events as e
from dalsegno.actors.workflow_actor.signals.events import (
    FirstSignalReceived,
    QuarantineSettled,
    SignalQuarantined,
    SignalReceived,
)
from dalsegno.actors.workflow_actor.timers import events as tim
from dalsegno.broker.protocol.ids import effect_message_id
from dalsegno.broker.protocol.messages import ActivityTask, FromActivity
from dalsegno.persistence.port import JournalRow
from tests.simulation.attribute_history import AttributeHistory
from tests.simulation.family import Family
from tests.simulation.lasting import Lasting
from tests.simulation.scheduler import SECOND
from tests.simulation.update_history import UpdateHistory
from tests.simulation.violation import Violation
from tests.simulation.workflows import LONG_SECONDS
from tests.workflow_actor.stored.two_releases import NEWER

LONG = LONG_SECONDS * SECOND // 2
"""A timer that is due so much later is not waited for."""


@dataclass(slots=True)
class Tried:
    """An activity: its current attempt and token, whether it is settled or between two attempts, and who
    began."""

    activity_id: str
    activity_type: str
    token: bytes
    attempt: int = 1
    is_over: bool = False
    is_resting: bool = False
    began: bool = False
    resent_at: int = 0
    renewed_at: int = 0
    """The row with which a person had it begun anew: its attempts are counted from there."""
    waits_for_cancellation: bool = False
    is_outside: bool = False


@dataclass(slots=True)
class Run:
    rows: list[JournalRow] = field(default_factory=list)
    activities: dict[int, Tried] = field(default_factory=dict)
    by_id: dict[str, Tried] = field(default_factory=dict)
    paused: set[int] = field(default_factory=set)
    """Activities that wait for a person."""
    timers: dict[int, int] = field(default_factory=dict)
    local: set[int] = field(default_factory=set)
    """Numbers of those that are pending."""
    signals: int = 0
    unfit: int = 0
    """Signals in the quarantine."""
    closed: int = 0


class History:
    def __init__(self) -> None:
        self.runs: defaultdict[str, Run] = defaultdict(Run)
        self.tokens: set[bytes] = set()
        self.rows_of_cause: defaultdict[str, list[tuple[str, int]]] = defaultdict(list)
        self.updates = UpdateHistory()
        self.family = Family()
        self.lasting = Lasting()
        self.attributes = AttributeHistory()
        self.let_go: set[str] = set()
        """Message IDs of effects that hold nothing up any more: parked, or never to be sent."""

    def add(self, row: JournalRow) -> e.Record:
        """The row as a record. Raises Violation for one that cannot follow those before it."""
        record = NEWER.decode_record(row.events)
        run = self.runs[row.run_id]
        if row.sequence != len(run.rows) + 1 or record.sequence != row.sequence:
            raise Violation("I4", f"run {row.run_id} has {len(run.rows)} rows, and gets number {row.sequence}")
        if run.rows and row.time < run.rows[-1].time:
            raise Violation("I13", f"run {row.run_id} goes back in time at {row.sequence}")
        run.rows.append(row)
        self.rows_of_cause[row.cause].append((row.run_id, row.sequence))
        for event in record.events:
            self._note(run, row, event)
            self.updates.note(row.run_id, event)
            self.family.note(row.run_id, event)
            self.lasting.note(row.run_id, row.time, event)
            self.attributes.note(row.run_id, event)
        return record

    def _note(self, run: Run, row: JournalRow, event: e.Event) -> None:
        match event:
            case e.Ran():
                for want in event.wants:
                    self._want(run, row, want)
            case act.AttemptScheduled(number, token):
                tried = run.activities[number]
                tried.attempt += 1
                tried.token = token
                tried.is_resting = tried.began = False
                self.tokens.add(token)
            case act.AttemptBegun(number):
                run.activities[number].began = True
                run.activities[number].is_outside = False
            case act.AttemptWentOutside(number):
                run.activities[number].is_outside = True
            case act.TaskResent(number) | act.TaskReturned(number):
                run.activities[number].resent_at = row.sequence
            case act.RetryPlanned(number) | act.AttemptsExhausted(number):
                run.activities[number].is_resting = True
                run.activities[number].is_outside = False
                if isinstance(event, act.AttemptsExhausted):
                    self._pause(run, row, number)
            case act.AttemptsRenewed(number, token):
                tried = run.activities[number]
                if number not in run.paused:
                    raise Violation("incident", f"activity {number} of {row.run_id} is renewed, and not paused")
                run.paused.remove(number)
                tried.attempt, tried.token, tried.renewed_at = 1, token, row.sequence
                tried.is_resting = tried.began = False
                self.tokens.add(token)
            case act.ActivityCompleted(number) | act.ActivityFailed(number):
                self._settle(run, row, number)
            case loc.LocalActivityCompleted(number) | loc.LocalActivityFailed(number):
                if number not in run.local:
                    raise Violation("I10", f"local activity {number} of run {row.run_id} is settled twice")
                run.local.remove(number)
            case tim.TimerElapsed(number):
                fire_at = run.timers.pop(number, None)
                if fire_at is None:
                    raise Violation("I13", f"timer {number} of run {row.run_id} fired twice")
                if row.time < fire_at:
                    raise Violation(
                        "I13", f"timer {number} of run {row.run_id} fired {fire_at - row.time} µs early"
                    )
            case SignalReceived() | FirstSignalReceived():
                run.signals += 1
            case QuarantineSettled() if event.action != "edit":
                run.unfit -= 1
            case e.EffectsParked(run_id, effects) | e.EffectsDropped(run_id, effects):
                self.let_go.update(effect_message_id(run_id, *effect) for effect in effects)
            case e.RunClosed():
                run.closed += 1
                if run.closed > 1:
                    raise Violation("I1", f"run {row.run_id} ends twice")

    def _want(self, run: Run, row: JournalRow, want: e.Want) -> None:
        match want:
            case act.ActivityWanted(spec, token):
                waits = spec.cancellation_type == "wait_cancellation_completed"
                tried = Tried(spec.activity_id, spec.activity_type, token, waits_for_cancellation=waits)
                run.activities[spec.number] = run.by_id[spec.activity_id] = tried
                self.tokens.add(token)
            case act.ActivityUnwanted(number):
                tried = run.activities[number]
                run.paused.discard(number)
                tried.is_over = tried.is_over or not (tried.waits_for_cancellation or tried.is_outside)
            case loc.LocalActivityWanted(spec):
                run.local.add(spec.number)
            case SignalQuarantined():
                run.unfit += 1
            case tim.TimerWanted(number, fire_at):
                run.timers[number] = fire_at
            case tim.TimerUnwanted(number):
                run.timers.pop(number, None)

    def _pause(self, run: Run, row: JournalRow, number: int) -> None:
        if number in run.paused:
            raise Violation("incident", f"activity {number} of {row.run_id} waits for a person twice")
        run.paused.add(number)

    def _settle(self, run: Run, row: JournalRow, number: int) -> None:
        tried = run.activities[number]
        if number in run.paused:
            run.paused.remove(number)
            if not row.cause.startswith("workflow.incident "):
                text = f"{row.cause} settles activity {number} of {row.run_id}, which waits for a person"
                raise Violation("incident", text)
        if tried.is_over:
            raise Violation("I10", f"activity {tried.activity_id} of run {row.run_id} is settled twice")
        tried.is_over = True

    # --- questions -------------------------------------------------------------------------------------------

    def has(self, row: JournalRow) -> bool:
        """This very row was written, and not another in its place."""
        rows = self.runs[row.run_id].rows if row.run_id in self.runs else []
        return row.sequence <= len(rows) and rows[row.sequence - 1] is row

    def is_quiet(self, run_id: str, *, signals: int, now: int) -> bool:
        """So many signals are recorded, or none will be any more, and nothing goes on but what is held."""
        run = self.runs.get(run_id)
        if run is None or run.closed:
            return run is not None
        going_on = [tried for tried in run.activities.values() if not tried.is_over]
        return (
            run.signals >= signals
            and all(tried.activity_type == "held" for tried in going_on)
            and all(fire_at - now > LONG for fire_at in run.timers.values())
        )

    def is_over(self, of: ActivityTask | FromActivity) -> bool:
        """No answer to this attempt can count any more."""
        return self.is_attempt_over(of.run_id, of.activity_id, of.attempt)

    def is_attempt_over(
        self, run_id: str, activity_id: str, attempt: int, *, sent_by: int | None = None
    ) -> bool:
        """`sent_by`: the row that sent something about it, before which it may have been counted otherwise."""
        run = self.runs.get(run_id)
        tried = None if run is None else run.by_id.get(activity_id)
        if run is None or tried is None:
            return False
        if sent_by is not None and sent_by < tried.renewed_at:
            return True
        return bool(run.closed) or tried.is_over or tried.is_resting or tried.attempt > attempt

    def was_resent_after(self, run_id: str, activity_id: str, sequence: int) -> bool:
        """The task that row `sequence` sent was taken for lost, and sent anew."""
        return self.runs[run_id].by_id[activity_id].resent_at > sequence

    def with_incidents(self) -> list[str]:
        """Run IDs of open runs in which a person is waited for."""
        return [run_id for run_id, run in self.runs.items() if run.paused and not run.closed]

    def with_unfit_signals(self) -> list[str]:
        """Run IDs of open runs in whose quarantine there are some."""
        return [run_id for run_id, run in self.runs.items() if run.unfit and not run.closed]

    def is_current(self, of: FromActivity) -> bool:
        """An answer to this attempt, with this token, must not get lost."""
        run = self.runs.get(of.run_id)
        tried = None if run is None else run.by_id.get(of.activity_id)
        return tried is not None and tried.token == of.token and not self.is_over(of)
