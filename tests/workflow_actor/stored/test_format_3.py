"""Format 3: updates, and attempts outside of their workers, which no older format has a place for."""

from __future__ import annotations

from functools import reduce
from typing import Any

import cbor2
import msgspec
import pytest
from msgspec.structs import replace

from dalsegno.actors.workflow_actor.activities.activity import ActivitySpec, first_attempt
from dalsegno.actors.workflow_actor.activities.events import ActivityWanted, AttemptWentOutside
from dalsegno.actors.workflow_actor.compensation.compensation import Compensation, KeptCompensation
from dalsegno.actors.workflow_actor.compensation.events import (
    CompensationBegun,
    CompensationPushed,
    CompensationsDropped,
    CompensationSettled,
)
from dalsegno.actors.workflow_actor.deadlines.deadline import HeldDeadline, KeptDeadline
from dalsegno.actors.workflow_actor.deadlines.events import (
    DeadlineAtRisk,
    DeadlineMet,
    DeadlineOverdue,
    DeadlineSet,
)
from dalsegno.actors.workflow_actor.interface.commands import Caller
from dalsegno.actors.workflow_actor.interface.retries import RetrySchedule
from dalsegno.actors.workflow_actor.local_activities.events import (
    LocalActivityBegun,
    LocalActivityCompleted,
    LocalActivityFailed,
    LocalActivityUnwanted,
    LocalActivityWanted,
    LocalRetryPlanned,
)
from dalsegno.actors.workflow_actor.local_activities.local_activity import LocalActivity, LocalActivitySpec
from dalsegno.actors.workflow_actor.run.events import CancelReceived, Ran, Record, RunStarted, SignSet
from dalsegno.actors.workflow_actor.run.inputs import CancelRequested, Continue, SignedState
from dalsegno.actors.workflow_actor.run.log import InputLog
from dalsegno.actors.workflow_actor.run.state import EarlierEffect, Outstanding
from dalsegno.actors.workflow_actor.signals.events import Signaled, SignalReceived
from dalsegno.actors.workflow_actor.stored.codec import CODEC
from dalsegno.actors.workflow_actor.stored.formats import UnreadableError, UnwritableError
from dalsegno.actors.workflow_actor.updates.events import UpdateAccepted, UpdateAdmitted, UpdateCompleted
from dalsegno.actors.workflow_actor.updates.sends import UpdateDue
from dalsegno.actors.workflow_actor.updates.update import OpenUpdate, UpdateOutcome
from dalsegno.failure import Failure
from dalsegno.priority import at_level
from tests.workflow_actor.rig import T0, payload
from tests.workflow_actor.stored.test_format_2 import INFO, a_state, record_of

OLDER = [CODEC.writing(1), CODEC.writing(2)]
SPEC = ActivitySpec(1, "1", "charge", "default", (), None, None, None, None, RetrySchedule(), "try_cancel")
PENDING = first_attempt(SPEC, bytes(24), fence=1, now=T0, task=(1, 0))
DUE = Outstanding(UpdateDue("u-1", Caller("replies", "call-1")), True, T0)
EARLIER = (EarlierEffect("run-0", (3, 1), DUE, T0),)
KEPT = KeptCompensation(
    1, "", "unbook", (), None, None, None, None, None, None, "try_cancel", None, "trip.py:7", "book"
)
KEPT_DEADLINE = KeptDeadline(1, "shipped", T0, "on_time", "on_time", fails=False)
HEADERS = {"customer": payload('"anna"')}
SENT = Signaled(name="go", headers=HEADERS)
SIGNED = SignedState(state=payload(), signs=1, compensations=(KEPT,))
LOCAL = LocalActivitySpec(1, "1", "charge", (), None, None, None, RetrySchedule(), 0, "try_cancel")
RECORDS: list[Record] = [
    record_of(Ran((), (CompensationPushed(1, "", "unbook", "book"),))),
    record_of(Ran((), (CompensationsDropped((1,)),))),
    record_of(Ran((), (CompensationBegun((1,)),))),
    record_of(Ran((), (CompensationSettled(1),))),
    record_of(Ran((), (SignSet(SIGNED, "3.11"),))),
    record_of(UpdateAdmitted("u-1", "add", (), True)),
    record_of(Ran((), (UpdateAccepted("u-1"),))),
    record_of(Ran((), (UpdateCompleted("u-1"),))),
    record_of(RunStarted(INFO, (), (), "3.11", EARLIER)),
    record_of(AttemptWentOutside(1)),
    record_of(RunStarted(replace(INFO, priority=1), (), (), "3.11")),
    record_of(Ran((), (ActivityWanted(replace(SPEC, task_queue=at_level("default", 1)), bytes(24)),))),
    record_of(RunStarted(replace(INFO, headers=HEADERS), (), (), "3.11")),
    record_of(SignalReceived("go", (), HEADERS)),
    record_of(Ran((), (ActivityWanted(replace(SPEC, headers=HEADERS), bytes(24)),))),
    record_of(Ran((), (SignSet(SignedState(signals=(SENT,)), "3.11"),))),
    record_of(Ran((), (LocalActivityWanted(LOCAL, b"token"),))),
    record_of(Ran((), (LocalActivityUnwanted(1),))),
    record_of(LocalActivityBegun(1)),
    record_of(LocalRetryPlanned(1, 2, Failure(message="no"), T0)),
    record_of(LocalActivityCompleted(1, payload())),
    record_of(LocalActivityFailed(1, Failure(message="no"))),
    record_of(Ran((), (DeadlineSet(1, "shipped", T0),))),
    record_of(Ran((), (DeadlineMet(1),))),
    record_of(DeadlineAtRisk(1)),
    record_of(DeadlineOverdue(1)),
    record_of(Ran((), (SignSet(SignedState(deadlines=(KEPT_DEADLINE,)), "3.11"),))),
]
STATES: list[dict[str, Any]] = [
    {"compensations": {1: Compensation("", "unbook", "book", T0)}},
    {"compensating": 1},
    {"signed": SIGNED},
    {"updates": {"u-1": OpenUpdate(1, "add", T0)}, "updates_admitted": 1},
    {"update_outcomes": {"u-1": UpdateOutcome(1, "add", T0)}, "updates_admitted": 1},
    {"updates_admitted": 1},
    {"outstanding": {(1, 0): DUE}},
    {"earlier": EARLIER},
    {"local_activities": {1: LocalActivity(LOCAL, b"token", 1, 1, T0, T0, 10)}},
    {"activities": {1: replace(PENDING, outside=True)}},
    {"activities": {1: replace(PENDING, spec=replace(SPEC, task_queue=at_level("default", 5)))}},
    {"info": replace(INFO, priority=2)},
    {"info": replace(INFO, headers=HEADERS)},
    {"activities": {1: replace(PENDING, spec=replace(SPEC, headers=HEADERS))}},
    {"log": InputLog().append(T0, SENT)},
    {"signed": SignedState(signals=(SENT,))},
    {"deadlines": {1: HeldDeadline("shipped", T0, T0, None)}},
]


@pytest.mark.parametrize("codec", OLDER)
def test_what_no_older_format_has_a_place_for_is_refused_before_it_is_written_in_one(
    codec: Any,
) -> None:
    for record in RECORDS:
        assert CODEC.decode_record(CODEC.encode_record(record)) == record
        with pytest.raises(UnwritableError, match=r"in format 3 only; .*init"):
            codec.encode_record(record)
    for changes in STATES:
        state = a_state(**changes)
        assert CODEC.decode_state(CODEC.encode_state(state)) == state
        with pytest.raises(UnwritableError, match=r"in format 3 only; .*init"):
            codec.encode_state(state)
        with pytest.raises(UnwritableError):
            b"".join(codec.state_in_pieces(state))


def test_a_state_without_all_that_is_in_format_2_what_it_always_was() -> None:
    state = a_state(activities={1: PENDING})
    older = CODEC.writing(2)
    assert CODEC.decode_state(older.encode_state(state)) == state
    assert b"".join(older.state_in_pieces(state)) == older.encode_state(state)


def test_a_state_of_an_older_format_has_no_updates() -> None:
    (_, body) = cbor2.loads(CODEC.writing(1).encode_state(a_state()))
    with pytest.raises(UnreadableError, match="at most length"):
        CODEC.decode_state(cbor2.dumps([1, [*body, {"u-1": [1, "add", T0]}]]))


def test_what_is_known_of_updates_is_kept() -> None:
    state = replace(a_state(), updates={"u-1": OpenUpdate(1, "add", T0)}, updates_admitted=1)
    assert CODEC.decode_state(b"".join(CODEC.state_in_pieces(state))) == state


CANCELS: list[Record] = [
    record_of(CancelReceived("no money", kept=True, as_failure=True)),
    record_of(Ran((), (SignSet(SignedState(cancel_reason="no money", cancel_as_failure=True), "3.11"),))),
]
CANCELLED = InputLog().append(T0, CancelRequested(reason="no money", kept=True, as_failure=True))
LONG = reduce(lambda log, _: log.append(T0, Continue()), range(300), CANCELLED)


@pytest.mark.parametrize("codec", OLDER)
def test_that_a_cancel_request_fails_what_is_awaited_has_no_place_in_an_older_format(codec: Any) -> None:
    for record in CANCELS:
        assert CODEC.decode_record(CODEC.encode_record(record)) == record
        with pytest.raises(UnwritableError, match=r"a cancel request .* in format 3 only; .*init"):
            codec.encode_record(record)
    for changes in ({"log": CANCELLED}, {"log": LONG}, {"signed": SignedState(cancel_as_failure=True)}):
        state = replace(a_state(), **changes)
        assert CODEC.decode_state(b"".join(CODEC.state_in_pieces(state))) == state
        with pytest.raises(UnwritableError, match=r"a cancel request .* in format 3 only; .*init"):
            codec.encode_state(state)
        with pytest.raises(UnwritableError):
            b"".join(codec.state_in_pieces(state))


@pytest.mark.parametrize("codec", OLDER)
def test_one_that_does_not_is_in_an_older_format_what_it_always_was(codec: Any) -> None:
    state = replace(a_state(), log=InputLog().append(T0, CancelRequested(reason="no money", kept=True)))
    blob = codec.encode_state(state)
    assert CODEC.decode_state(blob) == state
    assert b"".join(codec.state_in_pieces(state)) == blob
    record = record_of(CancelReceived("no money", kept=True))
    assert CODEC.decode_record(codec.encode_record(record)) == record
    (event,) = msgspec.msgpack.decode(CODEC.writing(2).encode_record(record))[1][4]
    assert event == ["can", "no money", True]
