"""Signals on the wire."""

from __future__ import annotations

from dalsegno.actors.supervisor.wire.form import Commands, caller_of
from dalsegno.actors.workflow_actor.signals.commands import Signal
from dalsegno.broker.port import Message
from dalsegno.broker.protocol.messages import SignalWorkflow


def _signal(body: SignalWorkflow, message: Message) -> Signal:
    return Signal(name=body.name, args=body.args, run_id=body.run_id, caller=caller_of(message))


COMMANDS: Commands = {SignalWorkflow: _signal}
