"""Dropping a program from memory leaves no trace, and no memory."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import warnings
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from dalsegno import workflow
from dalsegno.actors.workflow_actor.interface.run_info import RunInfo
from dalsegno.actors.workflow_actor.program.registry import WorkflowRegistry
from dalsegno.actors.workflow_actor.run.inputs import Begin, SignedState
from tests.default_converter import to_payload
from tests.workflow_actor.program.play import Play
from tests.workflow_actor.program.things import echo

seen: list[str] = []


def attempt(what: str) -> None:
    """Each is what a careless `finally` might do."""
    calls: dict[str, Callable[[], object]] = {
        "start_activity": lambda: workflow.start_activity(echo, "x"),
        "execute_activity": lambda: workflow.execute_activity(echo, "x").send(None),
        "now": workflow.now,
        "info": workflow.info,
        "uuid4": workflow.uuid4,
        "uuid7": workflow.uuid7,
        "random": workflow.random,
        "is_replaying": workflow.unsafe.is_replaying,
        "set_signal_handler": lambda: workflow.set_signal_handler("x", print),
        "checkpoint": lambda: workflow.checkpoint(1),
        "create_task": lambda: asyncio.create_task(asyncio.sleep(1)),
        "call_later": lambda: asyncio.get_running_loop().call_later(1, print),
        "create_future": lambda: asyncio.get_running_loop().create_future(),
    }
    try:
        calls[what]()
    except Exception as error:  # noqa: BLE001 - that is the claim: it must be none of these
        seen.append(f"{what} raised an ordinary {type(error).__name__}")
    except BaseException as error:
        seen.append(f"{what}: {type(error).__name__}")
        raise
    else:
        seen.append(f"{what} went through")


@workflow.defn
class Careless:
    @workflow.run
    async def run(self, what: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            workflow.logger.info("cleaning up")
            attempt(what)
            seen.append("went on")


@pytest.mark.parametrize(
    "what",
    [
        "start_activity",
        "execute_activity",
        "now",
        "info",
        "uuid4",
        "uuid7",
        "random",
        "is_replaying",
        "set_signal_handler",
        "checkpoint",
        "create_task",
        "call_later",
        "create_future",
    ],
)
def test_while_it_is_dropped_every_call_raises_what_user_code_does_not_catch(what: str) -> None:
    seen.clear()
    play = Play(Careless)
    play.begin(what)
    with capture_logs() as logs:
        play.program.drop()
    assert (seen, logs) == ([f"{what}: DroppedError"], [])


@workflow.defn
class Tangled:
    """Everything that hangs on a loop at once."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.tasks: list[Any] = []

    @workflow.run
    async def run(self) -> None:
        self.tasks = [asyncio.create_task(self.locked(number)) for number in range(3)]
        self.me = asyncio.current_task()
        self.handle = workflow.start_activity(echo, "x")
        self.never_awaited = [workflow.execute_activity(echo, "x"), self.locked(7)]
        later = [self.locked(8), workflow.sleep(1)]
        self.gathered = asyncio.gather(self.locked(4), asyncio.sleep(50))
        async with asyncio.timeout(100), asyncio.TaskGroup() as group:
            group.create_task(self.stubborn())
            async for _ in self.numbers():
                await workflow.wait_condition(lambda: not self.tasks)
        assert later

    async def locked(self, number: int) -> None:
        async with self.lock:
            try:
                await workflow.execute_activity(echo, str(number))
            except BaseException:  # noqa: BLE001 - the claim is that nothing of it happens
                await asyncio.sleep(1)

    async def stubborn(self) -> None:
        for _ in range(3):
            with contextlib.suppress(BaseException):
                await asyncio.Event().wait()
            with contextlib.suppress(BaseException):
                await asyncio.sleep(0)

    async def numbers(self) -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            await workflow.sleep(1)

    @workflow.signal
    async def note(self) -> None:
        await workflow.sleep(100)


@contextlib.contextmanager
def no_noise(capsys: pytest.CaptureFixture[str]) -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield
        gc.collect()
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "")


def test_dropping_makes_no_noise(capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    play = Play(Tangled)
    play.begin()
    play.signal("note")
    with no_noise(capsys):
        play.program.drop()
        del play
        gc.collect()
    assert caplog.records == []


def test_a_program_that_was_dropped_wants_nothing_and_takes_nothing() -> None:
    play = Play(Tangled)
    play.begin()
    play.program.drop()
    play.program.drop()
    with pytest.raises(RuntimeError, match="dropped"):
        play.go_on()


def test_a_dropped_program_and_all_it_held_goes_without_the_garbage_collector() -> None:
    registry = WorkflowRegistry([(Tangled, None)])
    info = RunInfo(workflow_id="w", run_id="r", workflow_type="Tangled", task_queue="q", started_at=0)
    gc.collect()
    gc.disable()
    try:
        program = registry.build(info, SignedState())
        assert program is not None
        program.step(Begin(), now=1, replaying=False)
        references: list[weakref.ref[Any]] = [
            weakref.ref(program),
            weakref.ref(program._loop),
            weakref.ref(program.instance),
        ]
        program.drop()
        del program
        assert [reference() for reference in references] == [None, None, None]
    finally:
        gc.enable()


def test_ten_thousand_dropped_programs_leave_no_objects() -> None:
    registry = WorkflowRegistry([(Careless, None)])

    def make(number: int) -> None:
        info = RunInfo(
            workflow_id="w", run_id=str(number), workflow_type="Careless", task_queue="q", started_at=0
        )
        program = registry.build(info, SignedState())
        assert program is not None
        program.step(Begin(args=(to_payload("now"),)), now=1, replaying=False)
        program.drop()

    for number in range(100):
        make(number)
    gc.collect()
    before = len(gc.get_objects())
    for number in range(10_000):
        make(number)
    assert len(gc.get_objects()) - before < 1_000


@workflow.defn
class Logs:
    @workflow.run
    async def run(self) -> None:
        log = workflow.logger.bind(step=1)
        log.info("first")
        await workflow.sleep(1)
        log.info("second", n=2)
        workflow.logger.warning("third %s", "x")
        structlog.get_logger().info("not ours")


def test_the_logger_knows_its_workflow_and_is_mute_in_a_replay() -> None:
    play = Play(Logs)
    with capture_logs() as logs:
        play.begin()
        play.fire(1)
    known = {"workflow_id": "order-7", "run_id": "run-1", "workflow_type": "Logs"}
    assert logs[:2] == [
        {"event": "first", "log_level": "info", "step": 1, **known},
        {"event": "second", "log_level": "info", "step": 1, "n": 2, **known},
    ]
    with capture_logs() as logs:
        play.replayed()
    assert [log["event"] for log in logs] == ["not ours"]


def test_a_logger_bound_in_a_replay_is_heard_after_it() -> None:
    play = Play(Logs)
    play.begin()
    again = play.replayed()
    with capture_logs() as logs:
        again.fire(1)
    assert logs[0]["event"] == "second"
