"""Format 2: in MessagePack, with recipients instead of callers."""

from __future__ import annotations

from random import Random
from typing import Any

import cbor2
import msgspec
import pytest
from msgspec.structs import replace

from dalsegno.actors.workflow_actor.interface.commands import Caller
from dalsegno.actors.workflow_actor.interface.recipients import QueueOf, WorkflowOf
from dalsegno.actors.workflow_actor.interface.run_info import RunInfo
from dalsegno.actors.workflow_actor.run.events import CallerAdded, Event, Record, RunStarted
from dalsegno.actors.workflow_actor.run.state import (
    EarlierEffect,
    Outstanding,
    ResultDue,
    RunOutcome,
    WorkflowState,
)
from dalsegno.actors.workflow_actor.stored.codec import CODEC, StoredCodec
from dalsegno.actors.workflow_actor.stored.formats import UnreadableError, UnwritableError
from dalsegno.errors import DalsegnoError
from dalsegno.policies import WorkflowStatus
from tests.workflow_actor.rig import T0, Rig, ScriptedCode, activity, payload
from tests.workflow_actor.wild import OPS, WildCode, World

OLDER = CODEC.writing(1)
FORMAT_2 = CODEC.writing(2)
FIELDS = 20
"""Of a state in format 2."""
ACTIVITY_FIELDS, SIGNED_FIELDS, SPEC_FIELDS = 24, 9, 11
"""Of an activity, of what a sign keeps, and of what an activity was asked for by, in format 2."""
FIELDS_OF_INFO = 7
CLIENT = QueueOf(Caller("dalsegno.reply.c", "call-1", "application/json", tell_suspended=True))
PARENT = WorkflowOf("parent", "run-0", 7)
INFO = RunInfo(workflow_id="w", run_id="run-1", workflow_type="t", task_queue="q", started_at=T0)
ENDED = RunOutcome(WorkflowStatus.COMPLETED, payload(), None, T0)


def record_of(*events: Event) -> Record:
    return Record(1, T0, True, (), events)


def a_state(**changes: Any) -> WorkflowState:
    rig = Rig(ScriptedCode([[activity(1)]]))
    rig.start()
    return replace(rig.state, **changes)


def holding(recipient: QueueOf | WorkflowOf) -> list[Record | WorkflowState]:
    """All that can hold one."""
    due = Outstanding(ResultDue(recipient), True, T0)
    over = Outstanding(ResultDue(recipient, ENDED), False, T0)
    earlier = (EarlierEffect("run-0", (3, 1), over, T0),)
    return [
        record_of(CallerAdded(recipient)),
        record_of(RunStarted(INFO, (), (recipient,), "3.11")),
        record_of(RunStarted(INFO, (), (), "3.11", earlier)),
        a_state(recipients=(recipient,)),
        a_state(outstanding={(1, 0): due}, outcome=ENDED),
        a_state(earlier=earlier),
    ]


def encoded(held: Record | WorkflowState, codec: StoredCodec) -> bytes:
    return codec.encode_record(held) if isinstance(held, Record) else codec.encode_state(held)


def decoded(blob: bytes, held: Record | WorkflowState) -> Record | WorkflowState:
    return CODEC.decode_record(blob) if isinstance(held, Record) else CODEC.decode_state(blob)


def test_what_is_stored_is_the_msgpack_of_its_structs_behind_its_format() -> None:
    for held in holding(CLIENT):
        blob = encoded(held, FORMAT_2)
        body = msgspec.to_builtins(held, builtin_types=(bytes,))
        if isinstance(held, WorkflowState):
            body[0] = body[0][:FIELDS_OF_INFO]
            body[7] = {
                number: [activity[0][:SPEC_FIELDS], *activity[1:ACTIVITY_FIELDS]]
                for number, activity in body[7].items()
            }
            body = [*body[:4], body[4][:SIGNED_FIELDS], *body[5:FIELDS]]
        for event in body[4] if isinstance(held, Record) else ():
            if event[0] == "run":
                event[1], event[6:] = event[1][:FIELDS_OF_INFO], []
        assert blob == msgspec.msgpack.encode([2, body])
        assert blob.startswith(b"\x92\x02")


@pytest.mark.parametrize("codec", [CODEC, FORMAT_2, OLDER])
def test_a_client_is_a_recipient_in_each_format(codec: StoredCodec) -> None:
    for held in holding(CLIENT):
        assert decoded(encoded(held, codec), held) == held
        if isinstance(held, WorkflowState):
            assert CODEC.decode_state(b"".join(codec.state_in_pieces(held))) == held


def test_in_format_1_a_client_is_the_map_that_it_always_was() -> None:
    (_, (*_, events)) = cbor2.loads(OLDER.encode_record(record_of(CallerAdded(CLIENT))))
    told = {
        "reply_to": "dalsegno.reply.c",
        "correlation_id": "call-1",
        "content_type": "application/json",
        "tell_suspended": True,
    }
    assert events == [["cal", told]]


def test_a_caller_of_before_there_were_all_its_fields_is_read() -> None:
    for said in ({}, {"content_type": "application/json"}):
        events = [["cal", {"reply_to": "q", "correlation_id": "c", **said}]]
        (event,) = CODEC.decode_record(cbor2.dumps([1, [1, T0, True, [], events]])).events
        assert event == CallerAdded(QueueOf(Caller("q", "c", said.get("content_type", ""))))


@pytest.mark.parametrize(
    "caller",
    [
        {"reply_to": "q"},
        {"reply_to": "q", "correlation_id": "c", "new": 1},
        {"reply_to": 1, "correlation_id": "c"},
        ["q", "c"],
        ["q", ["q", "c"]],
        None,
        7,
    ],
)
def test_what_is_no_caller_in_format_1_is_refused(caller: Any) -> None:
    info = cbor2.loads(OLDER.encode_record(record_of(RunStarted(INFO, (), (), "3.11"))))[1][4][0][1]
    for event in (["cal", caller], ["run", info, [], [caller], "3.11"]):
        with pytest.raises(UnreadableError):
            CODEC.decode_record(cbor2.dumps([1, [1, T0, True, [], [event]]]))


def test_a_workflow_is_a_recipient_in_format_2_alone_and_refused_before_it_is_written_in_format_1() -> None:
    for held in holding(PARENT):
        assert decoded(encoded(held, FORMAT_2), held) == held
        with pytest.raises(UnwritableError, match=r"workflow 'parent'.* in format 2 only; .*init") as said:
            encoded(held, OLDER)
        assert isinstance(said.value, DalsegnoError)
        if isinstance(held, WorkflowState):
            with pytest.raises(UnwritableError):
                b"".join(OLDER.state_in_pieces(held))


@pytest.mark.parametrize("seed", range(12))
def test_whatever_happens_to_a_workflow_is_the_same_by_way_of_each_format(seed: int) -> None:
    world, random = World(WildCode(seed)), Random(seed)
    world.rig.instance.codec = OLDER  # what has a place in the newest alone is kept from it
    for _ in range(60):
        world.do((random.randrange(OPS), random.randrange(1000)))
        state = world.rig.instance.state
        if state is not None:
            assert CODEC.decode_state(OLDER.encode_state(state)) == state
            assert CODEC.decode_state(FORMAT_2.encode_state(state)) == state
    for blob in world.written:
        record = CODEC.decode_record(blob)
        assert CODEC.decode_record(OLDER.encode_record(record)) == record


@pytest.mark.parametrize(
    "blob",
    [
        b"\x92\x02",
        b"\x92\x02\xc1",
        b"\x92\x02\x90",
        b"\x92\x02\x95\x01\x02\xc3\x90\x91\x92\xa3sig\xa1\xff",
        b"\x92\x02\x95\x01\xcf\xff\xff\xff\xff\xff\xff\xff\xff\xc3\x90\x91\x91\xa3sgi",
        b"\x92\x02\x95\x01\x02\xc3\x90\xdd\xff\xff\xff\xff",
        b"\x92\x02" + b"\x91" * 100_000,
        b"\x92\x02\x95\x01\x02\xc3\x90\x90 and more",
        b"\x92\x01\x95\x01\x02\xc3\x90\x90",
        b"\x82\x02\x85\x01\x02\xf5\x80\x80",
    ],
)
def test_what_is_broken_in_format_2_is_unreadable(blob: bytes) -> None:
    for decode in (CODEC.decode_record, CODEC.decode_state, CODEC.decode_outcome, CODEC.decode_memo):
        with pytest.raises(UnreadableError):
            decode(blob)
