"""What user code wants of updates, as events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dalsegno.actors.workflow_actor.updates.events import UpdateAccepted, UpdateCompleted, UpdateWant
from dalsegno.actors.workflow_actor.updates.intents import AcceptUpdate, CompleteUpdate, FailUpdate


def _accepted(intent: AcceptUpdate, _: bytes) -> UpdateAccepted:
    return UpdateAccepted(intent.update_id)


def _completed(intent: CompleteUpdate, _: bytes) -> UpdateCompleted:
    return UpdateCompleted(intent.update_id, result=intent.result)


def _failed(intent: FailUpdate, _: bytes) -> UpdateCompleted:
    return UpdateCompleted(intent.update_id, failure=intent.failure)


WANTS: dict[type, Callable[[Any, bytes], UpdateWant]] = {
    AcceptUpdate: _accepted,
    CompleteUpdate: _completed,
    FailUpdate: _failed,
}
"""By its type, what an intent becomes."""
