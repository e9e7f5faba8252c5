"""The loop itself: nested in the host's, without the world, and put away as it was found."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import sys
from collections.abc import Callable
from typing import Any

import pytest
import uvloop

from dalsegno import workflow
from dalsegno.actors.workflow_actor.program.port import WorkflowCodeError
from tests.workflow_actor.program.play import Play
from tests.workflow_actor.program.things import echo

outer = contextvars.ContextVar("outer", default="unset")


@workflow.defn
class Looks:
    @workflow.run
    async def run(self) -> list[Any]:
        seen: list[Any] = [outer.get()]
        outer.set("inside")
        task = asyncio.current_task()
        assert task is not None
        seen.append(task in asyncio.all_tasks())
        seen.append(asyncio.get_event_loop() is asyncio.get_running_loop())
        await workflow.sleep(1)
        seen.append([asyncio.current_task() is task, outer.get()])
        child = asyncio.create_task(self.child())
        seen.append(await child)
        return seen

    async def child(self) -> list[Any]:
        await workflow.sleep(1)
        inherited = outer.get()
        outer.set("child")
        return [inherited]


EXPECTED = ["unset", True, True, [True, "inside"], ["inside"]]


def play_through() -> list[Any]:
    play = Play(Looks)
    play.begin()
    play.run()
    return list(play.result)


def test_it_needs_no_loop_around_it() -> None:
    assert play_through() == EXPECTED


async def test_it_runs_nested_in_a_task_of_asyncio() -> None:
    outer.set("host")
    before = asyncio.get_running_loop(), asyncio.current_task(), sys.get_asyncgen_hooks()
    assert play_through() == EXPECTED
    assert (asyncio.get_running_loop(), asyncio.current_task(), sys.get_asyncgen_hooks()) == before
    assert outer.get() == "host"
    await asyncio.sleep(0)


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_it_runs_nested_in_a_plain_callback_of_any_loop(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    loop = new_loop()
    try:
        done: asyncio.Future[list[Any]] = loop.create_future()

        def callback() -> None:
            try:
                done.set_result(play_through())
            except BaseException as error:  # noqa: BLE001 - raised again where it is awaited
                done.set_exception(error)

        loop.call_soon(callback)
        assert loop.run_until_complete(done) == EXPECTED
    finally:
        loop.close()


REFUSED: dict[str, Callable[[], Any]] = {
    "run_in_executor": lambda: asyncio.to_thread(print),
    "create_connection": lambda: asyncio.open_connection("localhost", 1),
    "subprocess_exec": lambda: asyncio.create_subprocess_exec("true"),
    "getaddrinfo": lambda: asyncio.get_running_loop().getaddrinfo("localhost", 1),
    "run_until_complete": lambda: asyncio.get_running_loop().run_until_complete(None),  # type: ignore[arg-type]
    "stop": lambda: asyncio.get_running_loop().stop(),
    "call_soon_threadsafe": lambda: asyncio.get_running_loop().call_soon_threadsafe(print),
    "add_reader": lambda: asyncio.get_running_loop().add_reader(0, print),
    "set_task_factory": lambda: asyncio.get_running_loop().set_task_factory(None),
    "set_exception_handler": lambda: asyncio.get_running_loop().set_exception_handler(None),
    "add_signal_handler": lambda: asyncio.get_running_loop().add_signal_handler(2, print),
}


@workflow.defn
class Reaches:
    @workflow.run
    async def run(self, what: str) -> None:
        await REFUSED[what]()


@pytest.mark.parametrize("what", REFUSED)
def test_what_needs_the_world_is_refused_with_a_hint(what: str) -> None:
    with pytest.raises(
        WorkflowCodeError, match=f"A workflow cannot use asyncio's {what}.*belong into an activity"
    ):
        Play(Reaches).begin(what)


def test_every_public_method_of_asyncios_interface_is_answered_or_refused() -> None:
    play = Play(Reaches)
    loop = play.program._loop
    left_out = [
        name
        for name in dir(asyncio.AbstractEventLoop)
        if not name.startswith("_") and getattr(type(loop), name) is getattr(asyncio.AbstractEventLoop, name)
    ]
    assert left_out == []
    assert (loop.is_running(), loop.is_closed(), loop.get_debug()) == (False, False, False)


@workflow.defn
class Collects:
    deleted_in_step = False

    @workflow.run
    async def run(self) -> bool:
        class Cyclic:
            def __init__(self) -> None:
                self.me = self

            def __del__(self) -> None:
                Collects.deleted_in_step = asyncio._get_running_loop() is loop

        loop = asyncio.get_running_loop()
        for _ in range(20):
            Cyclic()
        ballast = [[number] for number in range(200_000)]
        return gc.isenabled() or not ballast


def test_cyclic_garbage_is_not_collected_in_the_middle_of_a_step() -> None:
    play = Play(Collects)
    play.begin()
    assert play.result is False
    assert gc.isenabled()
    assert not Collects.deleted_in_step


@workflow.defn
class UsesLoop:
    @workflow.run
    async def run(self) -> list[Any]:
        loop = asyncio.get_running_loop()
        seen: list[Any] = []
        loop.call_soon(seen.append, 1)
        cancelled = loop.call_soon(seen.append, "never")
        cancelled.cancel()
        loop.call_later(0, seen.append, 2)
        loop.call_at(loop.time() - 1, seen.append, 3)
        timer = loop.call_at(loop.time() + 2, seen.append, 4)
        seen.append(timer.when() - loop.time())
        loop.call_later(5, seen.append, "never").cancel()
        future = loop.create_future()
        loop.call_later(1, future.set_result, "x")
        seen.append(await future)
        await asyncio.sleep(1.5)
        seen.append(isinstance(timer, asyncio.TimerHandle) and not timer.cancelled())
        return seen


def test_the_loops_own_methods_work() -> None:
    play = Play(UsesLoop)
    play.begin()
    play.run()
    assert play.result == [2.0, 1, 2, 3, "x", 4, True]
    play.replayed()


@workflow.defn
class Waiting:
    @workflow.run
    async def run(self, what: str) -> None:
        if what == "event":
            await self.deeper()
        await asyncio.gather(workflow.execute_activity(echo, "x"), workflow.sleep(5))

    async def deeper(self) -> None:
        await asyncio.Event().wait()

    @workflow.signal
    async def note(self) -> None:
        await workflow.wait_condition(lambda: False)


class Endless:
    """Awaited, it has whatever attribute it is asked for: itself."""

    def __init__(self) -> None:
        self.steps: Any = asyncio.Event().wait().__await__()
        self.close = self.steps.close
        self.throw = self.steps.throw

    def __getattr__(self, name: str) -> Endless:
        return self

    def __await__(self) -> Any:
        return self

    def __iter__(self) -> Endless:
        return self

    def __next__(self) -> Any:
        return next(self.steps)


@workflow.defn
class WaitsForTheEndless:
    @workflow.run
    async def run(self) -> None:
        await Endless()


def test_where_code_stands_is_not_asked_of_objects_that_answer_without_end() -> None:
    play = Play(WaitsForTheEndless)
    play.begin()
    [where] = play.program.waiting_for()
    assert where.startswith("the run method at test_event_loop.py:")


def test_what_it_waits_for_is_told_to_people() -> None:
    play = Play(Waiting)
    play.begin("both")
    play.signal("note")
    activity, timer, condition, handler = play.program.waiting_for()
    assert activity.startswith("activity 1 echo (test_event_loop.py:")
    assert timer == "timer 1 until 2023-11-14T22:13:25.000+00:00"
    assert condition.startswith("condition at test_event_loop.py:")
    assert handler.startswith("signal handler note at test_event_loop.py:")
    play = Play(Waiting)
    play.begin("event")
    [where] = play.program.waiting_for()
    line = Waiting.deeper.__code__.co_firstlineno + 1
    assert where == f"the run method at test_event_loop.py:{line}"
