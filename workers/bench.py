"""What all attempts of a worker share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from dalsegno.activity_code.abandoned import Abandoned
from dalsegno.activity_code.processes.pool import ProcessPool
from dalsegno.activity_code.registry import Registry
from dalsegno.activity_code.threads import Threads
from dalsegno.activity_code.worker_shutdown import WorkerShutdown
from dalsegno.data_converter import DataConverter
from dalsegno.interceptors.worker import WorkerInterceptor
from dalsegno.loop_clock import LoopClock
from dalsegno.observer import Observer
from dalsegno.payload import Payload
from dalsegno.workers.outbox import WorkerOutbox
from dalsegno.workers.settings import WorkerTiming


@dataclass(slots=True)
class Bench:
    """What all attempts of a worker work with."""

    loop: asyncio.AbstractEventLoop
    clock: LoopClock
    """The loop itself, if no other was given."""
    registry: Registry
    converter: DataConverter
    observer: Observer | None
    outcomes: WorkerOutbox
    threads: Threads[Payload]
    processes: ProcessPool | None
    """None where no activity asks for one."""
    abandoned: Abandoned
    shutdown: WorkerShutdown
    client: Callable[[], Any]
    """The worker's own, for activities; made when it is first asked for."""
    timing: WorkerTiming
    interceptors: Sequence[WorkerInterceptor]
    worker_queue: str
    """Where grants and cancel requests come in; it may get another name with a new session."""
    loop_ends: Callable[[], bool]
    """Whether all tasks of the loop were cancelled, as `asyncio.run` does when the program's main task ended
    beside a worker at work, or somebody's code raised SystemExit in a task of its own."""
