"""What user code wants of compensations, as events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dalsegno.actors.workflow_actor.compensation.events import (
    CompensationBegun,
    CompensationPushed,
    CompensationsDropped,
    CompensationSettled,
    CompensationWant,
)
from dalsegno.actors.workflow_actor.compensation.intents import (
    BeginCompensation,
    DropCompensations,
    PushCompensation,
    SettleCompensation,
)


def _pushed(intent: PushCompensation, _: bytes) -> CompensationPushed:
    return CompensationPushed(intent.number, intent.saga, intent.name, intent.step_type)


def _dropped(intent: DropCompensations, _: bytes) -> CompensationsDropped:
    return CompensationsDropped(intent.numbers)


def _begun(intent: BeginCompensation, _: bytes) -> CompensationBegun:
    return CompensationBegun(intent.numbers)


def _settled(intent: SettleCompensation, _: bytes) -> CompensationSettled:
    return CompensationSettled(intent.number, intent.failure)


WANTS: dict[type, Callable[[Any, bytes], CompensationWant]] = {
    PushCompensation: _pushed,
    DropCompensations: _dropped,
    BeginCompensation: _begun,
    SettleCompensation: _settled,
}
"""By its type, what an intent becomes."""
