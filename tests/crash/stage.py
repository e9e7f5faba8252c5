"""A namespace with its processes, on which one after the other is killed at a point.

Processes stay between kills: who came up after one kill is armed for the next.
"""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, ExitStack, closing
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import uuid4

from dalsegno import Client
from dalsegno.actors.supervisor.host_id import new_host_id
from dalsegno.broker.embedded import EmbeddedServer
from dalsegno.broker.topology import DEFAULT_PARTITIONS
from dalsegno.broker.url import open_broker
from dalsegno.cli.options import embedded_file, is_embedded
from dalsegno.client.timings import ClientTimings
from dalsegno.persistence import open_store
from tests.crash import checks, programs
from tests.crash.crossing import Page
from tests.crash.ledger import Ledger
from tests.crash.point import Need, Role
from tests.crash.post import Post
from tests.crash.processes import Life, Nursery
from tests.crash.recorder import Recorder
from tests.crash.scene import Kill, Scene
from tests.system.audit import audit
from tests.system.load import owners
from tests.system.stack import CLIENT_SECONDS, Stack, until

MODULE = programs.__name__
HOST_FLAGS = ["--lease-ttl", "2", "--idle-seconds", "0.2", "--history-limit", "3"]
"""Leases run out soon, workflows leave memory soon, journals are trimmed at once."""
QUIET_SECONDS = 20.0
"""For all queues to be empty once everything has ended."""
IMPATIENT = ClientTimings(ask_again=1.0)
"""Hosts know in memory alone who waits for a result: whoever waits asks the next one sooner than in 20 s."""


class Stage:
    """A context manager, to be entered and left where no event loop runs. `hosts` run at a time."""

    def __init__(self, *, broker: str, database: str, folder: Path, hosts: int = 1) -> None:
        self.broker = broker
        self.database = database
        self.folder = folder
        self.kills = 0
        self._host_count = hosts
        self.ledger = Ledger(folder / "ledger.db")
        self.recorder = Recorder(folder / "record.jsonl")
        env = {
            programs.LEDGER_VARIABLE: str(folder / "ledger.db"),
            programs.RECORD_VARIABLE: str(folder / "record.jsonl"),
        }
        self.nursery = Nursery(folder, env)
        self.hosts: list[Life] = []
        self._worker: Life | None = None
        self._ending = ExitStack()

    def __enter__(self) -> Self:
        self.ledger.create()
        with ExitStack() as ending:
            stack = Stack(
                broker=self.broker, database=self.database, folder=self.folder, modules=[], hosts=0, workers=0
            )
            ending.enter_context(stack)
            ending.enter_context(self.nursery)
            self.hosts = [self._new_host() for _ in range(self._host_count)]
            self._worker = self._new_worker()
            asyncio.run(self._until_ready())
            self._ending = ending.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.close()

    async def _until_ready(self) -> None:
        for life in (*self.hosts, self.worker):
            await _ready(life)

    # --- processes --------------------------------------------------------------------------------------------

    @property
    def worker(self) -> Life:
        assert self._worker is not None
        return self._worker

    def _new_host(self, *, arm: Callable[[Page], None] = lambda _: None) -> Life:
        return self.nursery.start("host", self._host_arguments(), host_id=new_host_id(), arm=arm)

    def _new_parent(self) -> Life:
        return self.nursery.start("parent", self._host_arguments())

    def _host_arguments(self) -> list[str]:
        where = ["--broker", self.broker, "--database", self.database, "--log-format", "json"]
        return ["host", MODULE, *where, *HOST_FLAGS]

    def _new_worker(self) -> Life:
        return self.nursery.start("worker", ["worker", MODULE, "--broker", self.broker, "--log-format", "json"])

    async def _tidy_up(self, host_id: str) -> None:
        """As the parent of a dead host does."""

        def expire() -> None:
            with closing(open_store(self.database)) as store:
                store.membership().expire(host_id)

        await asyncio.to_thread(expire)

    # --- one kill ---------------------------------------------------------------------------------------------

    async def kill(self, kill: Kill, chance: random.Random) -> list[str]:
        """What was wrong afterwards, one sentence each. NeverPassedError when nobody died."""
        self.kills += 1
        since = time.time_ns() // 1000
        async with AsyncExitStack() as ending:
            broker = open_broker(self.broker)
            client = await ending.enter_async_context(Client(broker, timeout=CLIENT_SECONDS, timings=IMPATIENT))
            post = await ending.enter_async_context(Post(open_broker(self.broker)))
            scene = Scene(kill, f"k{self.kills}", client, post, ledger=self.ledger, recorder=self.recorder)
            await ending.enter_async_context(scene)
            match kill.point.role:
                case Role.HOST if kill.supervised:
                    await self._kill_supervised(scene)
                case Role.HOST:
                    await self._kill_host(scene, chance)
                case Role.WORKER:
                    await self._kill_worker(scene)
                case Role.CLIENT:
                    await self._kill_client(scene)
            await scene.until_played()
            return await self._checked(scene, post, since)

    async def _kill_host(self, scene: Scene, chance: random.Random) -> None:
        kill, need = scene.kill, scene.kill.point.need
        victim = chance.choice(self.hosts)
        await _ready(victim)
        if need is Need.TAKE_OVER:
            scene.begin()
            await scene.until_under_way()
            await self._lose_all_hosts()
            victim = self._new_host(arm=scene.arm)
            self.hosts.append(victim)
        else:
            await self._until_owner(victim, scene.client)
            if need is Need.STOP:
                scene.begin()
                await scene.until_under_way()
                scene.arm(victim.page)
                victim.send(signal.SIGTERM)
            else:
                scene.arm(victim.page)
                scene.begin()
        await scene.until_dead(victim)
        self.hosts.remove(victim)
        if kill.tidied:
            await self._tidy_up(victim.host_id)
        self._complete_hosts()

    def _complete_hosts(self) -> None:
        self.hosts += [self._new_host() for _ in range(self._host_count - len(self.hosts))]

    async def _lose_all_hosts(self) -> None:
        for host in self.hosts:
            host.send(signal.SIGKILL)
        for host in self.hosts:
            await _ended(host)
            await self._tidy_up(host.host_id)
        self.hosts = []

    async def _until_owner(self, host: Life, client: Client) -> None:
        """With several hosts: until it has its share of the partitions, so that it gets some of the work."""

        async def owns() -> bool:
            return (await owners(client))[host.host_id] >= DEFAULT_PARTITIONS // len(self.hosts)

        if len(self.hosts) > 1:
            await until(owns, f"{host.name} has its share of the partitions", seconds=30)

    async def _kill_supervised(self, scene: Scene) -> None:
        """A parent takes the place of all hosts, for this kill."""
        await self._lose_all_hosts()
        parent = self._new_parent()
        await _ready(parent)
        scene.arm(parent.page)
        scene.begin()
        await scene.until_dead(parent, child_only=True)
        await scene.until_played()
        parent.send(signal.SIGTERM)
        await _ended(parent)
        self._complete_hosts()
        for host in self.hosts:
            await _ready(host)

    async def _kill_worker(self, scene: Scene) -> None:
        await _ready(self.worker)
        scene.arm(self.worker.page)
        scene.begin()
        await scene.until_dead(self.worker)
        self._worker = self._new_worker()

    async def _kill_client(self, scene: Scene) -> None:
        workflow_id, message_id = f"{scene.prefix}-called", str(uuid4())
        arguments = ["caller", self.broker, workflow_id, message_id]
        scene.expected_runs[workflow_id] = 1
        scene.begin()
        first = self.nursery.start("caller", arguments, arm=scene.arm)
        await scene.until_dead(first)
        second = self.nursery.start("caller", arguments)
        await _ended(second, seconds=60)
        results = [
            line["result"]
            for line in self.recorder.lines()
            if line["who"] == "caller" and line["workflow_id"] == workflow_id and "result" in line
        ]
        if len(results) != 1:
            scene.wrong.append(f"{workflow_id}: the caller got {len(results)} results:\n{second.log[-2000:]}")
            return
        expected = [f"step {number}" for number in range(3)]
        scene.wrong += checks.same_values(self.ledger, workflow_id, results[0], expected)

    # --- what must hold ---------------------------------------------------------------------------------------

    async def _checked(self, scene: Scene, post: Post, since: int) -> list[str]:
        if scene.kill.point.need is Need.LETTER:
            scene.wrong += await checks.letters(post, scene.letters)

        async def rest() -> list[str]:
            ended = await asyncio.to_thread(checks.ended_once, self.database, scene.expected_runs)
            return ended or await checks.left_in_queues(post)

        left = await _at_last_nothing(rest)
        return scene.wrong + left + await asyncio.to_thread(checks.verified, self.database, since=since)

    def finish(self) -> list[str]:
        """End all processes; what is wrong with what they leave, one sentence each."""
        return asyncio.run(self._finish())

    async def _finish(self) -> list[str]:
        for life in (self.worker, *self.hosts):
            life.send(signal.SIGTERM)
        for life in (self.worker, *self.hosts):
            await _ended(life)
        wrong = audit(self.database) + checks.verified(self.database) + checks.unended(self.recorder)
        async with AsyncExitStack() as ending:
            if is_embedded(self.broker):
                await ending.enter_async_context(EmbeddedServer(embedded_file(self.broker)))
            post = await ending.enter_async_context(Post(open_broker(self.broker)))
            return wrong + await checks.left_for_good(post)


async def _ended(life: Life, *, seconds: float = 30.0) -> None:
    await until(lambda: not life.is_running, f"{life.name} has ended", seconds=seconds)


async def _ready(life: Life) -> None:
    await until(life.is_ready, f"{life.name} is ready", seconds=60)


async def _at_last_nothing(look: Callable[[], Awaitable[list[str]]]) -> list[str]:
    """What `look` still finds when it has had time enough to find nothing."""
    deadline = time.monotonic() + QUIET_SECONDS
    while True:
        found = await look()
        if not found or time.monotonic() > deadline:
            return found
        await asyncio.sleep(0.05)
