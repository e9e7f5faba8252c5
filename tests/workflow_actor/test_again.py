"""What an actor knows of commands that were answered before."""

from __future__ import annotations

import pytest

from dalsegno.actors.workflow_actor import again
from dalsegno.actors.workflow_actor.again import SeenCommands
from dalsegno.actors.workflow_actor.interface.cause import Cause
from dalsegno.actors.workflow_actor.signals.commands import Signal


def signal(message_id: str) -> Cause:
    return Cause(
        Signal(name="go"),
        name=message_id,
        message_id=message_id,
        message_type="workflow.signal",
        recognisable=True,
    )


def test_beyond_its_limit_the_oldest_is_to_be_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(again, "SEEN_LIMIT", 2)
    seen = SeenCommands()
    for message_id in ("a", "b"):
        seen.remember(signal(message_id), "")
    assert not seen.is_to_be_looked_up(signal("new").key)
    seen.remember(signal("c"), "closed")
    assert [seen.answer_to(signal(message_id).key) for message_id in "abc"] == [None, "", "closed"]
    assert seen.is_to_be_looked_up(signal("a").key)
    assert seen.answer_to(signal("c").key) == "closed"


def test_what_was_looked_up_is_not_looked_up_twice() -> None:
    seen = SeenCommands()
    seen.read({}, is_partial=True)
    known, unknown = signal("known").key, signal("unknown").key
    seen.found({known: "closed"})
    for key in (known, unknown):
        seen.looked_up(key)
    assert seen.answer_to(known) == "closed"
    assert seen.answer_to(unknown) is None
    assert not seen.is_to_be_looked_up(unknown)


def test_an_answer_of_the_round_in_progress_counts_more_than_what_was_read() -> None:
    seen = SeenCommands()
    seen.is_unread = True
    seen.remember(signal("a"), "closed")
    seen.read({signal("a").key: "", signal("b").key: ""}, is_partial=False)
    assert seen.answer_to(signal("a").key) == "closed"
    assert seen.answer_to(signal("b").key) == ""
    assert not seen.is_unread


def test_types_are_known_apart_but_for_what_was_stored_without_one() -> None:
    seen = SeenCommands()
    seen.read({("", "old"): "closed", ("workflow.cancel", "new"): ""}, is_partial=False)
    assert seen.answer_to(("workflow.signal", "old")) == "closed"
    assert seen.answer_to(("workflow.signal", "new")) is None


def test_what_was_answered_before_is_remembered_as_it_was_answered_then() -> None:
    seen = SeenCommands()
    assert seen.remember(signal("a"), "closed")
    assert not seen.remember(signal("a"), "")
    assert seen.answer_to(signal("a").key) == "closed"
