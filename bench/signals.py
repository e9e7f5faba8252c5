"""Signals into one workflow, at a fixed pace: whether they are applied as fast as they come.

    script/bench signals                                     RabbitMQ, PostgreSQL
    script/bench signals --kind embedded                     the embedded broker, SQLite

`behind` is how many of those sent are not applied yet, looked at once a second. If it grows with the number of
those that were applied before, something asks for the past of each.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

import uvloop

from bench.cold_load import servers
from bench.cold_load_app import Storied, Tally
from bench.meter import calibrate, emit
from dalsegno import Client
from dalsegno.broker import topology
from dalsegno.broker.port import Outcome, Outgoing
from dalsegno.broker.protocol import messages as wire
from dalsegno.broker.protocol.codec import encode
from dalsegno.broker.url import open_broker
from dalsegno.cli.logs import configure
from dalsegno.payload import JSON_PLAIN, Payload
from tests.system.stack import Stack

WORKFLOW_ID = "signalled"
BATCHES_PER_SECOND = 50


def main() -> None:
    parser = argparse.ArgumentParser(prog="script/bench signals", description=__doc__.splitlines()[0])
    parser.add_argument("--kind", choices=["servers", "embedded"], default="servers")
    parser.add_argument("--signals", type=int, default=30_000)
    parser.add_argument("--pace", type=int, default=1_000, help="a second")
    options = parser.parse_args()
    configure("warning", "auto")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dalsegno-bench-")))
        broker, database = stack.enter_context(servers(options.kind, folder))
        hosts = Stack(
            broker=broker, database=database, folder=folder, modules=["bench.cold_load_app"], workers=0
        )
        stack.enter_context(hosts)
        uvloop.run(measure(f"signals {options.kind}", hosts, broker, options.signals, options.pace))


async def measure(subject: str, stack: Stack, broker: str, signals: int, pace: int) -> None:
    behind: list[int] = []
    async with stack.client() as client:
        await client.start_workflow(Storied.run, Tally(), id=WORKFLOW_ID)
        begin = time.perf_counter()
        sending = asyncio.create_task(send(broker, signals, pace))
        counted = 0
        while counted < signals:
            await asyncio.sleep(1.0)
            sent = (
                sending.result() if sending.done() else min(signals, int((time.perf_counter() - begin) * pace))
            )
            counted = await count(client)
            behind.append(max(sent - counted, 0))
        seconds = time.perf_counter() - begin
        await sending
    emit(
        subject,
        "applied",
        signals=signals,
        pace=pace,
        seconds=round(seconds, 1),
        a_second=round(signals / seconds),
        behind=behind,
        load_average=round(os.getloadavg()[0], 2),
        calib_ms=round(calibrate(), 2),
    )


async def count(client: Client) -> int:
    """How many were applied."""
    counted: int = await client.get_workflow_handle(WORKFLOW_ID).query(Storied.counted)
    return counted


async def send(url: str, signals: int, pace: int) -> int:
    """By a bare client of the wire protocol, which wants no answers."""
    session = await open_broker(url).connect(on_closed=lambda _: None, name="bench")
    publisher = await session.open_publisher(on_closed=lambda _: None)
    confirmed: asyncio.Queue[Outcome] = asyncio.Queue()
    begin, sent = time.perf_counter(), 0
    while sent < signals:
        due = min(signals, int((time.perf_counter() - begin) * pace))
        publisher.publish([beat(confirmed) for _ in range(due - sent)])
        sent = due
        await asyncio.sleep(1 / BATCHES_PER_SECOND)
    for _ in range(signals):
        outcome = await confirmed.get()
        assert outcome is Outcome.CONFIRMED, f"a signal was {outcome.value}"
    await session.close()
    return signals


def beat(confirmed: asyncio.Queue[Outcome]) -> Outgoing:
    body = wire.SignalWorkflow(workflow_id=WORKFLOW_ID, name="beat", args=(Payload(JSON_PLAIN, b"false"),))
    message = encode(body, message_id=uuid4().hex)
    to = topology.routing_key_of(WORKFLOW_ID)
    return Outgoing(topology.COMMANDS_EXCHANGE, to, message, confirmed.put_nowait)


if __name__ == "__main__":
    main()
