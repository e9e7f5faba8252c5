"""Bugs to plant that show only where the whole language is spoken."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from unittest.mock import patch

from msgspec.structs import replace

from dalsegno._saga import PendingUndo
from dalsegno.actors.workflow_actor import at_rest
from dalsegno.actors.workflow_actor.children import changes as children
from dalsegno.actors.workflow_actor.children.changes import ChildDraft
from dalsegno.actors.workflow_actor.children.events import ChildClosed
from dalsegno.actors.workflow_actor.children.sends import ChildStartDue
from dalsegno.actors.workflow_actor.compensation.awaited import Stack
from dalsegno.actors.workflow_actor.interface.run_info import RunInfo
from dalsegno.actors.workflow_actor.interface.steps import Steps
from dalsegno.actors.workflow_actor.outstanding.confirmations import Confirmations
from dalsegno.actors.workflow_actor.run import apply, succession
from dalsegno.actors.workflow_actor.run.state import WorkflowState
from dalsegno.actors.workflow_actor.stored import loading
from dalsegno.actors.workflow_actor.stored.codec import StoredCodec
from dalsegno.actors.workflow_actor.stored.loading import StoredRow, StoredSnapshot
from tests.simulation import invariants
from tests.simulation.faults import AT_RANDOM
from tests.simulation.planted_releases import Plant

_loading_state = loading.loading_state
_following = succession._following
_closed = children.APPLY[ChildClosed]
_begin = Stack.begin
_unconfirmed = Confirmations.unconfirmed


def lost_with_its_host(lose: Callable[[WorkflowState], WorkflowState]) -> AbstractContextManager[Any]:
    """Who loads an instance knows less than what is stored."""

    def loading_state(
        workflow_id: str,
        run_id: str,
        snapshot: StoredSnapshot | None,
        journal: Sequence[StoredRow],
        codec: StoredCodec,
    ) -> Steps[WorkflowState]:
        return lose((yield from _loading_state(workflow_id, run_id, snapshot, journal, codec)))

    return patch.object(at_rest, "loading_state", loading_state)


def outcomes_of_updates_lost_with_their_host() -> AbstractContextManager[Any]:
    return lost_with_its_host(lambda state: replace(state, update_outcomes={}))


@contextmanager
def local_activity_lost_with_its_host() -> Iterator[None]:
    """Nobody begins it again. It shows where a host dies within a turn; so that many do, and what is stored is
    always looked at."""
    lost = lost_with_its_host(lambda state: replace(state, local_activities={}))
    with lost, patch.object(invariants, "FOLDS_ONE_IN", 1), patch.dict(AT_RANDOM, {"host killed": 1.5}):
        yield


def child_lost_with_its_host() -> AbstractContextManager[Any]:
    """Its start is not sent again."""

    def lose(state: WorkflowState) -> WorkflowState:
        left = {
            key: entry for key, entry in state.outstanding.items() if not isinstance(entry.due, ChildStartDue)
        }
        return replace(state, outstanding=left)

    return lost_with_its_host(lose)


def chain_begun_anew_with_each_run() -> AbstractContextManager[Any]:
    """A run that follows takes the one before it for the first."""

    def following(state: WorkflowState) -> RunInfo:
        return replace(_following(state), first_run_id=state.info.run_id)

    return patch.object(succession, "_following", following)


def child_told_twice() -> AbstractContextManager[Any]:
    """Its parent keeps it when it has ended."""

    def closed(draft: ChildDraft, event: ChildClosed) -> None:
        child = draft.children[event.number]
        _closed(draft, event)
        draft.put_child(event.number, replace(child, start=None))

    return patch.dict(apply.APPLY, {ChildClosed: closed})


def compensation_skipped() -> AbstractContextManager[Any]:
    """That of the newest step, where there are others."""

    def begin(self: Stack) -> list[PendingUndo]:
        due = _begin(self)
        return due[1:] or due

    return patch.object(Stack, "begin", begin)


@contextmanager
def told_again_for_ever() -> Iterator[None]:
    """A run that is over does not forget what it has told another once more."""
    with patch.object(Confirmations, "unconfirmed", _unconfirmed_and_forgotten):
        yield


def _unconfirmed_and_forgotten(self: Confirmations, state: WorkflowState) -> Any:
    found = _unconfirmed(self, state)
    self.has_told_again = False
    return found


WORD_BUGS: dict[Plant, set[str]] = {
    outcomes_of_updates_lost_with_their_host: {"update", "I16"},
    chain_begun_anew_with_each_run: {"chain"},
    child_told_twice: {"child"},
    child_lost_with_its_host: {"I16", "I24", "I29", "child"},
    compensation_skipped: {"saga"},
    local_activity_lost_with_its_host: {"I16", "I29"},
    told_again_for_ever: {"unrest"},
}
"""Each with the invariants that may find it."""
