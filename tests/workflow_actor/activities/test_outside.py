"""Attempts that go on outside of their workers, and what others than the worker say of an attempt."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dalsegno.actors.workflow_actor.activities.activity import SIGN_OF_LIFE, Phase
from dalsegno.actors.workflow_actor.activities.commands import (
    AttemptDetached,
    KeepHeartbeats,
    OutsideHeartbeat,
    Resolve,
)
from dalsegno.actors.workflow_actor.activities.events import ActivityResolved, RetryPlanned
from dalsegno.actors.workflow_actor.activities.intents import CancelActivity
from dalsegno.actors.workflow_actor.activities.sends import CancelTaskEffect, TaskEffect
from dalsegno.actors.workflow_actor.interface.commands import Terminate, WakeUp
from dalsegno.actors.workflow_actor.interface.retries import RetrySchedule
from dalsegno.actors.workflow_actor.signals.commands import Signal
from dalsegno.actors.workflow_actor.stored.codec import CODEC
from dalsegno.failure import Failure
from tests.workflow_actor.rig import (
    CALLER,
    DONE,
    SECOND,
    T0,
    Rig,
    ScriptedCode,
    Step,
    activity,
    answer,
    completed,
    effects,
    heartbeat,
    payload,
    started,
    task,
)

HOUR = 3600 * SECOND
WAITS = "wait_cancellation_completed"


def detached(sent: TaskEffect) -> AttemptDetached:
    return AttemptDetached(
        run_id=sent.run_id, activity_id=sent.activity_id, attempt=sent.attempt, token=sent.token
    )


def resolve(sent: TaskEffect | None = None, **changes: Any) -> Resolve:
    token = None if sent is None else sent.token
    return Resolve(**{"activity_id": "1", "token": token, "caller": CALLER} | changes)


def beat(sent: TaskEffect | None = None, **changes: Any) -> OutsideHeartbeat:
    token = None if sent is None else sent.token
    return OutsideHeartbeat(**{"activity_id": "1", "token": token, "caller": CALLER} | changes)


def outside(**changes: Any) -> tuple[Rig, TaskEffect]:
    """An attempt whose worker is done with it. Whatever the run is told last ends it."""
    early = changes.pop("early", False)
    rig = Rig(ScriptedCode([[activity(1, **changes)], [], [DONE]]), passivating=True)
    sent = task(rig.start())
    if early:
        rig.send(started(sent))
    rig.send(detached(sent), after=SECOND)
    return rig, sent


def refusal(rig: Rig, command: Resolve | OutsideHeartbeat) -> str:
    error = answer(rig.send(command)).error
    assert error is not None
    return error[0]


def told(rig: Rig) -> ActivityResolved:
    (resolved,) = [seen for seen in rig.programs_seen if isinstance(seen, ActivityResolved)]
    return resolved


@pytest.mark.parametrize("early", [False, True])
def test_it_is_waited_for_until_somebody_says_how_it_ends(early: bool) -> None:
    policy = {"retry": RetrySchedule(maximum_attempts=1)} if early else {}
    rig, sent = outside(early=early, **policy)
    pending = rig.state.activities[1]
    assert (pending.phase, pending.worker, pending.outside, pending.sends) == (Phase.STARTED, None, True, ())
    assert rig.instance.outstanding() == [], "its task is done, and nobody is to be told"

    ended = rig.send(resolve(sent, result=payload('"paid"')))

    assert answer(ended).error is None
    assert told(rig).result == payload('"paid"')


@pytest.mark.parametrize("by_token", [True, False])
def test_it_may_be_completed_before_its_worker_has_said_that_it_went_outside(by_token: bool) -> None:
    rig = Rig(ScriptedCode([[activity(1)], []]))
    sent = task(rig.start())
    assert answer(rig.send(resolve(sent if by_token else None, result=payload("7")))).error is None
    assert told(rig).result == payload("7")
    assert rig.send(detached(sent)).stale


def test_whoever_has_the_token_may_also_speak_as_a_worker_does() -> None:
    rig, sent = outside()
    rig.send(heartbeat(sent, payload('"half"')))
    rig.send(completed(sent, payload("7")))
    assert told(rig).result == payload("7")


def test_a_failure_is_tried_again_by_the_policy_with_another_token() -> None:
    rig, sent = outside()
    rig.passivating = False
    rig.send(beat(sent, payload=payload('"half"')))
    rig.send(resolve(sent, failure=Failure(message="no", next_retry_delay=7 * SECOND)))
    (planned,) = rig.events(RetryPlanned)
    assert planned.retry_at == rig.now + 7 * SECOND
    assert not rig.state.activities[1].outside
    assert refusal(rig, resolve(sent, result=payload())) == "activity_not_found"
    assert refusal(rig, beat(sent)) == "activity_not_found"
    assert refusal(rig, resolve(failure=Failure(message="no"))) == "rejected"

    again = task(rig.send(WakeUp(), held=False, after=7 * SECOND))

    assert again.token != sent.token
    assert again.heartbeat_details == payload('"half"')
    assert refusal(rig, resolve(sent, result=payload())) == "activity_not_found"
    assert answer(rig.send(resolve(again, result=payload("2")))).error is None
    assert told(rig).result == payload("2")


def test_one_that_waits_for_its_next_attempt_may_be_completed_by_its_id() -> None:
    rig, sent = outside()
    rig.send(resolve(sent, failure=Failure(message="no")))
    assert answer(rig.send(resolve(result=payload("3")))).error is None
    assert told(rig).result == payload("3")


def test_a_failure_that_is_final_is_told_to_the_code() -> None:
    rig, sent = outside()
    rig.send(resolve(sent, failure=Failure(message="no", non_retryable=True)))
    failure = told(rig).failure
    assert failure is not None
    assert failure.cause is not None
    assert failure.cause.message == "no"


def test_its_timeouts_hold_as_they_were_asked_for() -> None:
    rig, _ = outside(start_to_close=60 * SECOND)
    assert rig.instance.wake_at == T0 + SECOND + 60 * SECOND, "no worker watches it, so there is no grace"
    rig.send(WakeUp(), held=False, after=60 * SECOND)
    (planned,) = rig.events(RetryPlanned)
    assert (planned.failure.kind, planned.failure.timeout_type) == ("timed_out", "start_to_close")


def test_without_a_heartbeat_timeout_of_the_users_it_may_be_silent() -> None:
    rig, _ = outside(early=True, start_to_close=None)
    assert rig.instance.wake_at is None or rig.instance.wake_at > T0 + 1_000 * HOUR
    declared, _ = outside(early=True, start_to_close=None, heartbeat_timeout=SIGN_OF_LIFE // 3)
    assert declared.instance.wake_at == T0 + SIGN_OF_LIFE // 3


def test_heartbeats_from_outside_keep_it_alive_and_are_kept_for_the_next_attempt() -> None:
    rig = Rig(ScriptedCode([[activity(1, heartbeat_timeout=10 * SECOND)], []]))
    sent = task(rig.start())
    rig.send(started(sent))
    rig.send(detached(sent))
    told = answer(rig.send(beat(sent, payload=payload('"half"')), after=9 * SECOND))
    assert told.result is not None
    assert json.loads(told.result.data) == {"cancel_requested": False}
    assert rig.instance.wake_at == rig.now + 10 * SECOND
    rig.send(KeepHeartbeats(), held=False)
    rig.reload()
    rig.instance.heartbeats.tell_time(rig.now)
    rig.send(WakeUp(), held=False, after=10 * SECOND)
    (planned,) = rig.events(RetryPlanned)
    assert planned.failure.timeout_type == "heartbeat"
    assert rig.state.activities[1].heartbeat_details == payload('"half"')


def cancelled(cancellation_type: str, *, detach: bool = True) -> tuple[Rig, TaskEffect]:
    steps: list[Step] = [[activity(1, cancellation_type=cancellation_type)], [CancelActivity(number=1)], []]
    rig = Rig(ScriptedCode(steps))
    sent = task(rig.start())
    if detach:
        rig.send(detached(sent))
    rig.send(Signal(name="stop"))
    return rig, sent


@pytest.mark.parametrize("cancellation_type", [WAITS, "try_cancel"])
def test_a_request_to_stop_is_told_by_the_answer_to_a_heartbeat(cancellation_type: str) -> None:
    rig, sent = cancelled(cancellation_type)
    told_of = answer(rig.send(beat(sent))).result
    assert told_of is not None
    assert json.loads(told_of.data) == {"cancel_requested": True}

    rig.send(resolve(sent, details=(payload('"rolled back"'),)))

    failure = told(rig).failure
    assert failure is not None
    assert (failure.kind, failure.details) == ("canceled", (payload('"rolled back"'),))
    assert not rig.state.activities


def test_one_that_is_abandoned_is_not_asked_to_stop() -> None:
    rig, sent = cancelled("abandon")
    told_of = answer(rig.send(beat(sent))).result
    assert told_of is not None
    assert json.loads(told_of.data) == {"cancel_requested": False}


def test_a_failure_of_one_that_was_to_stop_is_not_tried_again() -> None:
    rig, sent = cancelled(WAITS)
    rig.send(resolve(sent, failure=Failure(message="too late")))
    assert not rig.state.activities
    told = rig.state.log[len(rig.state.log) - 1].input
    assert isinstance(told, ActivityResolved)
    assert told.failure is not None
    assert told.failure.retry_state == "cancel_requested"


def test_nobody_stops_by_request_without_one() -> None:
    rig, sent = outside()
    assert refusal(rig, resolve(sent)) == "rejected"
    assert 1 in rig.state.activities


def test_a_worker_that_has_it_is_asked_to_stop_when_somebody_else_ends_it() -> None:
    rig = Rig(ScriptedCode([[activity(1)], []]))
    sent = task(rig.start())
    rig.send(started(sent, "worker-7"))
    (stop,) = effects(rig.send(resolve(result=payload())), CancelTaskEffect)
    assert (stop.worker, stop.token) == ("worker-7", sent.token)


def test_a_worker_to_whom_the_task_came_again_has_it() -> None:
    """The one before died between its word and its acknowledgement."""
    rig, sent = outside()
    rig.send(started(sent, "worker-2"))
    pending = rig.state.activities[1]
    assert (pending.worker, pending.outside) == ("worker-2", False)
    rig.send(detached(sent))
    assert rig.state.activities[1].outside


def test_the_word_that_it_went_outside_counts_once() -> None:
    rig, sent = outside()
    assert rig.send(detached(sent)).stale


def test_a_forged_token_opens_nothing() -> None:
    rig, sent = outside()
    forged = sent.token[:8] + bytes(16)
    assert refusal(rig, resolve(token=forged, result=payload())) == "activity_not_found"
    assert refusal(rig, beat(token=forged)) == "activity_not_found"
    assert refusal(rig, resolve(sent, activity_id="2", result=payload())) == "activity_not_found"
    assert refusal(rig, resolve(activity_id="2", result=payload())) == "activity_not_found"
    assert refusal(rig, resolve(token=b"\0" * 8, result=payload())) == "activity_not_found"


def test_of_a_run_that_has_ended_nothing_is_to_be_said() -> None:
    rig, sent = outside()
    rig.send(Terminate())
    assert refusal(rig, resolve(sent, result=payload())) == "closed"
    assert refusal(rig, beat(sent)) == "closed"
    assert refusal(rig, beat(sent, run_id="another")) == "not_found"


def test_a_heartbeat_counts_also_for_who_wants_no_answer() -> None:
    rig, sent = outside(heartbeat_timeout=10 * SECOND, early=True)
    rig.passivating = False
    assert effects(rig.send(beat(sent, caller=None), after=9 * SECOND), object) == []
    assert rig.instance.wake_at == rig.now + 10 * SECOND


def test_as_long_as_it_cannot_be_stored_the_attempt_fails_and_says_why() -> None:
    rig = Rig(ScriptedCode([[activity(1)], []]))
    rig.instance.codec = CODEC.writing(2)
    sent = task(rig.start())
    rig.send(detached(sent))
    (planned,) = rig.events(RetryPlanned)
    assert "cannot go on outside of its worker yet" in planned.failure.message
