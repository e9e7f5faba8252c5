"""What `decide` gives: events to record, and what needs no record."""

from __future__ import annotations

from msgspec import Struct

from dalsegno.actors.workflow_actor.interface.activation import Probe
from dalsegno.actors.workflow_actor.interface.effects import Effect
from dalsegno.actors.workflow_actor.run.events import Event


class Decision(Struct, frozen=True, kw_only=True):
    """`effects` are transient. `refusal` is (error code, sentence) when the command was refused: nothing is
    recorded then. `stale`: see Activation."""

    events: tuple[Event, ...] = ()
    effects: tuple[Effect, ...] = ()
    probes: tuple[Probe, ...] = ()
    refusal: tuple[str, str] | None = None
    stale: bool = False


NOTHING = Decision()
STALE = Decision(stale=True)
