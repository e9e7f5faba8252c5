"""What people's questions cost those who work: cold loads beside lists, histories and queries to ended runs.

    script/bench people                                      PostgreSQL
    script/bench people --database sqlite

All is done as a host does it, in one process: cold loads on the mail's thread, read and decoded, one after
another; questions on the people's thread, down to the encoded answer, without a pause. They take turns with
silence, so that what else the machine does is in both: figures are [in silence, beside questions].

`p50_ms` and so on are by the clock. `cpu_p50_ms` is what this process worked until the load was done, on all of
its threads: what the load itself took, and what of questions came before it or beside it. On a machine that has
other things to do this says more: the difference is the most that people can have delayed a host.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import sqlalchemy as sa
import uvloop

from bench.cold_load import tidy
from bench.histories import HISTORY_LIMIT, Author
from bench.meter import calibrate, emit, percentile
from dalsegno.actors.supervisor.database.store_threads import StoreThreads
from dalsegno.actors.supervisor.outbox.outbox import Outbox
from dalsegno.actors.supervisor.partition.stored import instance_of
from dalsegno.actors.supervisor.people.messages import stored_message
from dalsegno.actors.supervisor.people.other_runs import OtherRuns
from dalsegno.actors.workflow_actor.interface.cause import Cause
from dalsegno.actors.workflow_actor.interface.commands import Caller
from dalsegno.actors.workflow_actor.queries.commands import Query
from dalsegno.broker.protocol import messages as wire
from dalsegno.cli.logs import configure
from dalsegno.cli.namespace import initialise
from dalsegno.persistence import open_database, open_store
from dalsegno.persistence.database import Role
from dalsegno.persistence.port import Loaded
from dalsegno.policies import WorkflowStatus
from tests.servers import PostgresServer
from tests.supervisor.outbox.carrier import Origin, Shell
from tests.supervisor.scripted_world import NoWatch

COLD = 500
"""Workflows that are loaded, ten activations each."""
CALLER = Caller("dalsegno.reply.bench", "call")
HISTORY = "long-history"
LOG = "long-log"
"""A run whose code is brought back with this many inputs."""
INPUTS = 5_000

_RUNS = {
    "postgresql": """
        INSERT INTO runs SELECT 'listed-run-' || n, 'listed-' || n, {type}, 'default', {status},
               1600000000000000 + n, 1600000000000000 + n + 5, NULL, {result}, NULL
        FROM generate_series(1, {count}) AS n""",
    "sqlite": """
        WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {count})
        INSERT INTO runs SELECT 'listed-run-' || n, 'listed-' || n, {type}, 'default', {status},
               1600000000000000 + n, 1600000000000000 + n + 5, NULL, {result}, NULL
        FROM numbers""",
}
_TYPE = "CASE WHEN n % 20000 = 0 THEN 'Rare' WHEN n % 5 = 0 THEN 'Invoice' ELSE 'Order' END"
_STATUS = "CASE WHEN n % 10 = 0 THEN 'failed' ELSE 'completed' END"
_RESULT = {"postgresql": "decode(repeat('ab', 500), 'hex')", "sqlite": "randomblob(500)"}


def main() -> None:
    parser = argparse.ArgumentParser(prog="script/bench people", description=__doc__.splitlines()[0])
    parser.add_argument("--database", choices=["postgresql", "sqlite"], default="postgresql")
    parser.add_argument("--runs", type=int, default=120_000)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--loads", type=int, default=200, help="in each turn, with questions and without")
    options = parser.parse_args()
    configure("warning", "auto")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dalsegno-bench-")))
        url = f"sqlite:///{folder / 'dalsegno.db'}"
        if options.database == "postgresql":
            url = stack.enter_context(PostgresServer()).url
        initialise(f"embedded://{folder / 'broker.db'}", url, partitions=16)
        fill(url, options.database, options.runs)
        uvloop.run(measure(options.database, url, options.turns, options.loads))


def fill(url: str, kind: str, count: int) -> None:
    store = open_store(url)
    author = Author(store)
    for number in range(COLD):
        author.write(f"cold-{number}", before=5, since=5)
    author.write(HISTORY, before=10_000, since=0)
    author.write(LOG, before=5, since=INPUTS)
    author.leave()
    store.close()
    with open_database(url).engine(Role.SCHEMA).begin() as connection:
        statement = _RUNS[kind].format(type=_TYPE, status=_STATUS, result=_RESULT[kind], count=count)
        connection.execute(sa.text(statement))
    tidy(url)


async def measure(kind: str, url: str, turns: int, loads: int) -> None:
    store = open_store(url)
    author = Author(store)
    threads = StoreThreads(store, lambda error: print(f"escaped: {error!r}"))
    names = iter(_endless([f"cold-{number}" for number in range(COLD)]))
    questions = {
        "list by type": partial(pages, threads, wire.ListWorkflows(workflow_type="Order", limit=1000)),
        "list of a rare type": partial(pages, threads, wire.ListWorkflows(workflow_type="Rare")),
        "list by status": partial(pages, threads, wire.ListWorkflows(status=WorkflowStatus.FAILED, limit=1000)),
        "history of 10,000": partial(pages, threads, wire.GetHistory(workflow_id=HISTORY, limit=1000)),
        f"query, {INPUTS:,} inputs": partial(query, threads, author),
    }
    for name, ask in questions.items():
        quiet: list[tuple[float, float]] = []
        beside: list[tuple[float, float]] = []
        answered = 0
        for _ in range(turns):
            quiet += [await cold_load(threads, author, next(names)) for _ in range(loads)]
            async with asked(ask) as count:
                beside += [await cold_load(threads, author, next(names)) for _ in range(loads)]
                answered += count()
        emit(
            f"people {kind}",
            name,
            answers=answered,
            loads=len(quiet),
            calib_ms=round(calibrate(), 2),
            **{
                f"{unit}p{p}_ms": [_milliseconds(found, at, p) for found in (quiet, beside)]
                for at, unit in enumerate(("", "cpu_"))
                for p in (50, 90, 99)
            },
        )
    threads.close()
    store.close()


def _milliseconds(found: list[tuple[float, float]], at: int, p: float) -> float:
    return round(percentile([one[at] for one in found], p) * 1e3, 2)


def _endless(names: list[str]) -> Iterator[str]:
    while True:
        yield from names


async def cold_load(threads: StoreThreads, author: Author, workflow_id: str) -> tuple[float, float]:
    """Seconds from the loop's wish until the instance is there: by the clock, and of this process's work."""
    loop = asyncio.get_running_loop()
    there: asyncio.Future[None] = loop.create_future()
    begin, cpu_begin = time.perf_counter(), time.process_time()

    def done(found: list[Loaded]) -> None:
        (loaded,) = found
        assert loaded.instance is not None
        instance_of(loaded.instance, author.code, history_limit=HISTORY_LIMIT)
        there.set_result(None)

    threads.mail.read_each(
        lambda reader, keys: reader.load(keys),
        [workflow_id],
        done,
        lambda _, error: there.set_exception(error),
        what="load",
    )
    await there
    return time.perf_counter() - begin, time.process_time() - cpu_begin


@asynccontextmanager
async def asked(ask: Callable[[], AsyncIterator[None]]) -> AsyncIterator[Callable[[], int]]:
    """Somebody asks again and again meanwhile."""
    answers = 0

    async def go_on() -> None:
        nonlocal answers
        while True:
            async for _ in ask():
                answers += 1

    task = asyncio.ensure_future(go_on())
    yield lambda: answers
    if task.done():
        task.result()  # a question that fails is not asked again, and there would be nothing to measure
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def pages(threads: StoreThreads, question: wire.ListWorkflows | wire.GetHistory) -> AsyncIterator[None]:
    """All pages of a list or history."""
    while True:
        message = await threads.people.fetch(partial(stored_message, question=question, caller=CALLER))
        yield
        cursor = _cursor(message.body)
        if cursor is None:
            return
        if isinstance(question, wire.ListWorkflows):
            question = wire.ListWorkflows(
                workflow_type=question.workflow_type,
                status=question.status,
                limit=question.limit,
                before=cursor,
            )
        else:
            question = wire.GetHistory(
                workflow_id=question.workflow_id, limit=question.limit, after=int(cursor)
            )


def _cursor(body: bytes) -> str | None:
    """Where to go on. Its reader would be another process: decoding it here would count as a host's work."""
    _, found, rest = body.rpartition(b"\x66cursor")
    if not found:
        assert b"error" not in body[:20], body
        return None
    size, at = (rest[1], 2) if rest[0] == 0x78 else (rest[0] - 0x60, 1)
    return rest[at : at + size].decode()


async def query(threads: StoreThreads, author: Author) -> AsyncIterator[None]:
    """To the code of a run that is not its workflow's current one."""
    loop = asyncio.get_running_loop()
    shell = Shell()
    outbox = Outbox(shell, shell)
    outbox.publisher_opened()
    other_runs = OtherRuns(
        outbox,
        threads.people,
        author.code,
        HISTORY_LIMIT,
        watch=NoWatch(),
        call_later=loop.call_later,
        monotonic=time.monotonic,
    )
    question = Query(name="counted", run_id=f"run-of-{LOG}", caller=CALLER)
    goes_on: list[Cause] = []
    other_runs.answer(LOG, Cause(question, name="query", origin=Origin(), message_id="m"), goes_on.append)
    async with asyncio.timeout(60):
        while not shell.published:  # noqa: ASYNC110 - a double that writes down what it is given
            await asyncio.sleep(0.001)
    yield


if __name__ == "__main__":
    main()
