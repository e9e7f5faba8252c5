"""What is stored of timers: what becomes of them, for the journal, and what user code is told, for the log.

How events and inputs are stored: see `run.events`, `run.inputs`.
"""

from __future__ import annotations

from msgspec import Struct


class TimerWanted(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="t"):
    number: int
    fire_at: int


class TimerUnwanted(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="u"):
    number: int


class TimerElapsed(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="tim"):
    number: int


class TimerFired(Struct, frozen=True, kw_only=True, array_like=True, forbid_unknown_fields=True, tag="timer"):
    number: int

    @property
    def words(self) -> str:
        """For people."""
        return f"timer {self.number}"


TimerWant = TimerWanted | TimerUnwanted
