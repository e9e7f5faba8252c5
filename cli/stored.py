"""A database as it answers those who only look, with no host nor broker. Rights to read it are enough."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import NamedTuple, TypeVar

from dalsegno.actors.supervisor.people import stored_answers
from dalsegno.actors.supervisor.wire import replies
from dalsegno.actors.workflow_actor.stored.codec import NewerStateError
from dalsegno.broker.protocol.messages import (
    AwaitUpdate,
    ControlReply,
    DescribeWorkflow,
    Reply,
    ToWorkflow,
    UpdateWithStart,
    UpdateWorkflow,
    WireMessage,
)
from dalsegno.cli.failures import NewerRowsError
from dalsegno.cli.namespace import checked_store
from dalsegno.client.results import not_ended
from dalsegno.data_converter import DataConverter
from dalsegno.errors import StoreUnavailableError, TransientError, UnsupportedError
from dalsegno.interceptors.client import NOT_INTERCEPTED
from dalsegno.persistence.port import Store
from dalsegno.persistence.reader_port import PeopleReader
from dalsegno.persistence.url import parse_url

T = TypeVar("T")

LOOK_SECONDS = 0.5
"""Between looks at a run whose end is waited for."""


class _Opened(NamedTuple):
    store: Store
    reader: PeopleReader


class StoredEngine:
    """`client.engine.EnginePort`. What it is asked it reads on a thread that nobody waits for at the end:
    drivers cannot be interrupted. `timeout` is in seconds."""

    def __init__(self, database: str, timeout: float, converter: DataConverter) -> None:
        self.converter = converter
        self.outbound = NOT_INTERCEPTED
        self._database = database
        self._shown = parse_url(database).shown
        self._timeout = timeout
        self._opened: _Opened | None = None
        self._reading = threading.Lock()

    async def tell(
        self, command: ToWorkflow, *, message_id: str | None = None, timeout: float | None = None
    ) -> Reply:
        if not isinstance(command, DescribeWorkflow):
            raise UnsupportedError("Only a host can do that: ask it without --database.")
        told = await self._read(
            partial(stored_answers.description, workflow_id=command.workflow_id, run_id=command.run_id),
            timeout,
        )
        return replies.described(told)

    async def queues(self, names: Iterable[str]) -> None:
        """There is no broker here."""

    async def update(
        self,
        command: UpdateWorkflow | UpdateWithStart,
        *,
        message_id: str | None = None,
        timeout: float | None = None,
    ) -> Reply:
        raise UnsupportedError("Only a host can do that: ask it without --database.")

    async def update_outcome(self, question: AwaitUpdate, *, timeout: float | None) -> Reply:
        raise UnsupportedError("Only a host knows of updates: ask it without --database.")

    async def control(self, question: WireMessage, *, timeout: float | None = None) -> ControlReply:
        return await self._read(partial(stored_answers.control_answer, question=question), timeout)

    async def end(
        self, workflow_id: str, run_id: str | None, *, timeout: float | None, follow_runs: bool = True
    ) -> Reply:
        """Once the database has answered, its outages are waited for."""
        look = partial(stored_answers.outcome, workflow_id=workflow_id, run_id=run_id, follow_runs=follow_runs)
        until = None if timeout is None else time.monotonic() + timeout
        has_answered = False
        while until is None or time.monotonic() < until:
            try:
                reply = await self._read(look)
            except TransientError:
                if not has_answered:
                    raise
            else:
                has_answered = True
                if reply is not None:
                    return reply
            await asyncio.sleep(LOOK_SECONDS)
        raise not_ended(workflow_id, timeout)

    async def _read(self, query: Callable[[PeopleReader], T], timeout: float | None = None) -> T:
        seconds = self._timeout if timeout is None else timeout
        try:
            async with asyncio.timeout(seconds):
                return await _on_a_thread(lambda: self._read_now(query))
        except TimeoutError as error:
            text = f"The database {self._shown} did not answer within {seconds:g} s."
            raise StoreUnavailableError(text) from error

    def _read_now(self, query: Callable[[PeopleReader], T]) -> T:
        with self._reading:
            if self._opened is None:
                store = checked_store(self._database)
                self._opened = _Opened(store, store.people_reader())
            try:
                return query(self._opened.reader)
            except NewerStateError as error:
                raise NewerRowsError(str(error)) from error

    def close(self) -> None:
        """What is still being read is left to the end of the process."""
        if self._opened is not None and self._reading.acquire(blocking=False):
            self._opened.store.close()


async def _on_a_thread(function: Callable[[], T]) -> T:
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[T] = loop.create_future()

    def settle(set_: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(lambda: None if outcome.done() else set_())

    def run() -> None:
        try:
            value = function()
        except BaseException as error:  # noqa: BLE001 - it is raised where the outcome is waited for
            settle(partial(outcome.set_exception, error))
        else:
            settle(partial(outcome.set_result, value))

    threading.Thread(target=run, daemon=True).start()
    return await outcome
