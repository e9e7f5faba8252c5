"""A codec, a payload store and interceptors are switched on host by host under load, keys are rotated, and it
is rolled back, while processes are killed: nothing is lost."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system import switched_on
from tests.system.conftest import SERVERS, StackFactory
from tests.system.errands_done import Diary
from tests.system.stack import Program, Stack, until
from tests.system.test_two_releases import HALTS, PATIENCE_SECONDS, dead_letters, owned_by_all

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.rabbitmq, pytest.mark.postgres]

MODULE = "tests.system.switched_on"
SUSPENDED = '"workflow_suspended"'


def flags(converter: str) -> list[str]:
    named = ["--data-converter", f"{MODULE}:{converter}"]
    return named if converter == "reads" else [*named, "--interceptor", f"{MODULE}:telling"]


@pytest.fixture
def stack(stack_on: StackFactory, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Stack]:
    """Nobody has heard of any of it."""
    monkeypatch.setenv(switched_on.PLACE, str(tmp_path / "payloads"))
    with stack_on(SERVERS, modules=[MODULE], hosts=2) as stack:
        yield stack


class Rolling:
    """What goes on, and what is replaced meanwhile."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.diaries: list[Path] = []
        self.clients: list[Program] = []
        self.worker = stack.workers[0]

    async def begins(self, *converter: str) -> None:
        """One more client."""
        name = "-".join(("client", *converter))
        self.diaries.append(self.stack.folder / f"diary-{name}")
        arguments = [self.stack.broker, name, str(self.diaries[-1]), *converter]
        client = self.stack.start(name, arguments, module="tests.system.errand_client")
        self.clients.append(await client.until_ready())

    async def more(self, number: int) -> None:
        def ended() -> int:
            for client in self.clients:
                assert client.is_running, f"{client.name} has ended:\n{client.log[-6000:]}"
            return len(Diary(*self.diaries).ends)

        wanted = ended() + number
        what = f"{number} more errands have ended"
        await until(lambda: ended() >= wanted, what, seconds=PATIENCE_SECONDS)

    async def replaced(self, leaver: Program, converter: str, *, killed: bool = False) -> Program:
        """The heir is killed as soon as it has work, if it is to be."""
        heir = await self.stack.host(flags=flags(converter)).until_ready()
        leaver.terminate()
        assert await leaver.until_ended() == 0
        await owned_by_all(self.stack, leaver)
        if killed:
            heir.kill_child()
            await heir.until_ready()
        await self.more(2)
        return heir

    async def new_worker(self, converter: str) -> None:
        where = ["--broker", self.stack.broker, "--log-format", "json"]
        heir = self.stack.start("worker", ["worker", MODULE, *where, *flags(converter)])
        await heir.until_ready()
        self.worker.terminate()
        await self.worker.until_ended()
        self.worker = heir

    async def ends(self, *clients: Program) -> None:
        for client in clients:
            client.terminate()
        for client in clients:
            assert await client.until_ended(seconds=PATIENCE_SECONDS) == 0, client.log[-6000:]
            self.clients.remove(client)


def stored() -> list[Path]:
    return list(Path(os.environ[switched_on.PLACE]).rglob("*"))


async def test_codec_store_and_headers_are_switched_on_and_off_again_and_nothing_is_lost(stack: Stack) -> None:
    rolling, (one, other) = Rolling(stack), stack.hosts
    await rolling.begins()
    await rolling.more(3)
    # All can read what nobody writes yet.
    one, other = await rolling.replaced(one, "reads"), await rolling.replaced(other, "reads")
    await rolling.new_worker("reads")
    await rolling.begins("reads")
    await rolling.ends(rolling.clients[0])
    # Hosts that seal beside such that do not, and with one key beside such with another.
    one = await rolling.replaced(one, "seals", killed=True)
    await rolling.begins("rotated")
    other = await rolling.replaced(other, "rotated", killed=True)
    await rolling.new_worker("seals")
    rolling.worker.kill_child()
    await rolling.more(5)
    # And back, with what was sealed still going on.
    one, other = await rolling.replaced(one, "reads", killed=True), await rolling.replaced(other, "reads")
    await rolling.new_worker("reads")
    await rolling.ends(*rolling.clients)

    assert await dead_letters(stack) == [0, 0]
    diary = Diary(*rolling.diaries)
    assert len(diary.plans) > 20, "it has been going on"
    assert list(diary.faults(stack.errands, stack.database)) == []
    heard = [line.split() for line in stack.errands.with_suffix(".headers").read_text().splitlines()]
    assert stored(), "something was large"
    assert heard and all(mine == said for mine, said in heard)
    for host in stack.hosts:
        assert HALTS not in host.log and SUSPENDED not in host.log, host.name
