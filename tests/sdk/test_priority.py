"""What a priority is, what is none, and how a task queue's name says it."""

from __future__ import annotations

from typing import Any

import pytest

from dalsegno import DataConverter, Priority, RetryPolicy, ScheduleActionStartWorkflow
from dalsegno._activity_call import activity_call
from dalsegno._local_activity_call import local_activity_call
from dalsegno.client.start_options import start_message
from dalsegno.name_rules import TASK_QUEUE_BYTES_MAX, is_level, why_not_task_queue
from dalsegno.priority import LEVELS, ORDINARY, at_level, given_level, level_in, named
from dalsegno.schedules.action import shown_action, stored_action


def test_it_is_a_value() -> None:
    assert Priority(priority_key=1) == Priority(1) != Priority(2)
    assert len({Priority(1), Priority(1), Priority(2)}) == 2
    assert repr(Priority(4)) == "Priority(priority_key=4)"
    assert Priority.default == Priority() and Priority().priority_key is None


@pytest.mark.parametrize("key", [0, 6, -1, True, "high", "1", 1.0, [1]])
def test_what_is_no_level_is_refused(key: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=r"priority_key .* a whole number from 1 to 5"):
        Priority(priority_key=key)


@pytest.mark.parametrize("name", ["fairness_key", "fairness_weight"])
def test_fairness_is_refused_with_what_to_do_instead(name: str) -> None:
    wrong: dict[str, Any] = {name: "tenant-7"}
    with pytest.raises(TypeError, match=rf"no {name}: .* a task queue each"):
        Priority(1, **wrong)
    with pytest.raises(TypeError, match="Priority has no 'level'"):
        Priority(level=1)  # type: ignore[arg-type]


@pytest.mark.parametrize("priority", [1, "high", True, {"priority_key": 1}])
def test_an_option_that_is_no_priority_is_refused(priority: Any) -> None:
    with pytest.raises(TypeError, match=r"priority .* a dalsegno.Priority"):
        given_level(priority)


@pytest.mark.parametrize("priority", [1, "high", RetryPolicy()])
def test_a_start_a_schedule_and_an_activity_refuse_it_when_they_are_called(priority: Any) -> None:
    converter = DataConverter.default
    options: Any = {"id": "w", "priority": priority}
    with pytest.raises(TypeError, match=r"priority .* a dalsegno.Priority"):
        start_message("Order", (), options, (), converter)
    with pytest.raises(TypeError, match=r"priority .* a dalsegno.Priority"):
        stored_action(ScheduleActionStartWorkflow("Order", id="w", priority=priority), converter)
    with pytest.raises(TypeError, match=r"priority .* a dalsegno.Priority"):
        activity_call(converter, "", "charge", 7, priority=priority)
    with pytest.raises(TypeError, match="local activity has no option 'priority'"):
        local_activity_call(converter, "", "charge", 7, priority=priority)


def test_a_schedule_shows_the_priority_that_it_was_given() -> None:
    asked = ScheduleActionStartWorkflow("Order", id="w", priority=Priority(2))
    stored = stored_action(asked, DataConverter.default)
    assert stored.priority == 2
    assert shown_action(stored).priority == Priority(2)


def test_levels_have_queues_of_their_own_but_for_the_ordinary() -> None:
    names = {level: at_level("orders", level) for level in LEVELS}
    assert len(set(names.values())) == len(LEVELS)
    assert names[ORDINARY] == at_level("orders", None) == "orders"
    for level, name in names.items():
        assert named(name) == "orders"
        assert (level_in(name) or ORDINARY) == level
        assert is_level(name) == (level != ORDINARY)
        assert at_level(name, 2) == (name if level != ORDINARY else names[2])


def test_a_level_is_no_name_for_a_task_queue() -> None:
    assert why_not_task_queue("orders") is None
    why_not = why_not_task_queue(at_level("orders", 1))
    assert why_not == "must not end in ':#1': that is the queue of a level of 'orders' (Priority)"


@pytest.mark.parametrize("name", ["team:#99", "team:#x", "team:#", "team:#1-a", "team:#6", "#1", "team#1"])
def test_a_name_that_only_looks_like_that_of_a_level_is_one_as_before(name: str) -> None:
    assert why_not_task_queue(name) is None
    assert (is_level(name), named(name), level_in(name)) == (False, name, None)
    assert named(at_level(name, 1)) == name


@pytest.mark.parametrize("short", [0, 3])
def test_a_name_that_leaves_no_room_has_no_levels(short: int) -> None:
    name = "q" * (TASK_QUEUE_BYTES_MAX - short)
    assert at_level(name, 1) == (f"{name}:#1" if short else name)
