"""Strikes of many starts are looked up at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dalsegno.actors.supervisor.database.strike_lookup import StrikeLookup, Strikes


def test_what_is_asked_for_in_one_turn_is_one_query_and_each_is_told_its_own() -> None:
    soon: list[Callable[[], None]] = []
    queries: list[list[str]] = []
    told: list[tuple[int, str, list[tuple[str, int]]]] = []

    def fetch(run_ids: Sequence[str], then: Callable[[Strikes], None]) -> None:
        queries.append(list(run_ids))
        then({("run-1", "start"): 2, ("run-1", "signal"): 1})

    lookup = StrikeLookup(soon.append, fetch, lambda p, w, strikes: told.append((p, w, list(strikes))))
    lookup.ask(0, "w1", "run-1")
    lookup.ask(1, "w2", "run-2")
    soon.pop(0)()
    assert queries == [["run-1", "run-2"]]
    assert told == [(0, "w1", [("start", 2), ("signal", 1)]), (1, "w2", [])]

    lookup.ask(0, "w3", "run-3")
    soon.pop(0)()
    assert queries[1:] == [["run-3"]]
    assert soon == []
