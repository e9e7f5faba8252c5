"""What nobody contains ends the process, with a code of its own, whatever its streams do."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from typing import Any

import pytest

from dalsegno.actors.supervisor.failing import fail_stop
from dalsegno.actors.supervisor.parent import parent_watch

PROGRAM = textwrap.dedent(
    """
    import asyncio
    from dalsegno.actors.supervisor.failing import fail_stop
    from dalsegno.cli.logs import configure_service

    configure_service("info", "json")

    async def main():
        loop = asyncio.get_running_loop()
        loop.call_soon(fail_stop.contained, fail_stop.end_process, defect)
        await asyncio.sleep(3600)

    def defect():
        raise MemoryError("at the worst moment")

    asyncio.run(main())
    """
)


def end_of(stderr: int) -> tuple[int, bytes]:
    process = subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.DEVNULL, stderr=stderr)
    _, told = process.communicate()
    return process.returncode, told or b""


def test_the_reason_is_said_and_the_exit_code_is_its_own() -> None:
    code, told = end_of(subprocess.PIPE)
    assert code == fail_stop.DEFECT
    assert b"process_ends_by_defect" in told
    assert b"MemoryError" in told


def test_the_process_ends_though_its_log_is_on_a_full_disk() -> None:
    with open("/dev/full", "wb") as full:  # noqa: PTH123 - a device
        assert end_of(full.fileno())[0] == fail_stop.DEFECT


def test_the_process_ends_though_nobody_reads_its_log() -> None:
    readable, writable = os.pipe()
    os.set_blocking(writable, False)
    try:
        while True:
            os.write(writable, b"x" * 65_536)
    except BlockingIOError:
        os.set_blocking(writable, True)
    assert end_of(writable)[0] == fail_stop.DEFECT
    os.close(readable)
    os.close(writable)


def a_callback_of_ours(loop: asyncio.AbstractEventLoop) -> None:
    loop.call_soon(fail_stop.contained, lambda _: None, _defect)


def a_task_of_ours(loop: asyncio.AbstractEventLoop) -> None:
    async def forgotten() -> None:
        fail_stop.contained(lambda _: None, _defect)

    # It is ours by its outermost frame.
    namespace: dict[str, Any] = {"__name__": "dalsegno.somewhere", "inner": forgotten}
    exec("async def outer():\n    await inner()", namespace)
    loop.create_task(namespace["outer"]())


def a_task_of_a_user(loop: asyncio.AbstractEventLoop) -> None:
    async def forgotten() -> None:
        fail_stop.contained(lambda _: None, _defect)  # it calls us, and that raises

    loop.create_task(forgotten())


def a_callback_of_a_user(loop: asyncio.AbstractEventLoop) -> None:
    loop.call_soon(_defect)


def _defect() -> None:
    raise ValueError("who")


@pytest.mark.parametrize(
    ("cause", "escapes"),
    [
        (a_callback_of_ours, True),
        (a_task_of_ours, True),
        (a_task_of_a_user, False),
        (a_callback_of_a_user, False),
    ],
)
def test_of_what_a_loop_tells_our_own_escapes_and_a_users_does_not(
    cause: Callable[[asyncio.AbstractEventLoop], None], escapes: bool
) -> None:
    loop = asyncio.new_event_loop()
    escaped: list[BaseException] = []
    fail_stop.watch_loop(loop, escaped.append)

    async def turn() -> None:
        cause(loop)
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    loop.run_until_complete(turn())
    loop.close()
    assert [type(error) for error in escaped] == ([ValueError] if escapes else [])


def test_an_orphan_ends_though_its_loop_stands_still() -> None:
    ended = threading.Event()
    parent_watch.watch(-1, look_seconds=0.01, grace_seconds=0.01, end=ended.set)  # nobody's child
    assert ended.wait(20)
