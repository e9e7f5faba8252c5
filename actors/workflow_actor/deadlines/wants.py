"""What user code wants of deadlines, as events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dalsegno.actors.workflow_actor.deadlines.events import DeadlineMet, DeadlineSet, DeadlineWant
from dalsegno.actors.workflow_actor.deadlines.intents import MeetDeadline, SetDeadline


def _set(intent: SetDeadline, _: bytes) -> DeadlineSet:
    return DeadlineSet(intent.number, intent.name, intent.due_at, intent.risk_at)


def _met(intent: MeetDeadline, _: bytes) -> DeadlineMet:
    return DeadlineMet(intent.number, intent.late)


WANTS: dict[type, Callable[[Any, bytes], DeadlineWant]] = {
    SetDeadline: _set,
    MeetDeadline: _met,
}
"""By its type, what an intent becomes."""
