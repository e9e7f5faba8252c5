"""Runs that are tried again, and such as begin later: by the policy of their start, and its timeouts."""

from __future__ import annotations

from typing import Any

import pytest

from dalsegno import ApplicationError, workflow
from dalsegno.actors.workflow_actor.interface.commands import Cancel, Resume, Suspend, Terminate, WakeUp
from dalsegno.actors.workflow_actor.interface.effects import ResultEffect
from dalsegno.actors.workflow_actor.interface.retries import RetrySchedule
from dalsegno.actors.workflow_actor.interface.times import FAR_FUTURE
from dalsegno.actors.workflow_actor.program.registry import WorkflowRegistry
from dalsegno.actors.workflow_actor.signals.commands import Signal
from dalsegno.actors.workflow_actor.stored.codec import CODEC
from dalsegno.policies import WorkflowIDConflictPolicy, WorkflowIDReusePolicy, WorkflowStatus
from tests.default_converter import from_payload, to_payload
from tests.workflow_actor.rig import CALLER, SECOND, T0, Rig, answer, effects, start

RETRY = RetrySchedule(initial_interval=10 * SECOND, maximum_interval=30 * SECOND, maximum_attempts=3)


@workflow.defn(name="order")
class Fragile:
    """Fails until the attempt that it is told."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    @workflow.run
    async def run(self, good: int, kind: str = "") -> list[Any]:
        info = workflow.info()
        if kind == "wait":
            await workflow.wait_condition(lambda: bool(self.heard))
        if info.attempt < good:
            raise ApplicationError(
                f"attempt {info.attempt}",
                type=kind or "Oh",
                non_retryable=kind == "final",
                next_retry_delay=1 if kind == "soon" else None,
            )
        failure = workflow.get_last_failure()
        return [info.attempt, None if failure is None else str(failure), self.heard]

    @workflow.signal
    def hear(self, word: str) -> None:
        self.heard.append(word)


def rig(*args: Any, passivating: bool = False, **changes: Any) -> Rig:
    made = Rig(WorkflowRegistry([(Fragile, None)]), passivating=passivating)
    fields = {"args": tuple(map(to_payload, args)), "wants_result": True, "retry": RETRY, **changes}
    made.send_all(start(**fields))
    return made


def result_of(made: Rig) -> Any:
    (result,) = effects(made.send(WakeUp(), held=False), ResultEffect)
    return result


@pytest.mark.parametrize("passivating", [False, True])
def test_a_run_that_fails_is_tried_again_after_a_delay_that_grows(passivating: bool) -> None:
    made = rig(3, passivating=passivating)
    first = made.state.info.first_run_id
    for delay in (10, 20):
        assert made.state.info.continued_run_id is not None
        assert made.instance.wake_at == made.now + delay * SECOND
        assert made.send_all(WakeUp(), held=False)[0].recorded is False
        made.now += delay * SECOND
        if delay == 10:
            ended, opened = made.send_all(WakeUp(), held=False)
            assert ended.changed is not None
            assert ended.changed.status is WorkflowStatus.FAILED
            assert (opened.sequence, effects(ended, ResultEffect)) == (1, [])
    assert (first, made.state.info.first_run_id, made.state.info.attempt) == ("run-1", "run-1", 3)
    result = result_of(made)
    assert (result.status, from_payload(result.result)) == (WorkflowStatus.COMPLETED, [3, "attempt 2", []])


def test_the_pause_before_it_is_tried_again_is_not_ended_by_a_signal_with_a_start() -> None:
    made = rig(3)
    pause_ends = made.instance.wake_at
    signal = Signal(name="hear", args=(to_payload("word"),))
    made.send(start("run-x", then=signal, conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING))
    assert (made.state.is_delayed, made.instance.wake_at) == (True, pause_ends)


def test_what_an_operator_has_suspended_is_tried_again_when_he_resumes_it_and_not_before() -> None:
    made = rig(1, "wait", run_timeout=60 * SECOND)
    made.send(Suspend(reason="the shop is closed"))
    made.now += 60 * SECOND
    ended, _ = made.send_all(WakeUp(), held=False)
    assert ended.changed is not None
    assert ended.changed.status is WorkflowStatus.TIMED_OUT
    assert (made.status(), made.state.reason) == (WorkflowStatus.SUSPENDED, "the shop is closed")
    made.now += 10 * SECOND
    made.send_all(WakeUp(), held=False)
    assert (made.status(), made.state.processed) == (WorkflowStatus.SUSPENDED, 0)
    made.send(Resume())
    made.send(Signal(name="hear", args=(to_payload("open"),)))
    assert made.status() is WorkflowStatus.COMPLETED
    assert made.state.info.attempt == 2


def test_who_goes_on_as_another_when_he_is_resumed_is_not_suspended() -> None:
    made = rig(2, "wait")
    made.send(Suspend())
    made.send(Signal(name="hear", args=(to_payload("open"),)))
    made.send_all(Resume())
    assert (made.status(), made.state.info.attempt) == (WorkflowStatus.RUNNING, 2)


def test_after_its_attempts_it_has_failed() -> None:
    made = rig(9)
    for delay in (10, 20):
        made.now += delay * SECOND
        last = made.send_all(WakeUp(), held=False)
    (result,) = effects(last[0], ResultEffect)
    assert (len(last), result.status, result.failure.message) == (1, WorkflowStatus.FAILED, "attempt 3")
    assert result.failure.run_retry_state == "maximum_attempts_reached"
    made.settle()
    assert made.instance.wake_at is None


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("final", {}),
        ("No", {"retry": RetrySchedule(non_retryable_error_types=("No",))}),
        ("Oh", {"retry": None}),
        ("Oh", {"execution_timeout": 10 * SECOND}),
    ],
)
def test_what_is_not_to_be_retried_and_what_has_no_time_left_is_not(kind: str, changes: Any) -> None:
    made = rig(9, kind, **changes)
    assert made.status() is WorkflowStatus.FAILED
    assert made.state.info.run_id == "run-1"


def test_an_error_may_say_when_it_is_tried_again() -> None:
    assert rig(9, "soon").instance.wake_at == T0 + SECOND


@pytest.mark.parametrize("passivating", [False, True])
def test_a_run_timeout_is_of_one_run_and_an_execution_timeout_of_all(passivating: bool) -> None:
    made = rig(0, "wait", passivating=passivating, run_timeout=100 * SECOND, execution_timeout=150 * SECOND)
    assert made.instance.wake_at == T0 + 100 * SECOND
    made.now = T0 + 100 * SECOND
    ended, _ = made.send_all(WakeUp(), held=False)
    assert ended.changed is not None
    assert ended.changed.status is WorkflowStatus.TIMED_OUT
    made.now += 10 * SECOND
    made.send(WakeUp(), held=False)
    assert made.state.info.last_failure is not None
    assert "run timeout" in made.state.info.last_failure.message
    assert made.instance.wake_at == T0 + 150 * SECOND
    made.now = T0 + 150 * SECOND
    result = result_of(made)
    assert (result.status, result.failure.message) == (
        WorkflowStatus.TIMED_OUT,
        "the workflow did not end within its execution timeout",
    )


def test_what_is_sent_before_a_run_begins_is_for_its_code_then() -> None:
    made = rig(0, "wait", delay=60 * SECOND, retry=None)
    assert made.instance.wake_at == T0 + 60 * SECOND
    made.send(Signal(name="hear", args=(to_payload("early"),), caller=CALLER))
    assert made.state.processed == 0
    made.now = T0 + 60 * SECOND
    assert from_payload(result_of(made).result) == [1, None, ["early"]]


def test_a_run_that_has_not_begun_is_canceled_or_terminated_at_once() -> None:
    for command, status in ((Cancel(caller=CALLER), "canceled"), (Terminate(caller=CALLER), "terminated")):
        made = rig(0, delay=60 * SECOND)
        (result,) = effects(made.send(command), ResultEffect)
        assert (result.status, made.state.processed, made.instance.wake_at) == (status, 0, None)


def test_a_start_with_what_cannot_be_stored_yet_is_refused() -> None:
    chains: list[dict[str, Any]] = [{"run_timeout": SECOND}, {"delay": SECOND}, {"retry": RETRY}]
    for says in chains:
        made = Rig(WorkflowRegistry([(Fragile, None)]))
        made.instance.codec = CODEC.writing(2)
        error = answer(made.start(args=(to_payload(0),), **says)).error
        assert error is not None
        assert error[0] == "rejected"
        assert "dalsegno init" in error[1]


def test_a_start_may_terminate_what_runs_by_its_reuse_policy() -> None:
    made = rig(0, "wait")
    ended, opened = made.send_all(
        start("run-2", args=(to_payload(0),), reuse_policy=WorkflowIDReusePolicy.TERMINATE_IF_RUNNING)
    )
    assert ended.changed is not None
    assert (ended.changed.status, opened.run_id) == (WorkflowStatus.TERMINATED, "run-2")


def test_no_delay_is_so_long_that_the_wire_could_not_tell_its_end() -> None:
    made = rig(0, delay=FAR_FUTURE)
    assert made.instance.wake_at == FAR_FUTURE
    assert made.send(Cancel(caller=CALLER)).changed is not None
