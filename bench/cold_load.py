"""What it takes to bring back a workflow that is not in memory, by the length of its past.

    script/bench cold_load                                   PostgreSQL, RabbitMQ
    script/bench cold_load --kind embedded                   SQLite, the embedded broker
    script/bench cold_load --before 10,10000                 without the minute that a million takes to write

Measured are (`load`) the three steps of a host in this process: read from the database, decode, run the code
again up to where it waits; and (`wake`) a query from outside to a host that has put the workflow away.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import uvloop

from bench.cold_load_app import Storied
from bench.histories import HISTORY_LIMIT, Author
from bench.meter import calibrate, emit, percentile
from dalsegno import Client
from dalsegno.actors.supervisor.partition.stored import instance_of
from dalsegno.cli.logs import configure
from dalsegno.cli.namespace import initialise
from dalsegno.persistence import open_store
from dalsegno.persistence.reader_port import Reader
from tests.servers import PostgresServer, RabbitMQServer
from tests.system.stack import Stack, until

CROWD = 5_000
"""Other workflows, ten activations each: with a handful of large ones alone, PostgreSQL would rather read whole
tables than an index."""
PATIENCE_SECONDS = 20.0
"""What is slow is done less often, but three times."""
IDLE_SECONDS = 0.5
TARGET_MS = 10.0


@dataclass(frozen=True)
class Past:
    """Activations before the last sign, and since."""

    before: int
    since: int

    @property
    def workflow_id(self) -> str:
        return f"{self.before}-before-{self.since}-since"


def main() -> None:
    parser = argparse.ArgumentParser(prog="script/bench cold_load", description=__doc__.splitlines()[0])
    parser.add_argument("--kind", choices=["servers", "embedded"], default="servers")
    parser.add_argument("--before", default="10,10000,1000000", help="activations before the last sign")
    parser.add_argument("--since", default="10,1000,10000", help="activations since it, after 10 before")
    parser.add_argument("--loads", type=int, default=50)
    parser.add_argument("--wakes", type=int, default=20)
    options = parser.parse_args()
    pasts = [Past(int(number), 0) for number in options.before.split(",") if number]
    pasts += [Past(10, int(number)) for number in options.since.split(",") if number]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dalsegno-bench-")))
        broker, database = stack.enter_context(servers(options.kind, folder))
        configure("warning", "auto")
        initialise(broker, database, partitions=16)
        measure(f"cold_load {options.kind}", broker, database, folder, pasts, options.loads, options.wakes)


@contextmanager
def servers(kind: str, folder: Path) -> Iterator[tuple[str, str]]:
    """The URLs of a broker and a database."""
    if kind == "embedded":
        yield f"embedded://{folder / 'broker.db'}", f"sqlite:///{folder / 'dalsegno.db'}"
        return
    with RabbitMQServer() as rabbitmq, PostgresServer() as postgres:
        yield rabbitmq.url, postgres.url


def measure(
    subject: str, broker: str, database: str, folder: Path, pasts: Sequence[Past], loads: int, wakes: int
) -> None:
    store = open_store(database)
    author = Author(store)
    for number in range(CROWD):
        author.write(f"one-of-many-{number}", before=5, since=5)
    beats: dict[Past, int] = {}
    for past in pasts:
        begin = time.perf_counter()
        beats[past] = author.write(past.workflow_id, before=past.before, since=past.since)
        seconds = time.perf_counter() - begin
        emit(subject, "written", before=past.before, since=past.since, seconds=round(seconds, 1))
    author.leave()
    reader = store.reader()
    for answered in ("within a day", "earlier"):
        if answered == "earlier":
            author.trim_seen()
        tidy(database)
        for past in pasts:
            load(subject, reader, author, past, answered, loads)
        with Stack(
            broker=broker,
            database=database,
            folder=folder,
            modules=["bench.cold_load_app"],
            workers=0,
            host_flags=["--idle-seconds", str(IDLE_SECONDS), "--log-level", "debug"],
        ) as stack:
            uvloop.run(wake(subject, stack, beats, answered, wakes))
    store.close()


def tidy(database: str) -> None:
    """What autovacuum does within a minute of so much writing."""
    if database.startswith("postgresql"):
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute("vacuum analyze")


def load(subject: str, reader: Reader, author: Author, past: Past, answered: str, times: int) -> None:
    """`answered`: when the commands were. For a day their IDs are known, and read with the workflow."""
    steps: list[tuple[float, float, float]] = []
    cpu: list[float] = []
    end = time.monotonic() + PATIENCE_SECONDS
    while len(steps) <= times and (len(steps) <= 3 or time.monotonic() < end):
        cpu_begin, begin = time.process_time(), time.perf_counter()
        (loaded,) = reader.load([past.workflow_id])
        read = time.perf_counter()
        assert loaded.instance is not None
        instance = instance_of(loaded.instance, author.code, history_limit=HISTORY_LIMIT)
        decoded = time.perf_counter()
        for _ in instance.rebuild():
            continue
        steps.append((read - begin, decoded - read, time.perf_counter() - decoded))
        cpu.append(time.process_time() - cpu_begin)
        assert instance.has_program
    del cpu[0], steps[0]  # the reader prepares its statements
    totals = [sum(step) * 1e3 for step in steps]
    emit(
        subject,
        "load",
        before=past.before,
        since=past.since,
        commands_answered=answered,
        seen_rows=len(loaded.seen),
        n=len(steps),
        **{
            f"{name}_p50_ms": round(percentile([step[at] for step in steps], 50) * 1e3, 2)
            for at, name in enumerate(("read", "decode", "replay"))
        },
        best_ms=round(min(totals), 2),
        **{f"p{p}_ms": round(percentile(totals, p), 2) for p in (50, 99)},
        cpu_p50_ms=round(percentile(cpu, 50) * 1e3, 2),
        **({"target_ms": TARGET_MS, "met": percentile(totals, 99) <= TARGET_MS} if not past.since else {}),
        load_average=round(os.getloadavg()[0], 2),
        calib_ms=round(calibrate(), 2),
    )


async def wake(subject: str, stack: Stack, beats: Mapping[Past, int], answered: str, times: int) -> None:
    """A query to a workflow that is put away, and one to the same workflow right after it."""
    async with stack.client() as client:
        for past, expected in beats.items():
            cold: list[float] = []
            warm: list[float] = []
            await query(client, past, expected)
            end = time.monotonic() + PATIENCE_SECONDS
            while len(cold) < times and (len(cold) < 3 or time.monotonic() < end):
                before = stack.times_put_away(past.workflow_id)
                await until(
                    lambda p=past, b=before: stack.times_put_away(p.workflow_id) > b,  # type: ignore[misc]
                    f"{past.workflow_id} is put away",
                )
                cold.append(await query(client, past, expected))
                warm.append(await query(client, past, expected))
            emit(
                subject,
                "wake",
                before=past.before,
                since=past.since,
                commands_answered=answered,
                n=len(cold),
                cold_best_ms=round(min(cold), 2),
                **{f"cold_p{p}_ms": round(percentile(cold, p), 2) for p in (50, 99)},
                warm_best_ms=round(min(warm), 2),
                warm_p50_ms=round(percentile(warm, 50), 2),
                load_average=round(os.getloadavg()[0], 2),
            )


async def query(client: Client, past: Past, expected: int) -> float:
    """Milliseconds."""
    begin = time.perf_counter()
    counted = await client.get_workflow_handle(past.workflow_id).query(Storied.counted)
    taken = (time.perf_counter() - begin) * 1e3
    assert counted == expected, f"{counted} signals were counted, {expected} were sent"
    return taken


if __name__ == "__main__":
    main()
