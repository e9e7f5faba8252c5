"""Between workflows on the wire: what one asks another for, and what it is told of that."""

from __future__ import annotations

from typing import Any

from msgspec import Struct
from msgspec.structs import asdict, fields

from dalsegno.actors.supervisor.wire import replies
from dalsegno.actors.supervisor.wire.form import (
    Address,
    Commands,
    Forms,
    Lane,
    WireForm,
    request_of,
    workflow_of,
)
from dalsegno.actors.workflow_actor.children.sends import StartChildEffect, StopChildEffect
from dalsegno.actors.workflow_actor.externals.sends import ExternalEffect
from dalsegno.actors.workflow_actor.interface.cause import Cause
from dalsegno.actors.workflow_actor.interface.commands import AwaitEnd, OtherAnswered, OtherEnded
from dalsegno.actors.workflow_actor.interface.effects import RunEndedEffect, ToAskerEffect
from dalsegno.actors.workflow_actor.interface.workflow_of import WorkflowOf
from dalsegno.broker import topology
from dalsegno.broker.port import Message
from dalsegno.broker.protocol import messages as wire
from dalsegno.broker.protocol.codec import encode
from dalsegno.broker.protocol.ids import derived_message_id
from dalsegno.name_rules import is_level
from dalsegno.priority import level_in, named

# --- what is asked and said --------------------------------------------------------------------------------


def _await_end(body: wire.AwaitEndOfWorkflow, _: Message) -> AwaitEnd:
    return AwaitEnd(workflow_id=body.workflow_id, run_id=body.run_id, asker=workflow_of(body.answer_to))


def _answered(body: wire.WorkflowAnswered, _: Message) -> OtherAnswered:
    return OtherAnswered(
        run_id=body.run_id,
        number=body.number,
        asked=body.asked,
        by_run=body.by_run_id or "",
        error=_error(body.error),
    )


def _ended(body: wire.WorkflowEnded, _: Message) -> OtherEnded:
    return OtherEnded(
        run_id=body.run_id,
        number=body.number,
        by_run=body.ended_run_id,
        status=body.status,
        result=body.result,
        failure=body.failure,
        error=_error(body.error),
    )


def _error(error: wire.ReplyError | None) -> tuple[str, str] | None:
    return None if error is None else (error.code, error.message)


COMMANDS: Commands = {
    wire.AwaitEndOfWorkflow: _await_end,
    wire.WorkflowAnswered: _answered,
    wire.WorkflowEnded: _ended,
}

# --- what leaves -------------------------------------------------------------------------------------------


def _to_start(effect: StartChildEffect) -> Address:
    return _commands_of(effect.spec.workflow_id)


def _to_child(effect: StopChildEffect) -> Address:
    return _commands_of(effect.workflow_id)


def _to_external(effect: ExternalEffect) -> Address:
    return _commands_of(effect.spec.workflow_id)


def _commands_of(workflow_id: str) -> Address:
    return Address(topology.COMMANDS_EXCHANGE, topology.routing_key_of(workflow_id))


def _to_results(effect: ToAskerEffect | RunEndedEffect) -> Address:
    return Address(topology.RESULTS_EXCHANGE, topology.routing_key_of(effect.recipient.workflow_id))


def _lane_of_start(effect: StartChildEffect) -> Lane:
    """Of all runs of its sender: what one has left undone comes before what the next wants."""
    return effect.parent.workflow_id, effect.spec.workflow_id


def _lane_of_stop(effect: StopChildEffect) -> Lane:
    return effect.parent.workflow_id, effect.workflow_id


def _lane_of_external(effect: ExternalEffect) -> Lane:
    return effect.workflow_id, effect.spec.workflow_id


def _lane_of_word(effect: ToAskerEffect | RunEndedEffect) -> Lane:
    return effect.run_id or "", effect.recipient.workflow_id


def _said(struct: type[Struct], **values: Any) -> dict[str, Any]:
    """Without what says no more than the struct's own default, which must be left out of the message however
    the value came: msgspec knows a default by its identity, and what was loaded is equal and no more. A message
    that is made anew is the same, to the byte."""
    defaults = _DEFAULTS[struct]
    return {name: value for name, value in values.items() if name not in defaults or value != defaults[name]}


_DEFAULTS: dict[type[Struct], dict[str, Any]] = {
    struct: {field.name: field.default for field in fields(struct)}
    for struct in (wire.StartWorkflow, wire.WorkflowRetries)
}


def _start(effect: StartChildEffect, message_id: str, _: str | None) -> Message:
    spec, root = effect.spec, effect.root
    task_queue, level = spec.task_queue, None
    if is_level(task_queue):
        task_queue, level = named(task_queue), level_in(task_queue)
    retries = None if spec.retry is None else _said(wire.WorkflowRetries, **asdict(spec.retry))
    said = _said(
        wire.StartWorkflow,
        workflow_id=spec.workflow_id,
        workflow_type=spec.workflow_type,
        task_queue=task_queue,
        priority=level,
        args=spec.args,
        memo=spec.memo,
        execution_timeout=spec.execution_timeout,
        reuse_policy=spec.reuse_policy,
        parent=request_of(effect.parent),
        root=wire.RootRun(workflow_id=root.workflow_id, run_id=root.run_id),
        last_result=spec.last_result,
        run_timeout=spec.run_timeout,
        retry_policy=None if retries is None else wire.WorkflowRetries(**retries),
        start_delay=spec.delay,
        search_attributes=spec.search_attributes,
        last_failure=spec.last_failure,
        headers=spec.headers,
    )
    return encode(wire.StartWorkflow(**said), message_id=message_id)


def _stop(effect: StopChildEffect, message_id: str, _: str | None) -> Message:
    parent = request_of(effect.parent)
    how = wire.TerminateWorkflow if effect.how == "terminate" else wire.CancelWorkflow
    stop = how(
        workflow_id=effect.workflow_id,
        reason=effect.reason,
        child_of=parent,
        answer_to=parent if effect.is_waited_for else None,
    )
    return encode(stop, message_id=message_id)


def _request(effect: ExternalEffect, message_id: str, _: str | None) -> Message:
    spec, asker = effect.spec, effect.workflow_id
    child = None if spec.child is None else WorkflowOf(asker, effect.run_id, spec.child)
    child_of = None if child is None else request_of(child)
    whose: dict[str, Any] = {
        "workflow_id": spec.workflow_id,
        "run_id": spec.run_id,
        "answer_to": request_of(WorkflowOf(asker, effect.run_id, spec.number)),
    }
    body: wire.WireMessage
    match spec.asked:
        case "signal":
            body = wire.SignalWorkflow(
                **whose, name=spec.name, args=spec.args, child_of=child_of, headers=spec.headers
            )
        case "cancel":
            body = wire.CancelWorkflow(**whose, reason=spec.reason, child_of=child_of)
        case "terminate":
            body = wire.TerminateWorkflow(**whose, reason=spec.reason)
        case _:
            body = wire.AwaitEndOfWorkflow(**whose)
    return encode(body, message_id=message_id)


def _answer(effect: ToAskerEffect, message_id: str, _: str | None) -> Message:
    return replies.to_asker(effect, message_id)


def _end(effect: RunEndedEffect, message_id: str, _: str | None) -> Message:
    return replies.to_workflow(effect, message_id)


def _answer_id(effect: ToAskerEffect, _: Cause) -> str:
    return _id_of_word(effect, effect.asked)


def _end_id(effect: RunEndedEffect, _: Cause) -> str:
    return _id_of_word(effect, "ended", effect.run_id)


def _id_of_word(effect: ToAskerEffect | RunEndedEffect, *what: str) -> str:
    to = effect.recipient
    return derived_message_id(to.workflow_id, to.run_id, str(to.number), *what)


FORMS: Forms = {
    StartChildEffect: WireForm(_to_start, _start, lane=_lane_of_start),
    StopChildEffect: WireForm(_to_child, _stop, lane=_lane_of_stop),
    ExternalEffect: WireForm(_to_external, _request, lane=_lane_of_external),
    ToAskerEffect: WireForm(_to_results, _answer, lane=_lane_of_word, transient_id=_answer_id),
    RunEndedEffect: WireForm(_to_results, _end, lane=_lane_of_word, transient_id=_end_id),
}
