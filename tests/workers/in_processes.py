"""Activities for processes of a worker's: at the top level of a module that these can import."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from dataclasses import dataclass
from multiprocessing import process
from pathlib import Path
from typing import Any

from dalsegno import activity
from dalsegno.activity_code.processes.spawning import INHERITING
from dalsegno.errors import ApplicationError, CanceledError
from dalsegno.payload import DefaultPayloadConverter

in_process = activity.defn(executor="process")


@dataclass
class Order:
    number: int


class OddError(Exception):
    """One that pickle does not take, nor restores."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")
        self.lock = threading.Lock()


@in_process
def where(order: Order) -> tuple[int, int, int, str, str]:
    info = activity.info()
    try:
        raise KeyError(order.number)
    except KeyError:
        activity.logger.exception("at work", order=order, file="\udcff.txt")
    thread = threading.current_thread().name
    return os.getpid(), os.getppid(), order.number, info.workflow_id, thread


class Shop:
    def __init__(self, name: str) -> None:
        self.name = name

    @activity.defn(executor="process", name="named")
    def shop(self) -> str:
        return self.name


@in_process
def ends_badly(how: str) -> Any:
    match how:
        case "odd":
            raise OddError(1, 2)
        case "final":
            raise ApplicationError("no", {"why": 1}, type="Declined", non_retryable=True)
        case "exit":
            sys.exit("as scripts do")
        case "coroutine":
            return _late()
        case _:
            return object()


async def _late() -> None:
    """Nobody awaits it."""


@in_process
def goes_outside() -> None:
    activity.heartbeat("asked a person")
    activity.raise_complete_async()


@in_process
def waits() -> list[Any]:
    """Until it is asked to stop."""
    before = list(activity.info().heartbeat_details)
    for number in range(1_000):
        activity.heartbeat(number)
    activity.wait_for_cancelled_sync()
    why = activity.cancellation_details()
    assert why is not None
    try:
        activity.heartbeat()
    except CanceledError as error:
        return [*before, str(error), why.cancel_requested, why.worker_shutdown, activity.is_worker_shutdown()]
    return []


@activity.defn(executor="process", no_thread_cancel_exception=False)
def never_looks() -> None:
    activity.heartbeat("at work")
    while True:
        time.sleep(0.001)


@in_process
def kills_its_process() -> None:
    activity.heartbeat("last words")
    os.kill(os.getpid(), signal.SIGKILL)


@in_process
def waits_for_file(path: str) -> int:
    Path(path).with_suffix(".begun").write_text(str(os.getpid()))
    while not Path(path).exists():
        time.sleep(0.005)
    return activity.info().attempt


@in_process
def cannot_be_stopped(path: str) -> None:
    """Nor by what an ordinary process ends by."""
    Path(path).write_text(str(os.getpid()))
    os.kill(os.getpid(), signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGINT)
    while True:
        time.sleep(0.005)


class NotThere(DefaultPayloadConverter):
    """One that is made in this process alone."""

    def __init__(self) -> None:
        if getattr(process.current_process(), INHERITING, False):
            raise OSError("it has no key in a process")
