"""What workers and clients time goes by their clock, and by nothing else."""

from __future__ import annotations

import ast
import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from dalsegno.errors import ConfigurationError
from dalsegno.loop_clock import checked_clock, sleep, timeout
from tests.broker.witness import eventually
from tests.hand_clock import HandClock

ROOT = Path(__file__).parents[2]
REAL_TIME = {
    "asyncio": {"sleep", "timeout", "timeout_at", "wait_for"},
    "time": {"time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "sleep"},
    "loop": {"time", "call_later", "call_at"},
    "_loop": {"time", "call_later", "call_at"},
}
"""By the last word of what is before the dot."""


@pytest.mark.parametrize(
    "path", sorted(path for room in ("workers", "client") for path in (ROOT / room).glob("*.py")), ids=str
)
def test_workers_and_clients_read_no_time_and_wait_for_none_past_their_clock(path: Path) -> None:
    past = []
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Attribute):
            word = ast.unparse(node.value).removesuffix("()").rpartition(".")[2].removeprefix("get_running_")
            if node.attr in REAL_TIME.get(word, ()):
                past.append(f"line {node.lineno}: {ast.unparse(node)}")
        elif isinstance(node, ast.ImportFrom) and node.module in ("asyncio", "time"):
            past.append(f"line {node.lineno}: name it by its module")
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "asyncio.wait":
            past += [f"line {node.lineno}: a timeout" for word in node.keywords if word.arg == "timeout"]
    assert past == []


async def test_who_sleeps_wakes_when_the_clock_says_so() -> None:
    clock = HandClock()
    sleeping = asyncio.create_task(sleep(clock, 3600))
    await clock.until_set(3600)
    clock.advance(3599.5)
    await asyncio.sleep(0)
    assert not sleeping.done()
    clock.advance(0.5)
    await sleeping


async def test_to_sleep_no_time_takes_no_timer() -> None:
    clock = HandClock()
    await sleep(clock, 0)
    assert clock.waits == []


async def test_who_sleeps_can_be_cancelled_and_leaves_no_timer() -> None:
    clock = HandClock()
    sleeping = asyncio.create_task(sleep(clock, 3600))
    await clock.until_set(3600)
    sleeping.cancel()
    await asyncio.wait({sleeping})
    assert (sleeping.cancelled(), clock.waits) == (True, [])


async def test_what_takes_longer_than_its_timeout_is_cancelled_and_is_a_timeout_error() -> None:
    clock, ended = HandClock(), []

    async def work() -> None:
        async with timeout(clock, 60):
            try:
                await asyncio.Event().wait()
            finally:
                ended.append(clock.now)

    working = asyncio.create_task(work())
    await clock.until_set(60)
    clock.advance(60)
    with pytest.raises(TimeoutError):
        await working
    assert (len(ended), clock.waits) == (1, [])


@pytest.mark.parametrize("seconds", [60, None])
async def test_what_is_done_in_time_leaves_no_timer(seconds: float | None) -> None:
    clock = HandClock()
    async with timeout(clock, seconds):
        assert clock.waits == ([] if seconds is None else [60])
    assert clock.waits == []
    with pytest.raises(LookupError):
        async with timeout(clock, seconds):
            raise LookupError
    assert clock.waits == []


async def test_who_is_cancelled_from_outside_within_a_timeout_is_cancelled() -> None:
    clock = HandClock()

    async def work() -> None:
        async with timeout(clock, 60):
            await asyncio.Event().wait()

    working = asyncio.create_task(work())
    await clock.until_set(60)
    working.cancel()
    await asyncio.wait({working})
    assert (working.cancelled(), clock.waits) == (True, [])


async def test_an_event_loop_is_a_clock() -> None:
    loop = asyncio.get_running_loop()
    assert checked_clock(loop) is loop
    await sleep(loop, 0.001)
    with pytest.raises(TimeoutError):
        async with timeout(loop, 0.001):
            await asyncio.Event().wait()
    await eventually(lambda: loop.time() > 0, "time")


@pytest.mark.parametrize("clock", [7, "clock", time, HandClock.time, object()])
def test_what_is_no_clock_is_refused_in_words(clock: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"clock must be None or have the methods time\(\) and call_"):
        checked_clock(clock)
