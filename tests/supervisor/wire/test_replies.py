"""Whoever asked is answered, if only with why the answer itself cannot be sent."""

from __future__ import annotations

from typing import Literal

import pytest

from dalsegno.actors.supervisor.wire import replies
from dalsegno.actors.workflow_actor.interface.commands import Caller
from dalsegno.actors.workflow_actor.interface.effects import RunEndedEffect
from dalsegno.actors.workflow_actor.interface.workflow_of import WorkflowOf
from dalsegno.broker.protocol.between_workflows import WorkflowEnded
from dalsegno.broker.protocol.codec import CBOR, JSON, MessageTooLargeError, decode
from dalsegno.broker.protocol.limits import MAX_BODY_BYTES
from dalsegno.broker.protocol.messages import ControlReply, Reply
from dalsegno.errors import InvalidMessageError
from dalsegno.failure import Failure
from dalsegno.payload import BINARY_PLAIN, Payload
from dalsegno.policies import WorkflowStatus

ADDRESS = "dalsegno.reply.mine"
TOO_LARGE = Payload(BINARY_PLAIN, bytes(MAX_BODY_BYTES))
LARGE_FAILURE = Failure(message="no", details=(TOO_LARGE,))
NOT_UNICODE = "\udc80"


def ended(result: Payload | None = None, failure: Failure | None = None) -> Reply:
    return replies.ended("w", "run-1", WorkflowStatus.COMPLETED, result, failure)


def sent(reply: Reply | ControlReply, content_type: str = CBOR) -> Reply | ControlReply:
    """As its reader gets it."""
    message = replies.sendable(reply, Caller(ADDRESS, "c-1", content_type), "answer-1")
    assert (message.message_id, message.correlation_id, message.content_type) == (
        "answer-1",
        "c-1",
        content_type,
    )
    body = decode(message)
    assert isinstance(body, Reply | ControlReply)
    return body


@pytest.mark.parametrize("content_type", [CBOR, JSON])
@pytest.mark.parametrize(
    "reply",
    [
        ended(Payload(BINARY_PLAIN, b"1")),
        replies.refused("closed", "it has ended", workflow_id="w"),
        ControlReply(),
    ],
    ids=["result", "refusal", "control reply"],
)
def test_a_reply_goes_in_what_its_reader_speaks(reply: Reply | ControlReply, content_type: str) -> None:
    assert sent(reply, content_type) == reply


@pytest.mark.parametrize(
    "reply", [ended(TOO_LARGE), ended(failure=LARGE_FAILURE)], ids=["its value", "its failure"]
)
def test_in_the_place_of_a_result_that_no_message_can_carry_goes_why(reply: Reply) -> None:
    with pytest.raises(MessageTooLargeError) as caught:
        replies.message(reply, Caller(ADDRESS, "c-1"), "answer-1")
    assert sent(reply) == replies.refused("too_large", str(caught.value), workflow_id="w")


@pytest.mark.parametrize("kind", ["answer", "update"])
def test_an_update_that_failed_is_not_told_as_one_that_gave_nothing(kind: Literal["answer", "update"]) -> None:
    failed = Reply(kind=kind, workflow_id="w", failure=LARGE_FAILURE, update_id="u", update_stage="completed")
    told = sent(failed)
    assert isinstance(told, Reply)
    assert told.error is not None
    assert (told.error.code, told.update_stage) == ("too_large", None)


def test_of_a_refusal_that_is_too_large_the_sentence_is_sent() -> None:
    refusal = replies.refused("query_failed", "the handler raised", workflow_id="w")
    told = sent(Reply(kind="answer", workflow_id="w", failure=LARGE_FAILURE, error=refusal.error))
    assert told == refusal


def test_in_the_place_of_a_reply_that_is_no_text_goes_why() -> None:
    reply = replies.refused("rejected", NOT_UNICODE)
    with pytest.raises(InvalidMessageError):
        replies.message(reply, Caller(ADDRESS, "c-1"), "answer-1")
    told = sent(reply)
    assert told.error is not None
    assert told.error.code == "rejected"


def test_a_control_request_is_refused_by_a_control_reply() -> None:
    reply = ControlReply(host_id=NOT_UNICODE)
    told = sent(reply)
    assert isinstance(told, ControlReply)
    assert told.error is not None
    assert told.error.code == "rejected"


def test_a_sentence_is_cut_where_it_is_longer_than_anybody_reads() -> None:
    text = "a" * (replies.TEXT_LIMIT + 1)
    for refusal in (replies.refused("rejected", text), replies.control_refused("rejected", text)):
        assert refusal.error is not None
        assert refusal.error.message == text[:-1]


@pytest.mark.parametrize(
    ("result", "failure", "code"),
    [(TOO_LARGE, None, "too_large"), (None, Failure(message=NOT_UNICODE), "rejected")],
)
def test_an_end_that_no_message_can_carry_is_told_to_a_workflow_as_an_error(
    result: Payload | None, failure: Failure | None, code: str
) -> None:
    effect = RunEndedEffect(
        recipient=WorkflowOf("parent", "run-0", 7),
        workflow_id="w",
        run_id="run-1",
        status=WorkflowStatus.COMPLETED,
        result=result,
        failure=failure,
    )
    told = decode(replies.to_workflow(effect, "m"))
    assert isinstance(told, WorkflowEnded)
    assert told.error is not None
    assert (told.number, told.status, told.error.code) == (7, WorkflowStatus.COMPLETED, code)
    assert told.result is told.failure is None
