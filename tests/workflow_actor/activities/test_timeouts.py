"""The four timeouts of an activity, and tasks that got lost."""

from __future__ import annotations

import pytest

from dalsegno.actors.workflow_actor.activities.activity import GRACE, RESEND_AFTER_MIN
from dalsegno.actors.workflow_actor.activities.commands import ResendTask
from dalsegno.actors.workflow_actor.activities.events import ActivityResolved, RetryPlanned, TaskOverdue
from dalsegno.actors.workflow_actor.interface.commands import WakeUp
from dalsegno.actors.workflow_actor.interface.retries import RetrySchedule
from dalsegno.failure import Failure
from tests.workflow_actor.rig import (
    SECOND,
    T0,
    Rig,
    ScriptedCode,
    activity,
    completed,
    failed,
    heartbeat,
    payload,
    started,
    task,
    task_id,
)

HOUR = 3600 * SECOND


def end(rig: Rig) -> Failure:
    """Of the activity, as its code was told."""
    resolved = rig.programs_seen[-1]
    assert isinstance(resolved, ActivityResolved)
    assert resolved.failure is not None
    return resolved.failure


def last_failure(rig: Rig) -> Failure:
    cause = end(rig).cause
    assert cause is not None
    return cause


def test_start_to_close_counts_from_the_start_with_some_grace_and_is_retried() -> None:
    rig = Rig(ScriptedCode([[activity(1, start_to_close=60 * SECOND)]]))
    sent = task(rig.start())
    rig.send(started(sent), after=10 * SECOND)
    assert rig.instance.wake_at == T0 + 70 * SECOND + GRACE

    rig.send(WakeUp(), held=False, after=60 * SECOND + GRACE)

    (planned,) = rig.events(RetryPlanned)
    assert (planned.failure.kind, planned.failure.timeout_type) == ("timed_out", "start_to_close")
    assert rig.send(completed(sent)).stale


def test_without_a_start_nothing_runs_out_but_what_was_asked_for() -> None:
    rig = Rig(ScriptedCode([[activity(1, start_to_close=60 * SECOND)]]))
    rig.start()
    assert rig.send(WakeUp(), held=False, after=24 * HOUR).probes != ()
    assert rig.state.activities[1].attempt == 1


@pytest.mark.parametrize("declared", [7 * SECOND, None])
def test_a_silent_attempt_times_out_by_its_heartbeat_timeout(declared: int | None) -> None:
    limit = declared or 30 * SECOND
    rig = Rig(ScriptedCode([[activity(1, heartbeat_timeout=declared, start_to_close=HOUR)]]))
    sent = task(rig.start())
    rig.send(started(sent))
    assert rig.instance.wake_at == T0 + limit

    beat = rig.send(heartbeat(sent, payload("5")), after=3 * SECOND)
    assert not beat.recorded
    assert not beat.stale
    assert rig.instance.wake_at == T0 + 3 * SECOND + limit
    assert not rig.send(WakeUp(), held=False, after=limit - 3 * SECOND).recorded
    rig.send(WakeUp(), held=False, after=3 * SECOND)

    (planned,) = rig.events(RetryPlanned)
    assert planned.failure.timeout_type == "heartbeat"
    assert planned.failure.details == (payload("5"),)
    assert planned.heartbeat_details == payload("5")


def test_the_heartbeat_clock_begins_anew_when_an_instance_is_loaded() -> None:
    rig = Rig(ScriptedCode([[activity(1, heartbeat_timeout=10 * SECOND, start_to_close=24 * HOUR)]]))
    rig.send(started(task(rig.start())))
    rig.settle()
    assert rig.instance.is_pinned

    rig.reload()
    assert rig.instance.wake_at == T0 + 10 * SECOND
    assert not rig.send(WakeUp(), held=False, after=HOUR).recorded
    assert rig.instance.wake_at == T0 + HOUR + 10 * SECOND
    assert rig.send(WakeUp(), held=False, after=10 * SECOND).recorded


def test_schedule_to_start_fails_an_activity_that_nobody_started() -> None:
    rig = Rig(ScriptedCode([[activity(1, schedule_to_start=5 * SECOND)], []]))
    rig.start()

    rig.send(WakeUp(), held=False, after=5 * SECOND)

    assert last_failure(rig).timeout_type == "schedule_to_start"
    assert end(rig).retry_state == "non_retryable_failure"
    assert rig.state.activities == {}


def test_schedule_to_start_counts_anew_for_each_attempt_and_ends_with_its_start() -> None:
    rig = Rig(ScriptedCode([[activity(1, schedule_to_start=5 * SECOND)], []]))
    rig.send(failed(task(rig.start())), after=4 * SECOND)
    second = task(rig.send(WakeUp(), held=False, after=SECOND))
    rig.settle()
    assert rig.instance.wake_at == T0 + 10 * SECOND
    rig.send(started(second))
    assert not rig.send(WakeUp(), held=False, after=HOUR // 12).recorded


def test_schedule_to_close_ends_it_all_with_the_last_failure_as_cause() -> None:
    retry = RetrySchedule(initial_interval=2 * SECOND)
    rig = Rig(ScriptedCode([[activity(1, schedule_to_close=9 * SECOND, retry=retry)], []]))
    rig.send(failed(task(rig.start())))
    rig.send(started(task(rig.send(WakeUp(), held=False, after=2 * SECOND))))

    rig.send(WakeUp(), held=False, after=7 * SECOND)

    failure = last_failure(rig)
    assert (failure.timeout_type, end(rig).retry_state) == ("schedule_to_close", "timeout")
    assert failure.cause is not None
    assert failure.cause.message == "card declined"


def test_an_attempt_is_never_longer_than_its_activity() -> None:
    rig = Rig(ScriptedCode([[activity(1, schedule_to_close=9 * SECOND)]]))
    assert task(rig.start()).start_to_close == 9 * SECOND


def test_a_task_that_nobody_started_is_probed_for_less_and_less_often() -> None:
    rig = Rig(ScriptedCode([[activity(1, task_queue="cards", start_to_close=60 * SECOND)]]))
    rig.start()

    at = [60, 60 + 120, 60 + 120 + 240]
    for seconds in at:
        assert rig.instance.wake_at == T0 + seconds * SECOND
        woken = rig.send(WakeUp(), held=False, after=T0 + seconds * SECOND - rig.now)
        (probe,) = woken.probes
        assert (probe.activity_id, probe.attempt, probe.task_queue) == ("1", 1, "cards")
        assert woken.effects == ()
    assert len(rig.events(TaskOverdue)) == 3


def test_a_short_activity_is_not_probed_for_at_once() -> None:
    rig = Rig(ScriptedCode([[activity(1, start_to_close=SECOND)]]))
    rig.start()
    assert rig.instance.wake_at == T0 + RESEND_AFTER_MIN


def test_a_lost_task_is_sent_again_as_the_same_attempt() -> None:
    rig = Rig(ScriptedCode([[activity(1)], []]))
    first = rig.start()

    again = rig.send(ResendTask(activity_id="1", attempt=1), held=False)

    assert task(again) == task(first)
    assert task_id(again) == (2, 0)
    assert [effect_id for effect_id, _ in rig.instance.outstanding()] == [(2, 0)]
    rig.send(started(task(first)))
    assert rig.send(ResendTask(activity_id="1", attempt=1), held=False).stale
    assert rig.send(ResendTask(activity_id="1", attempt=2), held=False).stale


def test_deadlines_beyond_all_calendars_are_cut_not_refused() -> None:
    rig = Rig(ScriptedCode([[activity(1, start_to_close=10**30, schedule_to_close=10**40)]]))
    sent = task(rig.start())
    assert sent.start_to_close == 2**53
    rig.send(started(sent))
    assert rig.instance.wake_at is not None
    assert rig.instance.wake_at <= 2**53
