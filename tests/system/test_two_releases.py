"""The release before and the present one, side by side and one after the other: nothing is lost in between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing

import pytest

from dalsegno.broker import topology
from dalsegno.broker.url import open_broker
from dalsegno.cli.namespace import NEWEST_FORMAT
from dalsegno.persistence import open_store
from dalsegno.persistence.tables import HEAD
from tests.system.conftest import EMBEDDED, SERVERS, StackFactory
from tests.system.errands_done import Diary
from tests.system.load import owners
from tests.system.releases import PRESENT, Release
from tests.system.stack import Program, Stack, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

MODULES = ["tests.system.errands"]
PATIENCE_SECONDS = 180.0
"""For what takes a few seconds on an idle machine."""
HALTS = '"workflow_halted"'


@pytest.fixture
def servers(stack_on: StackFactory, release_before: Release) -> Iterator[Stack]:
    with stack_on(SERVERS, modules=MODULES, release=release_before, hosts=2) as stack:
        stack.worker(release=PRESENT).wait_ready()
        yield stack


@pytest.fixture
def one_machine(stack_on: StackFactory, release_before: Release) -> Iterator[Stack]:
    with stack_on(EMBEDDED, modules=MODULES, release=release_before) as stack:
        stack.worker(release=PRESENT).wait_ready()
        yield stack


class Errands:
    """A client of each release that keeps errands going."""

    def __init__(self, stack: Stack, *releases: Release) -> None:
        self.diaries = [stack.folder / f"diary-{release.name}" for release in releases]
        self.clients = [
            stack.start(
                f"client-{release.name}",
                [stack.broker, release.name, str(diary)],
                module="tests.system.errand_client",
                release=release,
            )
            for release, diary in zip(releases, self.diaries, strict=True)
        ]

    @property
    def ended(self) -> int:
        for client in self.clients:
            assert client.is_running, f"{client.name} has ended:\n{client.log[-6000:]}"
        return len(Diary(*self.diaries).ends)

    async def more(self, number: int) -> None:
        """Until so many more have ended."""
        wanted = self.ended + number
        await until(lambda: self.ended >= wanted, f"{number} more errands have ended", seconds=PATIENCE_SECONDS)

    async def until_ended(self) -> None:
        for client in self.clients:
            client.terminate()
        for client in self.clients:
            assert await client.until_ended(seconds=PATIENCE_SECONDS) == 0, client.log[-6000:]


@asynccontextmanager
async def errands_going_on(stack: Stack, *releases: Release) -> AsyncIterator[Errands]:
    """While the block runs; in the end all have ended as they should."""
    errands = Errands(stack, *releases)
    for client in errands.clients:
        await client.until_ready()
    await errands.more(5)
    yield errands
    await errands.until_ended()
    assert await dead_letters(stack) == [0, 0]
    diary = Diary(*errands.diaries)
    assert len(diary.plans) > 20, "it has been going on"
    assert list(diary.faults(stack.errands, stack.database)) == []
    for host in stack.hosts:
        assert HALTS not in host.log, host.name


async def dead_letters(stack: Stack) -> list[int | None]:
    session = await open_broker(stack.broker).connect(on_closed=lambda _: None, name="dead letters")
    try:
        return [await session.queue_depth(name) for name in (topology.DEAD_QUEUE, topology.DEAD_TASKS_QUEUE)]
    finally:
        await session.close()


async def replaced(stack: Stack, leaver: Program, release: Release, errands: Errands) -> Program:
    """As a rolling deployment does: first another is there, then one goes."""
    heir = await stack.host(release=release).until_ready()
    leaver.terminate()
    assert await leaver.until_ended() == 0
    await owned_by_all(stack, leaver)
    await errands.more(5)
    return heir


async def owned_by_all(stack: Stack, *but: Program) -> None:
    """Until each host that runs owns some partitions, and together they own all."""
    running = {host.host_id for host in stack.hosts if host.is_running and host not in but}
    async with stack.client() as client:

        async def all_are_owned() -> bool:
            owned = await owners(client)
            return owned.keys() == running and owned.total() == 16

        await until(all_are_owned, f"the partitions are owned by {running}", seconds=PATIENCE_SECONDS)


async def killed(program: Program, errands: Errands) -> None:
    """With -9, what does the work; its parent starts it again."""
    program.kill_child()
    await program.until_ready()
    await errands.more(5)


async def raised(stack: Stack, errands: Errands, release_before: Release) -> None:
    """When only hosts of the present release are left, what is stored may change, and there is no way back."""
    done = stack.initialise(PRESENT)
    assert (done.returncode, done.stderr) == (0, "")
    with closing(open_store(stack.database)) as store:
        assert store.namespace().revision == HEAD
        # A killed host of the other release counts for as long as its leases might have lived.
        await until(
            lambda: store.namespace().format_written == NEWEST_FORMAT,
            "the newest format may be written",
            seconds=PATIENCE_SECONDS,
        )
    await errands.more(5)
    late = stack.host(release=release_before)
    assert await late.until_ended(seconds=PATIENCE_SECONDS) == 2
    assert f"revision {HEAD}, which is newer than this version of dalsegno knows (0006)" in late.log


@pytest.mark.rabbitmq
@pytest.mark.postgres
async def test_hosts_are_replaced_one_by_one_and_replaced_back_under_load_and_nothing_is_lost(
    servers: Stack, release_before: Release
) -> None:
    old_one, old_other = servers.hosts
    async with errands_going_on(servers, release_before, PRESENT) as errands:
        new_one = await replaced(servers, old_one, PRESENT, errands)
        await asyncio.gather(killed(old_other, errands), killed(new_one, errands))
        early = servers.initialise(PRESENT)
        assert (early.returncode, old_other.host_id in early.stderr) == (2, True), early.stderr
        old_other.terminate()
        await owned_by_all(servers, old_other)
        await errands.more(5)
        back = await replaced(servers, new_one, release_before, errands)
        await replaced(servers, back, PRESENT, errands)
        await raised(servers, errands, release_before)


async def test_on_one_machine_the_host_is_replaced_and_replaced_back_under_load_and_nothing_is_lost(
    one_machine: Stack, release_before: Release
) -> None:
    (host,) = one_machine.hosts
    async with errands_going_on(one_machine, release_before, PRESENT) as errands:
        for release in (PRESENT, release_before, PRESENT):
            host.terminate()
            assert await host.until_ended() == 0
            host = await one_machine.host(release=release).until_ready()
            await errands.more(5)
            await killed(host, errands)
        await raised(one_machine, errands, release_before)
