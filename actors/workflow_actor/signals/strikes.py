"""Signals that have killed hosts: they go into the quarantine, and their run goes on without them.

Only one that is put to the code as it comes: of several that were recorded before, nobody can tell which it is.
Where too many have, it may not be their fault, but that of the code, whatever is put to it: then the run is
suspended.
"""

from __future__ import annotations

from collections.abc import Mapping

from dalsegno.actors.workflow_actor.signals.set_aside import QuarantinedSignal

STRUCK_MAX = 3
"""In the quarantine of one run."""


def has_room_for_struck(quarantine: Mapping[int, QuarantinedSignal]) -> bool:
    return sum(signal.struck for signal in quarantine.values()) < STRUCK_MAX


def struck_reason(name: str, why: str) -> str:
    """For people, of one in the quarantine. `why`: how often, and with what."""
    told = f"When the signal {name!r} was given to the code, {why}."
    return f"{told} Deploy code in which that is mended, and retry it then."
