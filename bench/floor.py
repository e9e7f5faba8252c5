"""The floor: the least code that does W3 durably through a broker and a database: what the machine allows.

client -> events (start) -> orchestrator (journal commit, batched) -> tasks -> worker -> events (result) -> ...
-> done -> client. Eight messages per workflow, all persistent and confirmed; an input is acknowledged only
after the commit and the confirms of what it caused. No replay, no user code, no timers, no retries: it is not a
product, it is a bound.

Roles of this module as a script: `orchestrator` and `worker`; `FloorClient` is the client.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol
from uuid import uuid4

import asyncpg  # type: ignore[import-untyped]
import cbor2
import pika  # type: ignore[import-untyped]
import uvloop
from pika.adapters.asyncio_connection import AsyncioConnection  # type: ignore[import-untyped]

QUEUES = {name: f"floor.{name}" for name in ("events", "tasks", "done")}
PERSISTENT = pika.BasicProperties(delivery_mode=2)
OnMessage = Callable[[Any, Any, Any, bytes], None]


class Bus:
    """pika in callback style inside asyncio: a confirming channel, and one that consumes."""

    async def open(self, url: str, *, declare: bool = False) -> None:
        loop = asyncio.get_running_loop()
        opened: asyncio.Future[None] = loop.create_future()
        self._connection = AsyncioConnection(
            pika.URLParameters(url),
            on_open_callback=lambda _: opened.set_result(None),
            on_open_error_callback=lambda _, error: opened.set_exception(error),
        )
        await opened
        self._publishing = await self._channel()
        self._sequence = 0
        self._pending: OrderedDict[int, Callable[[], None]] = OrderedDict()
        selected: asyncio.Future[None] = loop.create_future()
        self._publishing.confirm_delivery(self._confirmed, callback=lambda _: selected.set_result(None))
        await selected
        if declare:
            for queue in QUEUES.values():
                declared: asyncio.Future[None] = loop.create_future()
                self._publishing.queue_declare(
                    queue,
                    durable=True,
                    arguments={"x-queue-type": "quorum"},
                    callback=lambda _, f=declared: f.set_result(None),
                )
                await declared

    async def consume(self, queue: str, on_message: OnMessage, prefetch: int) -> InOrder:
        channel = await self._channel()
        channel.basic_qos(prefetch_count=prefetch)
        channel.basic_consume(QUEUES[queue], on_message)
        return InOrder(channel)

    async def _channel(self) -> Any:
        opened: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._connection.channel(on_open_callback=opened.set_result)
        return await opened

    def _confirmed(self, frame: Any) -> None:
        method = frame.method
        if not method.multiple:
            callback = self._pending.pop(method.delivery_tag, None)
            if callback is not None:
                callback()
            return
        while self._pending and next(iter(self._pending)) <= method.delivery_tag:
            self._pending.popitem(last=False)[1]()

    def send(self, queue: str, value: object, confirmed: Callable[[], None]) -> None:
        self._sequence += 1
        self._pending[self._sequence] = confirmed
        self._publishing.basic_publish("", QUEUES[queue], cbor2.dumps(value), PERSISTENT)

    async def close(self) -> None:
        closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._connection.add_on_close_callback(lambda *_: closed.set_result(None))
        self._connection.close()
        await closed


class InOrder:
    """Acknowledges the longest finished prefix with one `multiple`."""

    def __init__(self, channel: Any) -> None:
        self._channel, self._finished, self._low = channel, set[int](), 0

    def finish(self, tag: int) -> None:
        self._finished.add(tag)
        low = self._low
        while low + 1 in self._finished:
            low += 1
            self._finished.discard(low)
        if low > self._low:
            self._low = low
            self._channel.basic_ack(low, multiple=True)


class Journal(Protocol):
    async def open(self, url: str) -> None: ...

    async def commit(
        self,
        started: Sequence[str],
        events: Sequence[tuple[str, int, int, bytes]],
        finished: Sequence[tuple[str, bytes]],
    ) -> None: ...


class PostgresJournal:
    """One statement per batch, with arrays."""

    STATEMENT = """
        with a as (insert into floor_workflows(id, status)
                   select * from unnest($1::text[], $2::int[]) on conflict do nothing),
             j as (insert into floor_journal
                   select * from unnest($3::text[], $4::int[], $5::int[], $6::bytea[]))
        update floor_workflows set status = 2, result = d.r
        from unnest($7::text[], $8::bytea[]) as d(id, r) where floor_workflows.id = d.id"""

    async def open(self, url: str) -> None:
        self._connection = await asyncpg.connect(url)
        await self._connection.execute("""
            drop table if exists floor_workflows, floor_journal;
            create table floor_workflows(id text primary key, status int, result bytea);
            create table floor_journal(workflow text, seq int, kind int, body bytea, primary key(workflow, seq))
        """)
        self._statement = await self._connection.prepare(self.STATEMENT)

    async def commit(
        self,
        started: Sequence[str],
        events: Sequence[tuple[str, int, int, bytes]],
        finished: Sequence[tuple[str, bytes]],
    ) -> None:
        columns = [list(column) for column in zip(*events, strict=True)]
        await self._statement.fetch(
            list(started),
            [1] * len(started),
            *columns,
            [workflow for workflow, _ in finished],
            [result for _, result in finished],
        )


class SqliteJournal:
    async def open(self, url: str) -> None:
        path = url.removeprefix("sqlite:///")
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._connection.executescript("""
            pragma journal_mode=wal; pragma synchronous=full;
            create table floor_workflows(id text primary key, status int, result blob) without rowid;
            create table floor_journal(workflow text, seq int, kind int, body blob, primary key(workflow, seq))
            without rowid;
        """)

    async def commit(
        self,
        started: Sequence[str],
        events: Sequence[tuple[str, int, int, bytes]],
        finished: Sequence[tuple[str, bytes]],
    ) -> None:
        execute, many = self._connection.execute, self._connection.executemany
        execute("begin immediate")
        many("insert or ignore into floor_workflows(id, status) values(?, 1)", [(i,) for i in started])
        many("insert into floor_journal values(?, ?, ?, ?)", events)
        many("update floor_workflows set status = 2, result = ? where id = ?", [(r, i) for i, r in finished])
        execute("commit")


async def orchestrator(broker: str, database: str) -> None:
    bus = Bus()
    await bus.open(broker, declare=True)
    journal: Journal = SqliteJournal() if database.startswith("sqlite") else PostgresJournal()
    await journal.open(database)
    inbox: list[tuple[int, bytes]] = []
    mail = asyncio.Event()
    done: dict[str, int] = {}

    def on_message(_: Any, method: Any, __: Any, body: bytes) -> None:
        inbox.append((method.delivery_tag, body))
        mail.set()

    acks = await bus.consume("events", on_message, 600)
    print("ready", flush=True)
    while True:
        await mail.wait()
        mail.clear()
        batch, inbox[:] = inbox[:], []
        started, events, finished, out = [], [], [], []
        for tag, body in batch:
            event = cbor2.loads(body)
            workflow = event["w"]
            if event["t"] == "s":
                done[workflow] = 0
                started.append(workflow)
                events.append((workflow, 0, 0, cbor2.dumps(event["p"])))
                out.append((tag, "tasks", {"w": workflow, "i": 1, "p": event["p"]}))
                continue
            step = event["i"]
            if done.get(workflow) != step - 1:
                out.append((tag, "", {}))  # it came twice
                continue
            done[workflow] = step
            result = cbor2.dumps(event["p"])
            events.append((workflow, step, 1, result))
            if step == 3:
                del done[workflow]
                finished.append((workflow, result))
                out.append((tag, "done", {"w": workflow, "p": event["p"]}))
            else:
                out.append((tag, "tasks", {"w": workflow, "i": step + 1, "p": event["p"]}))
        await journal.commit(started, events, finished)
        for tag, queue, value in out:
            if queue:
                bus.send(queue, value, partial(acks.finish, tag))
            else:
                acks.finish(tag)


async def worker(broker: str) -> None:
    bus = Bus()
    await bus.open(broker)
    acks: InOrder | None = None

    def on_message(_: Any, method: Any, __: Any, body: bytes) -> None:
        task = cbor2.loads(body)
        assert acks is not None
        result = {"t": "r", "w": task["w"], "i": task["i"], "p": task["p"]}
        bus.send("events", result, partial(acks.finish, method.delivery_tag))

    acks = await bus.consume("tasks", on_message, 400)
    print("ready", flush=True)
    await asyncio.Event().wait()


class FloorClient:
    """Starts workflows and waits for their results."""

    async def open(self, broker: str) -> None:
        self._bus = Bus()
        await self._bus.open(broker)
        self._waiting: dict[str, asyncio.Future[None]] = {}
        self._acks = await self._bus.consume("done", self._on_done, 400)

    def _on_done(self, _: Any, method: Any, __: Any, body: bytes) -> None:
        self._acks.finish(method.delivery_tag)
        future = self._waiting.pop(cbor2.loads(body)["w"], None)
        if future is not None:
            future.set_result(None)

    async def run_one(self, payload: str) -> None:
        workflow = uuid4().hex
        future = self._waiting[workflow] = asyncio.get_running_loop().create_future()
        self._bus.send("events", {"t": "s", "w": workflow, "p": payload}, lambda: None)
        await future

    async def close(self) -> None:
        await self._bus.close()


if __name__ == "__main__":
    role = sys.argv[1]
    if role == "orchestrator":
        uvloop.run(orchestrator(os.environ["FLOOR_BROKER"], os.environ["FLOOR_DATABASE"]))
    else:
        uvloop.run(worker(os.environ["FLOOR_BROKER"]))
