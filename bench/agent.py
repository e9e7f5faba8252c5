"""An agent's talk that grows to 200,000 tokens over 1,000 calls of a model: what is stored, what travels, and
whether a call takes longer at its end.

    script/bench agent                                        RabbitMQ, PostgreSQL
    script/bench agent --broker embedded --database sqlite    the embedded default

Stored is all that is kept of the run when the last call is over: its snapshot, the rows of the journal behind
it, and the pieces in the payload store. What of the journal is kept for people alone (`--history-limit`) is
not.
Of RabbitMQ all messages are looked at (the broker's own trace), in a talk of its own. `--reads-all`: the model
reads all of the talk at each call, as a real one does, and not its end alone.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from itertools import pairwise
from pathlib import Path
from uuid import uuid4

import aio_pika
import sqlalchemy as sa
import uvloop

from bench.agent_app import CALLS_BETWEEN_MARKS, Talk, TalkingAgent
from bench.meter import emit
from bench.w3 import engine_on
from dalsegno import Client, DataConverter, FolderPayloadStore, WorkflowHandle
from dalsegno.persistence import open_database, tables
from dalsegno.persistence.database import OwnedConnection, Role
from tests.servers import PostgresServer, RabbitMQServer

POLL_SECONDS = 0.5


def main() -> None:
    parser = argparse.ArgumentParser(prog="script/bench agent", description=__doc__.splitlines()[0])
    parser.add_argument("--broker", choices=["rabbitmq", "embedded"], default="rabbitmq")
    parser.add_argument("--database", choices=["postgres", "sqlite"], default="postgres")
    parser.add_argument("--calls", type=int, default=1_000)
    parser.add_argument("--reads-all", action="store_true", help="the model reads all of the talk at each call")
    parser.add_argument(
        "--history-limit", type=int, default=0, help="journal rows kept for people; hosts: 10,000"
    )
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dalsegno-bench-")))
        store = folder / "payloads"
        broker, database = f"embedded://{folder / 'broker.db'}", f"sqlite:///{folder / 'engine.db'}"
        rabbitmq: RabbitMQServer | None = None
        if options.broker == "rabbitmq":
            rabbitmq = stack.enter_context(RabbitMQServer())
            broker = rabbitmq.url
        if options.database == "postgres":
            database = stack.enter_context(PostgresServer()).url
        os.environ["DALSEGNO_BENCH_STORE"] = str(store)
        env = {"DALSEGNO_BENCH_STORE": str(store), "DALSEGNO_DATA_CONVERTER": "bench.agent_app:converter"}
        app = "bench.agent_app"
        flags = ["--history-limit", str(options.history_limit)]
        engine = engine_on(
            broker, database, {}, "TalkingAgent", app, worker_module=app, host_flags=flags, env=env
        )
        stack.enter_context(engine)
        converter = DataConverter(payload_store=FolderPayloadStore(store))
        talk = Talk(options.calls, options.reads_all)
        uvloop.run(measure(broker, database, store, converter, talk))
        if rabbitmq is not None:
            rabbitmq.control("trace_on")
            uvloop.run(look_at_messages(broker, converter, talk))


async def measure(broker: str, database: str, store: Path, converter: DataConverter, talk: Talk) -> None:
    async with Client.connect(broker, data_converter=converter) as client:
        handle, marks, size = await talked(client, talk)
        in_rows, in_store = stored_in_rows(database, handle.run_id or ""), stored_in_folder(store)
        spans = [(late - early) * 1000 for early, late in pairwise(marks)]
        per_call = [span / CALLS_BETWEEN_MARKS for span in spans]
        edge = max(1, len(per_call) // 4)
        emit(
            "agent",
            "talk",
            calls=talk.calls,
            talk_bytes=size,
            row_bytes=in_rows,
            store_bytes=in_store,
            stored_to_talk=round((in_rows + in_store) / size, 3),
            call_ms=round(statistics.median(per_call), 2),
            last_to_first_quarter=round(
                statistics.median(per_call[-edge:]) / statistics.median(per_call[:edge]), 2
            ),
        )
        await handle.signal(TalkingAgent.end)
        await handle.result()


async def talked(client: Client, talk: Talk) -> tuple[WorkflowHandle[None], list[float], int]:
    begun = time.time()
    handle = await client.start_workflow(TalkingAgent.run, talk, id=uuid4().hex)
    while True:
        made, marks, size = await handle.query(TalkingAgent.progress)
        if made >= talk.calls:
            return handle, [begun, *marks], size
        await asyncio.sleep(POLL_SECONDS)


def stored_in_rows(url: str, run_id: str) -> int:
    owned = OwnedConnection(open_database(url), Role.AUDITOR)
    try:
        with owned.transaction() as connection:
            return sum(
                int(
                    connection.execute(
                        sa.select(sa.func.coalesce(sa.func.sum(sa.func.length(column)), 0)).where(
                            column.table.c.run_id == run_id
                        )
                    ).scalar_one()
                )
                for column in (tables.journal.c.events, tables.snapshots.c.body)
            )
    finally:
        owned.close()


def stored_in_folder(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


async def look_at_messages(broker: str, converter: DataConverter, talk: Talk) -> None:
    async with traced(broker) as sizes, Client.connect(broker, data_converter=converter) as client:
        handle, _, _ = await talked(client, talk)
        await handle.signal(TalkingAgent.end)
        await handle.result()
    emit("agent", "messages", count=len(sizes), largest_bytes=max(sizes), total_bytes=sum(sizes))


@asynccontextmanager
async def traced(broker: str) -> AsyncIterator[list[int]]:
    """The sizes of all messages that are published meanwhile."""
    sizes: list[int] = []
    connection = await aio_pika.connect(broker)
    async with connection:
        channel = await connection.channel()
        queue = await channel.declare_queue(exclusive=True)
        await queue.bind("amq.rabbitmq.trace", "publish.#")

        async def seen(message: aio_pika.abc.AbstractIncomingMessage) -> None:
            sizes.append(len(message.body))

        await queue.consume(seen, no_ack=True)
        yield sizes


if __name__ == "__main__":
    main()
