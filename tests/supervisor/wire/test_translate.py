"""What others say becomes commands, and what they are told messages, in the content type that they speak."""

from __future__ import annotations

import json
from typing import Any

import cbor2
import msgspec
import pytest
from msgspec.structs import asdict

from dalsegno.actors.supervisor.wire.translate import COMMANDS, FORMS
from dalsegno.actors.workflow_actor.activities.commands import AttemptHeartbeat, AttemptStarted
from dalsegno.actors.workflow_actor.activities.sends import CancelTaskEffect, GrantEffect
from dalsegno.actors.workflow_actor.children.child import ChildWorkflowSpec
from dalsegno.actors.workflow_actor.children.sends import StartChildEffect
from dalsegno.actors.workflow_actor.interface.cause import Cause
from dalsegno.actors.workflow_actor.interface.commands import Caller, Start, WakeUp
from dalsegno.actors.workflow_actor.interface.effects import AnswerEffect, Effect
from dalsegno.actors.workflow_actor.interface.retries import RetrySchedule
from dalsegno.actors.workflow_actor.interface.workflow_of import RootOf, WorkflowOf
from dalsegno.broker.protocol.codec import CBOR, JSON, decode, encode
from dalsegno.broker.protocol.messages import (
    ActivityCancel,
    ActivityGrant,
    ActivityHeartbeat,
    ActivityStarted,
    ActivityTask,
    Reply,
    RequestOf,
    RootRun,
    StartWorkflow,
    WireMessage,
    WorkflowRetries,
)
from dalsegno.failure import Failure
from dalsegno.payload import Payload
from dalsegno.policies import WorkflowStatus
from tests.supervisor.mail import start, task_in
from tests.supervisor.scripted_world import ScriptedWorld
from tests.workflow_actor.rig import SECOND, ScriptedCode, activity

ATTEMPT = {"workflow_id": "w", "run_id": "run-1", "activity_id": "1", "attempt": 1, "token": b"t" * 16}
WORDS: list[WireMessage] = [
    ActivityStarted(**ATTEMPT, worker="mine"),  # type: ignore[arg-type]
    ActivityHeartbeat(**ATTEMPT, worker="mine"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize("content_type", [CBOR, JSON])
@pytest.mark.parametrize("word", WORDS)
def test_grants_and_cancel_requests_are_in_the_content_type_of_the_worker_s_word(
    word: WireMessage, content_type: str
) -> None:
    said = COMMANDS[type(word)](word, encode(word, message_id=None, content_type=content_type))
    assert isinstance(said, AttemptStarted | AttemptHeartbeat)
    about = {
        "worker": "mine",
        "run_id": "run-1",
        "activity_id": "1",
        "attempt": 1,
        "content_type": said.content_type,
    }
    answers: list[tuple[Effect, type[WireMessage]]] = [
        (GrantEffect(**about, granted=True), ActivityGrant),  # type: ignore[arg-type]
        (CancelTaskEffect(**about, reason="stop"), ActivityCancel),  # type: ignore[arg-type]
    ]
    for effect, kind in answers:
        message = FORMS[type(effect)].message(effect, "message-1", None)
        assert message.content_type == content_type
        assert isinstance(decode(message), kind)


def test_what_is_said_twice_to_a_worker_for_different_reasons_is_not_one_message() -> None:
    about = {"worker": "mine", "run_id": "run-1", "activity_id": "1", "attempt": 1}
    form, cause = FORMS[CancelTaskEffect], Cause(WakeUp(), name="any")
    assert form.transient_id is not None
    ids = [
        form.transient_id(CancelTaskEffect(**about, reason=reason), cause)  # type: ignore[arg-type]
        for reason in ("cancelled", "over", "over")
    ]
    assert ids[0] != ids[1] == ids[2]


@pytest.mark.parametrize("content_type", [CBOR, JSON])
def test_a_description_leaves_out_what_there_is_nothing_to_say_for(content_type: str) -> None:
    activity = {
        "activity_id": "1",
        "activity_type": "charge",
        "task_queue": "default",
        "attempt": 1,
        "state": "scheduled",
        "scheduled_at": 7,
    }
    nothing = dict.fromkeys(("next_attempt_at", "last_failure", "worker", "started_at", "last_heartbeat_at"))
    run = {
        "workflow_id": "w",
        "run_id": "run-1",
        "workflow_type": "order",
        "task_queue": "default",
        "status": WorkflowStatus.RUNNING,
        "sequence": 1,
        "started_at": 7,
    }
    effect = AnswerEffect(
        caller=Caller("dalsegno.reply.mine", "c-1", content_type),
        kind="answer",
        workflow_id="w",
        run_id="run-1",
        status=WorkflowStatus.RUNNING,
        description={**run, "closed_at": None, "pending_activities": ({**activity, **nothing},)},
    )

    message = FORMS[type(effect)].message(effect, "message-1", None)

    body = cbor2.loads(message.body) if content_type == CBOR else json.loads(message.body)
    assert body["description"] == {**run, "status": "running", "pending_activities": [activity]}
    reply = decode(message)
    assert isinstance(reply, Reply)
    assert reply.description is not None
    assert reply.description.pending_activities[0].last_heartbeat_at is None


def said_of(start: Start) -> list[object]:
    return [start.parent, start.root, start.last_result, start.last_failure]


@pytest.mark.parametrize("is_child", [True, False])
def test_what_is_said_of_children_is_said_of_nothing_else(is_child: bool) -> None:
    parent = RequestOf(workflow_id="p", run_id="run-of-p", number=1) if is_child else None
    root = RootRun(workflow_id="r", run_id="run-of-r")
    body = StartWorkflow(
        workflow_id="w",
        workflow_type="order",
        parent=parent,
        root=root,
        last_result=Payload("json/plain", b"1"),
        last_failure=Failure(message="no"),
    )
    start = COMMANDS[StartWorkflow](body, encode(body, message_id="m"))
    assert isinstance(start, Start)
    assert [said is not None for said in said_of(start)] == [is_child] * 4


def test_a_task_says_its_limits() -> None:
    charge = activity(1, start_to_close=60 * SECOND, schedule_to_close=9 * SECOND)
    world = ScriptedWorld(ScriptedCode([[charge]]))
    world.own()
    world.deliver(start())
    world.go_on(confirm=False)
    (task,) = (task_in(outgoing) for outgoing in world.published_of(ActivityTask))
    # No attempt may outlast the activity.
    assert (task.start_to_close, task.schedule_to_close) == (9 * SECOND, 9 * SECOND)


@pytest.mark.parametrize(
    "retry", [None, RetrySchedule(), RetrySchedule(initial_interval=3_000_000, maximum_attempts=3)]
)
def test_the_start_of_a_child_that_was_loaded_is_the_same_message_to_the_byte(
    retry: RetrySchedule | None,
) -> None:
    spec = ChildWorkflowSpec("child", "Shipment", "default", retry=retry)
    loaded = msgspec.msgpack.decode(msgspec.msgpack.encode(spec), type=ChildWorkflowSpec)
    asked: dict[str, Any] = {"run_id": "r", "parent": WorkflowOf("w", "r", 1), "root": RootOf("w", "r")}
    form = FORMS[StartChildEffect]
    first = form.message(StartChildEffect(**asked, spec=spec), "id", None)
    again = form.message(StartChildEffect(**asked, spec=loaded), "id", None)
    assert first == again
    start = decode(first)
    assert isinstance(start, StartWorkflow)
    assert start.task_queue == "default"
    assert start.retry_policy == (None if retry is None else WorkflowRetries(**asdict(retry)))
