"""Signals on the wire."""

from __future__ import annotations

from dalsegno.actors.supervisor.wire.form import Commands, caller_of, workflow_of
from dalsegno.actors.supervisor.wire.runs import start
from dalsegno.actors.workflow_actor.interface.commands import Start
from dalsegno.actors.workflow_actor.signals.commands import Signal
from dalsegno.broker.port import Message
from dalsegno.broker.protocol.messages import SignalWithStart, SignalWorkflow


def _signal(body: SignalWorkflow, message: Message) -> Signal:
    return Signal(
        name=body.name,
        args=body.args,
        run_id=body.run_id,
        caller=caller_of(message),
        asker=None if body.answer_to is None else workflow_of(body.answer_to),
        child_of=None if body.child_of is None else workflow_of(body.child_of),
    )


def _with_start(body: SignalWithStart, message: Message) -> Start:
    """One message with two commands."""
    return start(body, message, Signal(name=body.signal_name, args=body.signal_args))


COMMANDS: Commands = {SignalWorkflow: _signal, SignalWithStart: _with_start}
