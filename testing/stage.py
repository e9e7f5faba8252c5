"""A host with all that it needs, in this process, on this loop: nothing of it has a file, a port or a process.

    MemoryBroker    the embedded broker's model, without a server
    MemoryStore     SQLite in memory, whose clock can be put forward
    Host            the real one; the store's code runs within its calls, and the loop sees what is under way

The one thread is that of the host's seat among the hosts. It never has anything to do with a workflow.
"""

from __future__ import annotations

import asyncio
import math
import os
import sys
from collections.abc import Callable, Coroutine, Sequence
from contextlib import closing
from typing import Any

from dalsegno._log import get_logger
from dalsegno.activity_code.registry import Registry
from dalsegno.actors.supervisor.failing.fail_stop import Escaped
from dalsegno.actors.supervisor.host.host import Host
from dalsegno.actors.supervisor.host_id import new_host_id
from dalsegno.actors.supervisor.parent.pulse import PulseWriter
from dalsegno.actors.supervisor.settings import HostSettings
from dalsegno.actors.workflow_actor.program.registry import WorkflowRegistry
from dalsegno.actors.workflow_actor.stored.codec import CODEC
from dalsegno.broker.embedded.memory import MemoryBroker
from dalsegno.broker.port import Broker
from dalsegno.data_converter import DataConverter
from dalsegno.interceptors.worker import WorkerInterceptor
from dalsegno.observer import Observer
from dalsegno.persistence.port import Writer
from dalsegno.persistence.sqlite_memory import MemoryStore
from dalsegno.rehearsal import WorkflowHistory, history_of
from dalsegno.search_attributes import SearchAttributeKey
from dalsegno.testing.clock import SkippedClock
from dalsegno.testing.errors import EnvironmentBrokenError
from dalsegno.testing.inline import inline

log = get_logger("dalsegno.testing")

LEASE_SECONDS = 3600.0
"""Who stops at a breakpoint keeps them."""
SETTLE_SECONDS = 1.0


class Stage:
    """`start`, then `close`; both once."""

    def __init__(
        self,
        activities: Registry,
        *,
        data_converter: DataConverter,
        search_attributes: Sequence[SearchAttributeKey[Any]],
        observer: Observer | None = None,
        interceptors: Sequence[WorkerInterceptor] = (),
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_loop_error = self._loop.get_exception_handler()
        self._switch_interval = sys.getswitchinterval()
        self.clock = SkippedClock()
        self.broker = MemoryBroker()
        self._store = MemoryStore(
            partitions=1,
            newest_format=CODEC.newest,
            skipped=lambda: self.clock.skipped,
            around=self._watched,
        )
        self._attributes = self._store.search_attributes()
        for key in search_attributes:
            self._attributes.add(key.name, key.indexed_value_type)
        self.code = WorkflowRegistry(
            (),
            data_converter=data_converter,
            local_activities=activities,
            failure_exception_types=(AssertionError,),
            interceptors=interceptors,
        )
        self._activities = activities
        self._converter = data_converter
        self._observer = observer
        self._interceptors = interceptors
        self.on_error: Callable[[], Coroutine[Any, Any, None]] | None = None
        """To be awaited when the host has ended by a defect."""
        self._ending: asyncio.Task[None] | None = None
        self._host: Host | None = None
        self._run: asyncio.Task[None] | None = None
        self._error: BaseException | None = None

    async def start(self) -> None:
        await self.broker.start()
        await self._start_host()
        await self.settle()

    async def _start_host(self) -> None:
        """Returns when it has the partition, and consumes its queue."""
        ready = asyncio.Event()
        self._host = self._new_host(ready.set)
        if self._host.local_worker is not None:
            self._host.local_worker.leave_pauses()
        self._run = asyncio.create_task(self._host.run())
        is_ready = asyncio.create_task(ready.wait())
        try:
            await asyncio.wait({is_ready, self._run}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            is_ready.cancel()
        if self._run.done():
            self._run.result()
        self._host.store_time(self.clock.now())  # what it was told, a thread of its own has told it late

    def _new_host(self, ready: Callable[[], None]) -> Host:
        return self._host_of(self.broker, new_host_id(), ready, self._escaped)

    def _host_of(self, broker: Broker, host_id: str, ready: Callable[[], None], escaped: Escaped) -> Host:
        return Host(
            broker=broker,
            store=self._store,
            code=self.code,
            settings=HostSettings(lease_ttl_seconds=LEASE_SECONDS),
            pulse=PulseWriter.unread(),
            host_id=host_id,
            ready=ready,
            escaped=escaped,
            clock=self.clock,
            observer=self._observer,
            activities=self._activities,
            data_converter=self._converter,
            new_thread=inline,
            interceptors=self._interceptors,
        )

    def _watched(self, writer: Writer) -> Writer:
        """What writes the rounds of the host that is being made."""
        return writer

    async def close(self) -> None:
        """What was under way ends where it stands."""
        if self._ending is not None:
            await asyncio.wait({self._ending})
        if self._run is not None:
            self._run.cancel()
            await asyncio.wait({self._run})
        await self.broker.close()
        self._store.close()
        self._loop.set_exception_handler(self._on_loop_error)
        sys.setswitchinterval(self._switch_interval)

    def _escaped(self, error: BaseException) -> None:
        """From any thread: a defect ends this environment, not the process."""
        if self._error is None:
            self._error = error
            log.error("environment_broken", reason=repr(error), exc_info=error)
            self._loop.call_soon_threadsafe(self._end_broken)

    def _end_broken(self) -> None:
        if self._run is not None:
            self._run.cancel()
        if self.on_error is not None:
            self._ending = self._loop.create_task(self.on_error())

    def check(self) -> None:
        """Raises EnvironmentBrokenError."""
        if self._error is not None:
            raise EnvironmentBrokenError(repr(self._error)) from self._error

    # --- time ------------------------------------------------------------------------------------------------

    @property
    def is_up(self) -> bool:
        """There is a host, which is no ruin."""
        return True

    @property
    def is_at_rest(self) -> bool:
        """Nothing is under way: without somebody's word, or `next_wake_up`, nothing happens any more."""
        assert self._host is not None
        if not self.is_up:
            return False
        engine, local, fetching = self._host.engine, self._host.local_worker, self._host.payload_fetching
        if not engine.partitions or (local is not None and local.is_at_work):
            return False
        stored = self._converter._stored
        if fetching is not None and (fetching.is_at_work or (stored is not None and stored.is_at_work)):
            return False
        return self.broker.is_at_rest and engine.is_at_rest

    @property
    def next_wake_up(self) -> int | None:
        """When the next instance is to be woken, in microseconds."""
        assert self._host is not None
        known = (self._host.engine.wake_timer.next_at, self._store.next_wake_up(self.clock.now()))
        return min((at for at in known if at is not None), default=None)

    async def settle(self) -> None:
        """Returns when the host has done what it can do now, at the latest in a while: a local activity may
        take its time."""
        assert self._host is not None
        until = self._loop.time() + SETTLE_SECONDS
        while self._loop.time() < until:
            if self.is_at_rest and (self.next_wake_up or math.inf) > self.clock.now():
                return
            if self.is_up:
                self._host.engine.tick()  # not only with the next of its own
            await asyncio.sleep(0)

    def skip_to(self, at: int) -> None:
        assert self._host is not None
        self.clock.skip_to(at)
        self._host.store_time(self.clock.now())
        self._host.engine.time_was_moved()

    def attributes_changed(self) -> None:
        assert self._host is not None
        if self.is_up:  # else it will see by itself
            self._host.attributes_declared(self._attributes.declared())

    def history_of(self, workflow_id: str, run_id: str | None) -> WorkflowHistory:
        """As far as it is committed. Raises WorkflowNotFoundError."""
        with closing(self._store.people_reader()) as reader:
            seed = os.environ.get("PYTHONHASHSEED", "")
            return history_of(reader, int(seed) if seed.isdecimal() else None, workflow_id, run_id)

    def code_changed(self) -> None:
        """To be followed by `settle` where what is suspended for it is to go on."""
        assert self._host is not None
        if self.is_up:
            self._host.engine.code_changed()
