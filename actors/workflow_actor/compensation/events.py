"""What is stored of compensations, for the journal.

How events are stored: see `run.events`.
"""

from __future__ import annotations

from msgspec import Struct

from dalsegno.failure import Failure


class CompensationPushed(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="cp"):
    number: int
    saga: str
    name: str
    step: str


class CompensationsDropped(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="cd"):
    """There is nothing to undo any more."""

    numbers: tuple[int, ...]


class CompensationBegun(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="cb"):
    """These are undone, in this order."""

    numbers: tuple[int, ...]


class CompensationSettled(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="cs"):
    """Undone; or it failed for good, and those behind it are undone all the same."""

    number: int
    failure: Failure | None = None


CompensationWant = CompensationPushed | CompensationsDropped | CompensationBegun | CompensationSettled
"""What user code asks for."""
