"""What a turn may wait for while the host's loop goes on, and how that is answered. See `open_turn`."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import ClassVar

from msgspec import Struct


class Ready(Struct, frozen=True):
    """All that the command needs is at hand."""


class Unready(Struct, frozen=True):
    """It cannot be had now. What the command says is recorded, and the run is suspended for `reason`, a
    sentence for people, until a later try goes well."""

    reason: str


class Unfit(Struct, frozen=True):
    """A client's command is refused, with an error code and a sentence: its sender is told, and nothing else is
    left of it."""

    refusal: tuple[str, str]


Preparation = Ready | Unready | Unfit


class LocalWork(Struct, frozen=True):
    """Base: what user code has wanted, and what is done within its turn. It is answered by a command, as from
    without, unless `is_answered` says that it is not. What is not done when the turn ends, or the process, is
    for its room to see to: the want is in the state."""

    is_answered: ClassVar[bool] = True

    @property
    def key(self) -> Hashable:
        """Of two with the same the second takes the place of the first."""
        return id(self)


class KeepPieces(LocalWork, frozen=True):
    """What user code has made for the payload store, by its keys. The turn refers to it, and is not sealed
    before it is there: neither its bound nor the end of its run changes that."""

    pieces: Mapping[str, bytes]


class PiecesKept(Struct, frozen=True):
    """How that came out: nothing is recorded of it. `why_not`, a sentence for people: the turn is dropped, and
    what its command says is recorded as if it could not be prepared."""

    why_not: str | None = None
