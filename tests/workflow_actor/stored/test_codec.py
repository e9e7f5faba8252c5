"""Blobs carry their format; older ones are lifted on the way in, and newer ones are told from broken ones."""

from __future__ import annotations

from typing import Any

import cbor2
import msgspec
import pytest

from dalsegno.actors.workflow_actor.run.events import Record
from dalsegno.actors.workflow_actor.run.state import RunOutcome
from dalsegno.actors.workflow_actor.signals.events import SignalReceived
from dalsegno.actors.workflow_actor.stored.codec import CODEC, StoredCodec
from dalsegno.actors.workflow_actor.stored.formats import (
    CBOR,
    FORMAT_1,
    FORMAT_MAX,
    Format,
    NewerBlobError,
    UnreadableError,
    format_of,
    to_body,
)
from dalsegno.failure import Failure
from dalsegno.policies import WorkflowStatus
from tests.workflow_actor.rig import T0, Rig, ScriptedCode, activity, payload

RECORD = Record(3, T0, True, ((1, 0), (2, 1)), (SignalReceived("approve", (payload('"ann"'),)),))
BODY = cbor2.loads(cbor2.dumps(to_body(RECORD)))
FAILED = Failure(kind="activity", message="no", cause=Failure(message="card declined"))
OUTCOME = RunOutcome(WorkflowStatus.FAILED, None, FAILED, T0)
MEMO = {"k": payload(), "l": payload("2")}


def test_events_and_states_come_back_as_they_were() -> None:
    rig = Rig(ScriptedCode([[activity(1)]]))
    rig.start(memo={"k": payload()})
    assert CODEC.decode_record(CODEC.encode_record(RECORD)) == RECORD
    assert CODEC.decode_state(CODEC.encode_state(rig.state)) == rig.state


def test_outcomes_and_memos_come_back() -> None:
    assert CODEC.decode_outcome(CODEC.encode_outcome(OUTCOME)) == (WorkflowStatus.FAILED, None, FAILED)
    assert CODEC.decode_memo(CODEC.encode_memo(MEMO)) == MEMO
    assert CODEC.encode_memo({}) is None
    assert CODEC.decode_memo(None) == {}


def test_blobs_begin_with_their_format() -> None:
    rig = Rig(ScriptedCode([[]]))
    rig.start()
    for number in range(1, CODEC.newest + 1):
        codec = CODEC.writing(number)
        assert format_of("record", codec.encode_record(RECORD)) == number
        assert format_of("state", codec.encode_state(rig.state)) == number
        assert format_of("outcome", codec.encode_outcome(OUTCOME)) == number
        assert format_of("memo", codec.encode_memo(MEMO) or b"") == number


# --- formats that nobody has yet ----------------------------------------------------------------------------


def _shouted(body: list[Any]) -> list[Any]:
    return [*body[:4], [[event[0], event[1].upper(), *event[2:]] for event in body[4]]]


def _calm(body: list[Any]) -> list[Any]:
    return [*body[:4], [[event[0], event[1].lower(), *event[2:]] for event in body[4]]]


THREE = StoredCodec(
    [
        FORMAT_1,
        Format(
            2,
            CBOR(),
            lift={"record": lambda body: [*body[:2], True, *body[2:]]},
            lower={"record": lambda body: [*body[:2], *body[3:]]},
        ),
        Format(3, CBOR(), lift={"record": _calm}, lower={"record": _shouted}),
    ]
)
"""Format 1 had no `held` and shouted its signals, format 2 only shouted."""


def test_older_formats_are_lifted_step_by_step() -> None:
    sequence, time, held, forgets, events = BODY
    shouted = _shouted(BODY)[4]
    for number, body in (
        (1, [sequence, time, forgets, shouted]),
        (2, [sequence, time, held, forgets, shouted]),
        (3, [sequence, time, held, forgets, events]),
    ):
        assert THREE.decode_record(cbor2.dumps([number, body])) == RECORD


def test_older_formats_are_written_as_long_as_hosts_need_them() -> None:
    sequence, time, held, forgets, events = BODY
    shouted = _shouted(BODY)[4]
    for allowed, number, body in (
        (1, 1, [sequence, time, forgets, shouted]),
        (2, 2, [sequence, time, held, forgets, shouted]),
        (3, 3, [sequence, time, held, forgets, events]),
        (4, 3, [sequence, time, held, forgets, events]),
    ):
        codec = THREE.writing(allowed)
        assert codec.writes == number
        assert cbor2.loads(codec.encode_record(RECORD)) == [number, body]
        assert codec.decode_record(codec.encode_record(RECORD)) == RECORD


def test_a_codec_goes_on_to_read_all_its_formats_whichever_it_writes() -> None:
    blobs = [THREE.writing(number).encode_record(RECORD) for number in (1, 2, 3)]
    for writes in (1, 2, 3):
        assert [THREE.writing(writes).decode_record(blob) for blob in blobs] == [RECORD] * 3


def test_a_kind_that_a_format_leaves_as_it_was_needs_no_word() -> None:
    rig = Rig(ScriptedCode([[]]))
    rig.start()
    assert THREE.decode_state(THREE.writing(1).encode_state(rig.state)) == rig.state


def test_a_body_that_cannot_be_lifted_is_unreadable() -> None:
    with pytest.raises(UnreadableError, match="its format 2 cannot be lifted") as caught:
        THREE.decode_record(cbor2.dumps([2, [1, T0, True, [], 7]]))
    assert not isinstance(caught.value, NewerBlobError)


# --- newer, or broken ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [CODEC.newest + 1, 23, 24, 255, 256, FORMAT_MAX])
@pytest.mark.parametrize("dumps", [cbor2.dumps, msgspec.msgpack.encode])
def test_a_newer_format_is_told_from_what_is_broken_whatever_its_body_is(number: int, dumps: Any) -> None:
    for body in ([], {"a": 1}, None, b"\xff" * 10, [*BODY, "new"]):
        for decode in (CODEC.decode_record, CODEC.decode_state, CODEC.decode_outcome, CODEC.decode_memo):
            with pytest.raises(NewerBlobError, match="written by a newer version of dalsegno") as caught:
                decode(dumps([number, body]))
            assert caught.value.format == number


def test_the_head_of_a_newer_blob_is_enough() -> None:
    """What follows may be laid down as nobody can know today."""
    with pytest.raises(NewerBlobError):
        CODEC.decode_record(b"\x92" + bytes([CODEC.newest + 1]) + b"\xc1 zstd")


@pytest.mark.parametrize(
    "blob",
    [
        b"",
        b"\xff",
        b"\x01",
        b"\x82",
        b"\x92",
        b"\x82\x01",
        b"\x82\x01\x80",
        b"\x82\x00\x80",
        b"\x82\x18",
        b"\x82\x19\x01",
        b"\x82\x20\x80",
        b"\x82\xf5\x80",
        b"\x83\x07\x80\x80",
        b"\x92\xcc",
        b"\x92\xe0\x90",
        b"\x92\xce\x00\x01\x00\x00\x90",
    ],
)
def test_other_bytes_are_unreadable(blob: bytes) -> None:
    for decode in (CODEC.decode_record, CODEC.decode_state):
        with pytest.raises(UnreadableError) as caught:
            decode(blob)
        assert not isinstance(caught.value, NewerBlobError)


@pytest.mark.parametrize("value", [5, 0.5, "\x92\x02", None])
def test_a_column_of_another_type_is_unreadable(value: Any) -> None:
    """SQLite lets any type into any column."""
    for decode in (CODEC.decode_record, CODEC.decode_state, CODEC.decode_outcome):
        with pytest.raises(UnreadableError, match="not bytes"):
            decode(value)


def test_a_format_that_is_read_no_more_is_unreadable() -> None:
    later = StoredCodec([Format(2, CBOR()), Format(3, CBOR())])
    with pytest.raises(UnreadableError, match="does not read its format 1 any more"):
        later.decode_record(FORMAT_1.layout.dumps("record", 1, RECORD))


# --- nothing is passed over ---------------------------------------------------------------------------------


def test_a_field_that_this_version_does_not_know_is_refused_wherever_it_is() -> None:
    """It would be lost when the state is written back."""
    rig = Rig(ScriptedCode([[activity(1)]]))
    rig.start()
    state = cbor2.loads(CODEC.writing(1).encode_state(rig.state))[1]
    (token, *signal) = BODY[4][0]
    for body in ([*BODY, "new"], [*BODY[:4], [[token, *signal, "new"]]]):
        with pytest.raises(UnreadableError, match="at most length"):
            CODEC.decode_record(cbor2.dumps([1, body]))
    for place in (0, 4, 5):  # of structs in it: the run's info, what was signed, the log
        body = [*state]
        body[place] = [*body[place], *[None] * 20]
        with pytest.raises(UnreadableError):
            CODEC.decode_state(cbor2.dumps([1, body]))
    with pytest.raises(UnreadableError, match="at most length"):
        CODEC.decode_state(cbor2.dumps([1, [*state, "new"]]))
    with pytest.raises(UnreadableError):
        CODEC.decode_outcome(cbor2.dumps(["completed", None, None, "new"]))
