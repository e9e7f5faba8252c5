"""What dalsegno costs when nothing happens: CPU of a host without work, and memory for workflows that sleep.

script/bench idle                                        RabbitMQ, PostgreSQL
script/bench idle --kind embedded                        the embedded broker, SQLite
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import psutil
import uvloop

from bench.meter import Meter, calibrate, emit
from dalsegno import Client
from dalsegno.actors.supervisor.settings import HostSettings
from dalsegno.cli.logs import configure
from tests.servers import PostgresServer, RabbitMQServer
from tests.system.sleepers import LONG, PlainSleeper
from tests.system.stack import Stack

AT_ONCE = 100
WARM_UP = 100
"""Sleepers before the first look at the memory: what the first ones load is loaded once."""
CALM_SECONDS = 12.0
"""After a start, or after work: hosts put idle workflows away after 10 s."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="script/bench idle", description=__doc__.splitlines()[0])
    parser.add_argument("--kind", choices=["servers", "embedded"], default="servers")
    parser.add_argument("--seconds", type=float, default=60.0, help="of idleness")
    parser.add_argument("--sleepers", type=int, default=10_000)
    options = parser.parse_args()
    configure("warning", "auto")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dalsegno-bench-")))
        roles: dict[str, int] = {}
        broker, database = f"embedded://{folder / 'broker.db'}", f"sqlite:///{folder / 'dalsegno.db'}"
        if options.kind == "servers":
            rabbitmq, postgres = stack.enter_context(RabbitMQServer()), stack.enter_context(PostgresServer())
            broker, database = rabbitmq.url, postgres.url
            roles = {"rabbitmq": rabbitmq.pid, "postgres": postgres.pid}
        subject = f"idle {options.kind}"
        if roles:
            idle(subject, "servers alone", roles, options.seconds)
        hosts = stack.enter_context(
            Stack(
                broker=broker,
                database=database,
                folder=folder,
                modules=["tests.system.sleepers"],
                workers=0,
                host_flags=["--lease-ttl", str(HostSettings().lease_ttl_seconds)],
            )
        )
        (host,) = hosts.hosts
        roles["host"] = host.child().pid
        roles["parent"] = host.pid
        idle(subject, "a host and nothing to do", roles, options.seconds)
        uvloop.run(sleep(subject, hosts, host.child(), options.sleepers))
        idle(subject, f"a host and {options.sleepers} sleepers", roles, options.seconds)


def idle(subject: str, figure: str, roles: dict[str, int], seconds: float) -> None:
    """CPU in milliseconds per second, by role. The parent's has its child's in it, until it is taken out."""
    time.sleep(CALM_SECONDS)
    with Meter(roles) as meter:
        time.sleep(seconds)
    cpu = {role: used / meter.wall * 1e3 for role, used in meter.cpu.items()}
    if "parent" in cpu:
        cpu["parent"] -= cpu["host"]
    emit(
        subject,
        figure,
        seconds=round(meter.wall, 1),
        cpu_ms_per_s={role: round(used, 2) for role, used in cpu.items()},
        load_average=round(os.getloadavg()[0], 2),
        calib_ms=round(meter.calibration_ms, 2),
    )


async def sleep(subject: str, stack: Stack, process: psutil.Process, sleepers: int) -> None:
    """Half of them are put to bed, then the other half: the second look shows what grows."""
    async with stack.client() as client:
        await put_to_bed(client, [f"warming-up-{number}" for number in range(WARM_UP)])
        empty = memory(process)
        begin = time.perf_counter()
        names = [f"sleeper-{number}" for number in range(sleepers)]
        await put_to_bed(client, names[: sleepers // 2])
        half = memory(process)
        await put_to_bed(client, names[sleepers // 2 :])
        full = memory(process)
        seconds = time.perf_counter() - begin
    await asyncio.sleep(CALM_SECONDS)
    emit(
        subject,
        f"memory for {sleepers} sleepers",
        before_mb=round(empty, 1),
        half_mb=round(half, 1),
        all_mb=round(full, 1),
        after_idle_mb=round(memory(process), 1),
        started_per_s=round(sleepers / seconds),
        calib_ms=round(calibrate(), 2),
    )


def memory(process: psutil.Process) -> float:
    """What the host process has for itself alone, in MB."""
    size: int = process.memory_full_info().uss
    return size / 1e6


async def put_to_bed(client: Client, names: list[str]) -> None:
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(name: str) -> None:
        async with gate:
            await client.start(PlainSleeper.run, LONG, id=name)

    await asyncio.gather(*(one(name) for name in names))


if __name__ == "__main__":
    main()
