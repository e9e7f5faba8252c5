"""What user code asks for."""

from __future__ import annotations

from msgspec import Struct


class StartTimer(Struct, frozen=True, kw_only=True):
    """`fire_at` is absolute: the input's time plus the delay."""

    number: int
    fire_at: int
    line: str = ""

    @property
    def digest(self) -> str:
        return f"timer {self.number}"


class CancelTimer(Struct, frozen=True, kw_only=True):
    number: int
    line: str = ""

    @property
    def digest(self) -> str:
        return f"cancel timer {self.number}"
