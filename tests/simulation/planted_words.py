"""Bugs to plant that show only where the whole language is spoken."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any
from unittest.mock import patch

from msgspec.structs import replace

from dalsegno.actors.workflow_actor import at_rest
from dalsegno.actors.workflow_actor.interface.steps import Steps
from dalsegno.actors.workflow_actor.run.state import WorkflowState
from dalsegno.actors.workflow_actor.stored import loading
from dalsegno.actors.workflow_actor.stored.codec import StoredCodec
from dalsegno.actors.workflow_actor.stored.loading import StoredRow, StoredSnapshot
from tests.simulation.planted_releases import Plant

_loading_state = loading.loading_state


def outcomes_of_updates_lost_with_their_host() -> AbstractContextManager[Any]:
    """Who loads an instance knows of none."""

    def loading_state(
        workflow_id: str,
        run_id: str,
        snapshot: StoredSnapshot | None,
        journal: Sequence[StoredRow],
        codec: StoredCodec,
    ) -> Steps[WorkflowState]:
        state = yield from _loading_state(workflow_id, run_id, snapshot, journal, codec)
        return replace(state, update_outcomes={})

    return patch.object(at_rest, "loading_state", loading_state)


WORD_BUGS: dict[Plant, set[str]] = {
    outcomes_of_updates_lost_with_their_host: {"update", "I16"},
}
"""Each with the invariants that may find it."""
