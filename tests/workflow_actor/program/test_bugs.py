"""What user code does wrong becomes a WorkflowCodeError with a reason, and harms nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from structlog.testing import capture_logs

from dalsegno import ActivityError, ApplicationError, FailureError, QueryFailedError, workflow
from dalsegno.actors.workflow_actor.program.port import WorkflowCodeError
from tests.sdk.hostile_errors import HOSTILE
from tests.workflow_actor.program.play import Play, played
from tests.workflow_actor.program.things import work


class UnspeakableError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


class Mine(Exception):  # noqa: N818 - stands for an exception of the user's own
    pass


def throw(error: BaseException) -> Any:
    raise error


def recurse() -> int:
    return recurse() + 1


RAISED: dict[str, tuple[Any, str]] = {
    "ValueError": (lambda: int("x"), "ValueError: invalid literal for int"),
    "SystemExit": (lambda: throw(SystemExit(3)), "SystemExit: 3"),
    "KeyboardInterrupt": (lambda: throw(KeyboardInterrupt()), "KeyboardInterrupt"),
    "GeneratorExit": (lambda: throw(GeneratorExit()), "GeneratorExit"),
    "MemoryError": (lambda: throw(MemoryError()), "MemoryError"),
    "RecursionError": (recurse, "RecursionError: maximum recursion depth exceeded"),
    "StopIteration": (lambda: next(iter(())), "RuntimeError: coroutine raised StopIteration"),
    "unspeakable": (lambda: throw(UnspeakableError()), "own __str__ raised RuntimeError"),
}


@workflow.defn
class Buggy:
    @workflow.run
    async def run(self, what: str, where: str) -> None:
        if where == "late":
            await workflow.execute_activity(work, 1)
        if where == "task":
            await asyncio.create_task(self.task(what))
        if where == "callback":
            asyncio.get_running_loop().call_soon(RAISED[what][0])
            await asyncio.Event().wait()
        if where == "forgotten":
            asyncio.create_task(self.task(what))  # noqa: RUF006 - forgetting it is the point
            await asyncio.Event().wait()
        if where != "handler":
            RAISED[what][0]()
        await asyncio.Event().wait()

    async def task(self, what: str) -> None:
        RAISED[what][0]()

    @workflow.signal
    def poke(self, what: str) -> None:
        RAISED[what][0]()


@pytest.mark.parametrize("where", ["run", "late", "task", "callback", "handler", "forgotten"])
@pytest.mark.parametrize("what", RAISED)
def test_any_exception_that_is_no_failure_is_a_bug_with_a_reason(what: str, where: str) -> None:
    if what == "StopIteration" and where in ("callback", "handler"):
        return  # it becomes a RuntimeError in coroutines only
    play = Play(Buggy)
    with pytest.raises(WorkflowCodeError, match=RAISED[what][1]) as caught:
        play.begin(what, where)
        if where == "late":
            play.resolve(1, 1)
        if where == "handler":
            play.signal("poke", what)
    assert "test_bugs.py:" in caught.value.reason
    assert "Traceback" in caught.value.stack or "could not be formatted" in caught.value.stack
    with pytest.raises(RuntimeError, match="broken"):
        play.go_on()


@workflow.defn
class Hostile:
    @workflow.run
    async def run(self, how: str, where: str) -> None:
        if where == "run":
            raise HOSTILE[how]()
        if where == "task":
            await asyncio.create_task(self.late(how))
        if where == "condition":
            await workflow.wait_condition(lambda: throw(HOSTILE[how]()))
        await asyncio.Event().wait()

    async def late(self, how: str) -> None:
        raise HOSTILE[how]()

    @workflow.signal
    async def poke(self, how: str) -> None:
        raise HOSTILE[how]()

    @workflow.query
    def ask(self, how: str) -> None:
        raise HOSTILE[how]()


@pytest.mark.parametrize("where", ["run", "task", "condition", "handler"])
@pytest.mark.parametrize("how", HOSTILE)
def test_whatever_is_raised_the_run_ends_or_has_a_reason_that_can_be_stored(how: str, where: str) -> None:
    play = Play(Hostile)
    try:
        play.begin(how, where)
        if where == "handler":
            play.signal("poke", how)
    except WorkflowCodeError as bug:
        assert len(bug.reason.encode()) < 10_000
        assert "\0" not in bug.reason
    else:
        assert play.closed or (how == "a cancellation" and where == "handler")


@pytest.mark.parametrize("how", HOSTILE)
def test_whatever_a_query_raises_is_told_and_harms_nothing(how: str) -> None:
    play = Play(Hostile)
    play.begin("", "")
    with pytest.raises(QueryFailedError, match="The query 'ask' failed"):
        play.query("ask", how)
    play.cancel()
    assert play.closed


def test_the_reason_names_the_line_and_function_of_user_code() -> None:
    with pytest.raises(WorkflowCodeError) as caught:
        Play(Buggy).begin("RecursionError", "run")
    assert caught.value.reason.endswith("in recurse)")


@workflow.defn
class Fails:
    @workflow.run
    async def run(self, what: str) -> None:
        errors: dict[str, BaseException] = {
            "application": ApplicationError("no", 1, type="Mine", non_retryable=True),
            "failure": FailureError("plain"),
            "timeout": TimeoutError("late"),
            "group": BaseExceptionGroup("both", [TimeoutError(), ApplicationError("x")]),
        }
        raise errors[what]


@pytest.mark.parametrize("what", ["application", "failure", "timeout", "group"])
def test_what_is_raised_on_purpose_fails_the_run(what: str) -> None:
    play = Play(Fails)
    play.begin(what)
    assert play.digests == ["fail"]
    assert play.intents[0].line.startswith("test_bugs.py:")


@workflow.defn(failure_exception_types=[Mine])
class FailsWithMine:
    @workflow.run
    async def run(self, mine: bool) -> None:
        raise Mine("of my own") if mine else KeyError("typo")


def test_a_workflow_may_name_exceptions_that_fail_it() -> None:
    play = Play(FailsWithMine)
    play.begin(True)
    assert (play.failure.type, play.failure.message) == ("Mine", "of my own")
    with pytest.raises(WorkflowCodeError):
        Play(FailsWithMine).begin(False)


@workflow.defn
class ForgetsTasks:
    @workflow.run
    async def run(self, how: str) -> str:
        task = asyncio.create_task(self.raises(how))
        await asyncio.sleep(1)
        if how == "looked at later":
            return type(task.exception()).__name__
        return "never looked"

    async def raises(self, how: str) -> None:
        if how == "failure":
            await workflow.execute_activity(work, 1)
        if how == "timeout":
            raise TimeoutError
        raise KeyError("typo")


def test_a_task_may_be_looked_at_later() -> None:
    assert played(ForgetsTasks, "looked at later").result == "KeyError"


@workflow.defn
class NeverAwaitsGathering:
    @workflow.run
    async def run(self, is_held: bool) -> str:
        gathering = asyncio.gather(workflow.execute_activity(work, 1), asyncio.sleep(3))
        await asyncio.sleep(0)
        if not is_held:
            del gathering
        await asyncio.sleep(60)
        return "done"


@pytest.mark.parametrize("is_held", [True, False])
def test_a_failure_of_a_gathering_that_nobody_awaits_is_logged_once_and_fails_nothing(
    is_held: bool,
) -> None:
    with capture_logs() as logs:
        play = Play(NeverAwaitsGathering)
        play.begin(is_held)
        play.fail(1, ApplicationError("no"))
        play.fire(2)
        assert play.result == "done"
        play.replayed()

    (line,) = [entry for entry in logs if "never retrieved" in entry["event"]]
    assert (line["log_level"], line["workflow_id"]) == ("error", "order-7")
    assert "ActivityError: failed" in line["event"]
    assert line["workflow_type"] == "NeverAwaitsGathering"


@workflow.defn
class ForgetsGathering:
    @workflow.run
    async def run(self) -> str:
        gathering = asyncio.gather(asyncio.sleep(60), asyncio.sleep(60), return_exceptions=True)
        await asyncio.sleep(0)
        gathering.cancel()
        await asyncio.sleep(1)
        return "done"


def test_what_was_cancelled_and_is_not_awaited_is_no_bug() -> None:
    play = Play(ForgetsGathering)
    play.begin()
    play.fire(3)
    assert play.result == "done"


def test_a_bug_in_a_task_that_nobody_looked_at_shows_when_the_run_ends() -> None:
    play = Play(ForgetsTasks)
    play.begin("bug")
    with pytest.raises(WorkflowCodeError, match=r"that nobody looked at. KeyError: 'typo' \(test_bugs.py"):
        play.fire(1)


@pytest.mark.parametrize("how", ["failure", "timeout"])
def test_a_failure_in_a_task_that_nobody_looked_at_is_no_bug(how: str) -> None:
    play = Play(ForgetsTasks)
    play.begin(how)
    if how == "failure":
        play.fail(1, ApplicationError("no"))
    play.fire(1)
    assert play.result == "never looked"


@workflow.defn
class Unstorable:
    @workflow.run
    async def run(self) -> Any:
        return object()


def test_a_result_that_cannot_be_stored_suspends() -> None:
    with pytest.raises(WorkflowCodeError, match="The result of Unstorable cannot be stored"):
        Play(Unstorable).begin()


@workflow.defn
class Typed:
    @workflow.run
    async def run(self, number: int, text: str = "") -> None: ...


@pytest.mark.parametrize(
    ("args", "why"),
    [
        ((), "takes 1 to 2 arguments, but was sent 0"),
        ((1, "a", 2), "was sent 3"),
        (("x",), "Argument 1 .'number'. of Typed.run: The value does not fit its annotation"),
    ],
)
def test_a_start_whose_arguments_do_not_fit_suspends(args: tuple[Any, ...], why: str) -> None:
    with pytest.raises(WorkflowCodeError, match=why):
        Play(Typed).begin(*args)


@workflow.defn
class RaisesInInit:
    def __init__(self) -> None:
        raise ApplicationError("not today") if workflow.info().run_id == "fails" else KeyError("typo")

    @workflow.run
    async def run(self) -> None: ...


def test_an_init_that_raises_counts_as_the_run_method() -> None:
    play = Play(RaisesInInit, run_id="fails")
    play.begin()
    assert play.failure.message == "not today"
    with pytest.raises(WorkflowCodeError, match="KeyError"):
        Play(RaisesInInit).begin()


@workflow.defn
class Unheard:
    @workflow.run
    async def run(self) -> str:
        handle = workflow.start_activity(work, 1)
        await workflow.sleep(1)
        del handle
        return "over"


def test_a_failed_activity_that_nobody_awaits_is_no_bug() -> None:
    play = Play(Unheard)
    play.begin()
    play.fail(1, ActivityError("x", activity_type="work", activity_id="1", attempt=1))
    play.fire(1)
    assert play.result == "over"


@workflow.defn
class Grouped:
    @workflow.run
    async def run(self) -> None:
        raise ExceptionGroup("found", [ApplicationError("brakes"), ExceptionGroup("in", [KeyError("lights")])])


def test_the_reason_of_a_group_names_its_parts() -> None:
    with pytest.raises(WorkflowCodeError) as caught:
        Play(Grouped).begin()
    assert (
        "ApplicationError: brakes; ExceptionGroup: in (1 sub-exception): KeyError: 'lights'"
        in caught.value.reason
    )


class OddResult(Mapping[str, int]):
    def __getitem__(self, key: str) -> int:
        raise SystemExit(3)

    __len__ = __iter__ = __getitem__  # type: ignore[assignment]


@dataclass
class OddField:
    value: Any


@workflow.defn
class ReturnsOddly:
    @workflow.run
    async def run(self, how: str) -> Any:
        return OddResult() if how == "mapping" else OddField(OddResult())


@pytest.mark.parametrize("how", ["mapping", "field"])
def test_a_result_whose_own_methods_raise_is_a_bug_like_any_other(how: str) -> None:
    with pytest.raises(WorkflowCodeError):
        Play(ReturnsOddly).begin(how)
