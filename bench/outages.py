"""What is done to hosts and servers, and how long their partitions then stand still.

Every function is one round of an outage. It leaves the stage as it found it (two hosts with half of the
partitions each), and answers with samples by figure, in seconds: one for each partition that it happened to.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass

from bench.commits import Commits
from tests.servers import PostgresServer, RabbitMQServer
from tests.system.stack import Program

PARTITIONS = 16
LOOK_SECONDS = 0.2
SETTLE_SECONDS = 1.0
"""How long commits are watched beyond the first, for a second gap behind it."""
PATIENCE_SECONDS = 120.0

Samples = Mapping[str, list[float]]


@dataclass
class Stage:
    """What the outages happen to. `turn` chooses the host that suffers; a server that is restarted stays away
    for `down_seconds` longer than it takes."""

    rabbitmq: RabbitMQServer
    postgres: PostgresServer
    hosts: list[Program]
    commits: Commits
    down_seconds: float = 0.0
    turn: int = 0

    def victim_and_heir(self) -> tuple[Program, Program]:
        self.turn += 1
        first, second = self.hosts
        return (first, second) if self.turn % 2 else (second, first)

    async def until(self, state: Callable[[], bool], what: str) -> None:
        """Look at the commits until they show `state`; TimeoutError naming `what`."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        self.commits.read()
        while not state():
            if time.monotonic() > deadline:
                raise TimeoutError(f"within {PATIENCE_SECONDS:g} s it did not happen that {what}")
            await asyncio.sleep(LOOK_SECONDS)
            self.commits.read()

    async def settle(self) -> None:
        """Go on watching for a moment."""
        await asyncio.sleep(SETTLE_SECONDS)
        self.commits.read()

    def partitions_of(self, host: str) -> list[int]:
        return [partition for partition, owner in self.commits.owners().items() if owner == host]

    async def until_shared(self) -> None:
        """Until both hosts own half, and commits come in from all partitions."""
        half = PARTITIONS // 2
        await self.until(lambda: sorted(self.commits.owned().values()) == [half, half], "both hosts own half")
        begin = time.time()
        await self.until_committed(range(PARTITIONS), begin)

    async def until_committed(self, partitions: Iterable[int], since: float, *, not_by: str = "") -> None:
        """Until each of the partitions has committed after `since`, and by another than `not_by`."""
        wanted = list(partitions)

        def have_committed() -> bool:
            return all(
                self.commits.seen(partition, lambda commit: commit.at > since and commit.host != not_by)
                for partition in wanted
            )

        await self.until(have_committed, "all partitions commit again")

    async def gaps(self, partitions: Iterable[int], since: float, *, not_by: str = "") -> list[float]:
        """When each has gone on: the longest pause between two commits of each."""
        wanted = list(partitions)
        await self.until_committed(wanted, since, not_by=not_by)
        await self.settle()
        return [self.commits.longest_gap(partition, since) for partition in wanted]


async def kill(stage: Stage) -> Samples:
    """SIGKILL of a host and its parent, as if its machine were gone. Then it comes back, under a new ID."""
    victim, heir = stage.victim_and_heir()
    old_id = victim.host_id
    lost, kept = stage.partitions_of(old_id), stage.partitions_of(heir.host_id)
    begin = time.time()
    victim.kill()
    gaps = await stage.gaps(lost, begin, not_by=old_id)
    others = [stage.commits.longest_gap(partition, begin) for partition in kept]
    return {"kill": gaps, "kill_others": others, **await join(stage, victim)}


async def crash(stage: Stage) -> Samples:
    """SIGKILL of the host process alone: its parent lives, gives its partitions up and starts it again."""
    victim, _ = stage.victim_and_heir()
    old_id = victim.host_id
    lost = stage.partitions_of(old_id)
    begin = time.time()
    victim.kill_child()
    gaps = await stage.gaps(lost, begin, not_by=old_id)
    await victim.until_ready()
    await stage.until_shared()
    # A parent restarts its child later and later: a new one for each round has no grudge.
    victim.terminate()
    await victim.until_ended()
    await join(stage, victim)
    return {"crash": gaps}


async def drain(stage: Stage) -> Samples:
    """SIGTERM: the host hands everything over and leaves; then it joins again."""
    victim, _ = stage.victim_and_heir()
    old_id = victim.host_id
    lost = stage.partitions_of(old_id)
    begin = time.time()
    victim.terminate()
    gaps = await stage.gaps(lost, begin, not_by=old_id)
    exit_code = await victim.until_ended()
    assert exit_code == 0, f"the host was asked to stop and ended with {exit_code}"
    return {"drain": gaps, **await join(stage, victim)}


async def join(stage: Stage, host: Program) -> Samples:
    """A host starts and is given half of the partitions by the one that has them all."""
    begin = time.time()
    await host.start().until_ready()
    await stage.until_shared()
    gaps = await stage.gaps(stage.partitions_of(host.host_id), begin)
    return {"join": gaps}


async def freeze(stage: Stage) -> Samples:
    """SIGSTOP of a host and its parent until the other works for all partitions; then it is let go on."""
    victim, _ = stage.victim_and_heir()
    old_id = victim.host_id
    lost = stage.partitions_of(old_id)
    begin = time.time()
    victim.freeze()
    try:
        gaps = await stage.gaps(lost, begin, not_by=old_id)
    finally:
        victim.thaw()
    # It has joined under an ID that its log's line of the start does not have.
    await stage.until_shared()
    victim.terminate()
    await victim.until_ended()
    await join(stage, victim)
    return {"freeze": gaps}


async def broker(stage: Stage) -> Samples:
    """RabbitMQ is stopped in good order and started again."""
    return await _restarted(stage, "broker", stage.rabbitmq.port, stage.rabbitmq.stop, stage.rabbitmq.start)


async def database(stage: Stage) -> Samples:
    """PostgreSQL is stopped (fast shutdown) and started again."""
    return await _restarted(stage, "database", stage.postgres.port, stage.postgres.stop, stage.postgres.start)


async def _restarted(
    stage: Stage, name: str, port: int, stop: Callable[[], None], start: Callable[[], None]
) -> Samples:
    begin = time.time()
    await asyncio.to_thread(stop)
    await asyncio.sleep(stage.down_seconds)
    starting = asyncio.create_task(asyncio.to_thread(start))
    opened_at = await _open(port)
    everything = range(PARTITIONS)
    await stage.until_committed(everything, opened_at)
    await starting
    firsts = [stage.commits.first_after(partition, opened_at) - opened_at for partition in everything]
    await stage.until_shared()
    await stage.settle()
    return {name: firsts, f"{name}_gap": [stage.commits.longest_gap(p, begin) for p in everything]}


async def _open(port: int) -> float:
    """When the port takes connections again."""
    while True:
        with socket.socket() as probe:
            probe.settimeout(0.5)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return time.time()
        await asyncio.sleep(0.005)


OUTAGES: Mapping[str, Callable[[Stage], Awaitable[Samples]]] = {
    "kill": kill,
    "crash": crash,
    "drain": drain,
    "freeze": freeze,
    "broker": broker,
    "database": database,
}
