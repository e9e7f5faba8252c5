"""The sign: `run` begins again in place, and what came before is needed no more."""
# ruff: noqa: RET503 - workflow.checkpoint never returns

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pytest

from dalsegno import ApplicationError, workflow
from dalsegno.actors.workflow_actor.inputs import Begin, SignedState
from dalsegno.actors.workflow_actor.intents import AskContinue, SetSign
from dalsegno.actors.workflow_actor.program_port import WorkflowCodeError
from dalsegno.converter import from_payload, to_payload
from tests.workflow_actor.program.play import Play
from tests.workflow_actor.program.things import echo, work


@dataclass
class Count:
    total: int = 0
    names: list[str] = field(default_factory=list)


def signs(play: Play) -> list[SignedState]:
    return [intent.signed for intent in play.intents if isinstance(intent, SetSign)]


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
    [signed] = signs(play)
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
class Draws:
    @workflow.run
    async def run(self, drawn: list[str]) -> list[str]:
        drawn += [str(workflow.uuid4()), str(workflow.random().random())]
        await workflow.sleep(1)
        if len(drawn) < 6:
            workflow.checkpoint(drawn)
        return drawn


def test_ids_and_random_numbers_never_repeat_across_signs_and_are_the_same_after_recovery() -> None:
    play = Play(Draws)
    play.begin([])
    play.fire(1)
    recovered = play.replayed()
    for one in (play, recovered):
        one.run()
    assert play.result == recovered.result
    assert len(set(play.result)) == 6
    assert play.digests == ["timer 1", "sign", "timer 2", "sign", "timer 3", "complete"]


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


@workflow.defn
class Handles:
    """Goes to a sign while handlers run."""

    def __init__(self) -> None:
        self.state = Count()

    @workflow.run
    async def run(self, state: Count) -> Any:
        self.state = state
        if state.total == 1:
            await workflow.wait_condition(lambda: len(state.names) == 3)
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError as error:
                return [*state.names, f"cancelled: {error}"]
        await workflow.wait_condition(lambda: not workflow.all_handlers_finished())
        state.total += 1
        workflow.checkpoint(state)

    @workflow.signal
    async def note(self, text: str) -> None:
        await workflow.execute_activity(echo, text)
        self.state.names.append(text)


def test_a_sign_waits_for_handlers_and_hands_on_what_comes_meanwhile() -> None:
    play = Play(Handles)
    play.begin(Count())
    assert [intent.digest for intent in play.signal("note", "a")] == ["activity 1 echo"]
    assert play.signal("note", "b") == []
    assert play.cancel("enough") == []
    assert play.signal("note", "c") == []
    assert any("signal handler note" in wait for wait in play.program.waiting_for())
    assert [intent.digest for intent in play.resolve(1, "a")] == [
        "sign",
        "activity 2 echo",
        "activity 3 echo",
        "canceled",
    ]
    [signed] = signs(play)
    assert [signal.name for signal in signed.signals] == ["note", "note"]
    assert signed.cancel_reason == "enough"
    play.replayed()


@workflow.defn
class Stops:
    """Swallows the cancellation and cleans up after a sign, as long-lived workflows do."""

    @workflow.run
    async def run(self, stopping: bool) -> None:
        if stopping:
            await workflow.execute_activity(echo, "clean up")
            raise asyncio.CancelledError("stopped")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            workflow.checkpoint(True)


def test_a_cancel_request_that_was_seen_is_not_repeated_after_the_sign() -> None:
    play = Play(Stops)
    play.begin(False)
    assert [intent.digest for intent in play.cancel()] == ["sign", "activity 1 echo"]
    assert signs(play)[0].cancel_reason is None
    play.resolve(1, "x")
    assert play.digests[-1] == "canceled"
    play.replayed()


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


@dataclass
class Versioned:
    state_version: ClassVar[int] = 3
    euros: int
    cents: int

    @classmethod
    def migrate_state(cls, version: int, data: dict[str, Any]) -> dict[str, Any]:
        if version == 1:
            data = {"cents": data["amount"]}
        return {"euros": data["cents"] // 100, "cents": data["cents"] % 100}


@workflow.defn
class Pays:
    @workflow.run
    async def run(self, amount: Versioned | None = None) -> Any:
        if amount is None:
            workflow.checkpoint(Versioned(1, 2))
        await workflow.sleep(1)
        return amount


def test_the_version_of_the_state_is_kept_and_older_ones_are_migrated() -> None:
    play = Play(Pays)
    play.begin()
    assert signs(play)[0].state_version == 3
    for version, data in ((1, {"amount": 250}), (2, {"cents": 250}), (3, {"euros": 2, "cents": 50})):
        play = Play(Pays, signed=SignedState(state=to_payload(data), state_version=version, signs=1))
        play.give(Begin())
        play.fire(1)
        assert play.result == {"euros": 2, "cents": 50}


@pytest.mark.parametrize(
    ("cls", "version", "data", "why"),
    [
        (Pays, 4, {}, "is of version 4, but this code knows .* up to version 3"),
        (Pays, 1, {}, "KeyError: 'amount'"),
        (Pays, 3, {"euros": "x"}, "does not fit its annotation"),
        (Counter, 2, {}, "is of version 2"),
    ],
)
def test_a_state_that_the_code_cannot_take_is_refused_when_the_program_is_built(
    cls: type, version: int, data: dict[str, Any], why: str
) -> None:
    with pytest.raises(
        WorkflowCodeError, match=rf"The state of \w+ at its last sign cannot be restored\..*{why}"
    ):
        Play(cls, signed=SignedState(state=to_payload(data), state_version=version, signs=1))


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


@workflow.defn
class SignsAtOnce:
    def __init__(self) -> None:
        self.notes: list[str] = []

    @workflow.run
    async def run(self, left: int) -> list[str]:
        if left:
            workflow.checkpoint(left - 1)
        await workflow.wait_condition(lambda: len(self.notes) == 1)
        return self.notes

    @workflow.signal
    def note(self, text: str) -> None:
        self.notes.append(text)


def test_signals_handed_on_by_a_sign_pass_through_a_run_method_that_signs_again_at_once() -> None:
    play = Play(SignsAtOnce)
    first = SignedState(state=to_payload(3), signs=1, signals=Play(Handles).signed.signals)
    play = Play(SignsAtOnce, signed=first)
    play.give(Begin())
    play.signal("note", "a")
    assert play.result == ["a"]


def test_the_state_is_read_back_from_its_bytes_so_that_live_and_recovered_are_alike() -> None:
    play = Play(Aliases)
    play.begin({"list": []})
    assert play.result == "not shared"


@workflow.defn
class Aliases:
    kept: ClassVar[list[Any]] = []

    @workflow.run
    async def run(self, state: dict[str, Any]) -> str:
        if "second" in state:
            return "shared" if state["list"] is self.kept[-1] else "not shared"
        state["second"] = True
        self.kept.append(state["list"])
        workflow.checkpoint(state)
