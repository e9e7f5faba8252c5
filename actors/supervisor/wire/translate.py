"""Between the wire and the core: messages become commands, effects become messages. Pure."""

from __future__ import annotations

from functools import lru_cache

from msgspec import Struct
from msgspec.structs import replace

from dalsegno.actors.supervisor.wire import replies
from dalsegno.actors.workflow_actor.activities import commands as attempts
from dalsegno.actors.workflow_actor.activities.sends import (
    CancelTaskEffect,
    GrantEffect,
    TaskEffect,
    WorkerEffect,
)
from dalsegno.actors.workflow_actor.interface import commands as core
from dalsegno.actors.workflow_actor.interface.effects import (
    AnswerEffect,
    Effect,
    ResultEffect,
    RunEndedEffect,
)
from dalsegno.actors.workflow_actor.signals.commands import Signal
from dalsegno.broker import topology
from dalsegno.broker.port import Message
from dalsegno.broker.protocol import messages as wire
from dalsegno.broker.protocol.codec import CBOR, encode, reply_address, spoken_by
from dalsegno.broker.protocol.ids import run_id

CLIENT_COMMANDS = (core.Start, core.ClientCommand)
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
            return attempts.AttemptCompleted(
                run_id=body.run_id,
                activity_id=body.activity_id,
                attempt=body.attempt,
                token=body.token,
                result=body.result,
            )
        case wire.ActivityFailed():
            return attempts.AttemptFailed(
                run_id=body.run_id,
                activity_id=body.activity_id,
                attempt=body.attempt,
                token=body.token,
                failure=body.failure,
                next_retry_delay=body.next_retry_delay,
                returned=body.returned,
            )
        case wire.ActivityStarted():
            return attempts.AttemptStarted(
                run_id=body.run_id,
                activity_id=body.activity_id,
                attempt=body.attempt,
                token=body.token,
                worker=body.worker,
                content_type=_spoken_by(message),
                alone=body.alone,
            )
        case wire.ActivityHeartbeat():
            return attempts.AttemptHeartbeat(
                run_id=body.run_id,
                activity_id=body.activity_id,
                attempt=body.attempt,
                token=body.token,
                worker=body.worker,
                details=body.details,
                content_type=_spoken_by(message),
            )
        case wire.ActivityCanceled():
            return attempts.AttemptCanceled(
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
            return Signal(name=body.name, args=body.args, run_id=body.run_id, caller=caller)
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
        case WorkerEffect():
            return Address("", effect.worker)
        case ResultEffect() | AnswerEffect():
            return Address("", effect.caller.reply_to)
        case RunEndedEffect():
            return Address(topology.RESULTS_EXCHANGE, topology.routing_key_of(effect.recipient.workflow_id))
    raise TypeError(f"{type(effect).__name__} has no address")


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
        case ResultEffect() | AnswerEffect():
            return replies.message(replies.of_effect(effect), effect.caller, message_id)
        case RunEndedEffect():
            return replies.to_workflow(effect, message_id)
    raise TypeError(f"{type(effect).__name__} is no message")


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
