"""What `decide` gives: events to record, and what needs no record."""

from __future__ import annotations

from typing import Any, Generic, Never, TypeVar

from msgspec import Struct

from dalsegno.actors.workflow_actor.interface.activation import Probe
from dalsegno.actors.workflow_actor.interface.effects import Effect
from dalsegno.failure import Failure
from dalsegno.payload import Payload

E = TypeVar("E", covariant=True)


class Decision(Struct, Generic[E], frozen=True, kw_only=True):
    """`events` are of type E. `effects` are transient. `refusal` is (error code, sentence) when the command was
    refused: nothing is recorded then. `stale`: see Activation.

    Who asked is answered, with what is so in any case, and beside that with `result` or `description`; with
    `failure`, where what was asked of user code is refused because it raised that.
    """

    events: tuple[E, ...] = ()
    effects: tuple[Effect, ...] = ()
    probes: tuple[Probe, ...] = ()
    refusal: tuple[str, str] | None = None
    stale: bool = False
    result: Payload | None = None
    description: dict[str, Any] | None = None
    failure: Failure | None = None


NOTHING: Decision[Never] = Decision()
STALE: Decision[Never] = Decision(stale=True)
