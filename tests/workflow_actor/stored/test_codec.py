"""Blobs carry their format; older ones are lifted on the way in."""

from __future__ import annotations

from typing import Any

import cbor2
import pytest

from dalsegno.actors.workflow_actor.run.events import Record
from dalsegno.actors.workflow_actor.run.state import RunOutcome
from dalsegno.actors.workflow_actor.signals.events import SignalReceived
from dalsegno.actors.workflow_actor.stored.codec import (
    EVENTS_FORMAT,
    SNAPSHOT_FORMAT,
    UnreadableError,
    decode_memo,
    decode_outcome,
    decode_record,
    decode_state,
    encode_memo,
    encode_outcome,
    encode_record,
    encode_state,
)
from dalsegno.failure import Failure
from dalsegno.policies import WorkflowStatus
from tests.workflow_actor.rig import T0, Rig, ScriptedCode, activity, payload

RECORD = Record(3, T0, True, ((1, 0), (2, 1)), (SignalReceived("approve", (payload('"ann"'),)),))


def test_events_and_states_come_back_as_they_were() -> None:
    rig = Rig(ScriptedCode([[activity(1)]]))
    rig.start(memo={"k": payload()})
    assert decode_record(encode_record(RECORD)) == RECORD
    assert decode_state(encode_state(rig.state)) == rig.state


def test_blobs_begin_with_their_format() -> None:
    rig = Rig(ScriptedCode([[]]))
    rig.start()
    assert cbor2.loads(encode_record(RECORD))[0] == EVENTS_FORMAT
    assert cbor2.loads(encode_state(rig.state))[0] == SNAPSHOT_FORMAT


def test_older_formats_are_lifted_step_by_step() -> None:
    """Format 1 had no `held` and shouted its signals, format 2 only shouted."""

    def add_held(body: list[Any]) -> list[Any]:
        return [*body[:2], True, *body[2:]]

    def calm_down(body: list[Any]) -> list[Any]:
        return [*body[:4], [[event[0], event[1].lower(), *event[2:]] for event in body[4]]]

    sequence, time, held, forgets, events = cbor2.loads(encode_record(RECORD))[1]
    shouted = [[event[0], event[1].upper(), *event[2:]] for event in events]
    upcasters = {1: add_held, 2: calm_down}
    first = cbor2.dumps([1, [sequence, time, forgets, shouted]])
    second = cbor2.dumps([2, [sequence, time, held, forgets, shouted]])
    third = cbor2.dumps([3, [sequence, time, held, forgets, events]])

    for blob in (first, second, third):
        assert decode_record(blob, newest=3, upcasters=upcasters) == RECORD


def test_snapshots_are_lifted_too() -> None:
    rig = Rig(ScriptedCode([[]]))
    rig.start()
    body = cbor2.loads(encode_state(rig.state))[1]
    old = cbor2.dumps([1, {"state": body}])
    assert decode_state(old, newest=2, upcasters={1: lambda body: body["state"]}) == rig.state


def test_a_format_without_a_way_to_the_newest_is_unreadable() -> None:
    with pytest.raises(UnreadableError, match="no way from its format 1 to 2"):
        decode_record(encode_record(RECORD), newest=2, upcasters={})
    with pytest.raises(UnreadableError, match="newer than this host"):
        decode_record(cbor2.dumps([EVENTS_FORMAT + 1, []]))
    with pytest.raises(UnreadableError, match="cannot be lifted"):
        decode_record(encode_record(RECORD), newest=2, upcasters={1: lambda body: body["nothing"]})


def test_fields_that_a_newer_host_added_at_the_end_are_passed_over() -> None:
    version, body = cbor2.loads(encode_record(RECORD))
    assert decode_record(cbor2.dumps([version, [*body, "new"]])) == RECORD


def test_outcomes_and_memos_come_back() -> None:
    failure = Failure(kind="activity", message="no", cause=Failure(message="card declined"))
    blob = encode_outcome(RunOutcome(WorkflowStatus.FAILED, None, failure, T0))
    assert decode_outcome(blob) == (WorkflowStatus.FAILED, None, failure)
    memo = {"k": payload(), "l": payload("2")}
    assert decode_memo(encode_memo(memo)) == memo
    assert encode_memo({}) is None
    assert decode_memo(None) == {}


@pytest.mark.parametrize("blob", [b"", b"\xff", b"\x01", b"\x82\x01", b"\x82\x01\x80"])
def test_other_bytes_are_unreadable(blob: bytes) -> None:
    with pytest.raises(UnreadableError):
        decode_record(blob)
