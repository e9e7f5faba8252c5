"""What is stored of signals: what becomes of them, for the journal, and what user code is told, for the log.

How events and inputs are stored: see `run.events`, `run.inputs`.
"""

from __future__ import annotations

from msgspec import Struct

from dalsegno.actors.workflow_actor.signals.set_aside import QuarantineAction
from dalsegno.payload import Payload


class SignalReceived(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="sig"):
    name: str
    args: tuple[Payload, ...]
    headers: dict[str, Payload] = {}


class FirstSignalReceived(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="sg1"):
    """With the start of its run: its handler comes before the first step of the run method."""

    name: str
    args: tuple[Payload, ...]
    headers: dict[str, Payload] = {}


class Signaled(Struct, frozen=True, kw_only=True, array_like=True, forbid_unknown_fields=True, tag="signal"):
    name: str
    args: tuple[Payload, ...] = ()
    headers: dict[str, Payload] = {}

    @property
    def words(self) -> str:
        """For people."""
        return f"signal {self.name!r}"


class SignalQuarantined(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="sq"):
    """What user code has wanted: see SetSignalAside. `place`: -1 if it was given before the last sign."""

    place: int
    name: str
    args: tuple[Payload, ...]
    reason: str
    headers: dict[str, Payload] = {}


class SignalStruck(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="sst"):
    """A signal has killed hosts, and the code is not given it."""

    name: str
    args: tuple[Payload, ...]
    reason: str
    headers: dict[str, Payload] = {}


class QuarantineSettled(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="qs"):
    """Somebody has seen to a signal in the quarantine; `args` are its new ones, if it was edited."""

    number: int
    action: QuarantineAction
    args: tuple[Payload, ...] = ()


class SetAside(Struct, frozen=True, kw_only=True, array_like=True, forbid_unknown_fields=True, tag="aside"):
    """In the place of a signal that went into the quarantine: the code is given nothing."""

    name: str

    @property
    def words(self) -> str:
        """For people."""
        return f"signal {self.name!r}, which is in quarantine,"


SignalEvent = SignalReceived | FirstSignalReceived | SignalStruck | QuarantineSettled
SignalInput = Signaled | SetAside
