"""Replies: every one that is sent to who asked, or waits, is made and encoded here. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from msgspec.structs import replace

from dalsegno.actors.workflow_actor.interface.commands import Caller
from dalsegno.actors.workflow_actor.interface.effects import (
    AnswerEffect,
    ResultEffect,
    RunEndedEffect,
    ToAskerEffect,
)
from dalsegno.actors.workflow_actor.updates.sends import UpdateEffect
from dalsegno.broker.port import Message
from dalsegno.broker.protocol import messages as wire
from dalsegno.broker.protocol.between_workflows import WorkflowEnded
from dalsegno.broker.protocol.codec import CBOR, MessageTooLargeError, encode
from dalsegno.broker.protocol.ids import derived_message_id
from dalsegno.errors import InvalidMessageError
from dalsegno.failure import Failure
from dalsegno.payload import Payload
from dalsegno.policies import WorkflowStatus

TEXT_LIMIT = 10_000
"""Characters of an error's sentence."""

SPARE_MAX = 20
BRIEF_CHARACTERS = 500
"""Of what a spare description has many of, and of what each failure says."""


def message_id_of(caller: Caller, message_id: str | None, kind: str) -> str:
    """Of the answer to `message_id`. Message IDs of different callers may be equal."""
    return derived_message_id(caller.reply_to, message_id or caller.correlation_id, kind)


def message(reply: wire.Reply | wire.ControlReply, caller: Caller, message_id: str) -> Message:
    """Raises MessageTooLargeError for a body that no message can carry, and InvalidMessageError for text that
    is not Unicode."""
    return encode(
        reply,
        message_id=message_id,
        correlation_id=caller.correlation_id,
        content_type=caller.content_type or CBOR,
    )


def sendable(reply: wire.Reply | wire.ControlReply, caller: Caller, message_id: str) -> Message:
    """As `message`; a reply that no message can carry becomes an error that says so."""
    try:
        return message(reply, caller, message_id)
    except MessageTooLargeError as error:
        if isinstance(reply, wire.Reply) and reply.error is not None and reply.failure is not None:
            return sendable(replace(reply, failure=None), caller, message_id)  # the sentence says the most
        return message(_instead(reply, "too_large", str(error)), caller, message_id)
    except InvalidMessageError as error:
        return message(_instead(reply, "rejected", error.reason), caller, message_id)


def _instead(
    reply: wire.Reply | wire.ControlReply, code: wire.ErrorCode, text: str
) -> wire.Reply | wire.ControlReply:
    if isinstance(reply, wire.ControlReply):
        return control_refused(code, text)
    return refused(code, text, workflow_id=reply.workflow_id)


def refused(
    code: wire.ErrorCode,
    text: str,
    *,
    kind: Literal["accepted", "result", "answer", "update"] = "answer",
    workflow_id: str | None = None,
    run_id: str | None = None,
) -> wire.Reply:
    error = wire.ReplyError(code=code, message=text[:TEXT_LIMIT], workflow_id=workflow_id, run_id=run_id)
    return wire.Reply(kind=kind, workflow_id=workflow_id, run_id=run_id, error=error)


def control_refused(code: wire.ErrorCode, text: str) -> wire.ControlReply:
    return wire.ControlReply(error=wire.ReplyError(code=code, message=text[:TEXT_LIMIT]))


def of_effect(effect: AnswerEffect | ResultEffect | UpdateEffect) -> wire.Reply:
    if isinstance(effect, UpdateEffect):
        return _updated(effect)
    if isinstance(effect, ResultEffect):
        told = ended(effect.workflow_id, effect.run_id, effect.status, effect.result, effect.failure)
        return replace(told, next_run_id=effect.next_run_id)
    error = None
    if effect.error is not None:
        code, text = effect.error
        error = wire.ReplyError(
            code=code,  # type: ignore[arg-type]  # the core's codes are of the closed list; tests hold it to that
            message=text[:TEXT_LIMIT],
            workflow_id=effect.workflow_id,
            run_id=effect.run_id,
        )
    return wire.Reply(
        kind=effect.kind,
        workflow_id=effect.workflow_id,
        run_id=effect.run_id,
        status=effect.status,
        reason=effect.reason,
        result=effect.result,
        failure=effect.failure,
        description=None if effect.description is None else description_of(effect.description),
        error=error,
        incident=effect.incident,
        **({} if effect.update is None else _said_of(*effect.update)),
    )


def _updated(effect: UpdateEffect) -> wire.Reply:
    known = effect.standing
    return wire.Reply(
        kind="update",
        workflow_id=effect.workflow_id,
        run_id=effect.run_id,
        result=None if known.outcome is None else known.outcome.result,
        failure=None if known.outcome is None else known.outcome.failure,
        **_said_of(known.update_id, known.stage),
    )


def _said_of(update_id: str, stage: str) -> dict[str, Any]:
    return {"update_id": update_id, "update_stage": stage}


def ended(
    workflow_id: str,
    run_id: str,
    status: WorkflowStatus,
    result: Payload | None,
    failure: Failure | None,
    *,
    reason: str | None = None,
) -> wire.Reply:
    """How the run has ended."""
    return wire.Reply(
        kind="result",
        workflow_id=workflow_id,
        run_id=run_id,
        status=status,
        reason=reason,
        result=result,
        failure=failure,
    )


def to_workflow(effect: RunEndedEffect, message_id: str) -> Message:
    """How the run has ended, for another workflow. What no message can carry becomes an error that says so: the
    recipient waits for an end, whatever it is."""
    recipient = effect.recipient
    told = WorkflowEnded(
        workflow_id=recipient.workflow_id,
        run_id=recipient.run_id,
        number=recipient.number,
        ended_workflow_id=effect.workflow_id,
        ended_run_id=effect.run_id,
        status=effect.status,
        result=effect.result,
        failure=effect.failure,
    )
    try:
        return encode(told, message_id=message_id)
    except MessageTooLargeError as error:
        refusal = wire.ReplyError(code="too_large", message=str(error)[:TEXT_LIMIT])
    except InvalidMessageError as error:
        refusal = wire.ReplyError(code="rejected", message=error.reason[:TEXT_LIMIT])
    return encode(replace(told, result=None, failure=None, error=refusal), message_id=message_id)


def to_asker(effect: ToAskerEffect, message_id: str) -> Message:
    """Whether that was done which another workflow has asked for."""
    recipient = effect.recipient
    error = None
    if effect.error is not None:
        code, text = effect.error
        error = wire.ReplyError(
            code=code,  # type: ignore[arg-type]  # as in of_effect
            message=text[:TEXT_LIMIT],
            workflow_id=effect.workflow_id,
            run_id=effect.run_id,
        )
    told = wire.WorkflowAnswered(
        workflow_id=recipient.workflow_id,
        run_id=recipient.run_id,
        number=recipient.number,
        asked=effect.asked,
        by_run_id=effect.run_id,
        error=error,
    )
    return encode(told, message_id=message_id)


def described(told: wire.Description) -> wire.Reply:
    return wire.Reply(kind="answer", workflow_id=told.workflow_id, run_id=told.run_id, description=told)


def description_of(fields: Mapping[str, Any]) -> wire.Description:
    """Of the wire's own kinds in all its parts, which leave out what there is nothing to say for."""
    suspension = fields.get("suspension")
    own: dict[str, Any] = {
        name: tuple(kind(**one) for one in fields.get(name, ())) for name, kind in _PARTS.items()
    }
    if suspension is not None:
        own["suspension"] = wire.ShownSuspension(**suspension)
    return wire.Description(**{**fields, **own})


_PARTS: dict[str, type[Any]] = {
    "pending_activities": wire.PendingActivity,
    "quarantine": wire.UnfitSignal,
    "deadlines": wire.RunDeadline,
    "incidents": wire.OpenIncident,
    "updates": wire.PendingUpdate,
    "compensations": wire.PendingCompensation,
    "children": wire.OpenChild,
    "timers": wire.PendingTimer,
    "requests": wire.OpenRequest,
}
"""Of a description: fields that have several of one kind."""


def spare(told: wire.Description) -> wire.Description:
    """Without what workflows and clients have given: payloads, memo, and of failures all but what they say."""
    activities = tuple(
        replace(one, last_failure=_brief(one.last_failure)) for one in told.pending_activities[:SPARE_MAX]
    )
    incidents = tuple(
        replace(one, last_failure=_brief(one.last_failure), args=None) for one in told.incidents[:SPARE_MAX]
    )
    return replace(
        told,
        pending_activities=activities,
        incidents=incidents,
        quarantine=tuple(replace(one, args=None) for one in told.quarantine[:SPARE_MAX]),
        children=told.children[:SPARE_MAX],
        search_attributes={},
        compensations=(),
        patches=(),
        memo={},
        details="",
        input=None,
        result=None,
        failure=_brief(told.failure),
    )


def _brief(failure: Failure | None) -> Failure | None:
    """The innermost cause, which says most."""
    while failure is not None and failure.cause is not None and not failure.type:
        failure = failure.cause
    if failure is None:
        return None
    message = failure.message[:BRIEF_CHARACTERS]
    return replace(failure, message=message, stack="", details=(), parts=(), cause=None)
