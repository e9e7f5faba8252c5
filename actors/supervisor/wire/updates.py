"""Updates on the wire."""

from __future__ import annotations

from dalsegno.actors.supervisor.wire import replies
from dalsegno.actors.supervisor.wire.form import Address, Commands, Forms, WireForm, caller_of
from dalsegno.actors.supervisor.wire.runs import start
from dalsegno.actors.workflow_actor.interface.cause import AwaitOutcome, Cause
from dalsegno.actors.workflow_actor.interface.commands import Start
from dalsegno.actors.workflow_actor.updates.commands import Update
from dalsegno.actors.workflow_actor.updates.sends import UpdateEffect
from dalsegno.broker.port import Message
from dalsegno.broker.protocol import messages as wire


def _update(body: wire.UpdateWorkflow, message: Message) -> Update:
    return Update(
        update_id=body.update_id or message.message_id or "",
        name=body.name,
        args=body.args,
        headers=body.headers,
        wait_for=body.wait_for,
        run_id=body.run_id,
        caller=caller_of(message),
    )


def _await_update(body: wire.AwaitUpdate, message: Message) -> AwaitOutcome:
    return AwaitOutcome(
        run_id=body.run_id, caller=caller_of(message), update_id=body.update_id, stage=body.wait_for
    )


def _with_start(body: wire.UpdateWithStart, message: Message) -> Start:
    """One message with two commands."""
    update = Update(
        update_id=body.update_id or message.message_id or "",
        name=body.update_name,
        args=body.update_args,
        headers=body.update_headers,
        wait_for=body.wait_for,
        caller=caller_of(message),
    )
    return start(body, message, update)


COMMANDS: Commands = {
    wire.UpdateWorkflow: _update,
    wire.UpdateWithStart: _with_start,
    wire.AwaitUpdate: _await_update,
}


def _to_caller(effect: UpdateEffect) -> Address:
    return Address("", effect.caller.reply_to)


def _reply(effect: UpdateEffect, message_id: str, _: str | None) -> Message:
    return replies.sendable(replies.of_effect(effect), effect.caller, message_id)


def _update_id(effect: UpdateEffect, cause: Cause) -> str:
    return replies.message_id_of(effect.caller, cause.message_id, f"update {cause.message_type}")


FORMS: Forms = {UpdateEffect: WireForm(_to_caller, _reply, is_to_reader=True, transient_id=_update_id)}
