"""What events make of compensations: the part of `run.apply` that is theirs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from msgspec.structs import replace

from dalsegno.actors.workflow_actor.compensation.compensation import Compensation
from dalsegno.actors.workflow_actor.compensation.events import (
    CompensationBegun,
    CompensationPushed,
    CompensationsDropped,
    CompensationSettled,
)


class CompensationDraft(Protocol):
    """What compensations need of a run's state while it changes. (It is `run.draft.Draft`.)"""

    @property
    def time(self) -> int: ...
    @property
    def compensations(self) -> Mapping[int, Compensation]: ...
    def put_compensation(self, number: int, compensation: Compensation) -> None: ...
    def drop_compensation(self, number: int) -> None: ...
    def count_compensating(self, more: int) -> None: ...


def _pushed(draft: CompensationDraft, want: CompensationPushed) -> None:
    draft.put_compensation(want.number, Compensation(want.saga, want.name, want.step, draft.time))


def _dropped(draft: CompensationDraft, want: CompensationsDropped) -> None:
    for number in want.numbers:
        draft.drop_compensation(number)


def _begun(draft: CompensationDraft, want: CompensationBegun) -> None:
    for number in want.numbers:
        draft.put_compensation(number, replace(draft.compensations[number], phase="due"))
    draft.count_compensating(len(want.numbers))


def _settled(draft: CompensationDraft, want: CompensationSettled) -> None:
    """One that has failed is kept, for people."""
    draft.count_compensating(-1)
    if want.failure is None:
        draft.drop_compensation(want.number)
    else:
        compensation = draft.compensations[want.number]
        draft.put_compensation(want.number, replace(compensation, phase="failed", failure=want.failure))


APPLY: dict[type, Callable[[Any, Any], None]] = {
    CompensationPushed: _pushed,
    CompensationsDropped: _dropped,
    CompensationBegun: _begun,
    CompensationSettled: _settled,
}
