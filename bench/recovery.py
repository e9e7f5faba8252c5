"""How long work stands still after a failure.

    script/bench recovery                                    all of it, some 25 minutes
    script/bench recovery --only kill,drain --rounds 5

RabbitMQ (quorum queues) and PostgreSQL, two hosts with the settings of production, and a signal to a workflow
of each of the 16 partitions every 50 ms. Measured is the gap between two commits of a partition; what is done
to the processes is in `outages.py`.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import uvloop

from bench.commits import SERVER_SETTINGS, Commits
from bench.meter import calibrate, emit, percentile
from bench.outages import OUTAGES, PARTITIONS, Stage
from bench.steady import Steady, probe_ids
from dalsegno.actors.supervisor.settings import HostSettings
from dalsegno.broker.rabbitmq.address import HEARTBEAT_SECONDS
from dalsegno.cli.namespace import initialise
from tests.servers import PostgresServer, RabbitMQServer
from tests.system.stack import Program

ROUNDS = {"kill": 20, "crash": 10, "drain": 20, "freeze": 6, "broker": 8, "database": 8}
LEASE_TTL_SECONDS = HostSettings().lease_ttl_seconds
TARGET_SECONDS = {
    "kill": LEASE_TTL_SECONDS + 2,
    "drain": 1.0,
    "freeze": 3 * HEARTBEAT_SECONDS + 2.0,
    "broker": 5.0,
    "database": 5.0,
}
PHASE_SECONDS = LEASE_TTL_SECONDS / 4
"""Between two renewals of a lease: outages begin anywhere within, or all would find the lease of one age."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="script/bench recovery", description=__doc__.splitlines()[0])
    parser.add_argument("--only", default=",".join(OUTAGES), help=f"of {','.join(OUTAGES)}")
    parser.add_argument("--rounds", type=int, help="of each, instead of what suits it")
    parser.add_argument("--down", type=float, default=0.0, help="seconds that a server stays away")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    parser.add_argument("--keep-logs", type=Path, help="a folder for what the hosts say")
    options = parser.parse_args()
    wanted = options.only.split(",")
    if unknown := set(wanted) - OUTAGES.keys():
        parser.error(f"--only knows {', '.join(OUTAGES)}, and not {', '.join(sorted(unknown))}")
    rounds = {name: options.rounds or ROUNDS[name] for name in wanted}
    with ExitStack() as stack:
        folder = options.keep_logs or Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="dalsegno-bench-"))
        )
        folder.mkdir(parents=True, exist_ok=True)
        rabbitmq = stack.enter_context(RabbitMQServer())
        postgres = stack.enter_context(PostgresServer(settings=SERVER_SETTINGS))
        initialise(rabbitmq.url, postgres.url, partitions=PARTITIONS)
        where = ["--broker", rabbitmq.url, "--database", postgres.url, "--log-format", "json"]
        hosts = [
            Program(f"host-{number}", ["host", "bench.recovery_app", *where], folder=folder, env={})
            for number in (1, 2)
        ]
        for host in hosts:
            stack.callback(host.kill)
        stage = Stage(rabbitmq, postgres, hosts, Commits(postgres.url, []), options.down)
        uvloop.run(measure(stage, rounds, random.Random(options.seed)))


async def measure(stage: Stage, rounds: dict[str, int], chance: random.Random) -> None:
    for host in stage.hosts:
        await host.start().until_ready()
    for name, count in rounds.items():
        # New workflows for each: commands that were answered within a day make a workflow slower to load.
        probes = probe_ids(name, PARTITIONS)
        stage.commits = Commits(stage.postgres.url, probes)
        steady = Steady(stage.rabbitmq.url, probes)
        await steady.start_probes("Probe")
        signalling = asyncio.create_task(steady.run())
        await stage.until_shared()
        calib_ms, samples = calibrate(), defaultdict[str, list[float]](list)
        loads = []
        for number in range(count):
            stage.commits.forget(time.time() - 60)
            await asyncio.sleep(1 + chance.uniform(0, PHASE_SECONDS))
            loads.append(os.getloadavg()[0])
            of_round = await OUTAGES[name](stage)
            for figure, seconds in of_round.items():
                samples[figure] += seconds
            told = ", ".join(f"{figure} {max(seconds):.2f} s" for figure, seconds in of_round.items())
            print(f"{name} {number + 1}/{count}: {told}", file=sys.stderr, flush=True)
        for figure, seconds in samples.items():
            report(figure, seconds, rounds=count, load=max(loads), calib_ms=calib_ms)
        signalling.cancel()


def report(figure: str, seconds: Sequence[float], *, rounds: int, load: float, calib_ms: float) -> None:
    target = TARGET_SECONDS.get(figure)
    emit(
        "recovery",
        figure,
        rounds=rounds,
        n=len(seconds),
        **{f"p{p}_s": round(percentile(seconds, p), 3) for p in (50, 99)},
        max_s=round(max(seconds), 3),
        **({} if target is None else {"target_s": target, "met": percentile(seconds, 99) <= target}),
        load_max=round(load, 2),
        calib_ms=round(calib_ms, 2),
    )


if __name__ == "__main__":
    main()
