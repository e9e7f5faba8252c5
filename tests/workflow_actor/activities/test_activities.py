"""The life of an activity: tasks, grants, outcomes, and what comes too late."""

from __future__ import annotations

import pytest

from dalsegno.actors.workflow_actor.activities.events import (
    ActivityCompleted,
    ActivityFailed,
    ActivityResolved,
    AttemptBegun,
)
from dalsegno.actors.workflow_actor.activities.intents import CancelActivity
from dalsegno.actors.workflow_actor.activities.sends import CancelTaskEffect, GrantEffect
from dalsegno.actors.workflow_actor.interface.commands import Terminate, WakeUp
from dalsegno.actors.workflow_actor.interface.retries import RetrySchedule
from dalsegno.actors.workflow_actor.signals.commands import Signal
from dalsegno.broker.protocol.codec import JSON
from tests.workflow_actor.rig import (
    DONE,
    SECOND,
    T0,
    Rig,
    ScriptedCode,
    activity,
    canceled,
    completed,
    effects,
    failed,
    heartbeat,
    payload,
    started,
    task,
    task_id,
    tasks,
)

ONCE = RetrySchedule(maximum_attempts=1)


def test_a_task_carries_what_the_worker_needs() -> None:
    rig = Rig(ScriptedCode([[activity(1, activity_id="charge-1", task_queue="cards")]]))

    sent = task(rig.start())

    assert (sent.workflow_id, sent.run_id, sent.workflow_type) == ("w", "run-1", "order")
    assert (sent.activity_id, sent.activity_type, sent.task_queue) == ("charge-1", "charge", "cards")
    assert (sent.attempt, sent.fence, sent.scheduled_at) == (1, 1, T0)
    assert sent.args == (payload(),)
    assert (sent.acknowledge, sent.start_to_close) == ("late", 600 * SECOND)
    assert (sent.heartbeat_timeout, sent.auto_heartbeat) == (None, False)
    assert 16 <= len(sent.token) <= 64


def test_tokens_differ_by_activity_attempt_and_random_bytes() -> None:
    seen = set()
    rig = Rig(ScriptedCode([[activity(1), activity(2)]]))
    for sent in tasks(rig.start()):
        seen.add(sent.token)
        rig.send(failed(sent))
    retried = rig.send_all(WakeUp(), held=False, after=SECOND)
    seen |= {sent.token for activation in retried for sent in tasks(activation)}
    assert len(seen) == 4


def test_a_result_is_given_to_the_code_once() -> None:
    rig = Rig(ScriptedCode([[activity(1)], []]))
    sent = task(rig.start())

    first = rig.send(completed(sent, payload('"ok"')))
    second = rig.send(completed(sent, payload('"again"')))

    assert first.recorded
    assert not second.recorded
    assert second.stale
    assert rig.programs_seen[1:] == [ActivityResolved(number=1, result=payload('"ok"'))]
    assert len(rig.events(ActivityCompleted)) == 1
    assert rig.state.activities == {}


@pytest.mark.parametrize(
    "change",
    [
        {"token": b"x" * 24},
        {"token": (1).to_bytes(8, "big") + b"x" * 16},
        {"token": b""},
        {"attempt": 2},
        {"activity_id": "2"},
        {"run_id": "run-0"},
    ],
)
def test_a_word_about_another_attempt_run_or_token_is_stale(change: dict[str, object]) -> None:
    rig = Rig(ScriptedCode([[activity(1)], []]))
    sent = task(rig.start())
    word = completed(sent)
    forged = type(word)(**{name: getattr(word, name) for name in word.__struct_fields__} | change)

    assert rig.send(forged).stale
    assert rig.instance.sequence == 1


def test_a_word_about_a_workflow_that_is_not_there_is_stale() -> None:
    sent = task(Rig(ScriptedCode([[activity(1)]])).start())
    empty = Rig(ScriptedCode([]))
    assert empty.send(completed(sent)).stale
    assert effects(empty.send(started(sent)), GrantEffect)[0].granted is False


def test_a_result_after_the_end_of_the_run_is_stale() -> None:
    rig = Rig(ScriptedCode([[activity(1)]]))
    sent = task(rig.start())
    rig.send(Terminate())
    assert rig.send(completed(sent)).stale


@pytest.mark.parametrize(
    ("changes", "acknowledge", "heartbeat_timeout", "automatic"),
    [
        ({}, "late", None, False),
        ({"retry": ONCE}, "early", 30 * SECOND, True),
        ({"start_to_close": 601 * SECOND}, "early", 30 * SECOND, True),
        ({"start_to_close": None}, "early", 30 * SECOND, True),
        ({"heartbeat_timeout": 7 * SECOND}, "early", 7 * SECOND, False),
        ({"start_to_close": None, "schedule_to_close": 60 * SECOND}, "late", None, False),
    ],
)
def test_how_a_task_is_acknowledged_follows_from_its_options(
    changes: dict[str, object], acknowledge: str, heartbeat_timeout: int | None, automatic: bool
) -> None:
    sent = task(Rig(ScriptedCode([[activity(1, **changes)]])).start())
    assert sent.acknowledge == acknowledge
    assert sent.heartbeat_timeout == heartbeat_timeout
    assert sent.auto_heartbeat is automatic


def test_an_early_attempt_is_granted_to_the_first_worker_that_asks_and_to_no_other() -> None:
    rig = Rig(ScriptedCode([[activity(1, retry=ONCE)]]))
    sent = task(rig.start())

    first = rig.send(started(sent, "worker-1"))
    other = rig.send(started(sent, "worker-2"))
    again = rig.send(started(sent, "worker-1"))

    ((grant_id, grant),) = first.effects
    assert grant_id == (2, 0)
    assert grant == GrantEffect(
        worker="worker-1", run_id="run-1", activity_id="1", attempt=1, granted=True, token=sent.token
    )
    assert other.effects == (
        (
            None,
            GrantEffect(
                worker="worker-2", run_id="run-1", activity_id="1", attempt=1, granted=False, token=sent.token
            ),
        ),
    )
    assert again.effects == ((None, grant),)
    assert not other.recorded
    assert not again.recorded
    assert len(rig.events(AttemptBegun)) == 1


def test_a_grant_outlives_a_crash_until_it_is_confirmed() -> None:
    rig = Rig(ScriptedCode([[activity(1, retry=ONCE)]]))
    rig.send(started(task(rig.start())))
    rig.reload()
    ((grant_id, grant),) = rig.instance.outstanding()
    assert (grant_id, type(grant)) == ((2, 0), GrantEffect)


def test_a_worker_is_answered_in_the_content_type_that_it_speaks() -> None:
    """Grants and cancel requests, those that wait in the state as well as those that only answer."""
    waited_for = activity(1, retry=ONCE, cancellation_type="wait_cancellation_completed")
    rig = Rig(ScriptedCode([[waited_for], [CancelActivity(number=1)], [DONE]]))
    sent = task(rig.start())
    for word in (started(sent, content_type=JSON), started(sent, content_type=JSON)):
        (grant,) = effects(rig.send(word), GrantEffect)
        assert (grant.granted, grant.content_type) == (True, JSON)
    rig.reload()
    assert [effect.content_type for _, effect in rig.instance.outstanding()] == [JSON]
    (stop,) = effects(rig.send(Signal(name="stop")), CancelTaskEffect)
    assert stop.content_type == JSON
    for word in (started(sent, content_type=JSON), heartbeat(sent, worker="worker-1", content_type=JSON)):
        assert {effect.content_type for _, effect in rig.send(word).effects} == {JSON}


def test_a_worker_is_told_in_what_it_speaks_that_the_workflow_has_ended() -> None:
    rig = Rig(ScriptedCode([[activity(1)], [DONE]]))
    rig.send(started(task(rig.start()), content_type=JSON))
    (stop,) = effects(rig.send(Signal(name="finish")), CancelTaskEffect)
    assert stop.content_type == JSON


def test_a_late_attempt_that_another_worker_took_over_is_that_worker_s() -> None:
    rig = Rig(ScriptedCode([[activity(1)]]))
    sent = task(rig.start())

    assert rig.send(started(sent, "worker-1")).recorded
    assert rig.send(started(sent, "worker-1")).stale
    assert rig.send(started(sent, "worker-2"), after=SECOND).recorded

    assert rig.state.activities[1].worker == "worker-2"
    assert rig.state.activities[1].started_at == T0 + SECOND


def test_a_task_is_no_longer_outstanding_once_its_worker_was_heard_of() -> None:
    rig = Rig(ScriptedCode([[activity(1)]]))
    begun = rig.start()
    assert [effect_id for effect_id, _ in rig.instance.outstanding()] == [task_id(begun)]
    rig.send(started(task(begun)))
    assert rig.instance.outstanding() == []


def test_an_unfinished_attempt_of_an_activity_that_is_over_is_refused_and_its_worker_told_to_stop() -> None:
    rig = Rig(ScriptedCode([[activity(1)], []]))
    sent = task(rig.start())
    rig.send(completed(sent))

    (_, refusal), (_, stop) = rig.send(started(sent, "worker-9")).effects
    assert refusal == GrantEffect(
        worker="worker-9", run_id="run-1", activity_id="1", attempt=1, granted=False, token=sent.token
    )
    assert effects(rig.send(heartbeat(sent, worker="worker-9")), CancelTaskEffect) == [stop]
    assert isinstance(stop, CancelTaskEffect)
    assert (stop.worker, stop.attempt, stop.reason) == ("worker-9", 1, "this attempt is over")


def test_an_activity_that_stopped_because_it_was_asked_to_resolves_as_cancelled() -> None:
    rig = Rig(ScriptedCode([[activity(1)], []]))
    sent = task(rig.start())

    rig.send(canceled(sent, payload('"half"')))

    (resolved,) = rig.programs_seen[1:]
    assert isinstance(resolved, ActivityResolved)
    assert resolved.failure is not None
    assert resolved.failure.kind == "canceled"
    assert resolved.failure.details == (payload('"half"'),)


def test_workers_are_told_to_stop_when_the_run_ends() -> None:
    rig = Rig(ScriptedCode([[activity(1), activity(2), activity(3, cancellation_type="abandon")], [DONE]]))
    first, _, third = tasks(rig.start())
    rig.send(started(first))
    rig.send(started(third))

    closed = rig.send(Signal(name="finish"))

    (stop,) = effects(closed, CancelTaskEffect)
    assert (stop.worker, stop.activity_id, stop.reason) == ("worker-1", "1", "the workflow has ended")
    assert [type(effect) for _, effect in rig.instance.outstanding()] == [CancelTaskEffect]
    assert len(rig.events(ActivityFailed)) == 0


def test_two_pending_activities_with_one_name_are_told_apart_by_their_tokens() -> None:
    rig = Rig(ScriptedCode([[activity(1, activity_id="same"), activity(2, activity_id="same")], [], []]))
    first, second = tasks(rig.start())
    rig.send(completed(second))
    rig.send(completed(first))
    assert [input_.number for input_ in rig.programs_seen[1:] if isinstance(input_, ActivityResolved)] == [2, 1]


def test_fences_grow_over_all_attempts_of_a_run() -> None:
    rig = Rig(ScriptedCode([[activity(1), activity(2)], []]))
    first, second = tasks(rig.start())
    rig.send(failed(first))
    retried = task(rig.send(WakeUp(), held=False, after=SECOND))
    assert (first.fence, second.fence, retried.fence) == (1, 2, 3)
