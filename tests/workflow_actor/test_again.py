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


def test_what_is_written_is_remembered_up_to_a_limit_the_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(again, "SEEN_LIMIT", 2)
    seen = SeenCommands()
    for message_id in ("a", "b", "c"):
        seen.remember(signal(message_id), message_id)
        seen.written(1)
    assert [seen.answer_to(signal(message_id).key) for message_id in "abc"] == [None, "b", "c"]


def test_what_is_not_written_is_not_forgotten_however_much_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """The database does not know it yet, so that no commit could find it out."""
    monkeypatch.setattr(again, "SEEN_LIMIT", 2)
    seen = SeenCommands()
    for message_id in "abcdef":
        seen.remember(signal(message_id), message_id)
    seen.written(1)
    assert [seen.answer_to(signal(message_id).key) for message_id in "abcdef"] == list("abcdef")
    seen.written(5)
    assert [seen.answer_to(signal(message_id).key) for message_id in "def"] == [None, "e", "f"]


def test_what_a_commit_has_told_is_known_until_it_was_answered() -> None:
    seen = SeenCommands()
    seen.told = {signal("a").key: "closed", ("", "old"): "not_found"}
    seen.read({signal("b").key: ""})
    assert not seen.remember(signal("a"), "")
    assert [seen.answer_to(signal(name).key) for name in ("a", "b", "old")] == ["closed", "", "not_found"]
    seen.written(0)
    assert seen.answer_to(signal("a").key) == "closed", "another commit changes nothing about that"
    seen.told = {}
    assert [seen.answer_to(signal(name).key) for name in ("a", "b", "old")] == [None, "", None]


def test_an_answer_of_the_round_in_progress_counts_more_than_what_was_read() -> None:
    seen = SeenCommands()
    seen.remember(signal("a"), "closed")
    seen.read({signal("a").key: "", signal("b").key: ""})
    assert seen.answer_to(signal("a").key) == "closed"
    assert seen.answer_to(signal("b").key) == ""


def test_types_are_known_apart_but_for_what_was_stored_without_one() -> None:
    seen = SeenCommands()
    seen.read({("", "old"): "closed", ("workflow.cancel", "new"): ""})
    assert seen.answer_to(("workflow.signal", "old")) == "closed"
    assert seen.answer_to(("workflow.signal", "new")) is None


def test_what_was_answered_before_is_remembered_as_it_was_answered_then() -> None:
    seen = SeenCommands()
    assert seen.remember(signal("a"), "closed")
    assert not seen.remember(signal("a"), "")
    assert seen.answer_to(signal("a").key) == "closed"
