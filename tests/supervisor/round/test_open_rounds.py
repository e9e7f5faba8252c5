"""The rounds that are not durable yet: what they hold, and what becomes of it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from dalsegno.actors.supervisor.round.open_rounds import OpenRounds


def actor(workflow_id: str) -> Any:
    """What a round looks at of a workflow's actor."""
    return SimpleNamespace(workflow_id=workflow_id, stored_run_id=None, stored_sequence=0, in_round=False)


def test_a_workflow_is_held_from_its_entry_until_the_outcome_of_its_round_is_known() -> None:
    rounds = OpenRounds("host-1")
    assert "w" not in rounds
    rounds.current.entry(actor("w"), 0)
    assert "w" in rounds and "other" not in rounds
    rounds.writing = rounds.begin_next()
    assert "w" in rounds and rounds.concern(0) and not rounds.concern(1)
    assert "w" in rounds.take_written().entries
    assert "w" not in rounds and not rounds.concern(0)


def test_a_workflow_may_be_in_the_round_that_is_written_and_in_the_next() -> None:
    rounds = OpenRounds("host-1")
    rounds.current.entry(actor("w"), 0)
    rounds.writing = rounds.begin_next()
    rounds.current.entry(actor("w"), 0)
    rounds.take_written()
    assert "w" in rounds


def test_what_a_lost_partition_has_put_into_the_current_round_is_void_and_that_of_others_is_not() -> None:
    rounds = OpenRounds("host-1")
    rounds.current.entry(actor("a"), 0)
    rounds.current.entry(actor("b"), 1)
    rounds.current.worked_off = [(0, "a", 1), (1, "b", 2)]
    rounds.forget(0)
    assert list(rounds.current.entries) == ["b"]
    assert rounds.current.worked_off == [(1, "b", 2)]


def test_what_a_lost_partition_has_in_the_round_that_is_written_stays_until_its_outcome_is_known() -> None:
    rounds = OpenRounds("host-1")
    rounds.current.entry(actor("a"), 0)
    rounds.writing = rounds.begin_next()
    rounds.forget(0)
    assert rounds.concern(0)


def test_rounds_are_numbered_and_bear_the_id_that_the_host_has_now() -> None:
    rounds = OpenRounds("host-1")
    rounds.rejoined("host-2")
    assert (rounds.current.number, rounds.current.host_id) == (0, "host-2")
    rounds.begin_next()
    assert (rounds.current.number, rounds.current.host_id) == (1, "host-2")
