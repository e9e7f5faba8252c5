"""The sign: `run` begins again in place, and what came before is needed no more."""
# ruff: noqa: RET503 - workflow.checkpoint never returns

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pytest

from dalsegno import ApplicationError, workflow
from dalsegno.actors.workflow_actor.program.port import WorkflowCodeError
from dalsegno.actors.workflow_actor.run.intents import AskContinue, SetSign
from tests.default_converter import from_payload
from tests.workflow_actor.program.play import Play
from tests.workflow_actor.program.things import echo, work


@dataclass
class Count:
    total: int = 0
    names: list[str] = field(default_factory=list)


@workflow.defn
class Counter:
    """Handles signals one by one; every third sets a sign."""

    objects: ClassVar[int] = 0

    def __init__(self) -> None:
        Counter.objects += 1
        self.todo: list[str] = []

    @workflow.run
    async def run(self, count: Count) -> int:
        for _ in range(3):
            await workflow.wait_condition(lambda: bool(self.todo))
            name = self.todo.pop(0)
            if name == "stop":
                return count.total
            count.total += await workflow.execute_activity(work, count.total)
            count.names.append(name)
        workflow.checkpoint(count)

    @workflow.signal
    def add(self, name: str) -> None:
        self.todo.append(name)


def test_checkpoint_begins_again_with_the_state_and_a_new_object() -> None:
    before = Counter.objects
    play = Play(Counter)
    play.begin(Count())
    for number, name in enumerate("abc", 1):
        play.signal("add", name)
        play.resolve(number, 10)
    [signed] = play.signs
    assert signed.state is not None
    assert from_payload(signed.state, Count) == Count(30, ["a", "b", "c"])
    assert (signed.signs, signed.next_activity, signed.state_version) == (1, 4, 1)
    assert Counter.objects == before + 2
    play.signal("add", "stop")
    assert play.result == 30
    play.replayed()


def test_a_program_built_from_the_sign_does_what_the_live_one_does() -> None:
    live = Play(Counter)
    live.begin(Count())
    for number, name in enumerate("abc", 1):
        live.signal("add", name)
        live.resolve(number, 10)
    recovered = live.replayed()
    for play in (live, recovered):
        play.intents = []
        play.signal("add", "d")
        play.resolve(4, 5)
        play.signal("add", "stop")
    assert live.intents == recovered.intents
    assert live.result == 35


@workflow.defn
class Mutates:
    @workflow.run
    async def run(self, state: dict[str, Any]) -> str:
        if state["signs"] == 2:
            return ",".join(state["seen"])
        later = {"signs": state["signs"] + 1, "seen": [*state["seen"], "x"]}
        try:
            workflow.checkpoint(later)
        finally:
            later["seen"].append("finally")
            await asyncio.sleep(0) if False else None


def test_what_finally_does_to_the_state_on_the_way_out_is_kept() -> None:
    play = Play(Mutates)
    play.begin({"signs": 0, "seen": []})
    assert play.result == "x,finally,x,finally"


@workflow.defn
class Countdown:
    @workflow.run
    async def run(self, left: int) -> str:
        if left == 0:
            return "over"
        workflow.checkpoint(left - 1)


def test_many_signs_in_a_row_are_cut_into_bounded_steps() -> None:
    play = Play(Countdown)
    intents = play.begin(250)
    assert sum(isinstance(intent, SetSign) for intent in intents) == 100
    assert isinstance(intents[-1], AskContinue)
    recovered = play.replayed()
    for one in (play, recovered):
        assert len(one.go_on()) == 101
        one.replayed()
        one.go_on()
        assert one.result == "over"


def test_a_hundred_thousand_signs_pass() -> None:
    play = Play(Countdown)
    play.begin(100_000)
    for _ in range(1_000):
        play.intents.clear()
        play.go_on()
    assert play.result == "over"
    assert play.signed.signs == 100_000


def test_signals_that_come_while_the_program_is_cut_are_handled_when_it_goes_on() -> None:
    play = Play(Paused)
    play.begin(100)
    assert isinstance(play.intents[-1], AskContinue)
    play.signal("note", "early")
    play.cancel("stop")
    play.go_on()
    assert play.result == ["early", "cancelled"]
    play.replayed()


@workflow.defn
class Paused:
    def __init__(self) -> None:
        self.notes: list[str] = []

    @workflow.run
    async def run(self, left: int) -> list[str]:
        if left:
            workflow.checkpoint(left - 1)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return [*self.notes, "cancelled"]
        return []

    @workflow.signal
    def note(self, text: str) -> None:
        self.notes.append(text)


OUTSTANDING = {
    "activity": r"activity 1 echo \(test_checkpoint.py:\d+\)",
    "timer": r"timer 1 until 2023-11-14T22:13:30.000\+00:00 \(test_checkpoint.py:\d+\)",
    "task": r"task mine at test_checkpoint.py:\d+",
}


@workflow.defn
class LeavesThings:
    @workflow.run
    async def run(self, what: str) -> None:
        if what == "activity":
            workflow.start_activity(echo, "x")
        elif what == "timer":
            asyncio.get_running_loop().call_later(10, print)
        elif what == "task":
            task = asyncio.create_task(self.wait(), name="mine")
            await asyncio.sleep(0)
            assert not task.done()
        workflow.checkpoint("x")

    async def wait(self) -> None:
        await asyncio.Event().wait()


@pytest.mark.parametrize("what", OUTSTANDING)
def test_a_sign_is_refused_while_other_things_are_outstanding(what: str) -> None:
    with pytest.raises(WorkflowCodeError, match=OUTSTANDING[what]) as caught:
        Play(LeavesThings).begin(what)
    assert "workflow.checkpoint was called (test_checkpoint.py:" in caught.value.reason


@workflow.defn
class LeavesGuards:
    @workflow.run
    async def run(self, again: bool) -> str:
        if again:
            return "over"
        kind = workflow.ActivityCancellationType
        abandoned = workflow.start_activity(echo, "x", cancellation_type=kind.ABANDON)
        cancelled = workflow.start_activity(echo, "y")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(100), asyncio.Lock(), asyncio.TaskGroup() as group:
                group.create_task(workflow.execute_activity(echo, "z"))
                await workflow.sleep(1)
                abandoned.cancel()
                cancelled.cancel()
                workflow.checkpoint(True)
        return "not reached"


def test_timeouts_locks_and_groups_around_the_checkpoint_are_left_as_at_any_exception() -> None:
    play = Play(LeavesGuards)
    play.begin(False)
    digests = [intent.digest for intent in play.fire(2)]
    assert digests == ["cancel activity 2", "cancel timer 1", "cancel activity 3", "sign", "complete"]


SWALLOWING = {
    "except": "it returned",
    "sleep": "it returned",
    "yield": "it waits for something",
    "replace": r"something else was raised.*KeyError: 'other' \(test_checkpoint.py",
    "finally": "passes",
    "activity": "passes",
}


@workflow.defn
class Swallows:
    @workflow.run
    async def run(self, how: str) -> str:
        if how == "over":
            return "over"
        try:
            workflow.checkpoint("over")
        except BaseException:  # noqa: BLE001 - the claim is that it cannot be swallowed
            if how == "replace":
                raise KeyError("other") from None
            if how == "activity":
                await workflow.execute_activity(echo, "never")
            if how == "yield":
                await asyncio.sleep(0)
            if how == "finally":
                with contextlib.suppress(Exception):
                    await asyncio.sleep(5)
            if how == "sleep":
                with contextlib.suppress(BaseException):
                    await asyncio.sleep(5)
        return "swallowed"


@pytest.mark.parametrize("how", SWALLOWING)
def test_the_unwinding_cannot_be_swallowed(how: str) -> None:
    play = Play(Swallows)
    if SWALLOWING[how] == "passes":
        play.begin(how)
        assert (play.digests, play.result) == (["sign", "complete"], "over")
        return
    with pytest.raises(
        WorkflowCodeError, match=f"did not end when workflow.checkpoint was called.*{SWALLOWING[how]}"
    ):
        play.begin(how)


@workflow.defn
class Misuses:
    @workflow.run
    async def run(self, state: Count) -> None:
        if state.total == 1:
            workflow.checkpoint({"total": 2})
        if state.total == 2:
            await asyncio.create_task(self.elsewhere())
        if state.total == 3:
            state.names.append(object())  # type: ignore[arg-type]
            workflow.checkpoint(state)

    async def elsewhere(self) -> None:
        workflow.checkpoint(Count())


@workflow.defn
class TakesNothing:
    @workflow.run
    async def run(self) -> None:
        workflow.checkpoint(1)


@pytest.mark.parametrize(
    ("total", "why"),
    [
        (1, "was given a dict, but Misuses.run takes Count"),
        (2, "by the run method's own task only"),
        (3, r"The state given to workflow.checkpoint \(test_checkpoint.py:\d+\) cannot be stored"),
    ],
)
def test_misuse_is_told_in_a_sentence(total: int, why: str) -> None:
    with pytest.raises(WorkflowCodeError, match=why):
        Play(Misuses).begin(Count(total))


def test_a_run_method_without_a_parameter_cannot_set_a_sign() -> None:
    with pytest.raises(WorkflowCodeError, match="let it take one parameter"):
        Play(TakesNothing).begin()


@workflow.defn
class FailsInHandler:
    @workflow.run
    async def run(self, state: int) -> None:
        await workflow.wait_condition(lambda: not workflow.all_handlers_finished())
        workflow.checkpoint(state)

    @workflow.signal
    async def fail(self) -> None:
        await workflow.sleep(1)
        raise ApplicationError("enough")


def test_a_handler_that_fails_while_the_sign_waits_for_it_fails_the_run() -> None:
    play = Play(FailsInHandler)
    play.begin(1)
    play.signal("fail")
    play.fire(1)
    assert play.digests == ["timer 1", "fail"]
