"""What comes of what child workflows say of themselves. What comes twice, or when the run has gone on without
it, is nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dalsegno.actors.workflow_actor.children.child import RunOfChildren
from dalsegno.actors.workflow_actor.children.events import (
    ChildAsked,
    ChildBegun,
    ChildClosed,
    ChildEvent,
    ChildRefused,
)
from dalsegno.actors.workflow_actor.children.sends import ChildStartDue
from dalsegno.actors.workflow_actor.interface.commands import OtherAnswered, OtherEnded
from dalsegno.actors.workflow_actor.interface.decision import STALE, Decision
from dalsegno.failure import Failure


def on_answered(run: RunOfChildren, word: OtherAnswered) -> Decision[ChildEvent]:
    child, number = run.children.get(word.number), word.number
    if child is None:
        return STALE
    if word.asked == "cancel":
        return Decision(events=(ChildAsked(number),)) if child.is_asked_to_stop else STALE
    if child.run_id is not None or word.asked != "start":
        return STALE
    if word.error is not None:
        return Decision(events=(ChildRefused(number, *word.error, word.by_run),))
    return Decision(events=(ChildBegun(number, word.by_run),))


def on_ended(run: RunOfChildren, word: OtherEnded) -> Decision[ChildEvent]:
    if word.number not in run.children:
        return STALE
    failure = word.failure
    if word.error is not None:
        code, reason = word.error
        failure = Failure(message=f"How it ended cannot be told: {reason}", type=code, non_retryable=True)
    return Decision(events=(ChildClosed(word.number, word.by_run, word.status, word.result, failure),))


def _on_start_refused(_: RunOfChildren, due: ChildStartDue, reason: str) -> Decision[ChildEvent]:
    return Decision(events=(ChildRefused(due.number, "too_large", reason),))


REFUSED: dict[type, Callable[[Any, Any, str], Decision[ChildEvent]]] = {ChildStartDue: _on_start_refused}
"""What comes of a message that the broker does not take, whoever sends it."""
