"""What events make of timers: the part of `run.apply` that is theirs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from dalsegno.actors.workflow_actor.timers.events import TimerElapsed, TimerFired, TimerUnwanted, TimerWanted


class TimerDraft(Protocol):
    """What timers need of a run's state while it changes. (It is `run.draft.Draft`.)"""

    def set_timer(self, number: int, fire_at: int) -> None: ...
    def drop_timer(self, number: int) -> bool: ...
    def give(self, input_: TimerFired) -> None: ...


def _wanted(draft: TimerDraft, want: TimerWanted) -> None:
    draft.set_timer(want.number, want.fire_at)


def _unwanted(draft: TimerDraft, want: TimerUnwanted) -> None:
    draft.drop_timer(want.number)


def _elapsed(draft: TimerDraft, event: TimerElapsed) -> None:
    if not draft.drop_timer(event.number):
        raise LookupError(f"there is no timer {event.number}")
    draft.give(TimerFired(number=event.number))


APPLY: dict[type, Callable[[Any, Any], None]] = {
    TimerWanted: _wanted,
    TimerUnwanted: _unwanted,
    TimerElapsed: _elapsed,
}
