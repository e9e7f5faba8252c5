"""The worker: takes activity tasks from one task queue, runs them, and reports what became of them.

    worker = Worker("amqp://...", task_queue="default", activities=[charge, ship])
    await worker.run()                  # until shutdown() is called, or the task is cancelled

    async with Worker(...):             # the same beside other code
        ...

run              one run, wired together
session_keeper   connects, and connects again          intake       consumers on the task queue, or a level
intakes          on all that are in use                backlog      what waits to begin, by urgency
dispatcher       which attempts are here               attempt      the life of one of them
executions       in what its code runs                 outbox       what leaves, until it is confirmed
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

from dalsegno.activity_code.processes.spawning import beginning_of
from dalsegno.activity_code.registry import Registry
from dalsegno.broker.held_bytes import HELD_BYTES
from dalsegno.broker.port import Broker
from dalsegno.data_converter import DataConverter
from dalsegno.interceptors.worker import WorkerInterceptor, worker_interceptors
from dalsegno.loop_clock import LoopClock
from dalsegno.observer import Observer
from dalsegno.policies import Duration
from dalsegno.workers.broker import open_worker_broker
from dalsegno.workers.run import WorkerRun
from dalsegno.workers.settings import WorkerSettings, WorkerTiming

HOST_NAME_CHARACTERS_MAX = 100


class Worker:
    """Runs once; for another run make another worker.

    `broker` is a URL or a Broker. `max_concurrent_activities` bounds what runs at once, `max_sync_threads` how
    many of these may be sync (default: all), `max_processes` how many run in processes (default: one for each
    processor). At a shutdown, running activities have `drain_timeout` to finish;
    then they are cancelled. `held_bytes` bounds the early tasks and outcomes that are here
    (docs/operating.md, Limits). `data_converter` says how values travel; hosts and clients need the same
    (docs/payloads.md). All that a worker times goes by its `clock`, which is its event loop if none is given.
    `interceptors` stand around its activities (docs/workers.md), the first outermost.
    Raises ConfigurationError for what cannot be.
    """

    def __init__(
        self,
        broker: str | Broker,
        *,
        task_queue: str = "default",
        activities: Sequence[Callable[..., Any]],
        max_concurrent_activities: int = 100,
        max_sync_threads: int | None = None,
        max_processes: int | None = None,
        drain_timeout: Duration = 20.0,
        held_bytes: int = HELD_BYTES,
        data_converter: DataConverter = DataConverter.default,
        observer: Observer | None = None,
        clock: LoopClock | None = None,
        timing: WorkerTiming | None = None,
        interceptors: Sequence[WorkerInterceptor] = (),
    ) -> None:
        self._registry = Registry(activities)
        self._settings = WorkerSettings(
            task_queue=task_queue,
            max_concurrent_activities=max_concurrent_activities,
            max_sync_threads=max_sync_threads,
            max_processes=max_processes,
            drain_timeout=drain_timeout,
            held_bytes=held_bytes,
            data_converter=data_converter,
            observer=observer,
            clock=clock,
            timing=timing or WorkerTiming(),
            interceptors=worker_interceptors(interceptors),
        )
        self._beginning = beginning_of(
            self._registry, self._settings.data_converter, self._settings.interceptors
        )
        if isinstance(broker, str):
            broker = open_worker_broker(broker, held_bytes=self._settings.held_bytes)
        self._broker = broker
        self.identity = (
            f"{socket.gethostname()[:HOST_NAME_CHARACTERS_MAX]}.{os.getpid()}.{secrets.token_hex(4)}"
        )
        """Names the worker's own queue, and its connection in the broker's list."""
        self._begun = False
        self._run: WorkerRun | None = None
        self._shut_down = False
        self._ready = asyncio.Event()
        self._finished = asyncio.Event()
        self._background: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Work until `shutdown` is called, then drain. Being cancelled does the same; cancelled again, it ends.

        While the broker is away the worker waits for it. Raises ConfigurationError when it cannot begin because
        of what a person must mend: URL, password, rights, queues.
        """
        if self._begun:
            raise RuntimeError("A worker runs once; make another one.")
        self._begun = True
        try:
            if not self._shut_down:
                self._run = WorkerRun(
                    self._broker,
                    self._registry,
                    self._settings,
                    identity=self.identity,
                    ready=self._ready,
                    beginning=self._beginning,
                )
                await self._run.run()
        finally:
            self._finished.set()

    async def wait_until_ready(self) -> None:
        """Returns when the worker consumes its task queue for the first time; never, if `run` ends before."""
        await self._ready.wait()

    async def shutdown(self) -> None:
        """Take no more tasks and let what runs finish; returns when that is done. Twice is ordinary."""
        self._shut_down = True
        if self._run is not None:
            self._run.stop()
        if self._begun:
            await self._finished.wait()

    @property
    def under_way(self) -> int:
        """The attempts that are here: they ask, wait, run, or have an outcome that is not confirmed yet."""
        return 0 if self._run is None else self._run.under_way

    @property
    def abandoned(self) -> list[str]:
        """The activities whose code still runs although the worker has let go of it: it overran its timeout, or
        the worker's end. Python waits at exit for their threads."""
        works = [] if self._run is None else self._run.abandoned.still_running()
        return [f"{work.activity_type} of {work.workflow_id}, attempt {work.attempt}" for work in works]

    async def __aenter__(self) -> Self:
        """Returns when the worker consumes its queue."""
        self._background = asyncio.create_task(self.run())
        ready = asyncio.create_task(self._ready.wait())
        try:
            await asyncio.wait({ready, self._background}, return_when=asyncio.FIRST_COMPLETED)
            if self._background.done():
                await self._background
        except asyncio.CancelledError:
            self._background.cancel()
            await asyncio.wait({self._background})
            raise
        finally:
            ready.cancel()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.shutdown()
        if self._background is not None:
            await self._background
