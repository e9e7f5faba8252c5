"""Late tasks whose workers die of them, and late tasks that come back for other reasons."""

from __future__ import annotations

from msgspec.structs import replace

from dalsegno.actors.workflow_actor.activities.activity import Phase
from dalsegno.actors.workflow_actor.activities.commands import AttemptFailed
from dalsegno.actors.workflow_actor.activities.sends import CancelTaskEffect, GrantEffect, TaskEffect
from dalsegno.actors.workflow_actor.activities.worker_deaths import (
    DEATHS_ALONE_MAX,
    RETURNS_UNSEEN_MAX,
    WORKERS_LOST_MAX,
)
from dalsegno.actors.workflow_actor.interface.activation import Activation
from dalsegno.actors.workflow_actor.interface.commands import WakeUp
from dalsegno.actors.workflow_actor.stored.codec import CODEC
from dalsegno.failure import Failure
from tests.workflow_actor.rig import (
    SECOND,
    Rig,
    ScriptedCode,
    activity,
    completed,
    effects,
    failed,
    started,
    task,
    tasks,
)


def begun() -> tuple[Rig, TaskEffect]:
    rig = Rig(ScriptedCode([[activity(1)], []]))
    return rig, task(rig.start())


def returned(effect: TaskEffect, time: int = 1) -> AttemptFailed:
    """The broker gave the task up, which it did as often."""
    failure = Failure(kind="worker_lost", type="WorkerLost", message="it came back more than 20 times")
    return replace(failed(effect, failure), returned=f"time {time}")


def granted(activation: Activation) -> list[bool]:
    return [effect.granted for effect in effects(activation, GrantEffect)]


def test_an_attempt_that_runs_alone_is_granted_and_granted_again_to_the_one_who_asks_again() -> None:
    rig, sent = begun()
    assert granted(rig.send(started(sent, alone=True))) == [True]
    rig.settle()
    again = rig.send(started(sent, alone=True))
    assert again.stale
    assert granted(again) == [True]


def test_an_attempt_fails_when_too_many_workers_died_while_it_ran_alone_and_the_next_is_refused() -> None:
    rig, sent = begun()
    for number in range(DEATHS_ALONE_MAX):
        assert granted(rig.send(started(sent, f"worker-{number}", alone=True))) == [True]
    last = rig.send(started(sent, "worker-last", alone=True))
    assert granted(last) == [False]
    assert [stop.worker for stop in effects(last, CancelTaskEffect)] == ["worker-last"]
    (pending,) = rig.state.activities.values()
    assert pending.phase is Phase.BACKING_OFF
    assert pending.last_failure is not None
    assert (pending.last_failure.kind, pending.last_failure.type) == ("worker_lost", "WorkerLost")

    second = task(rig.send(WakeUp(), held=False, after=SECOND))
    assert second.attempt == 2
    assert granted(rig.send(started(second, "worker-last", alone=True))) == [True]
    rig.check_replay_identity()


def test_workers_that_die_while_an_attempt_runs_beside_others_do_not_fail_it() -> None:
    rig, sent = begun()
    for number in range(3 * WORKERS_LOST_MAX):
        rig.send(started(sent, f"worker-{number}"))
    assert rig.send(completed(sent)).recorded


def test_an_attempt_that_has_lived_on_alone_for_a_while_is_not_blamed_for_what_happens_then() -> None:
    rig, sent = begun()
    for number in range(2 * DEATHS_ALONE_MAX):
        rig.send(started(sent, f"worker-{number}", alone=True))
        assert granted(rig.send(started(sent, f"worker-{number}"))) == []
    assert rig.send(completed(sent)).recorded


def test_an_attempt_that_has_lived_on_alone_is_acquitted_of_the_deaths_before() -> None:
    """Something else killed those workers, more slowly."""
    rig, sent = begun()
    for number in range(0, 4 * DEATHS_ALONE_MAX, 2):
        assert granted(rig.send(started(sent, f"worker-{number}", alone=True))) == [True]
        assert granted(rig.send(started(sent, f"worker-{number + 1}", alone=True))) == [True]
        rig.send(started(sent, f"worker-{number + 1}"))
    assert rig.send(completed(sent)).recorded
    rig.check_replay_identity()


def test_a_worker_that_comes_back_under_another_name_of_its_own_has_not_died() -> None:
    rig, sent = begun()
    begun_at = None
    for suffix in ("", "~1", "~2", "", "~3"):
        rig.send(started(sent, f"worker-1{suffix}", alone=True), after=SECOND)
        (pending,) = rig.state.activities.values()
        begun_at = begun_at or pending.started_at
        assert (pending.worker, pending.started_at) == (f"worker-1{suffix}", begun_at)
    assert rig.send(completed(sent)).recorded


def test_workers_that_were_only_cut_off_and_speak_again_are_not_counted_among_the_dead() -> None:
    """The broker gives the task of each to the next, and all of them go on."""
    rig, sent = begun()
    rig.send(started(sent, "worker-0", alone=True))
    for number in range(1, 4 * DEATHS_ALONE_MAX):
        began = rig.send(started(sent, f"worker-{number}", alone=True), after=SECOND)
        assert granted(began) == [True]
        (pending,) = rig.state.activities.values()
        for older in range(number):
            rig.send(started(sent, f"worker-{older}", alone=True), after=SECOND)
            assert rig.state.activities[pending.spec.number].started_at == pending.started_at
    assert rig.send(completed(sent)).recorded
    rig.check_replay_identity()


def test_a_word_that_is_delivered_again_is_no_death() -> None:
    rig, sent = begun()
    words = [started(sent, f"worker-{number}", alone=True) for number in range(DEATHS_ALONE_MAX)]
    for word in (*words, *words, *words):
        assert granted(rig.send(word)) == [True]


def test_a_task_that_the_broker_gave_up_while_a_worker_may_have_it_is_sent_again_however_often() -> None:
    rig, sent = begun()
    rig.send(started(sent))
    for time in range(3 * RETURNS_UNSEEN_MAX):
        again = task(rig.send(returned(sent, time)))
        assert (again.attempt, again.token) == (sent.attempt, sent.token)
    assert rig.send(completed(sent)).recorded
    assert rig.send(returned(sent)).stale
    rig.check_replay_identity()


def test_a_task_that_the_broker_gave_up_unseen_is_sent_again_and_lost_in_the_end() -> None:
    rig, sent = begun()
    for time in range(RETURNS_UNSEEN_MAX):
        assert task(rig.send(returned(sent, time))).attempt == 1
    assert tasks(rig.send(returned(sent, RETURNS_UNSEEN_MAX))) == []
    (pending,) = rig.state.activities.values()
    assert pending.phase is Phase.BACKING_OFF
    assert task(rig.send(WakeUp(), held=False, after=SECOND)).attempt == 2
    rig.check_replay_identity()


def test_a_task_that_was_given_up_leaves_a_snapshot_for_who_cannot_read_of_it() -> None:
    """An older release reads the snapshot, and none of the rows before it. Of the second format all can read
    all."""
    rig, sent = begun()
    assert rig.send(returned(sent)).snapshot is None
    rig, sent = begun()
    rig.instance.codec = CODEC.writing(1)
    assert rig.send(started(sent)).snapshot is None
    again = rig.send(returned(sent))
    assert again.snapshot is not None
    assert again.snapshot.sequence == again.sequence


def test_the_word_that_a_task_was_given_up_counts_once_however_often_it_comes() -> None:
    rig, sent = begun()
    assert task(rig.send(returned(sent))).attempt == 1
    rig.settle()
    for _ in range(3 * RETURNS_UNSEEN_MAX):
        again = rig.send(returned(sent))
        assert again.stale
        assert tasks(again) == []
    assert rig.send(completed(sent)).recorded


def test_a_task_that_the_broker_gave_up_after_many_workers_were_lost_has_failed() -> None:
    rig, sent = begun()
    for number in range(WORKERS_LOST_MAX + 1):
        rig.send(started(sent, f"worker-{number}"))
    assert tasks(rig.send(returned(sent))) == []
    (pending,) = rig.state.activities.values()
    assert pending.phase is Phase.BACKING_OFF
