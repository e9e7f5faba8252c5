"""The loop on which local activities run, in a thread of the host: what they do to it holds up no workflow."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

from dalsegno.activity_code.abandoned import Abandoned
from dalsegno.activity_code.registry import Registry
from dalsegno.activity_code.threads import Threads
from dalsegno.actors.supervisor.off_loop.local_run import LocalRun
from dalsegno.actors.workflow_actor.interface.commands import Command
from dalsegno.data_converter import DataConverter
from dalsegno.interceptors.worker import WorkerInterceptor
from dalsegno.payload import Payload


class LocalBench:
    """`places`: how many run at once; the others wait, in order. `told` is given what comes of each."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        registry: Registry,
        converter: DataConverter,
        places: int,
        told: Callable[[tuple[LocalRun, Command]], None],
        interceptors: Sequence[WorkerInterceptor] = (),
    ) -> None:
        self.loop = loop
        self.registry = registry
        self.converter = converter
        self.interceptors = interceptors
        self.threads: Threads[Payload] = Threads(places, loop)
        self.abandoned = Abandoned()
        self.pauses_here = True
        """Short pauses before a retry are spent here, see `retry_threshold`; else all are the workflow's."""
        self._places = places
        self._told = told
        self._running: set[LocalRun] = set()
        self._waiting: deque[LocalRun] = deque()

    def wait_for_place(self, run: LocalRun) -> None:
        self._waiting.append(run)
        self._begin_waiting()

    def give_place(self, run: LocalRun) -> None:
        if run in self._running:
            self._running.discard(run)
            self._begin_waiting()
        elif run in self._waiting:
            self._waiting.remove(run)

    def _begin_waiting(self) -> None:
        while self._waiting and len(self._running) < self._places:
            run = self._waiting.popleft()
            self._running.add(run)
            run.begin()

    def ended(self, run: LocalRun, outcome: Command) -> None:
        self._told((run, outcome))

    def close(self) -> None:
        for run in [*self._running, *self._waiting]:
            run.give_up()
        self.threads.close()
