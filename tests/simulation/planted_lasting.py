"""Bugs to plant that show only where runs are tried again or run out of time, and persons and deadlines are
waited for."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any
from unittest.mock import patch

from msgspec.structs import replace

from dalsegno.actors.supervisor.engine import Engine
from dalsegno.actors.workflow_actor import with_start
from dalsegno.actors.workflow_actor.incidents import decisions
from dalsegno.actors.workflow_actor.interface.run_info import RunInfo
from dalsegno.actors.workflow_actor.run import succession
from dalsegno.actors.workflow_actor.run.state import WorkflowState
from tests.simulation.planted_releases import Plant
from tests.simulation.planted_words import lost_with_its_host

_format_written = Engine.format_written
_following = succession._following


def chains_time_begun_anew_with_each_run() -> AbstractContextManager[Any]:
    def following(state: WorkflowState) -> RunInfo:
        return replace(_following(state), deadline=None)

    return patch.object(succession, "_following", following)


def delay_lost_with_its_host() -> AbstractContextManager[Any]:
    """Code runs with whatever comes next."""
    return lost_with_its_host(lambda state: replace(state, is_delayed=False))


def incidents_lost_with_their_host() -> AbstractContextManager[Any]:
    """No person sees them any more."""
    return lost_with_its_host(lambda state: replace(state, incidents={}))


def second_word_about_an_incident_taken() -> AbstractContextManager[Any]:
    """As if it were still open."""
    return patch.object(decisions, "not_open", lambda run, number: None)


def deadlines_lost_with_their_host() -> AbstractContextManager[Any]:
    return lost_with_its_host(lambda state: replace(state, deadlines={}))


def newest_format_written_whatever_is_told() -> AbstractContextManager[Any]:
    def format_written(self: Engine, format_: int) -> None:
        _format_written(self, self._around.codec.newest)

    return patch.object(Engine, "format_written", format_written)


MOVING_BUGS: dict[Plant, set[str]] = {newest_format_written_whatever_is_told: {"format"}}
"""Those that show while a namespace moves from one stored format to the next."""


def signal_dropped_that_came_with_a_start() -> AbstractContextManager[Any]:
    return patch.object(with_start, "for_new_run", lambda start, instance: ())


LASTING_BUGS: dict[Plant, set[str]] = {
    signal_dropped_that_came_with_a_start: {"outcome", "I12"},
    chains_time_begun_anew_with_each_run: {"tries"},
    delay_lost_with_its_host: {"tries"},
    incidents_lost_with_their_host: {"I16", "I29", "defect"},
    second_word_about_an_incident_taken: {"defect", "incident"},
    deadlines_lost_with_their_host: {"I16", "I29", "defect"},
}
"""Each with the invariants that may find it."""
