"""What comes of a signal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from dalsegno.actors.workflow_actor.interface.decision import Decision
from dalsegno.actors.workflow_actor.signals.commands import (
    SettleQuarantined,
    Signal,
    StruckSignal,
)
from dalsegno.actors.workflow_actor.signals.events import (
    FirstSignalReceived,
    QuarantineSettled,
    SignalReceived,
    SignalStruck,
)
from dalsegno.actors.workflow_actor.signals.intents import SetSignalAside
from dalsegno.actors.workflow_actor.signals.set_aside import (
    QUARANTINE_BYTES_MAX,
    QuarantinedSignal,
    RunOfSignals,
    has_room,
)
from dalsegno.actors.workflow_actor.signals.strikes import struck_reason

NOT_FITTING = (
    "It is kept, and comes first when the code runs again: deploy a handler that takes it, too, and the "
    "workflow goes on by itself; or terminate it and start another."
)


NO_HEADERS_YET = "headers cannot be stored yet: replace all hosts of older versions, and run `dalsegno init`"
"""As long as the namespace is written in a format that has no place for them."""


class KnownOfHeaders(Protocol):
    """(It is `run.decide.Known`.)"""

    @property
    def stores_headers(self) -> bool: ...


def on_signal(_: object, command: Signal, known: KnownOfHeaders) -> Decision[SignalReceived]:
    """To a run that is open."""
    if command.headers and not known.stores_headers:
        return Decision(refusal=("rejected", NO_HEADERS_YET))
    return Decision(events=(received(command),))


def on_struck(_: object, command: StruckSignal, __: object) -> Decision[SignalStruck]:
    reason = struck_reason(command.name, command.why)
    return Decision(events=(SignalStruck(command.name, command.args, reason, command.headers),))


def received(signal: Signal) -> SignalReceived:
    return SignalReceived(signal.name, signal.args, signal.headers)


def first_of_all(signal: Signal) -> FirstSignalReceived:
    """With the start of its run."""
    return FirstSignalReceived(signal.name, signal.args, signal.headers)


def on_settle(state: RunOfSignals, command: SettleQuarantined, _: object) -> Decision[QuarantineSettled]:
    known = state.quarantine.get(command.number)
    if known is None:
        return Decision(
            refusal=("rejected", f"nothing is in the quarantine of this run under the number {command.number}")
        )
    others = {number: signal for number, signal in state.quarantine.items() if number != command.number}
    if command.action == "edit" and not has_room(others, command.args):
        text = (
            f"the quarantine of a run has room for {QUARANTINE_BYTES_MAX:,} bytes of arguments: drop some first"
        )
        return Decision(refusal=("rejected", text))
    return Decision(events=(QuarantineSettled(command.number, command.action, command.args),))


def not_set_aside(state: RunOfSignals, intents: Iterable[object], *, may_be_stored: bool) -> str | None:
    """Why a step that wants that cannot be recorded, for people, so that its code is suspended; None if it can
    be."""
    aside = dict(state.quarantine)
    for intent in intents:
        if not isinstance(intent, SetSignalAside):
            continue
        if not may_be_stored or not has_room(aside, intent.args):
            return f"{intent.reason} {NOT_FITTING}"
        number = state.quarantined + len(aside) + 1  # any that is free will do
        aside[number] = QuarantinedSignal(intent.name, intent.args, intent.reason, set_aside_at=0)
    return None
