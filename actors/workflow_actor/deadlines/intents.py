"""What user code asks for."""

from __future__ import annotations

from msgspec import Struct


class SetDeadline(Struct, frozen=True, kw_only=True):
    number: int
    name: str
    due_at: int
    risk_at: int | None
    line: str = ""

    @property
    def digest(self) -> str:
        return f"deadline {self.number} {self.name}"


class MeetDeadline(Struct, frozen=True, kw_only=True):
    number: int
    late: bool
    line: str = ""

    @property
    def digest(self) -> str:
        return f"meet deadline {self.number}"
