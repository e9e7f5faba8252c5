"""The part of the store port for commands that applications have written in transactions of their own."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from msgspec import Struct


class InboxRow(Struct, frozen=True):
    """`message` as the embedded broker stores one (`broker.message_bytes`); an application wrote it, so it may
    be anything."""

    number: int
    message: bytes


class Inbox(Protocol):
    """Commands that applications have written in transactions of their own. A connection of its own."""

    def waiting(
        self, *, written_before: int | None, without: Collection[int], limit: int, bytes_max: int, row_max: int
    ) -> list[InboxRow]:
        """The first, in the order of their numbers, but those in `without`: up to the one with which
        `bytes_max` is reached, which is known before any is read. `written_before` is by the application's
        clock, in microseconds; None: whatever that says. Of a row its first
        `row_max` are read, also of one that is no bytes, which SQLite allows."""

    def remove(self, numbers: Collection[int]) -> None: ...

    def close(self) -> None: ...
