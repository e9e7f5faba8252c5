"""What is told of workflows, for who has the key and for who has not."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest

from dalsegno import ApplicationError, DataConverter, Payload
from dalsegno.actors.workflow_actor.stored.history import _show
from dalsegno.broker.protocol.messages import ReplyError, UnfitSignal
from dalsegno.cli.output import simple
from dalsegno.client.decoding import children_in, decoded, decoded_events
from dalsegno.client.errors import rejection
from tests.encrypted import SECRET, encrypted, without
from tests.sealed import sealed

OURS, THEIRS = encrypted.of_workflow("order-7"), encrypted.of_workflow("child")
SEALED = OURS.to_payload(SECRET)


def in_history(payload: Payload) -> Any:
    return _show(payload)


def test_a_history_has_values_for_who_has_the_key_and_sizes_for_who_has_not() -> None:
    childs = in_history(THEIRS.to_payload(SECRET))
    event = {
        "type": "Ran",
        "wants": [
            {"type": "ScheduleActivity", "args": [in_history(SEALED), 7]},
            {
                "type": "StartChild",
                "spec": {"workflow_id": "child", "args": [childs]},
            },
        ],
    }
    [shown] = decoded_events([event], encrypted, "order-7")
    assert [shown["wants"][0]["args"], shown["wants"][1]["spec"]["args"]] == [[SECRET, 7], [SECRET]]
    size = len(SEALED.data)
    for stranger in (without, DataConverter.default):
        [shown] = decoded_events([event], stranger, "order-7")
        assert shown["wants"][0]["args"] == [f"encrypted, {size} bytes", 7]
    assert [event["type"], event["wants"]] == ["Ran", event["wants"]]


def test_what_a_child_has_come_to_is_told_to_who_has_the_key() -> None:
    wanted = {"type": "ChildWanted", "number": 1, "spec": {"workflow_id": "child"}}
    children = children_in([{"type": "Ran", "wants": [wanted]}, {"type": "RunClosed"}])
    assert children == {1: "child"}
    closed = {"type": "ChildClosed", "number": 1, "result": in_history(THEIRS.to_payload(SECRET))}
    assert decoded_events([closed], encrypted, "order-7", children)[0]["result"] == SECRET
    for unread in (
        decoded_events([closed], encrypted, "order-7"),  # what would say who it was is kept no more
        decoded_events([closed], without, "order-7", children),
    ):
        assert unread[0]["result"].startswith("encrypted, ")


def test_the_words_of_a_failure_are_told_to_who_has_the_key() -> None:
    failure = OURS.to_failure(ApplicationError(SECRET, SECRET, type="Lost"))
    event = {"type": "ActivityResolved", "failure": _show(failure)}
    [shown] = decoded_events([event], encrypted, "order-7")
    assert (shown["failure"]["message"], shown["failure"]["details"]) == (SECRET, [SECRET])
    [hidden] = decoded_events([event], without, "order-7")
    assert hidden["failure"]["message"] == "Encoded failure"
    signal = UnfitSignal(number=1, name="say", args=(SEALED,), reason="", set_aside_at=1)
    assert decoded(signal, OURS).args == (Payload("json/plain", f'"{SECRET}"'.encode()),)
    assert decoded(signal, without.of_workflow("order-7")) == signal
    assert decoded(failure, OURS).message == SECRET


def test_why_an_update_was_refused_is_said_to_who_has_the_key() -> None:
    failure = OURS.to_failure(ApplicationError(SECRET))
    told = ReplyError(code="update_rejected", message=f"the update 'ask' was refused: {failure.message}")
    for converter, words in ((OURS, SECRET), (without.of_workflow("order-7"), "Encoded failure")):
        refused = rejection(told, failure, None, converter)
        assert str(refused) == f"the update 'ask' was refused: {words}"
    assert str(rejection(told, None, None, OURS)) == told.message


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ({"$payload": {"encoding": "mine/own", "data": b64encode(b"abc").decode()}}, "mine/own, 3 bytes"),
        ({"$payload": {"encoding": "mine/own", "data": "?"}}, "mine/own, unreadable"),
        ({"$payload": {"encoding": "json/plain", "data": b64encode(b"[1").decode()}}, "json/plain, unreadable"),
        ({"$payload": {"encoding": 7, "data": "YQ=="}}, {"$payload": {"encoding": 7, "data": "YQ=="}}),
        ({"$payload": 7}, {"$payload": 7}),
        (in_history(Payload("binary/plain", b"abc")), "binary/plain, 3 bytes"),
    ],
)
def test_what_nobody_here_can_read_is_told_in_words(value: Any, shown: Any) -> None:
    [event] = decoded_events([{"value": value}], DataConverter.default, "order-7")
    assert event == {"value": shown}


def test_large_ones_are_told_in_kilobytes() -> None:
    assert simple(Payload("encrypted/aes-256-gcm", bytes(1234))) == "encrypted, 1.2 KB"


def test_of_a_converter_without_a_codec_nothing_is_decoded() -> None:
    signal = UnfitSignal(number=1, name="say", args=(sealed.to_payload(SECRET),), reason="", set_aside_at=1)
    assert decoded(signal, sealed) is signal
