"""What comes of what external workflows answer. What comes twice, or is not waited for any more, is nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dalsegno.actors.workflow_actor.externals.events import ExternalAnswered, ExternalEnded, ExternalEvent
from dalsegno.actors.workflow_actor.externals.external import RunOfExternals
from dalsegno.actors.workflow_actor.externals.sends import ExternalDue
from dalsegno.actors.workflow_actor.interface.commands import OtherAnswered, OtherEnded
from dalsegno.actors.workflow_actor.interface.decision import NOTHING, STALE, Decision
from dalsegno.failure import Failure


def on_answered(run: RunOfExternals, word: OtherAnswered) -> Decision[ExternalEvent]:
    external = run.externals.get(word.number)
    if external is None or external.asked != word.asked:
        return STALE
    return Decision(events=(ExternalAnswered(word.number, word.error),))


def on_ended(run: RunOfExternals, word: OtherEnded) -> Decision[ExternalEvent]:
    external = run.externals.get(word.number)
    if external is None or external.asked != "end":
        return STALE
    failure = word.failure
    if word.error is not None:
        code, reason = word.error
        failure = Failure(message=f"How it ended cannot be told: {reason}", type=code, non_retryable=True)
    return Decision(events=(ExternalEnded(word.number, word.by_run, word.status, word.result, failure),))


def _on_refused(run: RunOfExternals, due: ExternalDue, reason: str) -> Decision[ExternalEvent]:
    if due.spec.number not in run.externals:
        return NOTHING
    return Decision(events=(ExternalAnswered(due.spec.number, ("too_large", reason)),))


REFUSED: dict[type, Callable[[Any, Any, str], Decision[ExternalEvent]]] = {ExternalDue: _on_refused}
"""What comes of a message that the broker does not take, whoever sends it."""
