"""Heartbeat details in the state: what the next attempt is given when the host that heard them is gone."""

from __future__ import annotations

from unittest.mock import patch

import pytest

from dalsegno.actors.workflow_actor.activities import heartbeats
from dalsegno.actors.workflow_actor.activities.commands import KeepHeartbeats
from dalsegno.actors.workflow_actor.activities.events import ActivityResolved, HeartbeatKept
from dalsegno.actors.workflow_actor.activities.heartbeats import KEPT_AT_ONCE_BYTES_MAX, KEPT_BYTES_MAX
from dalsegno.actors.workflow_actor.activities.intents import CancelActivity
from dalsegno.actors.workflow_actor.interface.commands import WakeUp
from dalsegno.actors.workflow_actor.interface.retries import RetrySchedule
from dalsegno.actors.workflow_actor.signals.commands import Signal
from tests.workflow_actor.rig import (
    DONE,
    SECOND,
    Rig,
    ScriptedCode,
    activity,
    canceled,
    failed,
    heartbeat,
    payload,
    started,
    task,
    tasks,
)

BEATS = {"heartbeat_timeout": 10 * SECOND}


def beating(*texts: str) -> Rig:
    """An activity whose worker has sent these details, the last of them five seconds ago."""
    rig = Rig(ScriptedCode([[activity(1, **BEATS)], []]))
    sent = task(rig.start())
    rig.send(started(sent))
    for text in texts:
        rig.send(heartbeat(sent, payload(text)), after=SECOND)
    rig.now += 5 * SECOND
    return rig


def keep(rig: Rig) -> bool:
    """Whether anything was written."""
    return rig.send(KeepHeartbeats(), held=False).recorded


def has_unkept(rig: Rig) -> bool:
    return rig.instance.has_unkept_heartbeats


def test_heartbeats_cost_no_rows_until_they_are_to_be_kept_and_then_one_has_the_newest_details() -> None:
    rig = beating("1", "2", "3")
    assert rig.instance.sequence == 2
    assert has_unkept(rig)
    assert keep(rig)
    assert [event.details for event in rig.events(HeartbeatKept)] == [payload("3")]
    assert not has_unkept(rig)
    assert not keep(rig)


def test_the_next_attempt_is_given_what_was_kept_although_the_host_has_died() -> None:
    rig = beating("1", "2")
    keep(rig)
    rig.reload()
    rig.send(WakeUp(), held=False)
    rig.send(WakeUp(), held=False, after=10 * SECOND)
    retried = task(rig.send(WakeUp(), held=False, after=SECOND))
    assert (retried.attempt, retried.heartbeat_details) == (2, payload("2"))


def test_an_attempt_without_heartbeats_of_its_own_hands_on_those_of_the_one_before() -> None:
    rig = Rig(ScriptedCode([[activity(1, **BEATS)], []]))
    first = task(rig.start())
    rig.send(started(first))
    rig.send(heartbeat(first, payload("1")))
    keep(rig)
    rig.reload()
    rig.send(failed(first))
    second = task(rig.send(WakeUp(), held=False, after=SECOND))
    assert rig.instance.describe()["pending_activities"][0].get("last_heartbeat_at") is None
    rig.send(started(second))
    rig.send(failed(second))
    third = task(rig.send(WakeUp(), held=False, after=2 * SECOND))
    assert (third.attempt, third.heartbeat_details) == (3, payload("1"))


def test_a_task_that_is_sent_again_is_the_same_message_whatever_its_attempt_has_sent() -> None:
    rig = Rig(ScriptedCode([[activity(1, **BEATS)], []]))
    sent = task(rig.start())
    rig.send(heartbeat(sent, payload("1")))
    keep(rig)
    rig.reload()
    assert [effect for _, effect in rig.instance.outstanding()] == [sent]


def test_a_heartbeat_timeout_after_a_host_s_death_tells_the_last_details() -> None:
    rig = Rig(ScriptedCode([[activity(1, retry=RetrySchedule(maximum_attempts=1), **BEATS)], []]))
    sent = task(rig.start())
    rig.send(started(sent))
    rig.send(heartbeat(sent, payload("7")))
    keep(rig)
    rig.reload()
    rig.send(WakeUp(), held=False)
    rig.send(WakeUp(), held=False, after=10 * SECOND)
    resolved = rig.programs_seen[-1]
    assert isinstance(resolved, ActivityResolved)
    assert resolved.failure is not None
    assert resolved.failure.cause is not None
    assert resolved.failure.cause.details == (payload("7"),)


def test_what_is_known_of_the_last_heartbeat_is_described_after_a_host_s_death() -> None:
    rig = beating("1")
    beaten_at = rig.now - 5 * SECOND
    keep(rig)
    rig.reload()
    assert rig.instance.describe()["pending_activities"][0]["last_heartbeat_at"] == beaten_at


def test_details_that_are_too_long_live_in_memory_alone() -> None:
    rig = beating("9" * (KEPT_BYTES_MAX + 1))
    assert not has_unkept(rig)
    assert not keep(rig)


def test_one_row_holds_a_bounded_amount_of_details() -> None:
    count = KEPT_AT_ONCE_BYTES_MAX // KEPT_BYTES_MAX + 3
    rig = Rig(ScriptedCode([[activity(number, **BEATS) for number in range(1, count + 1)]]))
    for sent in tasks(rig.start()):
        rig.send(started(sent))
        rig.send(heartbeat(sent, payload("9" * KEPT_BYTES_MAX)))
    keep(rig)
    assert len(rig.events(HeartbeatKept)) == count - 3
    assert keep(rig)
    assert len(rig.events(HeartbeatKept)) == count


def test_so_it_does_of_many_activities() -> None:
    with patch.object(heartbeats, "KEPT_AT_ONCE_MAX", 2):
        rig = Rig(ScriptedCode([[activity(number, **BEATS) for number in range(1, 6)]]))
        for sent in tasks(rig.start()):
            rig.send(started(sent))
            rig.send(heartbeat(sent, payload("1")))
        assert [keep(rig) for _ in range(4)] == [True, True, True, False]
    assert not has_unkept(rig)


def test_nothing_is_kept_of_a_run_that_has_ended() -> None:
    rig = Rig(ScriptedCode([[activity(1, **BEATS)], [DONE]]))
    sent = task(rig.start())
    rig.send(started(sent))
    rig.send(heartbeat(sent, payload("1")))
    rig.send(Signal(name="finish"))
    assert not has_unkept(rig)
    assert not keep(rig)


@pytest.mark.parametrize("how", ["try_cancel", "wait_cancellation_completed", "abandon"])
def test_heartbeats_of_an_activity_that_was_cancelled_are_forgotten_when_it_is_not_waited_for(how: str) -> None:
    rig = Rig(ScriptedCode([[activity(1, cancellation_type=how, **BEATS)], [CancelActivity(number=1)], []]))
    sent = task(rig.start())
    rig.send(started(sent))
    rig.send(heartbeat(sent, payload("1")))
    rig.send(Signal(name="cancel it"))
    assert set(rig.instance.heartbeats._last) == set(rig.state.activities)
    rig.send(canceled(sent))
    assert set(rig.instance.heartbeats._last) == set(rig.state.activities)
