"""Activities on the wire: tasks, what workers say of their attempts, and what they are told."""

from __future__ import annotations

from functools import lru_cache

from msgspec import Struct

from dalsegno.actors.supervisor.wire.form import Address, Commands, Forms, Lane, WireForm, caller_of
from dalsegno.actors.workflow_actor.activities.commands import (
    AttemptCanceled,
    AttemptCompleted,
    AttemptDetached,
    AttemptFailed,
    AttemptHeartbeat,
    AttemptStarted,
    OutsideHeartbeat,
    Resolve,
)
from dalsegno.actors.workflow_actor.activities.sends import (
    CancelTaskEffect,
    GrantEffect,
    TaskEffect,
    WorkerEffect,
)
from dalsegno.actors.workflow_actor.interface.cause import Cause
from dalsegno.broker import topology
from dalsegno.broker.port import Message
from dalsegno.broker.protocol import messages as wire
from dalsegno.broker.protocol.codec import CBOR, encode, spoken_by
from dalsegno.broker.protocol.ids import derived_message_id
from dalsegno.errors import InvalidMessageError
from dalsegno.name_rules import LEVEL_MARK, is_level
from dalsegno.priority import level_in, named

# --- what workers say --------------------------------------------------------------------------------------


def _completed(body: wire.ActivityCompleted, _: Message) -> AttemptCompleted:
    return AttemptCompleted(
        run_id=body.run_id,
        activity_id=body.activity_id,
        attempt=body.attempt,
        token=body.token,
        result=body.result,
    )


def _failed(body: wire.ActivityFailed, _: Message) -> AttemptFailed:
    return AttemptFailed(
        run_id=body.run_id,
        activity_id=body.activity_id,
        attempt=body.attempt,
        token=body.token,
        failure=body.failure,
        next_retry_delay=body.next_retry_delay,
        returned=body.returned,
    )


def _started(body: wire.ActivityStarted, message: Message) -> AttemptStarted:
    return AttemptStarted(
        run_id=body.run_id,
        activity_id=body.activity_id,
        attempt=body.attempt,
        token=body.token,
        worker=body.worker,
        content_type=_spoken_by(message),
        alone=body.alone,
    )


def _heartbeat(body: wire.ActivityHeartbeat, message: Message) -> AttemptHeartbeat:
    return AttemptHeartbeat(
        run_id=body.run_id,
        activity_id=body.activity_id,
        attempt=body.attempt,
        token=body.token,
        worker=body.worker,
        details=body.details,
        content_type=_spoken_by(message),
    )


def _canceled(body: wire.ActivityCanceled, _: Message) -> AttemptCanceled:
    return AttemptCanceled(
        run_id=body.run_id,
        activity_id=body.activity_id,
        attempt=body.attempt,
        token=body.token,
        details=body.details,
    )


def _detached(body: wire.ActivityDetached, _: Message) -> AttemptDetached:
    return AttemptDetached(
        run_id=body.run_id, activity_id=body.activity_id, attempt=body.attempt, token=body.token
    )


# --- what others say ---------------------------------------------------------------------------------------


def _resolve(body: wire.ResolveActivity, message: Message) -> Resolve:
    """Raises InvalidMessageError for one that does not say how it has ended, or says it twice."""
    if (body.result is not None) + (body.failure is not None) + body.canceled != 1:
        raise InvalidMessageError("one of result, failure and canceled says how an activity has ended")
    return Resolve(
        run_id=body.run_id,
        activity_id=body.activity_id,
        token=body.token,
        result=body.result,
        failure=body.failure,
        details=body.details,
        caller=caller_of(message),
    )


def _outside_heartbeat(body: wire.HeartbeatActivity, message: Message) -> OutsideHeartbeat:
    return OutsideHeartbeat(
        run_id=body.run_id,
        activity_id=body.activity_id,
        token=body.token,
        payload=body.details,
        caller=caller_of(message),
    )


def _spoken_by(message: Message) -> str:
    """Nothing for CBOR, which is what most workers speak, and what is stored with each attempt."""
    spoken = spoken_by(message)
    return "" if spoken == CBOR else spoken


COMMANDS: Commands = {
    wire.ActivityCompleted: _completed,
    wire.ActivityFailed: _failed,
    wire.ActivityStarted: _started,
    wire.ActivityHeartbeat: _heartbeat,
    wire.ActivityCanceled: _canceled,
    wire.ActivityDetached: _detached,
    wire.ResolveActivity: _resolve,
    wire.HeartbeatActivity: _outside_heartbeat,
}

# --- what leaves for them ----------------------------------------------------------------------------------


class WorkerOfAttempt(Struct, frozen=True):
    """The recipient of what is said of one attempt to the worker that has it, or asks for it: a request to stop
    that overtook its grant would stop nothing. Attempts do not wait for each other."""

    worker: str
    activity_id: str
    attempt: int


@lru_cache(maxsize=1024)
def _task_queue(name: str) -> Address:
    return Address("", topology.task_queue(name), name)


def _to_task_queue(effect: TaskEffect) -> Address:
    return _task_queue(effect.task_queue)


def _to_worker(effect: WorkerEffect) -> Address:
    return Address("", effect.worker)


def _of_attempt(effect: WorkerEffect) -> Lane:
    return effect.run_id, WorkerOfAttempt(effect.worker, effect.activity_id, effect.attempt)


def _task(effect: TaskEffect, message_id: str, content_type: str | None) -> Message:
    task_queue, level = effect.task_queue, None
    if LEVEL_MARK in task_queue and is_level(task_queue):
        task_queue, level = named(task_queue), level_in(task_queue)
    task = wire.ActivityTask(
        workflow_id=effect.workflow_id,
        run_id=effect.run_id,
        workflow_type=effect.workflow_type,
        activity_id=effect.activity_id,
        activity_type=effect.activity_type,
        task_queue=task_queue,
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
        schedule_to_close=effect.schedule_to_close,
        heartbeat_timeout=effect.heartbeat_timeout,
        auto_heartbeat=effect.auto_heartbeat,
        heartbeat_details=effect.heartbeat_details,
        priority=level,
        headers=effect.headers,
    )
    return encode(task, message_id=message_id, content_type=content_type or CBOR)


def _grant(effect: GrantEffect, message_id: str, _: str | None) -> Message:
    grant = wire.ActivityGrant(
        run_id=effect.run_id,
        activity_id=effect.activity_id,
        attempt=effect.attempt,
        granted=effect.granted,
        token=effect.token or None,
    )
    return encode(grant, message_id=message_id, content_type=effect.content_type or CBOR)


def _cancel(effect: CancelTaskEffect, message_id: str, _: str | None) -> Message:
    cancel = wire.ActivityCancel(
        run_id=effect.run_id,
        activity_id=effect.activity_id,
        attempt=effect.attempt,
        reason=effect.reason,
        token=effect.token or None,
    )
    return encode(cancel, message_id=message_id, content_type=effect.content_type or CBOR)


def _grant_id(effect: GrantEffect, _: Cause) -> str:
    return _id_of_word(effect, f"grant {effect.granted}")


def _cancel_id(effect: CancelTaskEffect, _: Cause) -> str:
    return _id_of_word(effect, f"cancel {effect.reason}")


def _id_of_word(effect: WorkerEffect, what: str) -> str:
    about = effect.run_id, effect.activity_id, str(effect.attempt), effect.token.hex()
    return derived_message_id(effect.worker, *about, what)


FORMS: Forms = {
    TaskEffect: WireForm(_to_task_queue, _task),
    GrantEffect: WireForm(_to_worker, _grant, is_to_reader=True, lane=_of_attempt, transient_id=_grant_id),
    CancelTaskEffect: WireForm(
        _to_worker, _cancel, is_to_reader=True, lane=_of_attempt, transient_id=_cancel_id
    ),
}
