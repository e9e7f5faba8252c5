"""What is asked of the instance."""

from __future__ import annotations

from msgspec import field

from dalsegno.actors.workflow_actor.interface.commands import ClientCommand
from dalsegno.actors.workflow_actor.signals.set_aside import QuarantineAction
from dalsegno.payload import Payload


class Signal(ClientCommand, frozen=True, kw_only=True):
    name: str
    args: tuple[Payload, ...] = ()
    headers: dict[str, Payload] = field(default_factory=dict)


class StruckSignal(ClientCommand, frozen=True, kw_only=True):
    """A signal that has killed hosts, and is not to be given to the code. `why`, for people."""

    name: str
    args: tuple[Payload, ...] = ()
    why: str
    headers: dict[str, Payload] = field(default_factory=dict)


class SettleQuarantined(ClientCommand, frozen=True, kw_only=True):
    """See to the signal in the quarantine that has this number: give it to its handler again, drop it, or give
    it other `args`."""

    number: int
    action: QuarantineAction
    args: tuple[Payload, ...] = ()
