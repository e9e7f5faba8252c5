"""Signals on the wire."""

from __future__ import annotations

from dalsegno.actors.supervisor.wire.form import Commands, caller_of, workflow_of
from dalsegno.actors.supervisor.wire.runs import start
from dalsegno.actors.workflow_actor.interface.commands import Start
from dalsegno.actors.workflow_actor.signals.commands import SettleQuarantined, Signal
from dalsegno.broker.port import Message
from dalsegno.broker.protocol import messages as wire


def _signal(body: wire.SignalWorkflow, message: Message) -> Signal:
    return Signal(
        name=body.name,
        args=body.args,
        headers=body.headers,
        run_id=body.run_id,
        caller=caller_of(message),
        asker=None if body.answer_to is None else workflow_of(body.answer_to),
        child_of=None if body.child_of is None else workflow_of(body.child_of),
    )


def _with_start(body: wire.SignalWithStart, message: Message) -> Start:
    """One message with two commands."""
    signal = Signal(name=body.signal_name, args=body.signal_args, headers=body.headers)
    return start(body, message, signal)


def _settle(body: wire.ChangeQuarantine, message: Message) -> SettleQuarantined:
    return SettleQuarantined(
        number=body.number, action=body.action, args=body.args, run_id=body.run_id, caller=caller_of(message)
    )


COMMANDS: Commands = {
    wire.SignalWorkflow: _signal,
    wire.SignalWithStart: _with_start,
    wire.ChangeQuarantine: _settle,
}
