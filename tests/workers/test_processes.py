"""Sync activities that run in processes of their worker's: real ones, though the broker is a fake."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from multiprocessing import process
from pathlib import Path
from typing import Any

import psutil
import pytest
from structlog.testing import capture_logs

from dalsegno import activity
from dalsegno.activity_code.outcomes import ToldError
from dalsegno.activity_code.processes.child import ended_by
from dalsegno.activity_code.processes.pool import ProcessPool
from dalsegno.activity_code.processes.spawning import INHERITING, beginning_of
from dalsegno.activity_code.processes.words import JobReturned, OfJob
from dalsegno.activity_code.registry import Registry
from dalsegno.broker.protocol.messages import (
    ActivityCanceled,
    ActivityDetached,
    ActivityHeartbeat,
    ActivityStarted,
    ActivityTask,
)
from dalsegno.data_converter import DataConverter
from dalsegno.errors import CanceledError, ConfigurationError, DefinitionError
from dalsegno.payload import DefaultPayloadConverter, Payload
from dalsegno.workers import Worker
from tests.broker.witness import eventually
from tests.default_converter import from_payload
from tests.workers import in_processes as acts
from tests.workers.conftest import QUICK, running
from tests.workers.engine import Engine, new_task
from tests.workers.fake_broker import FakeBroker

ALL = (
    acts.where,
    acts.Shop("corner").shop,
    acts.ends_badly,
    acts.goes_outside,
    acts.waits,
    acts.never_looks,
    acts.kills_its_process,
    acts.waits_for_file,
    acts.cannot_be_stopped,
)


@pytest.fixture
async def worker(fake: FakeBroker, fake_engine: Engine) -> AsyncIterator[Worker]:
    async with running(fake, *ALL, max_processes=2, drain_timeout=0.01) as worker:
        yield worker


def is_at_work(line: MutableMapping[str, Any]) -> bool:
    return bool(line["event"] == "at work")


async def test_code_runs_in_a_process_that_stays_and_knows_what_it_would_know_in_a_thread(
    worker: Worker, fake_engine: Engine
) -> None:
    with capture_logs() as lines:
        tasks = [await fake_engine.schedule("where", {"number": number}) for number in (1, 2)]
        results = [await fake_engine.result(task) for task in tasks]
        await eventually(lambda: len(list(filter(is_at_work, lines))) == 2, "their lines of the log")
    last = await fake_engine.schedule("where", {"number": 3})
    results.append(await fake_engine.result(last))
    pids = {result[0] for result in results}
    assert os.getpid() not in pids and len(pids) <= 2
    assert [result[1:] for result in results] == [
        [os.getpid(), number, task.workflow_id, "MainThread"]
        for number, task in enumerate([*tasks, last], start=1)
    ]
    said = {line["workflow_id"]: line for line in lines if is_at_work(line)}
    line = said[tasks[0].workflow_id]
    assert (line["log_level"], line["attempt"], line["order"]) == ("error", 1, "Order(number=1)")
    assert line["file"] == "\\udcff.txt", "what no message carries as it is"
    assert "KeyError: 1" in line["exception"], "a traceback, of what has no traceback here"
    assert await fake_engine.result(await fake_engine.schedule("named")) == "corner", "a method of an object"


async def test_what_code_raises_comes_back_as_from_a_thread(worker: Worker, fake_engine: Engine) -> None:
    async def failure(how: str) -> tuple[str, str, bool]:
        failed = (await fake_engine.failure(await fake_engine.schedule("ends_badly", how))).failure
        return failed.type, failed.message.partition(":")[0], failed.non_retryable

    assert await failure("odd") == ("OddError", "1 and 2", False)
    assert await failure("final") == ("Declined", "no", True)
    assert await failure("exit") == ("SystemExit", "as scripts do", False)
    assert await failure("object") == ("PayloadError", "The result of ends_badly cannot be sent", True)
    assert (await failure("coroutine"))[0] == "TypeError"
    task = await fake_engine.schedule("ends_badly", "odd")
    assert "in ends_badly" in (await fake_engine.failure(task)).failure.stack

    outside = await fake_engine.schedule("goes_outside", heartbeat_timeout=60_000_000)
    await fake_engine.expect(outside, ActivityDetached)
    beat = await fake_engine.expect(outside, ActivityHeartbeat)
    assert beat.details is not None and from_payload(beat.details) == ["asked a person"]


async def test_heartbeats_reach_the_engine_and_requests_to_stop_the_code(
    worker: Worker, fake_engine: Engine
) -> None:
    kept = {"acknowledge": "early", "heartbeat_timeout": 90_000}
    details = DataConverter.default.to_payload(["half"])
    task = await fake_engine.schedule("waits", heartbeat_details=details, **kept)
    newest = await _newest_beat(fake_engine, task, [999])
    assert newest.worker == (await fake_engine.expect(task, ActivityStarted)).worker
    await fake_engine.cancel(await fake_engine.expect(task, ActivityStarted), "the buyer left")
    assert await fake_engine.result(task) == ["half", "the buyer left", True, False, False]

    stubborn = await fake_engine.schedule("never_looks", **kept)
    await fake_engine.expect(stubborn, ActivityHeartbeat)
    await fake_engine.cancel(await fake_engine.expect(stubborn, ActivityStarted))
    assert isinstance(await fake_engine.ended(stubborn), ActivityCanceled), "raised wherever its code stood"


async def test_one_that_ends_its_process_fails_alone(
    worker: Worker, fake_engine: Engine, tmp_path: Path
) -> None:
    neighbour = await fake_engine.schedule("waits_for_file", str(tmp_path / "go"))
    await eventually((tmp_path / "go.begun").exists, "the neighbour has begun")
    task = await fake_engine.schedule("kills_its_process")
    failure = (await fake_engine.failure(task)).failure
    assert (failure.kind, failure.type, failure.non_retryable) == ("worker_lost", "WorkerLost", False)
    assert failure.message == (
        "The process of attempt 1 of kills_its_process died while it ran: "
        "it was killed by SIGKILL, as the system does where memory runs out."
    )
    beat = await fake_engine.expect(task, ActivityHeartbeat)
    assert beat.details is not None and from_payload(beat.details) == ["last words"]
    assert (await fake_engine.result(await fake_engine.schedule("where", {"number": 1})))[2] == 1, (
        "a new process"
    )
    (tmp_path / "go").touch()
    assert await fake_engine.result(neighbour) == 1, "it was not disturbed"


async def test_code_that_overruns_its_time_and_does_not_stop_is_killed(
    fake: FakeBroker, fake_engine: Engine, tmp_path: Path
) -> None:
    async with running(fake, *ALL, max_processes=1) as worker:
        task = await fake_engine.schedule("cannot_be_stopped", str(tmp_path / "pid"), start_to_close=1_000_000)
        assert (await fake_engine.failure(task)).failure.timeout_type == "start_to_close"
        assert worker.abandoned == [], "nothing that Python would wait for"
        assert (await fake_engine.result(await fake_engine.schedule("where", {"number": 1})))[2] == 1
        await eventually(lambda: len(_processes()) == 1, "the one that did not stop is gone")


async def test_the_worker_tells_that_it_ends_and_takes_its_processes_with_it(
    fake: FakeBroker, fake_engine: Engine
) -> None:
    patient = replace(QUICK, cancel_grace=60.0)
    async with running(fake, *ALL, max_processes=1, drain_timeout=0.01, timing=patient) as worker:
        told = await fake_engine.schedule("waits", acknowledge="early")
        beats = partial(fake_engine.messages, told, ActivityHeartbeat)
        await eventually(
            lambda: any(beat.details for beat in beats()), "it has begun, and not only a process for it"
        )
        await worker.shutdown()
    _, canceled, shut_down, ends = await fake_engine.result(told)
    assert (canceled, shut_down, ends) == (False, True, True)
    await eventually(lambda: not _processes(), "none is left")


async def test_code_that_does_not_stop_ends_with_the_pool(tmp_path: Path) -> None:
    async with _pool() as (_, run):
        await run("cannot_be_stopped", str(tmp_path / "pid"))
        await eventually((tmp_path / "pid").exists, "it has begun")
        assert _processes()
    await eventually(lambda: not _processes(), "none is left")


async def test_what_was_given_to_a_process_that_died_idle_is_done_by_another() -> None:
    async with _pool() as (pool, run):
        first = await (await run("where", {"number": 1}))
        os.kill(first[0], signal.SIGKILL)
        second = await (await run("where", {"number": 2}))
        assert second[2] == 2 and second[0] != first[0]
    assert pool.withdraw(_Job(new_task("where"))) is False


async def test_what_was_asked_to_stop_before_its_process_died_idle_is_begun_by_no_other() -> None:
    async with _pool() as (pool, run):
        first = await (await run("where", {"number": 1}))
        os.kill(first[0], signal.SIGKILL)
        job = _Job(new_task("where", {"number": 2}))
        pool.run(job)
        pool.stop(job, "the buyer left", None)
        with pytest.raises(CanceledError, match="the buyer left"):
            await job.outcome


async def test_a_process_that_cannot_begin_fails_what_waits_for_it_with_the_reason() -> None:
    async with _pool(beginning_of(Registry(ALL), DataConverter(payload_converter_class=acts.NotThere))) as (
        _,
        run,
    ):
        waiting = await run("where", {"number": 1})
        with pytest.raises(ToldError, match=r"did not begin: it could not begin: TypeError: .*in a process"):
            await waiting


async def _newest_beat(engine: Engine, task: ActivityTask, details: list[Any]) -> ActivityHeartbeat:
    def newest() -> Any:
        beats = engine.messages(task, ActivityHeartbeat)
        payload = beats[-1].details if beats else None
        return None if payload is None else from_payload(payload)

    await eventually(lambda: newest() == details, "the newest details")
    return engine.messages(task, ActivityHeartbeat)[-1]


def _processes() -> list[psutil.Process]:
    """Of workers in this process."""

    def command(child: psutil.Process) -> str:
        try:
            return " ".join(child.cmdline())
        except psutil.Error:
            return ""

    return [child for child in psutil.Process().children() if "processes.in_child" in command(child)]


class _Job:
    def __init__(self, work: ActivityTask) -> None:
        self.work = work
        self.outcome: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def on_begun(self) -> None:
        assert not self.outcome.done()

    def on_beat(self, details: Payload | None) -> None:
        raise AssertionError("it beats no heart")

    def on_told(self, outcome: OfJob) -> None:
        assert isinstance(outcome, JobReturned)
        self.outcome.set_result(from_payload(outcome.result))

    def on_lost(self, error: Exception) -> None:
        self.outcome.set_exception(error)


@asynccontextmanager
async def _pool(beginning: bytes | None = None) -> AsyncIterator[Any]:
    pool = ProcessPool(beginning or beginning_of(Registry(ALL), DataConverter.default) or b"", 1, 1.0)

    async def run(name: str, *args: Any) -> asyncio.Future[Any]:
        job = _Job(new_task(name, *args))
        pool.run(job)
        return job.outcome

    try:
        yield pool, run
    finally:
        await pool.close()


# --- refusals --------------------------------------------------------------------------------------------


@activity.defn(executor="process")
def shadowed() -> None:
    """Not what its name means in this module."""


_first = shadowed
shadowed = activity.defn(name="shadowed")(lambda: None)


class Locked(acts.Shop):
    def __init__(self) -> None:
        super().__init__("locked")
        self.lock = threading.Lock()


def test_what_pickle_does_not_take_is_refused_when_the_worker_is_made(fake: FakeBroker) -> None:
    @activity.defn(executor="process")
    def inner() -> None: ...

    in_process = activity.defn(name="x", executor="process")
    for function in (inner, Locked().shop, _first, in_process(lambda: None)):
        with pytest.raises(DefinitionError, match="cannot run in a process of its own, since pickle does not"):
            Worker(fake, activities=[function])

    class Local(DefaultPayloadConverter): ...

    with pytest.raises(ConfigurationError, match="data converter cannot be given to the processes"):
        Worker(fake, activities=[acts.where], data_converter=DataConverter(Local))
    with pytest.raises(ConfigurationError, match="max_processes"):
        Worker(fake, activities=[acts.where], max_processes=0)


def test_an_executor_is_for_sync_code_and_one_that_there_is() -> None:
    with pytest.raises(DefinitionError, match="is async, so that it runs on its worker's event loop"):

        @activity.defn(executor="process")
        async def late() -> None: ...

    with pytest.raises(DefinitionError, match="executor must be 'thread' or 'process', not 'fork'"):
        activity.defn(executor="fork")  # type: ignore[call-overload]


def test_a_program_that_begins_a_worker_when_it_is_imported_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process.current_process(), INHERITING, True, raising=False)
    with pytest.raises(ConfigurationError, match="__main__"):
        beginning_of(Registry([acts.where]), DataConverter.default)


def test_how_a_process_ended_is_said_in_words() -> None:
    assert ended_by(3) == "it ended with the exit code 3"
    assert ended_by(-11) == "it was killed by SIGSEGV"
    assert ended_by(-99) == "it was killed by signal 99"
