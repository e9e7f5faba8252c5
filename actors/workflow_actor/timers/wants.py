"""What user code wants of timers, as events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dalsegno.actors.workflow_actor.interface.times import FAR_FUTURE
from dalsegno.actors.workflow_actor.timers.events import TimerUnwanted, TimerWant, TimerWanted
from dalsegno.actors.workflow_actor.timers.intents import CancelTimer, StartTimer


def _wanted(intent: StartTimer, _: bytes) -> TimerWanted:
    return TimerWanted(intent.number, min(intent.fire_at, FAR_FUTURE))


def _unwanted(intent: CancelTimer, _: bytes) -> TimerUnwanted:
    return TimerUnwanted(intent.number)


WANTS: dict[type, Callable[[Any, bytes], TimerWant]] = {
    StartTimer: _wanted,
    CancelTimer: _unwanted,
}
"""By its type, what an intent becomes."""
