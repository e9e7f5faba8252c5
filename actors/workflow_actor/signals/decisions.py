"""What comes of a signal."""

from __future__ import annotations

from dalsegno.actors.workflow_actor.interface.decision import Decision
from dalsegno.actors.workflow_actor.signals.commands import Signal
from dalsegno.actors.workflow_actor.signals.events import SignalReceived


def on_signal(_: object, command: Signal, __: object) -> Decision[SignalReceived]:
    """To a run that is open."""
    return Decision(events=(SignalReceived(command.name, command.args),))
