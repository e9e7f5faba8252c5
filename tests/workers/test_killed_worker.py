"""A worker that is killed in the middle of an activity."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from dalsegno.broker.url import open_broker
from tests.broker.witness import eventually
from tests.workers.engine import Engine

pytestmark = pytest.mark.slow


@pytest.fixture(params=["embedded", pytest.param("rabbitmq", marks=pytest.mark.rabbitmq)])
async def url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    if request.param == "rabbitmq":
        yield request.getfixturevalue("rabbitmq_url")
        return
    from dalsegno.broker.embedded import EmbeddedServer

    async with EmbeddedServer(tmp_path / "broker.db"):
        yield f"embedded://{tmp_path / 'broker.db'}"


@contextmanager
def worker_process(url: str, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "tests.workers.worker_process", url, str(folder)]
    process = subprocess.Popen(command, cwd=Path(__file__).parents[2])
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def begun(folder: Path) -> list[int]:
    """The processes in which the activity began."""
    return [int(path.suffix[1:]) for path in folder.glob("begun.*")]


async def test_the_task_of_a_killed_worker_is_done_by_another(url: str, tmp_path: Path) -> None:
    engine = Engine(open_broker(url))
    await engine.start()
    with worker_process(url, tmp_path) as first:
        task = await engine.schedule("work")
        await eventually(lambda: begun(tmp_path) == [first.pid], "the activity in the first process", 60)
        os.kill(first.pid, signal.SIGKILL)
        with worker_process(url, tmp_path) as second:
            await eventually(lambda: second.pid in begun(tmp_path), "the activity in the second process", 60)
            (tmp_path / "go").touch()
            assert await engine.result(task) == second.pid
    assert len(engine.message_ids(task)) == 1
    await engine.stop()


@pytest.mark.parametrize("url", ["embedded"], indirect=True)
async def test_no_process_of_a_killed_worker_stays_and_its_task_is_done_by_another(
    url: str, tmp_path: Path
) -> None:
    engine = Engine(open_broker(url))
    await engine.start()
    begun = tmp_path / "go.begun"
    with worker_process(url, tmp_path) as first:
        task = await engine.schedule("waits_for_file", str(tmp_path / "go"))
        await eventually(lambda: begun.exists() and begun.read_text() != "", "the activity in a process", 60)
        orphan = psutil.Process(int(begun.read_text()))
        assert orphan.ppid() == first.pid
        os.kill(first.pid, signal.SIGKILL)
        await eventually(lambda: not orphan.is_running(), "its process is gone", 60)
        with worker_process(url, tmp_path):
            (tmp_path / "go").touch()
            assert await engine.result(task) == 1
    await engine.stop()
