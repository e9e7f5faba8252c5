"""A signal in a run's quarantine: its arguments do not fit its handler, or it has killed hosts. The run goes on
without it until somebody tries it again, with other arguments perhaps, or drops it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Protocol

from msgspec import Struct

from dalsegno.payload import Payload

QUARANTINE_MAX = 100
"""Signals in the quarantine of one run. With more to come its code is suspended."""

QUARANTINE_BYTES_MAX = 1024 * 1024
"""Of their arguments, together. With more to come its code is suspended."""

REASON_CHARACTERS_MAX = 1_000

QuarantineAction = Literal["retry", "edit", "drop"]


class QuarantinedSignal(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    name: str
    args: tuple[Payload, ...]
    reason: str
    set_aside_at: int
    struck: bool = False
    """It has killed hosts."""
    headers: dict[str, Payload] = {}

    @property
    def size(self) -> int:
        return sum(len(arg.data) for arg in self.args)


class RunOfSignals(Protocol):
    """A run's state, as far as it is about them. (It is `run.state.WorkflowState`.)"""

    @property
    def quarantine(self) -> Mapping[int, QuarantinedSignal]: ...
    @property
    def quarantined(self) -> int: ...


def has_room(quarantine: Mapping[int, QuarantinedSignal], args: tuple[Payload, ...]) -> bool:
    """For one more, with these arguments."""
    size = sum(one.size for one in quarantine.values()) + sum(len(arg.data) for arg in args)
    return len(quarantine) < QUARANTINE_MAX and size <= QUARANTINE_BYTES_MAX
