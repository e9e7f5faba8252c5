"""What events make of updates: the part of `run.apply` that is theirs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from heapq import nsmallest
from typing import Any, Protocol

from msgspec.structs import replace

from dalsegno.actors.workflow_actor.interface.effects import EffectID
from dalsegno.actors.workflow_actor.updates.events import (
    UpdateAccepted,
    UpdateAdmitted,
    UpdateAwaited,
    UpdateCompleted,
    Updated,
)
from dalsegno.actors.workflow_actor.updates.sends import UpdateDue
from dalsegno.actors.workflow_actor.updates.update import (
    OUTCOMES_DROPPED,
    OUTCOMES_MAX,
    OpenUpdate,
    UpdateOutcome,
)
from dalsegno.failure import Failure
from dalsegno.payload import Payload

UNFINISHED = Failure(
    type="AcceptedUpdateCompletedWorkflow",
    message="The update was accepted, and the run ended before its handler did.",
    non_retryable=True,
)
NOT_HANDLED = Failure(
    type="UpdateNotHandled", message="The update was not handled: the run has ended.", non_retryable=True
)
NEVER_HANDLED = (UNFINISHED, NOT_HANDLED)
"""What comes of updates that are open when their run ends."""


class UpdateDraft(Protocol):
    """What updates need of a run's state while it changes. (It is `run.draft.Draft`.)"""

    @property
    def time(self) -> int: ...
    @property
    def updates(self) -> Mapping[str, OpenUpdate]: ...
    @property
    def update_outcomes(self) -> Mapping[str, UpdateOutcome]: ...
    def count_update(self) -> int: ...
    def put_update(self, update_id: str, update: OpenUpdate) -> None: ...
    def take_update(self, update_id: str) -> OpenUpdate: ...
    def put_outcome(self, update_id: str, outcome: UpdateOutcome) -> None: ...
    def drop_outcome(self, update_id: str) -> None: ...
    def give_first(self, input_: Updated) -> None: ...
    def send(self, due: UpdateDue) -> EffectID: ...


def _admitted(draft: UpdateDraft, event: UpdateAdmitted) -> None:
    if event.update_id in draft.updates or event.update_id in draft.update_outcomes:
        raise LookupError(f"there is an update {event.update_id} already")
    update = OpenUpdate(draft.count_update(), event.name, draft.time, is_accepted=event.validated)
    draft.put_update(event.update_id, update)
    draft.give_first(
        Updated(
            update_id=event.update_id,
            name=event.name,
            args=event.args,
            validated=event.validated,
            headers=event.headers,
        )
    )


def _awaited(draft: UpdateDraft, event: UpdateAwaited) -> None:
    update = draft.updates[event.update_id]
    if event.awaiter not in update.awaiters:
        draft.put_update(event.update_id, replace(update, awaiters=(*update.awaiters, event.awaiter)))


def _accepted(draft: UpdateDraft, want: UpdateAccepted) -> None:
    update = draft.updates[want.update_id]
    told = [awaiter for awaiter in update.awaiters if awaiter.stage == "accepted"]
    left = tuple(awaiter for awaiter in update.awaiters if awaiter.stage != "accepted")
    draft.put_update(want.update_id, replace(update, is_accepted=True, awaiters=left))
    for awaiter in told:
        draft.send(UpdateDue(want.update_id, awaiter.recipient.client))


def _completed(draft: UpdateDraft, want: UpdateCompleted) -> None:
    _come_out(draft, want.update_id, want.result, want.failure)
    if len(draft.update_outcomes) >= OUTCOMES_MAX + OUTCOMES_DROPPED:
        outcomes = draft.update_outcomes
        for update_id in nsmallest(OUTCOMES_DROPPED, outcomes, key=lambda known: outcomes[known].age_key):
            draft.drop_outcome(update_id)


def _come_out(draft: UpdateDraft, update_id: str, result: Payload | None, failure: Failure | None) -> None:
    update = draft.take_update(update_id)
    outcome = UpdateOutcome(update.number, update.name, draft.time, result, failure)
    draft.put_outcome(update_id, outcome)
    for awaiter in update.awaiters:
        draft.send(UpdateDue(update_id, awaiter.recipient.client, outcome))


def close(draft: UpdateDraft) -> None:
    """The run ends: who waits for what is open is told so, in the order of its coming."""
    for update_id, update in sorted(draft.updates.items(), key=lambda entry: entry[1].number):
        _come_out(draft, update_id, None, UNFINISHED if update.is_accepted else NOT_HANDLED)


APPLY: dict[type, Callable[[Any, Any], None]] = {
    UpdateAdmitted: _admitted,
    UpdateAwaited: _awaited,
    UpdateAccepted: _accepted,
    UpdateCompleted: _completed,
}
