"""What is encoded is what is decoded, and each limit holds where it is written."""

from __future__ import annotations

import json
from typing import Any

import cbor2
import pytest
from hypothesis import HealthCheck, given, settings

from dalsegno.broker.port import Message
from dalsegno.broker.protocol.codec import (
    CBOR,
    JSON,
    MessageTooLargeError,
    ReplyAddress,
    UnsupportedMessageError,
    check,
    decode,
    encode,
    reply_address,
)
from dalsegno.broker.protocol.json_form import PLAIN_DEPTH_MAX
from dalsegno.broker.protocol.limits import (
    MAX_BODY_BYTES,
    MAX_CAUSES,
    MAX_DEPTH,
    MAX_HEADER_BYTES,
    MAX_HEADERS,
    MAX_ITEMS,
)
from dalsegno.broker.protocol.messages import (
    ActivityCompleted,
    ActivityFailed,
    CancelWorkflow,
    QueryWorkflow,
    SignalWorkflow,
    StartWorkflow,
    WireMessage,
)
from dalsegno.errors import InvalidMessageError
from dalsegno.failure import Failure
from dalsegno.payload import JSON_PLAIN, Payload
from tests.protocol import vectors
from tests.protocol.strategies import wire_messages

ATTEMPT: dict[str, Any] = {
    "workflow_id": "w-1",
    "run_id": "r-1",
    "activity_id": "1",
    "attempt": 1,
    "token": b"t" * 16,
}
START: dict[str, Any] = {"workflow_id": "w-1", "workflow_type": "Order"}


def cbor(fields: object, kind: str = "workflow.start", **properties: Any) -> Message:
    return Message(**{"body": cbor2.dumps(fields), "type": kind, "message_id": "m-1", **properties})


def as_json(body: str | bytes, kind: str = "workflow.start", **properties: Any) -> Message:
    body = body.encode() if isinstance(body, str) else body
    return Message(**{"body": body, "type": kind, "message_id": "m-1", "content_type": JSON, **properties})


def refusal(message: Message) -> str:
    with pytest.raises(InvalidMessageError) as caught:
        decode(message)
    return caught.value.reason


@pytest.mark.parametrize("content_type", [CBOR, JSON])
@given(message=wire_messages)
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_what_is_encoded_is_decoded(content_type: str, message: WireMessage) -> None:
    encoded = encode(message, message_id="m-1", content_type=content_type)
    assert decode(encoded) == message
    check(message)


def test_properties_travel_beside_the_body() -> None:
    message = encode(
        QueryWorkflow(workflow_id="w-1", name="progress"),
        message_id="m-1",
        correlation_id="c-1",
        reply_to="dalsegno.reply.x",
        headers={"traceparent": "00-1-2-01"},
        timestamp=1_767_323_045,
    )
    assert message.type == "workflow.query"
    assert (message.message_id, message.correlation_id, message.reply_to) == ("m-1", "c-1", "dalsegno.reply.x")
    assert message.content_type == CBOR
    assert (message.headers, message.timestamp) == ({"traceparent": "00-1-2-01"}, 1_767_323_045)


# --- which message it is -----------------------------------------------------------------------------------


def test_a_message_without_a_content_type_is_cbor() -> None:
    assert decode(cbor(START, content_type=None)) == StartWorkflow(**START)
    assert "not acceptable CBOR" in refusal(as_json(json.dumps(START), content_type=None))


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "Application/JSON"])
def test_parameters_and_case_of_the_content_type_do_not_matter(content_type: str) -> None:
    assert decode(as_json(json.dumps(START), content_type=content_type)) == StartWorkflow(**START)


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/x-python-pickle"])
def test_other_content_types_are_refused(content_type: str) -> None:
    assert "content type" in refusal(cbor(START, content_type=content_type))


@pytest.mark.parametrize("kind", ["child.started", "child.closed", "workflow.teleport", "os.system", "../../x"])
def test_a_type_that_this_version_does_not_know_is_told_apart(kind: str) -> None:
    with pytest.raises(UnsupportedMessageError):
        decode(cbor(START, kind))


@pytest.mark.parametrize("kind", [None, "", "a\nb", "x" * 256])
def test_a_message_that_does_not_say_what_it_is_is_invalid_rather_than_unsupported(kind: str) -> None:
    with pytest.raises(InvalidMessageError) as caught:
        decode(cbor(START, kind))
    assert not isinstance(caught.value, UnsupportedMessageError)


def test_fields_of_a_newer_version_are_ignored() -> None:
    assert decode(cbor({**START, "mood": [1, {"a": 2}]})) == StartWorkflow(**START)
    assert decode(as_json(json.dumps({**START, "mood": None}))) == StartWorkflow(**START)


# --- properties --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["signal", "cancel", "terminate", "suspend", "resume"])
def test_a_command_that_changes_something_needs_a_message_id(kind: str) -> None:
    fields = {"workflow_id": "w-1", "name": "approve"}
    assert "needs a message ID" in refusal(cbor(fields, f"workflow.{kind}", message_id=None))


@pytest.mark.parametrize("kind", ["workflow.start", "workflow.describe", "activity.completed"])
def test_what_is_recognised_otherwise_needs_no_message_id(kind: str) -> None:
    fields = {**START, **ATTEMPT, "result": {"encoding": JSON_PLAIN, "data": b"1"}}
    assert kind == decode(cbor(fields, kind, message_id=None)).TYPE


BAD_NAMES = [
    "",
    "x" * 256,
    "ü" * 128,
    "a\0b",
    "a\nb",
    "\x1b]0;x\x07",
    "a\u202eb",
    "\ufeff",
    "a\u2028b",
    "a\x85b",
]


@pytest.mark.parametrize("name", BAD_NAMES)
@pytest.mark.parametrize("where", ["message_id", "correlation_id", "reply_to"])
def test_properties_that_are_no_names_are_refused(where: str, name: str) -> None:
    assert "the " in refusal(cbor(START, **{where: name}))


@pytest.mark.parametrize("name", BAD_NAMES)
@pytest.mark.parametrize("field", ["workflow_id", "workflow_type", "task_queue"])
def test_fields_that_are_no_names_are_refused(field: str, name: str) -> None:
    assert field in refusal(cbor({**START, field: name}))


@pytest.mark.parametrize("name", ["dead", "x" * 241, "ü", "*", "a\n", "a;b", "{}"])
def test_a_task_queue_must_have_the_name_of_a_queue(name: str) -> None:
    assert "task_queue" in refusal(cbor({**START, "task_queue": name}))


@pytest.mark.parametrize("name", ["x" * 240, "default", "a b", "eu/west-1:orders_2.x@#,+"])
def test_a_task_queue_may_have_any_name_that_every_broker_takes(name: str) -> None:
    assert decode(cbor({**START, "task_queue": name})) == StartWorkflow(**START, task_queue=name)


@pytest.mark.parametrize("name", ["x" * 255, "ü" * 127, "注文 7", "👩‍👩‍👧", "a b", "نامه‌ای"])
def test_printable_text_of_255_bytes_is_a_name(name: str) -> None:
    assert decode(cbor({**START, "workflow_id": name}, message_id=name)).workflow_id == name  # type: ignore[attr-defined]


def test_names_built_here_are_checked_the_same_way() -> None:
    with pytest.raises(InvalidMessageError, match="workflow_id"):
        check(SignalWorkflow(workflow_id="a\nb", name="approve"))
    with pytest.raises(InvalidMessageError, match=r"not a valid workflow\.signal: name is empty"):
        check(SignalWorkflow(workflow_id="a", name=""))


def test_a_text_has_no_nul() -> None:
    assert "NUL" in refusal(cbor({"workflow_id": "w-1", "reason": "a\0b"}, "workflow.cancel"))
    assert decode(cbor({"workflow_id": "w-1", "reason": "a\nb"}, "workflow.cancel")) == CancelWorkflow(
        workflow_id="w-1", reason="a\nb"
    )


def test_headers_are_counted() -> None:
    headers = {f"x-{number}": number for number in range(MAX_HEADERS + 1)}
    assert "65 headers" in refusal(cbor(START, headers=headers))
    del headers["x-0"]
    assert decode(cbor(START, headers=headers))


LARGE = "v" * MAX_HEADER_BYTES, "ü" * (MAX_HEADER_BYTES // 2), b"v" * MAX_HEADER_BYTES


@pytest.mark.parametrize("value", LARGE)
def test_headers_have_a_size(value: str | bytes) -> None:
    assert "headers have 16385 bytes" in refusal(cbor(START, headers={"x": value}))
    assert decode(cbor(START, headers={"x": value[1:]}))


@pytest.mark.parametrize(
    "queue",
    [
        "dalsegno.partition.1.4",
        "dalsegno.control",
        "dalsegno.tasks.default",
        "dalsegno.host.a",
        "amq.rabbitmq.reply-to.x",
    ],
)
def test_an_answer_never_goes_to_a_queue_of_the_engine(queue: str) -> None:
    asked = cbor(START, reply_to=queue)
    assert "reply_to" in refusal(asked)
    assert reply_address(asked) is None
    assert "worker" in refusal(cbor({**ATTEMPT, "worker": queue}, "activity.started"))


# --- where the answer goes ---------------------------------------------------------------------------------


def test_a_message_that_cannot_be_read_can_still_be_answered() -> None:
    broken = Message(body=b"\xff", reply_to="amq.gen-x", correlation_id="c-1", content_type=JSON)
    assert reply_address(broken) == ReplyAddress("amq.gen-x", "c-1", JSON)


def test_the_message_id_stands_in_for_a_correlation_id() -> None:
    assert reply_address(cbor(START, reply_to="q")) == ReplyAddress("q", "m-1", CBOR)


@pytest.mark.parametrize(
    "properties",
    [
        {"reply_to": None},
        {"reply_to": "q", "message_id": None},
        {"reply_to": "q\n"},
        {"reply_to": "q", "correlation_id": "\0"},
    ],
)
def test_without_a_usable_address_there_is_no_answer(properties: dict[str, Any]) -> None:
    assert reply_address(cbor(START, **properties)) is None


# --- limits of bodies --------------------------------------------------------------------------------------


def test_a_body_is_limited_before_it_is_read() -> None:
    data = b"x" * (MAX_BODY_BYTES - 300)
    fits = encode(ActivityCompleted(**ATTEMPT, result=Payload("binary/plain", data)), message_id="m-1")
    assert decode(fits)
    with pytest.raises(MessageTooLargeError, match=r"activity\.completed"):
        encode(ActivityCompleted(**ATTEMPT, result=Payload("binary/plain", data + data)), message_id="m-1")
    assert "limit is 1048576" in refusal(cbor(START, body=b"\xff" * (MAX_BODY_BYTES + 1)))


@pytest.mark.parametrize(("levels", "fits"), [(MAX_DEPTH - 1, True), (MAX_DEPTH, False)])
def test_nesting_is_limited(levels: int, fits: bool) -> None:
    nested: object = 0
    for _ in range(levels):
        nested = [nested]
    fields = {**START, "unknown": nested}
    for message in (cbor(fields), as_json(json.dumps(fields))):
        if fits:
            assert decode(message) == StartWorkflow(**START)
        else:
            assert refusal(message)


@pytest.mark.parametrize("items", [[0] * MAX_ITEMS, [{}] * MAX_ITEMS, ["ab"] * MAX_ITEMS, [[0]] * MAX_ITEMS])
def test_items_are_counted(items: list[Any]) -> None:
    fields = {**START, "unknown": items}
    assert f"more than {MAX_ITEMS} items" in refusal(cbor(fields))
    assert f"more than {MAX_ITEMS} items" in refusal(as_json(json.dumps(fields)))


def test_many_commas_in_a_text_are_not_many_items() -> None:
    fields = {**START, "args": ["," * 2 * MAX_ITEMS]}
    assert decode(as_json(json.dumps(fields)))


def test_a_chain_of_causes_is_limited() -> None:
    failure = Failure()
    for _ in range(MAX_CAUSES - 1):
        failure = Failure(cause=failure)
    assert decode(encode(ActivityFailed(**ATTEMPT, failure=failure), message_id="m-1"))
    longer = encode(ActivityFailed(**ATTEMPT, failure=Failure(cause=failure)), message_id="m-1")
    assert "failure has more than 20 causes" in refusal(longer)


@pytest.mark.parametrize("attempt", [2**53 + 1, -(2**63) - 1, 2**64 - 1])
def test_an_attempt_that_cannot_be_stored_is_refused(attempt: int) -> None:
    """CBOR has whole numbers that nothing else has."""
    inner = Failure(kind="activity", cause=Failure(kind="activity", attempt=attempt))
    message = encode(ActivityFailed(**ATTEMPT, failure=inner), message_id="m-1")
    assert "failure has an attempt beyond 2^53" in refusal(message)


# --- payloads in JSON --------------------------------------------------------------------------------------


def start_args(*json_values: str) -> tuple[Payload, ...]:
    body = '{"workflow_id":"w-1","workflow_type":"Order","args":[' + ",".join(json_values) + "]}"
    message = decode(as_json(body))
    assert isinstance(message, StartWorkflow)
    return message.args


def test_a_plain_value_in_json_is_a_json_payload() -> None:
    assert start_args("null", ' {"a": [1, 2.5]}', '"é"') == (
        Payload(JSON_PLAIN, b"null"),
        Payload(JSON_PLAIN, b'{"a":[1,2.5]}'),
        Payload(JSON_PLAIN, '"é"'.encode()),
    )


def test_any_other_payload_is_spelled_out() -> None:
    assert start_args('{"$payload":{"encoding":"binary/plain","data":"AP8="}}') == (
        Payload("binary/plain", b"\x00\xff"),
    )


def test_an_object_with_more_than_the_mark_is_an_ordinary_value() -> None:
    assert start_args('{"$payload":1,"b":2}') == (Payload(JSON_PLAIN, b'{"$payload":1,"b":2}'),)


@pytest.mark.parametrize(
    "value", ['{"$payload":1}', '{"$payload":{}}', '{"$payload":{"encoding":"x","data":"%"}}']
)
def test_a_payload_that_is_spelled_wrongly_is_refused(value: str) -> None:
    body = '{"workflow_id":"w-1","workflow_type":"Order","args":[' + value + "]}"
    assert "args[0]" in refusal(as_json(body))


@pytest.mark.parametrize(
    "data",
    [
        b"9007199254740993",
        b'{"a":1,"a":2}',
        b'{"$payload":1}',
        b"[" * (PLAIN_DEPTH_MAX + 1) + b"]" * (PLAIN_DEPTH_MAX + 1),
        b"not json",
        b'"\xff"',
        b"",
    ],
)
def test_a_json_payload_that_json_readers_would_spoil_is_spelled_out(data: bytes) -> None:
    message = ActivityCompleted(**ATTEMPT, result=Payload(JSON_PLAIN, data))
    encoded = encode(message, message_id="m-1", content_type=JSON)
    assert b'"result":{"$payload":' in encoded.body
    assert decode(encoded) == message


def test_a_payload_of_null_is_not_taken_for_none() -> None:
    heartbeat = next(v for v in vectors.MESSAGES if v["type"] == "activity.heartbeat")["json"]
    assert "null" in refusal(
        as_json(json.dumps({**heartbeat, "details": {"$payload": None}}), "activity.heartbeat")
    )


def test_bytes_that_are_no_payload_are_base64_in_json() -> None:
    encoded = encode(
        ActivityCompleted(**ATTEMPT, result=Payload(JSON_PLAIN, b"1")), message_id="m-1", content_type=JSON
    )
    assert json.loads(encoded.body)["token"] == "dHR0dHR0dHR0dHR0dHR0dA=="
