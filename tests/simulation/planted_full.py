"""Bugs to plant that show only where updates come with starts, some do not fit, persons see to signals, and
runs are found by search attributes."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any
from unittest.mock import patch

from msgspec.structs import replace

from dalsegno.actors.workflow_actor import found_by, with_start
from dalsegno.actors.workflow_actor.interface.decision import Decision
from dalsegno.actors.workflow_actor.interface.run_info import RunInfo
from dalsegno.actors.workflow_actor.program.replay import LiveProgram
from dalsegno.actors.workflow_actor.run import apply, succession
from dalsegno.actors.workflow_actor.run.intents import ContinueAsNew
from dalsegno.actors.workflow_actor.run.state import WorkflowState
from dalsegno.actors.workflow_actor.signals import changes as signals
from dalsegno.actors.workflow_actor.signals.changes import SignalDraft
from dalsegno.actors.workflow_actor.signals.events import QuarantineSettled
from dalsegno.persistence.port import AttributeSet
from dalsegno.search_attributes import AttributeValue
from tests.simulation.planted_releases import Plant

_attributes_set = found_by.attributes_set
_continued = succession._continued
_settled = signals.APPLY[QuarantineSettled]


def update_dropped_that_came_with_a_start_to_an_open_run() -> AbstractContextManager[Any]:
    return patch.object(with_start, "on_update", lambda *_, **__: Decision())


def unfit_update_let_in() -> AbstractContextManager[Any]:
    """Nobody asks the code whether its arguments fit."""
    return patch.object(LiveProgram, "rejection", lambda *_: None)


def signal_given_again_and_kept() -> AbstractContextManager[Any]:
    """Whoever sees to the quarantine sees it there once more."""

    def settled(draft: SignalDraft, event: QuarantineSettled) -> None:
        if event.action != "retry":
            _settled(draft, event)
            return
        signal = draft.take_quarantined(event.number)
        draft.put_quarantined(signal, event.number)
        _settled(draft, event)
        draft.put_quarantined(signal, event.number)

    return patch.dict(apply.APPLY, {QuarantineSettled: settled})


def attribute_left_in_its_row_that_was_taken_back() -> AbstractContextManager[Any]:
    def attributes_set(
        run_id: str, begun_at: int, before: Mapping[str, AttributeValue], after: Mapping[str, AttributeValue]
    ) -> tuple[AttributeSet, ...]:
        return tuple(one for one in _attributes_set(run_id, begun_at, before, after) if one.value is not None)

    return patch.object(found_by, "attributes_set", attributes_set)


def attributes_lost_with_their_run() -> AbstractContextManager[Any]:
    """The run as which it goes on has those of its start."""

    def continued(state: WorkflowState, wish: ContinueAsNew) -> RunInfo:
        return replace(_continued(state, wish), search_attributes=state.info.search_attributes)

    return patch.object(succession, "_continued", continued)


FULL_BUGS: dict[Plant, set[str]] = {
    update_dropped_that_came_with_a_start_to_an_open_run: {"I7", "I29"},
    unfit_update_let_in: {"I29", "update", "outcome"},
    signal_given_again_and_kept: {"outcome", "I29", "defect"},
    attribute_left_in_its_row_that_was_taken_back: {"attributes"},
    attributes_lost_with_their_run: {"attributes"},
}
"""Each with the invariants that may find it."""
