"""What comes of a signal."""

from __future__ import annotations

from dalsegno.actors.workflow_actor.interface.decision import Decision
from dalsegno.actors.workflow_actor.signals.commands import Signal
from dalsegno.actors.workflow_actor.signals.events import FirstSignalReceived, SignalReceived


def on_signal(_: object, command: Signal, __: object) -> Decision[SignalReceived]:
    """To a run that is open."""
    return Decision(events=(received(command),))


def received(signal: Signal) -> SignalReceived:
    return SignalReceived(signal.name, signal.args)


def first_of_all(signal: Signal) -> FirstSignalReceived:
    """With the start of its run."""
    return FirstSignalReceived(signal.name, signal.args)
