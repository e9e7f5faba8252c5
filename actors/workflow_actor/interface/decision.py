"""What `decide` gives: events to record, and what needs no record."""

from __future__ import annotations

from typing import Generic, Never, TypeVar

from msgspec import Struct

from dalsegno.actors.workflow_actor.interface.activation import Probe
from dalsegno.actors.workflow_actor.interface.effects import Effect

E = TypeVar("E", covariant=True)


class Decision(Struct, Generic[E], frozen=True, kw_only=True):
    """`events` are of type E. `effects` are transient. `refusal` is (error code, sentence) when the command was
    refused: nothing is recorded then. `stale`: see Activation."""

    events: tuple[E, ...] = ()
    effects: tuple[Effect, ...] = ()
    probes: tuple[Probe, ...] = ()
    refusal: tuple[str, str] | None = None
    stale: bool = False


NOTHING: Decision[Never] = Decision()
STALE: Decision[Never] = Decision(stale=True)
