"""Between the wire and the core: messages become commands, effects become messages. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from dalsegno.actors.workflow_actor.interface import commands as core
from dalsegno.actors.workflow_actor.interface.effects import (
    AnswerEffect,
    CancelTaskEffect,
    Effect,
    GrantEffect,
    ResultEffect,
    TaskEffect,
)
from dalsegno.broker import topology
from dalsegno.broker.port import Message
from dalsegno.broker.protocol import messages as wire
from dalsegno.broker.protocol.codec import CBOR, MessageTooLargeError, encode, reply_address, spoken_by
from dalsegno.broker.protocol.ids import derived_message_id, run_id
from dalsegno.errors import InvalidMessageError

CLIENT_COMMANDS = (
    core.Start,
    core.Signal,
    core.Cancel,
    core.Terminate,
    core.Suspend,
    core.Resume,
)
"""What changes state at a client's word: known again by message ID, for as long as `seen` rows are kept."""


class Address(Struct, frozen=True):
    """Where a message goes; `task_queue` names the queue to declare first, if it is one."""

    exchange: str
    routing_key: str
    task_queue: str | None = None


def caller_of(message: Message) -> core.Caller | None:
    """Where the answer goes; None if none is asked for."""
    address = reply_address(message)
    return None if address is None else core.Caller(*address)


def to_command(body: wire.WireMessage, message: Message) -> core.Command | None:
    """The command that a message to a workflow asks for; None for what is not one."""
    match body:
        case wire.ActivityCompleted():
            return core.AttemptCompleted(
                run_id=body.run_id,
                activity_id=body.activity_id,
                attempt=body.attempt,
                token=body.token,
                result=body.result,
            )
        case wire.ActivityFailed():
            return core.AttemptFailed(
                run_id=body.run_id,
                activity_id=body.activity_id,
                attempt=body.attempt,
                token=body.token,
                failure=body.failure,
                next_retry_delay=body.next_retry_delay,
                returned=body.returned,
            )
        case wire.ActivityStarted():
            return core.AttemptStarted(
                run_id=body.run_id,
                activity_id=body.activity_id,
                attempt=body.attempt,
                token=body.token,
                worker=body.worker,
                content_type=_spoken_by(message),
                alone=body.alone,
            )
        case wire.ActivityHeartbeat():
            return core.AttemptHeartbeat(
                run_id=body.run_id,
                activity_id=body.activity_id,
                attempt=body.attempt,
                token=body.token,
                worker=body.worker,
                details=body.details,
                content_type=_spoken_by(message),
            )
        case wire.ActivityCanceled():
            return core.AttemptCanceled(
                run_id=body.run_id,
                activity_id=body.activity_id,
                attempt=body.attempt,
                token=body.token,
                details=body.details,
            )
        case _:
            return _client_command(body, message)


def _spoken_by(message: Message) -> str:
    """Nothing for CBOR, which is what most workers speak, and what is stored with each attempt."""
    spoken = spoken_by(message)
    return "" if spoken == CBOR else spoken


def waiting(caller: core.Caller | None, body: wire.StartWorkflow | wire.AwaitResult) -> core.Caller | None:
    """Who waits for a result, with what it wants to hear meanwhile."""
    return caller if caller is None or not body.tell_suspended else replace(caller, tell_suspended=True)


def _client_command(body: wire.WireMessage, message: Message) -> core.Command | None:
    caller = caller_of(message)
    match body:
        case wire.StartWorkflow():
            return core.Start(
                workflow_id=body.workflow_id,
                run_id=run_id(body.workflow_id, message.message_id),
                workflow_type=body.workflow_type,
                task_queue=body.task_queue,
                args=body.args,
                conflict_policy=body.conflict_policy,
                reuse_policy=body.reuse_policy,
                execution_timeout=body.execution_timeout,
                memo=body.memo,
                caller=waiting(caller, body),
                wants_accepted="accepted" in body.replies,
                wants_result="result" in body.replies,
            )
        case wire.SignalWorkflow():
            return core.Signal(name=body.name, args=body.args, run_id=body.run_id, caller=caller)
        case wire.QueryWorkflow():
            return core.Query(name=body.name, args=body.args, run_id=body.run_id, caller=caller)
        case wire.CancelWorkflow():
            return core.Cancel(reason=body.reason, run_id=body.run_id, caller=caller)
        case wire.TerminateWorkflow():
            return core.Terminate(reason=body.reason, run_id=body.run_id, caller=caller)
        case wire.SuspendWorkflow():
            return core.Suspend(reason=body.reason, run_id=body.run_id, caller=caller)
        case wire.ResumeWorkflow():
            return core.Resume(run_id=body.run_id, caller=caller)
        case wire.DescribeWorkflow():
            return core.Describe(run_id=body.run_id, caller=caller)
        case _:
            return None


@lru_cache(maxsize=1024)
def _to_task_queue(name: str) -> Address:
    return Address("", topology.task_queue(name), name)


def address_of(effect: Effect) -> Address:
    match effect:
        case TaskEffect():
            return _to_task_queue(effect.task_queue)
        case GrantEffect() | CancelTaskEffect():
            return Address("", effect.worker)
        case ResultEffect() | AnswerEffect():
            return Address("", effect.caller.reply_to)


def answer_message_id(caller: core.Caller, message_id: str | None, kind: str) -> str:
    """Of the answer to `message_id`. Message IDs of different callers may be equal."""
    return derived_message_id(caller.reply_to, message_id or caller.correlation_id, kind)


def to_message(effect: Effect, message_id: str, *, task_content_type: str | None = None) -> Message:
    """Encode an effect. Raises MessageTooLargeError for a body that no message can carry, and
    InvalidMessageError for text that is not Unicode."""
    match effect:
        case TaskEffect():
            return _task_message(effect, message_id, task_content_type)
        case GrantEffect():
            grant = wire.ActivityGrant(
                run_id=effect.run_id,
                activity_id=effect.activity_id,
                attempt=effect.attempt,
                granted=effect.granted,
                token=effect.token or None,
            )
            return encode(grant, message_id=message_id, content_type=effect.content_type or CBOR)
        case CancelTaskEffect():
            cancel = wire.ActivityCancel(
                run_id=effect.run_id,
                activity_id=effect.activity_id,
                attempt=effect.attempt,
                reason=effect.reason,
                token=effect.token or None,
            )
            return encode(cancel, message_id=message_id, content_type=effect.content_type or CBOR)
        case ResultEffect():
            result = wire.Reply(
                kind="result",
                workflow_id=effect.workflow_id,
                run_id=effect.run_id,
                status=effect.status,
                result=effect.result,
                failure=effect.failure,
            )
            return reply_message(result, effect.caller, message_id)
        case AnswerEffect():
            return reply_message(_answer(effect), effect.caller, message_id)


def answer_message(effect: AnswerEffect | ResultEffect, message_id: str) -> Message:
    """As `to_message`; an answer that no message can carry becomes an error that says so."""
    try:
        return to_message(effect, message_id)
    except MessageTooLargeError as error:
        if isinstance(effect, AnswerEffect) and effect.failure is not None:  # the sentence says the most
            return answer_message(replace(effect, failure=None), message_id)
        refusal = error_reply("too_large", str(error), workflow_id=effect.workflow_id)
    except InvalidMessageError as error:
        refusal = error_reply("rejected", error.reason, workflow_id=effect.workflow_id)
    return reply_message(refusal, effect.caller, message_id)


def reply_message(reply: wire.Reply | wire.ControlReply, caller: core.Caller, message_id: str) -> Message:
    return encode(
        reply,
        message_id=message_id,
        correlation_id=caller.correlation_id,
        content_type=caller.content_type or CBOR,
    )


def error_reply(code: wire.ErrorCode, text: str, *, workflow_id: str | None = None) -> wire.Reply:
    error = wire.ReplyError(code=code, message=text[:10_000], workflow_id=workflow_id)
    return wire.Reply(kind="answer", workflow_id=workflow_id, error=error)


def _answer(effect: AnswerEffect) -> wire.Reply:
    error = None
    if effect.error is not None:
        code, text = effect.error
        error = wire.ReplyError(
            code=code,  # type: ignore[arg-type]  # the core's codes are of the closed list; tests hold it to that
            message=text[:10_000],
            workflow_id=effect.workflow_id,
            run_id=effect.run_id,
        )
    description = None if effect.description is None else to_description(effect.description)
    return wire.Reply(
        kind=effect.kind,
        workflow_id=effect.workflow_id,
        run_id=effect.run_id,
        status=effect.status,
        reason=effect.reason,
        result=effect.result,
        failure=effect.failure,
        description=description,
        error=error,
    )


def to_description(fields: Mapping[str, Any]) -> wire.Description:
    """Of the wire's own kinds in all its parts, which leave out what there is nothing to say for."""
    pending = tuple(wire.PendingActivity(**activity) for activity in fields.get("pending_activities", ()))
    return wire.Description(**{**fields, "pending_activities": pending})


def _task_message(effect: TaskEffect, message_id: str, content_type: str | None) -> Message:
    task = wire.ActivityTask(
        workflow_id=effect.workflow_id,
        run_id=effect.run_id,
        workflow_type=effect.workflow_type,
        activity_id=effect.activity_id,
        activity_type=effect.activity_type,
        task_queue=effect.task_queue,
        attempt=effect.attempt,
        token=effect.token,
        fence=effect.fence,
        idempotency_key=f"{effect.run_id}/{effect.activity_id}",
        acknowledge=effect.acknowledge,
        exchange=topology.RESULTS_EXCHANGE,
        routing_key=topology.routing_key_of(effect.workflow_id),
        args=effect.args,
        scheduled_at=effect.scheduled_at,
        start_to_close=effect.start_to_close,
        heartbeat_timeout=effect.heartbeat_timeout,
        auto_heartbeat=effect.auto_heartbeat,
        heartbeat_details=effect.heartbeat_details,
    )
    return encode(task, message_id=message_id, content_type=content_type or CBOR)
