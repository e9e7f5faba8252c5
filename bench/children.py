"""What a child costs beside a plain start, and an update beside a signal, by turns.

    script/bench children                                        RabbitMQ, PostgreSQL
    script/bench children --broker embedded --database sqlite    the embedded default

A plain start is one by a bare client that wants the result, with as many on their way at a time as the parent
has children; parent and children count as `children` workflows. A signal is one whose answer says that it was
recorded, an update one that is completed; one at a time.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

import uvloop

from bench.children_app import Counter, Family
from bench.meter import Meter, emit, latency_row, throughput_row
from bench.w3 import PAYLOAD, Opens, engine_on, many, ratio
from dalsegno import Client
from tests.servers import PostgresServer, RabbitMQServer


def main() -> None:
    parser = argparse.ArgumentParser(prog="script/bench children", description=__doc__.splitlines()[0])
    parser.add_argument("--broker", choices=["rabbitmq", "embedded"], default="rabbitmq")
    parser.add_argument("--database", choices=["postgres", "sqlite"], default="postgres")
    parser.add_argument("--children", type=int, default=2_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--singles", type=int, default=200, help="updates, and signals, one at a time")
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dalsegno-bench-")))
        pids: dict[str, int] = {}
        broker, database = f"embedded://{folder / 'broker.db'}", f"sqlite:///{folder / 'engine.db'}"
        if options.broker == "rabbitmq":
            rabbitmq = stack.enter_context(RabbitMQServer())
            broker, pids["rabbitmq"] = rabbitmq.url, rabbitmq.pid
        if options.database == "postgres":
            postgres = stack.enter_context(PostgresServer())
            database, pids["postgres"] = postgres.url, postgres.pid
        engine = stack.enter_context(engine_on(broker, database, pids, "Leaf", "bench.children_app"))
        uvloop.run(measure(engine, broker, options.children, options.runs, options.singles))


async def measure(engine: Opens, broker: str, children: int, runs: int, singles: int) -> None:
    plain = await engine()
    await plain.warm_up(100)
    seconds: dict[str, list[float]] = {"plain": [], "children": []}
    cpu: dict[str, list[float]] = {"plain": [], "children": []}
    async with Client.connect(broker) as client:

        async def starts() -> None:
            await many(plain.client, children, children)

        async def family() -> None:
            family_id = uuid4().hex
            ended = await client.execute_workflow(Family.run, args=[PAYLOAD, children], id=family_id)
            assert ended == children

        subjects: dict[str, Callable[[], Awaitable[None]]] = {"plain": starts, "children": family}
        for run in range(runs):
            for name, works in subjects.items():
                with Meter(plain.roles) as meter:
                    await works()
                emit(name, "throughput", run=run, **throughput_row(children, meter))
                seconds[name].append(meter.wall)
                cpu[name].append(sum(meter.cpu.values()))
        emit(
            "ratio",
            "a child to a plain start",
            seconds=ratio(seconds["plain"], seconds["children"]),
            cpu=ratio(cpu["plain"], cpu["children"]),
        )
        await updates(client, runs, singles)
    await plain.close()


async def updates(client: Client, runs: int, singles: int) -> None:
    handle = await client.start_workflow(Counter.run, id=uuid4().hex)
    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "signal": lambda: handle.signal(Counter.told, 1),
        "update": lambda: handle.execute_update(Counter.add, 1),
    }
    p50: dict[str, list[float]] = {name: [] for name in calls}
    for run in range(runs):
        for name, call in calls.items():
            took = []
            for _ in range(singles):
                begin = time.perf_counter()
                await call()
                took.append(time.perf_counter() - begin)
            emit(name, "latency", run=run, **latency_row(took))
            p50[name].append(statistics.median(took))
    emit("ratio", "an update to a signal", p50=ratio(p50["signal"], p50["update"]))


if __name__ == "__main__":
    main()
