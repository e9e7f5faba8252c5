"""Acknowledgement windows, wake-ups, waiters, restart intensity."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dalsegno.actors.supervisor.deliveries.acknowledgement import AcknowledgementWindow
from dalsegno.actors.supervisor.failing.restart_intensity import Intensity, RestartHistory
from dalsegno.actors.supervisor.round.waiters import Waiter, Waiters
from dalsegno.actors.supervisor.wakeups.wakeups import WakeUps
from dalsegno.actors.workflow_actor.interface.cause import AwaitOutcome
from dalsegno.actors.workflow_actor.interface.commands import Caller


@given(st.permutations(range(1, 30)), st.data())
def test_only_finished_prefixes_are_acknowledged_and_all_in_the_end(
    order: list[int], data: st.DataObject
) -> None:
    window = AcknowledgementWindow()
    for tag in range(1, 30):
        window.delivered(tag)
    finished: set[int] = set()
    acknowledged = 0
    for tag in order:
        window.finish(tag)
        finished.add(tag)
        if data.draw(st.booleans()):
            up_to = window.take_prefix()
            if up_to is not None:
                assert up_to > acknowledged
                assert set(range(1, up_to + 1)) <= finished
                acknowledged = up_to
        assert window.open == 29 - acknowledged
    assert window.take_prefix() in (29, None)
    assert window.open == 0


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 50)), max_size=60))
def test_each_workflow_wakes_once_at_the_time_that_was_set_last(sets: list[tuple[str, int]]) -> None:
    wakeups = WakeUps()
    expected: dict[str, int] = {}
    for workflow_id, at in sets:
        wakeups.set(workflow_id, at)
        expected[workflow_id] = at
    assert wakeups.next_at() == min(expected.values(), default=None)
    fired: list[str] = []
    for now in range(0, 51, 10):
        due = wakeups.take_due(now, 100)
        assert all(expected[workflow_id] <= now for workflow_id in due)
        fired.extend(due)
    assert sorted(fired) == sorted(expected)


def test_what_memory_knows_is_newer_than_what_the_database_is_found_to_hold() -> None:
    wakeups = WakeUps()
    wakeups.set("a", 20)
    wakeups.add("a", 10)
    assert wakeups.take_due(15, 10) == []
    assert wakeups.take_due(20, 10) == ["a"]


def test_a_cleared_wake_up_does_not_fire() -> None:
    wakeups = WakeUps()
    wakeups.set("a", 10)
    wakeups.clear("a")
    assert wakeups.take_due(100, 10) == []
    assert len(wakeups) == 0


def test_a_caller_that_asks_again_waits_once() -> None:
    waiters = Waiters()
    caller = Caller("dalsegno.reply.x", "1")
    waiters.add("order", Waiter(caller, "", "m1", AwaitOutcome(), 10.0, "run-1"))
    waiters.add("order", Waiter(caller, "", "m2", AwaitOutcome(), 20.0, "run-1"))
    assert [waiter.message_id for waiter in waiters.take("order")] == ["m2"]
    assert "order" not in waiters


def test_waiters_that_asked_too_long_ago_are_forgotten() -> None:
    waiters = Waiters()
    waiters.add("a", Waiter(Caller("q", "1"), "", "m1", AwaitOutcome(), 10.0, "run-1"))
    waiters.add("b", Waiter(Caller("q", "2"), "", "m2", AwaitOutcome(), 30.0, "run-1"))
    waiters.forget_overdue(20.0)
    assert [workflow_id for workflow_id, _ in waiters.take_all()] == ["b"]


def test_restarts_back_off_and_escalate_beyond_the_intensity() -> None:
    history = RestartHistory(Intensity(restarts=3, period_seconds=10, initial_delay_seconds=1))
    assert [history.failed(0.0), history.failed(1.0), history.failed(2.0)] == [1, 2, 4]
    assert history.failed(3.0) is None


def test_old_restarts_do_not_count() -> None:
    history = RestartHistory(Intensity(restarts=1, period_seconds=10, initial_delay_seconds=1))
    assert history.failed(0.0) == 1
    assert history.failed(20.0) == 1
    assert history.failed(21.0) is None
