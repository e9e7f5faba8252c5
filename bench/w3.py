"""W3, the engine against the floor, in one run: throughput and latency, CPU by role, and the ratios.

    script/bench w3                                          RabbitMQ (quorum queues) and PostgreSQL
    script/bench w3 --broker embedded --database sqlite      the embedded default

The floor always runs through RabbitMQ; its database is the engine's kind.
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
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

import uvloop

from bench.floor import FloorClient
from bench.meter import Meter, emit, latency_row, throughput_row
from dalsegno.broker import topology
from dalsegno.broker.port import Consumer, Delivery, Outcome, Outgoing, Publisher, Queue, Topology
from dalsegno.broker.protocol import messages as wire
from dalsegno.broker.protocol.codec import decode, encode
from dalsegno.broker.url import open_broker
from dalsegno.payload import JSON_PLAIN, Payload
from tests.servers import PostgresServer, RabbitMQServer

PAYLOAD = "x" * 100
ROOT = Path(__file__).resolve().parent.parent


class Client(Protocol):
    async def run_one(self, payload: str) -> None: ...

    async def close(self) -> None: ...


class EngineClient:
    """A bare client of the wire protocol: a start with the result asked for, and a reply queue."""

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
        start = wire.StartWorkflow(
            workflow_id=workflow_id,
            workflow_type="W3",
            args=(Payload(JSON_PLAIN, b'"' + payload.encode() + b'"'),),
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


async def measure(
    subject: str, client: Client, roles: dict[str, int], *, count: int, in_flight: int, runs: int, singles: int
) -> tuple[float, float]:
    """Medians over the runs: workflows per second, and the p50 latency in milliseconds."""
    await many(client, 500, min(in_flight, 100))  # warm
    rates = []
    for run in range(runs):
        with Meter(roles) as meter:
            await many(client, count, in_flight)
        row = emit(subject, "throughput", run=run, **throughput_row(count, meter))
        rates.append(row["workflows_per_s"])
    latencies = []
    for run in range(runs):
        seconds = []
        with Meter(roles) as meter:
            for _ in range(singles):
                begin = time.perf_counter()
                await client.run_one(PAYLOAD)
                seconds.append(time.perf_counter() - begin)
        row = emit(
            subject,
            "latency",
            run=run,
            **latency_row(seconds),
            cpu_ms_per_workflow=round(sum(meter.cpu.values()) / singles * 1e3, 3),
        )
        latencies.append(row["p50_ms"])
    return statistics.median(rates), statistics.median(latencies)


async def many(client: Client, count: int, in_flight: int) -> None:
    gate = asyncio.Semaphore(in_flight)

    async def one() -> None:
        async with gate:
            await client.run_one(PAYLOAD)

    await asyncio.gather(*(one() for _ in range(count)))


def with_client(open_client: Callable[[], Awaitable[Client]], body: Callable[[Client], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        client = await open_client()
        try:
            return await body(client)
        finally:
            await client.close()

    return uvloop.run(main())


def main() -> None:
    parser = argparse.ArgumentParser(prog="script/bench w3", description=__doc__.splitlines()[0])
    parser.add_argument("--broker", choices=["rabbitmq", "embedded"], default="rabbitmq")
    parser.add_argument("--database", choices=["postgres", "sqlite"], default="postgres")
    parser.add_argument("--count", type=int, default=2000, help="workflows per throughput run")
    parser.add_argument("--in-flight", type=int, default=200)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--singles", type=int, default=200, help="workflows one at a time")
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
        floor = None
        if rabbitmq is not None and not options.skip_floor:
            database = f"sqlite:///{folder / 'floor.db'}" if postgres is None else postgres.url
            roles = {**servers, "rabbitmq": rabbitmq.pid}
            floor = run_floor(rabbitmq.url, database, roles, sizes)
        if options.broker == "rabbitmq":
            assert rabbitmq is not None
            broker, servers["rabbitmq"] = rabbitmq.url, rabbitmq.pid
        else:
            broker = f"embedded://{folder / 'broker.db'}"
        database = f"sqlite:///{folder / 'engine.db'}" if postgres is None else postgres.url
        engine = run_engine(broker, database, servers, sizes)
    if floor is not None:
        emit(
            "ratio",
            f"{options.broker}+{options.database}",
            throughput_ratio=round(engine[0] / floor[0], 3),
            latency_ratio=round(engine[1] / floor[1], 3),
        )


def run_floor(
    broker: str, database: str, servers: dict[str, int], sizes: dict[str, int]
) -> tuple[float, float]:
    env = {"FLOOR_BROKER": broker, "FLOOR_DATABASE": database}
    with (
        process(["-m", "bench.floor", "orchestrator"], env, "ready") as orchestrator,
        process(["-m", "bench.floor", "worker"], env, "ready") as worker,
    ):
        roles = {**servers, "host": orchestrator, "worker": worker, "client": os.getpid()}

        async def opened() -> Client:
            client = FloorClient()
            await client.open(broker)
            return client

        result: tuple[float, float] = with_client(opened, lambda c: measure("floor", c, roles, **sizes))
        return result


def run_engine(
    broker: str, database: str, servers: dict[str, int], sizes: dict[str, int]
) -> tuple[float, float]:
    where = ["--broker", broker, "--database", database]
    subprocess.run([sys.executable, "-m", "dalsegno.cli", "init", *where], check=True, cwd=ROOT)
    with (
        process(["-m", "dalsegno.cli", "host", *where, "bench.w3_app"], {}, "ready") as host,
        process(["-m", "dalsegno.cli", "worker", "--broker", broker, "bench.w3_app"], {}, "ready") as worker,
    ):
        roles = {**servers, "host": host, "worker": worker, "client": os.getpid()}

        async def opened() -> Client:
            client = EngineClient()
            await client.open(broker)
            return client

        result: tuple[float, float] = with_client(opened, lambda c: measure("engine", c, roles, **sizes))
        return result


if __name__ == "__main__":
    main()
