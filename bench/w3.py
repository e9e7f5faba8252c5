"""W3, the engine against the floor, by turns: throughput and latency, CPU by role, and the ratios.

    script/bench w3                                          RabbitMQ (quorum queues) and PostgreSQL
    script/bench w3 --broker embedded --database sqlite      the embedded default
    script/bench w3 --local                                  local activities: the host runs them itself

The floor always runs through RabbitMQ; its database is the engine's kind. Also beside
local activities it is the same floor, with a worker: what is saved is seen.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Protocol
from uuid import uuid4

import uvloop

from bench.floor import FloorClient
from bench.meter import Meter, emit, latency_row, throughput_row
from dalsegno.broker import topology
from dalsegno.broker.port import Consumer, Delivery, Outcome, Outgoing, Publisher, Queue, Topology
from dalsegno.broker.protocol import messages as wire
from dalsegno.broker.protocol.codec import decode, encode
from dalsegno.broker.url import open_broker
from dalsegno.data_converter import DataConverter
from dalsegno.payload import JSON_PLAIN, Payload
from tests.servers import PostgresServer, RabbitMQServer

PAYLOAD = "x" * 100
ROOT = Path(__file__).resolve().parent.parent


class Client(Protocol):
    async def run_one(self, payload: str) -> None: ...

    async def close(self) -> None: ...


Opens = Callable[[], Awaitable["Subject"]]
"""Connects the client of what runs already."""


class EngineClient:
    """A bare client of the wire protocol: a start with the result asked for, and a reply queue."""

    def __init__(self, workflow_type: str, converter: DataConverter | None = None) -> None:
        self._type = workflow_type
        self._converter = converter

    async def open(self, broker: str) -> None:
        self._session = await open_broker(broker).connect(on_closed=self._lost)
        self._queue = topology.reply_queue(uuid4().hex)
        await self._session.declare(Topology(queues=[Queue(self._queue, durable=False)]))
        self._publisher: Publisher = await self._session.open_publisher(on_closed=self._lost)
        self._waiting: dict[str, asyncio.Future[None]] = {}
        self._to_send: list[Outgoing] = []
        self._consumer: Consumer = await self._session.open_consumer(
            self._queue, prefetch=400, on_delivery=self._on_reply, on_closed=self._lost
        )

    def _lost(self, reason: str) -> None:
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(RuntimeError(f"the connection was lost: {reason}"))

    def _on_reply(self, delivery: Delivery) -> None:
        self._consumer.acknowledge(delivery.tag)
        reply = decode(delivery.message)
        assert isinstance(reply, wire.Reply)
        future = self._waiting.pop(delivery.message.correlation_id or "", None)
        if future is None:
            return
        if reply.error is not None or reply.status != "completed":
            future.set_exception(RuntimeError(f"{reply.status} {reply.error} {reply.failure}"))
        else:
            future.set_result(None)

    async def run_one(self, payload: str) -> None:
        workflow_id = uuid4().hex
        future = self._waiting[workflow_id] = asyncio.get_running_loop().create_future()
        if self._converter is None:
            argument = Payload(JSON_PLAIN, b'"' + payload.encode() + b'"')
        else:
            argument = self._converter.of_workflow(workflow_id).to_payload(payload)
        start = wire.StartWorkflow(
            workflow_id=workflow_id,
            workflow_type=self._type,
            args=(argument,),
            replies=("result",),
        )
        message = encode(start, message_id=workflow_id, correlation_id=workflow_id, reply_to=self._queue)
        outgoing = Outgoing(
            topology.COMMANDS_EXCHANGE, topology.routing_key_of(workflow_id), message, self._sent
        )
        if not self._to_send:
            asyncio.get_running_loop().call_soon(self._flush)
        self._to_send.append(outgoing)
        await future

    def _flush(self) -> None:
        batch, self._to_send = self._to_send, []
        self._publisher.publish(batch)

    def _sent(self, outcome: Outcome) -> None:
        if outcome is not Outcome.CONFIRMED:
            self._lost(f"a start was {outcome.value}")

    async def close(self) -> None:
        await self._session.close()


@contextmanager
def process(arguments: list[str], env: dict[str, str], ready: str) -> Iterator[int]:
    """A child of ours, started and waited for until it says that it is ready; ended by its PID."""
    child = subprocess.Popen(
        [sys.executable, *arguments],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, **env},
    )
    try:
        assert child.stdout is not None
        for line in child.stdout:
            if ready in line:
                break
        else:
            raise RuntimeError(f"{' '.join(arguments)} ended before it was ready")
        yield child.pid
    finally:
        child.terminate()
        try:
            child.wait(15)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


class Subject:
    """What is measured: `roles` are the processes whose CPU counts, by name."""

    def __init__(self, name: str, client: Client, roles: dict[str, int]) -> None:
        self.name = name
        self.client = client
        self.roles = roles
        self.rates: list[float] = []
        """Workflows per second, run by run."""
        self.latencies: list[float] = []
        """The p50 in milliseconds, run by run."""

    async def warm_up(self, in_flight: int) -> None:
        await many(self.client, 500, min(in_flight, 100))

    async def throughput(self, run: int, count: int, in_flight: int) -> None:
        with Meter(self.roles) as meter:
            await many(self.client, count, in_flight)
        row = emit(self.name, "throughput", run=run, **throughput_row(count, meter))
        self.rates.append(row["workflows_per_s"])

    async def latency(self, run: int, singles: int) -> None:
        seconds = []
        with Meter(self.roles) as meter:
            for _ in range(singles):
                begin = time.perf_counter()
                await self.client.run_one(PAYLOAD)
                seconds.append(time.perf_counter() - begin)
        cpu = round(sum(meter.cpu.values()) / singles * 1e3, 3)
        row = emit(self.name, "latency", run=run, **latency_row(seconds), cpu_ms_per_workflow=cpu)
        self.latencies.append(row["p50_ms"])

    async def close(self) -> None:
        await self.client.close()


async def measure(subjects: list[Subject], *, count: int, in_flight: int, runs: int, singles: int) -> None:
    """Run by run, one subject after the other: the speed of a shared machine changes within seconds, and a
    ratio is of two runs side by side."""
    for subject in subjects:
        await subject.warm_up(in_flight)
    for run in range(runs):
        for subject in subjects:
            await subject.throughput(run, count, in_flight)
    for run in range(runs):
        for subject in subjects:
            await subject.latency(run, singles)


async def many(client: Client, count: int, in_flight: int) -> None:
    gate = asyncio.Semaphore(in_flight)

    async def one() -> None:
        async with gate:
            await client.run_one(PAYLOAD)

    await asyncio.gather(*(one() for _ in range(count)))


def main() -> None:
    parser = argparse.ArgumentParser(prog="script/bench w3", description=__doc__.splitlines()[0])
    parser.add_argument("--broker", choices=["rabbitmq", "embedded"], default="rabbitmq")
    parser.add_argument("--database", choices=["postgres", "sqlite"], default="postgres")
    parser.add_argument("--count", type=int, default=1500, help="workflows per throughput run")
    parser.add_argument("--in-flight", type=int, default=200)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--singles", type=int, default=100, help="workflows one at a time")
    parser.add_argument("--local", action="store_true", help="local activities instead of a worker's")
    parser.add_argument("--skip-floor", action="store_true")
    options = parser.parse_args()
    sizes = {
        "count": options.count,
        "in_flight": options.in_flight,
        "runs": options.runs,
        "singles": options.singles,
    }
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dalsegno-bench-")))
        servers: dict[str, int] = {}
        rabbitmq: RabbitMQServer | None = None
        if options.broker == "rabbitmq" or not options.skip_floor:
            rabbitmq = stack.enter_context(RabbitMQServer())
        postgres = stack.enter_context(PostgresServer()) if options.database == "postgres" else None
        if postgres is not None:
            servers["postgres"] = postgres.pid
        floor: Opens | None = None
        if rabbitmq is not None and not options.skip_floor:
            database = f"sqlite:///{folder / 'floor.db'}" if postgres is None else postgres.url
            roles = {**servers, "rabbitmq": rabbitmq.pid}
            floor = stack.enter_context(floor_of(rabbitmq.url, database, roles))
        if options.broker == "rabbitmq":
            assert rabbitmq is not None
            broker, servers["rabbitmq"] = rabbitmq.url, rabbitmq.pid
        else:
            broker = f"embedded://{folder / 'broker.db'}"
        database = f"sqlite:///{folder / 'engine.db'}" if postgres is None else postgres.url
        engine = stack.enter_context(engine_on(broker, database, servers, "W3Local" if options.local else "W3"))
        opens = [engine] if floor is None else [floor, engine]
        subjects = uvloop.run(run_all(opens, **sizes))
    if floor is not None:
        emit(
            "ratio",
            f"{options.broker}+{options.database}" + (" local" if options.local else ""),
            throughput_ratio=ratio(*(subject.rates for subject in subjects)),
            latency_ratio=ratio(*(subject.latencies for subject in subjects)),
        )


def ratio(floor: list[float], engine: list[float]) -> float:
    """The median of the ratios of two runs side by side."""
    return round(statistics.median(of / to for to, of in zip(floor, engine, strict=True)), 3)


async def run_all(opens: list[Opens], **sizes: int) -> list[Subject]:
    subjects = [await open_() for open_ in opens]
    try:
        await measure(subjects, **sizes)
    finally:
        for subject in subjects:
            await subject.close()
    return subjects


@contextmanager
def floor_of(broker: str, database: str, servers: dict[str, int]) -> Iterator[Opens]:
    env = {"FLOOR_BROKER": broker, "FLOOR_DATABASE": database}
    with (
        process(["-m", "bench.floor", "orchestrator"], env, "ready") as orchestrator,
        process(["-m", "bench.floor", "worker"], env, "ready") as worker,
    ):

        async def opened() -> Subject:
            client = FloorClient()
            await client.open(broker)
            roles = {**servers, "host": orchestrator, "worker": worker, "client": os.getpid()}
            return Subject("floor", client, roles)

        yield opened


@contextmanager
def engine_on(
    broker: str,
    database: str,
    servers: dict[str, int],
    workflow_type: str,
    module: str = "bench.w3_app",
    *,
    worker_module: str = "bench.w3_app",
    host_flags: Sequence[str] = (),
    name: str = "engine",
    env: dict[str, str] | None = None,
    converter: DataConverter | None = None,
) -> Iterator[Opens]:
    """`env` is that of host and worker, `converter` the client's."""
    where = ["--broker", broker, "--database", database]
    subprocess.run([sys.executable, "-m", "dalsegno.cli", "init", *where], check=True, cwd=ROOT)
    to_serve = ["-m", "dalsegno.cli", "host", *where, *host_flags, module]
    to_work = ["-m", "dalsegno.cli", "worker", "--broker", broker, worker_module]
    with process(to_serve, env or {}, "ready") as host, process(to_work, env or {}, "ready") as worker:

        async def opened() -> Subject:
            client = EngineClient(workflow_type, converter)
            await client.open(broker)
            roles = {**servers, "host": host, "worker": worker, "client": os.getpid()}
            return Subject(name, client, roles)

        yield opened


if __name__ == "__main__":
    main()
