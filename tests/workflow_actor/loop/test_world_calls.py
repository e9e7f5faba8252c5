"""What would give something else when workflow code runs again is refused, with what to use instead."""

from __future__ import annotations

import asyncio
import concurrent.futures
import datetime
import logging
import multiprocessing
import os
import pathlib
import random
import secrets
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from dalsegno import workflow
from dalsegno.actors.workflow_actor.program.port import WorkflowCodeError
from dalsegno.data_converter import DataConverter
from dalsegno.errors import QueryFailedError
from dalsegno.payload import DefaultPayloadConverter, Payload
from tests.workflow_actor.program.play import Play, played

captured_choice = secrets.choice
"""As `from secrets import choice` has it."""
made_before = random.SystemRandom()


def in_executor() -> None:
    asyncio.get_running_loop().run_in_executor(None, print)


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "time.time": (time.time, "workflow.now()"),
    "time.time_ns": (time.time_ns, "workflow.time_ns()"),
    "time.monotonic": (time.monotonic, "workflow.now()"),
    "time.perf_counter": (time.perf_counter, "workflow.now()"),
    "time.sleep": (lambda: time.sleep(0), "await asyncio.sleep"),
    "datetime.now": (datetime.datetime.now, "workflow.now()"),
    "datetime.now ": (lambda: datetime.datetime.now(datetime.UTC), "workflow.now()"),
    "datetime.utcnow": (lambda: datetime.datetime.utcnow(), "workflow.now()"),
    "time.time ": (datetime.datetime.today, "workflow.now()"),
    "time.time  ": (datetime.date.today, "workflow.now()"),
    "random.random": (random.random, "workflow.random()"),
    "random.randint": (lambda: random.randint(1, 6), "workflow.random()"),
    "random.choice": (lambda: random.choice("ab"), "workflow.random()"),
    "random.shuffle": (lambda: random.shuffle([1, 2]), "workflow.random()"),
    "random.seed": (lambda: random.seed(3), "workflow.random()"),
    "random.Random() without a seed": (random.Random, "workflow.random()"),
    "random.SystemRandom": (made_before.random, "workflow.random()"),
    "uuid.uuid1": (uuid.uuid1, "workflow.uuid4() or workflow.uuid7()"),
    "uuid.uuid4": (uuid.uuid4, "workflow.uuid4() or workflow.uuid7()"),
    "os.urandom": (lambda: os.urandom(8), "workflow.random()"),
    "secrets.token_hex": (secrets.token_hex, "workflow.random()"),
    "random.Random.choice": (lambda: captured_choice("ab"), "workflow.random()"),
    "threading.Thread.start": (threading.Thread(target=print).start, "activity"),
    "threading.Thread.start ": (threading.Timer(0, print).start, "activity"),
    "concurrent.futures": (lambda: concurrent.futures.ThreadPoolExecutor().submit(print), "activity"),
    "multiprocessing": (lambda: multiprocessing.get_context("spawn").Process(target=print).start(), "activity"),
    "socket.socket": (socket.socket, "activity"),
    "socket.create_connection": (lambda: socket.create_connection(("127.0.0.1", 9)), "activity"),
    "open": (lambda: open(os.devnull), "activity"),  # noqa: SIM115, PTH123
    "pathlib": (lambda: Path(os.devnull).read_text(), "activity"),
    "tempfile": (tempfile.TemporaryFile, ""),
    "subprocess.Popen": (lambda: subprocess.Popen(["true"]), "activity"),
    "subprocess.run": (lambda: subprocess.run(["true"]), "activity"),
    "os.system": (lambda: os.system("true"), "activity"),
    "run_in_executor": (in_executor, "activity"),
}
asked: list[Callable[[], Any]] = []
"""What the workflow below calls."""


@workflow.defn
class Calls:
    @workflow.run
    async def run(self) -> str:
        await asyncio.sleep(1)
        return str(asked[0]())

    @workflow.query
    def answer(self) -> str:
        return str(asked[0]())


@pytest.fixture(autouse=True)
def nothing_asked() -> None:
    asked.clear()


@pytest.mark.parametrize("name", list(REFUSED))
def test_a_call_is_refused_with_what_to_use_instead(name: str) -> None:
    call, instead = REFUSED[name]
    asked.append(call)
    play = Play(Calls)
    play.begin()
    with pytest.raises(WorkflowCodeError, match=name.strip().replace("(", r"\(").replace(")", r"\)")) as caught:
        play.fire(1)
    assert instead in caught.value.reason
    assert "(test_world_calls.py:" in caught.value.reason, "the line"


OUTSIDE = ["time.time", "random.random", "uuid.uuid4", "datetime.now", "open", "os.urandom"]


@pytest.mark.parametrize("name", OUTSIDE)
def test_outside_of_workflows_it_is_what_it_was(name: str) -> None:
    call, _ = REFUSED[name]
    call()
    asyncio.run(asyncio.sleep(0, call()))


def test_classes_that_derive_from_datetime_have_a_now_of_their_own_kind() -> None:
    class Stamp(datetime.datetime): ...

    assert type(Stamp.now()) is Stamp
    assert Stamp.now(datetime.UTC).tzinfo is datetime.UTC
    with pytest.raises(TypeError):
        datetime.datetime.now("no time zone")  # type: ignore[arg-type]


def test_a_query_is_refused_it_too_and_its_workflow_goes_on() -> None:
    asked.append(time.time)
    play = Play(Calls)
    play.begin()
    with pytest.raises(QueryFailedError, match=r"time\.time.*workflow\.now\(\)"):
        play.query("answer")
    asked[:] = [lambda: "fine"]
    play.fire(1)
    assert play.result == "fine"


def seeded() -> list[float]:
    return [random.Random(7).random(), workflow.random().random()]


class Logged(logging.Handler):
    """As handlers are that write to files, or send what they are given."""

    def emit(self, record: logging.LogRecord) -> None:
        self.format(record)
        with open(os.devnull, "a") as file:  # noqa: PTH123
            file.write(f"{time.time()} {uuid.uuid4()} {record.getMessage()}")
        thread = threading.Thread(target=time.monotonic)
        thread.start()
        thread.join()


def log() -> str:
    logger = logging.getLogger("tests.world_calls")
    handler = Logged()
    logger.addHandler(handler)
    try:
        logger.error("something happened")
    finally:
        logger.removeHandler(handler)
    return "logged"


def unrestricted() -> bool:
    with workflow.unsafe.sandbox_unrestricted():
        return time.time() > 0 and datetime.datetime.now() is not None


@pytest.mark.parametrize(
    "call",
    [
        seeded,
        log,
        unrestricted,
        lambda: datetime.datetime(2026, 3, 1, tzinfo=ZoneInfo("Pacific/Chatham")),
        lambda: workflow.logger.warning("something happened"),
        lambda: uuid.uuid5(uuid.NAMESPACE_DNS, "x"),
        lambda: datetime.datetime.fromtimestamp(0, datetime.UTC),
        workflow.now,
        workflow.uuid7,
    ],
)
def test_what_gives_the_same_or_shows_the_code_nothing_is_not_refused(call: Callable[[], Any]) -> None:
    ZoneInfo.clear_cache()
    asked.append(call)
    play = played(Calls)
    assert play.result
    play.replayed()


def test_what_is_refused_is_refused_again_after_it_was_allowed() -> None:
    def twice() -> None:
        unrestricted()
        time.time()

    asked.append(twice)
    play = Play(Calls)
    play.begin()
    with pytest.raises(WorkflowCodeError, match=r"time\.time"):
        play.fire(1)


def test_a_module_that_workflow_code_imports_may_do_as_it_likes_meanwhile(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "imported_in_a_workflow.py").write_text(
        "import random, threading, time, uuid\n"
        "BEGUN = time.time()\nNAME = uuid.uuid4()\nDICE = random.random()\n"
        "threading.Thread(target=time.monotonic).start()\n"
        "with open(__file__) as file: TEXT = file.read()\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))

    def import_it() -> bool:
        import imported_in_a_workflow  # type: ignore[import-not-found]

        return bool(imported_in_a_workflow.TEXT)

    asked.append(import_it)
    assert played(Calls).result == "True"
    del sys.modules["imported_in_a_workflow"]


def test_other_threads_are_not_refused_what_a_workflow_is_meanwhile() -> None:
    inside, done = threading.Event(), threading.Event()
    told: list[Any] = []

    def beside() -> None:
        inside.wait()
        told.extend([time.time(), uuid.uuid4(), random.random(), datetime.datetime.now()])
        done.set()

    def wait() -> str:
        inside.set()
        done.wait()
        return "waited"

    threading.Thread(target=beside).start()
    asked.append(wait)
    assert played(Calls).result == "waited"
    assert len(told) == 4


class Sealing(DefaultPayloadConverter):
    def to_payload(self, value: Any, type_hint: Any = Any) -> Payload:
        assert os.urandom(8)
        return super().to_payload(value, type_hint)


def test_a_data_converter_may_do_as_it_likes() -> None:
    asked.append(lambda: "sealed")
    play = Play(Calls, data_converter=DataConverter(Sealing))
    play.begin()
    play.fire(1)
    assert play.result == "sealed"


@workflow.defn
class MakesUUIDs:
    @workflow.run
    async def run(self) -> list[str]:
        made = [workflow.uuid7() for _ in range(300)]
        await asyncio.sleep(5)
        made += [workflow.uuid7() for _ in range(3)]
        return [str(one) for one in made]


def test_uuid7_sorts_by_time_and_within_it_in_the_order_made_and_is_the_same_every_time() -> None:
    play = played(MakesUUIDs)
    made = [uuid.UUID(text) for text in play.result]
    assert made == sorted(set(made))
    assert {(one.version, one.variant) for one in made} == {(7, uuid.RFC_4122)}
    assert (made[-1].int >> 80) - (made[0].int >> 80) == 5_000, "milliseconds"
    play.replayed()
    assert played(MakesUUIDs, run_id="another").result != play.result


def test_arguments_reach_what_is_called(tmp_path: pathlib.Path) -> None:
    def shuffled(values: Sequence[int]) -> list[int]:
        return random.sample(values, k=len(values))

    with open(tmp_path / "x", mode="w", encoding="utf-8") as file:  # noqa: PTH123
        file.write("x")
    assert sorted(shuffled([3, 1, 2])) == [1, 2, 3]
    assert len(os.urandom(5)) == 5
