"""What events make of local activities: the part of `run.apply` that is theirs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from msgspec.structs import replace

from dalsegno.actors.workflow_actor.activities.events import ActivityResolved
from dalsegno.actors.workflow_actor.interface.times import FAR_FUTURE
from dalsegno.actors.workflow_actor.local_activities.events import (
    LocalActivityBegun,
    LocalActivityCompleted,
    LocalActivityFailed,
    LocalActivityUnwanted,
    LocalActivityWanted,
    LocalRetryPlanned,
)
from dalsegno.actors.workflow_actor.local_activities.local_activity import (
    PATIENCE,
    PATIENCE_MAX,
    LocalActivity,
)
from dalsegno.backoff import doubled
from dalsegno.failure import Failure


class LocalActivityDraft(Protocol):
    """What local activities need of a run's state while it changes. (It is `run.draft.Draft`.)"""

    time: int
    fence: int
    """The last that was given out."""

    @property
    def local_activities(self) -> Mapping[int, LocalActivity]: ...
    def put_local(self, pending: LocalActivity) -> None: ...
    def take_local(self, number: int) -> LocalActivity: ...
    def give(self, input_: ActivityResolved) -> None: ...


def _wanted(draft: LocalActivityDraft, want: LocalActivityWanted) -> None:
    draft.fence += 1
    due_at = min(draft.time + PATIENCE, FAR_FUTURE)
    draft.put_local(LocalActivity(want.spec, want.token, draft.fence, 1, draft.time, due_at, PATIENCE))


def _unwanted(draft: LocalActivityDraft, want: LocalActivityUnwanted) -> None:
    """One that is settled already, though user code has not been told yet, stays settled; one that is abandoned
    goes on, and user code passes over how it ends."""
    number = want.number
    pending = draft.local_activities.get(number)
    if pending is None or pending.cancel_requested or pending.spec.cancellation_type == "abandon":
        return
    if pending.spec.cancellation_type == "try_cancel":
        draft.take_local(number)
    elif pending.backing_off:
        draft.take_local(number)
        draft.give(ActivityResolved(number=number, failure=CANCELED))
    else:
        draft.put_local(replace(pending, cancel_requested=True))


def _begun(draft: LocalActivityDraft, event: LocalActivityBegun) -> None:
    pending = draft.local_activities[event.number]
    draft.fence += 1
    patience = PATIENCE if pending.backing_off else doubled(pending.patience, PATIENCE_MAX, 1)
    draft.put_local(
        replace(
            pending,
            fence=draft.fence,
            attempt=pending.attempt + pending.backing_off,
            due_at=min(draft.time + patience, FAR_FUTURE),
            patience=patience,
            backing_off=False,
        )
    )


def _retry_planned(draft: LocalActivityDraft, event: LocalRetryPlanned) -> None:
    draft.put_local(
        replace(
            draft.local_activities[event.number],
            attempt=event.attempt,
            due_at=event.retry_at,
            backing_off=True,
            last_failure=event.failure,
        )
    )


def _completed(draft: LocalActivityDraft, event: LocalActivityCompleted) -> None:
    draft.take_local(event.number)
    draft.give(ActivityResolved(number=event.number, result=event.result))


def _failed(draft: LocalActivityDraft, event: LocalActivityFailed) -> None:
    draft.take_local(event.number)
    draft.give(ActivityResolved(number=event.number, failure=event.failure))


CANCELED = Failure(kind="canceled", message="the activity was cancelled")

APPLY: dict[type, Callable[[Any, Any], None]] = {
    LocalActivityWanted: _wanted,
    LocalActivityUnwanted: _unwanted,
    LocalActivityBegun: _begun,
    LocalRetryPlanned: _retry_planned,
    LocalActivityCompleted: _completed,
    LocalActivityFailed: _failed,
}
