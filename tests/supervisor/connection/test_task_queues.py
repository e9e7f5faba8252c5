"""Which task queue was deleted is found out by whoever declares it, sends to it or looks; and said once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import structlog

from dalsegno.actors.supervisor.connection import task_queues
from dalsegno.actors.supervisor.connection.task_queues import TaskQueues
from dalsegno.backoff import Backoff
from dalsegno.broker.port import Topology
from dalsegno.broker.topology import task_queue
from dalsegno.errors import BrokerUnavailableError, TopologyError


class Queues:
    """The part of a session that is used, on a broker with nothing else; and the test's hands in it."""

    def __init__(self) -> None:
        self.there: set[str] = set()
        self.marked: set[str] = set()
        self.is_down = False
        self.is_open = True
        self.refused: set[str] = set()
        """Names of task queues."""
        self.mended_after = -1
        """So many refusals."""
        self.may_mark = True
        self.meanwhile: list[Any] = []

    async def _step(self) -> None:
        await asyncio.sleep(0)
        if self.is_down:
            raise BrokerUnavailableError("the test says so")

    def _refuse(self, *names: str) -> None:
        if any(task_queue(refused) in names for refused in self.refused):
            self.mended_after -= 1
            if self.mended_after == 0:
                self.refused.clear()
            raise TopologyError("exists with other arguments")

    async def declare(self, topology: Topology) -> None:
        await self._step()
        self._refuse(*(queue.name for queue in topology.queues))
        self.there |= {queue.name for queue in topology.queues}
        for callback in self.meanwhile:
            callback()

    async def queue_depth(self, name: str) -> int | None:
        await self._step()
        self._refuse(name)
        return 0 if name in self.there else None

    async def mark_queue(self, name: str) -> None:
        await self._step()
        if not self.may_mark:
            raise BrokerUnavailableError("no right to")
        self.marked.add(name)

    async def has_mark(self, name: str) -> bool:
        await self._step()
        self._refuse(name)
        return name in self.marked

    def delete(self, name: str, *, declared_again: bool = False) -> None:
        self.marked.discard(task_queue(name))
        if not declared_again:
            self.there.discard(task_queue(name))


class Host:
    def __init__(self, queues: Queues) -> None:
        self.queues = queues
        self.lost: list[str] = []
        self.told: list[str] = []
        session: Any = queues
        self.task_queues = TaskQueues(
            asyncio.get_running_loop(),
            lambda: session,
            lost=self.lost.append,
            tell_others=self.told.append,
        )

    async def declares(self, name: str) -> None:
        declared = asyncio.Event()
        self.task_queues.declare(name, lambda _: declared.set())
        await declared.wait()

    async def looks(self) -> None:
        self.task_queues.look_soon()
        assert self.task_queues._looking is not None
        await self.task_queues._looking
        await asyncio.gather(*self.task_queues._declaring.values())


@pytest.fixture
async def host() -> Host:
    return Host(Queues())


async def test_a_task_queue_that_is_new_is_not_lost(host: Host) -> None:
    await host.declares("orders")
    await host.declares("orders")
    await host.looks()
    assert not host.lost
    assert task_queue("orders") in host.queues.marked


@pytest.mark.parametrize("declared_again", [False, True], ids=["gone", "declared again by a worker"])
async def test_a_deleted_queue_is_found_by_a_look_and_by_who_declares_it(
    host: Host, declared_again: bool
) -> None:
    await host.declares("orders")
    host.queues.delete("orders", declared_again=declared_again)
    await host.looks()
    assert host.lost == host.told == ["orders"]
    assert task_queue("orders") in host.queues.there & host.queues.marked
    host.queues.delete("orders", declared_again=declared_again)
    await host.declares("orders")
    assert host.lost == host.told == ["orders", "orders"]
    await host.looks()
    assert host.lost == ["orders", "orders"]


async def test_a_queue_that_is_only_heeded_is_lost_if_it_is_not_there_and_else_marked(host: Host) -> None:
    host.queues.there.add(task_queue("old"))
    host.task_queues.heed("old")
    host.task_queues.heed("gone")
    await host.looks()
    assert host.lost == ["gone"]
    host.queues.delete("old", declared_again=True)
    await host.looks()
    assert host.lost == ["gone", "old"]


async def test_a_broker_that_does_not_answer_has_lost_nothing(host: Host) -> None:
    await host.declares("orders")
    host.queues.is_down = True
    await host.looks()
    host.queues.is_down = False
    await host.looks()
    assert not host.lost


async def test_a_queue_that_cannot_be_marked_is_used_all_the_same(host: Host) -> None:
    host.queues.may_mark = False
    await host.declares("orders")
    await host.looks()
    assert not host.lost
    host.queues.delete("orders")
    await host.looks()
    assert host.lost == ["orders"]


async def test_what_another_host_has_found_is_lost_here_too_and_not_told_again(host: Host) -> None:
    await host.declares("orders")
    host.task_queues.heard_lost("orders")
    assert host.lost == ["orders"]
    assert not host.told


async def test_what_two_hosts_find_at_the_same_time_is_lost_once_for_each(host: Host) -> None:
    await host.declares("orders")
    host.queues.delete("orders")
    host.queues.meanwhile.append(lambda: host.task_queues.heard_lost("orders"))
    await host.looks()
    host.task_queues.heard_lost("orders")
    assert host.lost == ["orders"]


async def test_what_is_heard_long_after_one_s_own_find_is_another_loss(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The queue was deleted twice, and the other host has declared it before this one could look."""
    await host.declares("orders")
    host.queues.delete("orders")
    await host.looks()
    monkeypatch.setattr(task_queues, "NEWS_SECONDS", -1.0)
    host.task_queues.heard_lost("orders")
    assert host.lost == ["orders", "orders"]
    assert host.told == ["orders"]


async def test_what_is_heard_while_the_queue_is_declared_is_not_forgotten(host: Host) -> None:
    """The other host was faster: this one finds the queue as it should be."""
    await host.declares("orders")
    host.queues.meanwhile.append(lambda: host.task_queues.heard_lost("orders"))
    await host.declares("orders")
    assert host.lost == ["orders"]
    assert not host.told


async def test_of_ever_new_names_those_of_late_are_kept(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task_queues, "HEEDED_MAX", 3)
    host.queues.there.add(task_queue("always"))
    for number in range(10):
        await host.declares(f"q{number}")
        host.task_queues.heed("always")
        await host.looks()
    assert set(host.task_queues._heeded) == {"q8", "q9", "always"}
    for name in ("q0", "q9", "always"):
        host.queues.delete(name)
    await host.looks()
    assert sorted(host.lost) == ["always", "q9"]
    await host.declares("q0")
    host.queues.delete("q0")
    await host.looks()
    assert host.lost[-1] == "q0"


async def test_what_was_lost_is_remembered_no_longer_than_another_may_find_it(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task_queues, "NEWS_SECONDS", 0.0)
    for number in range(10):
        await host.declares(f"q{number}")
        host.queues.delete(f"q{number}")
        await host.looks()
    assert len(host.lost) == 10
    assert set(host.task_queues._found_lost_at) == {"q9"}


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Between tries; none is waited for."""
    taken: list[float] = []

    class Recorded(Backoff):
        def next_seconds(self) -> float:
            taken.append(super().next_seconds())
            return 0.0

    monkeypatch.setattr(task_queues, "Backoff", Recorded)
    return taken


async def test_what_the_broker_refuses_is_tried_less_and_less_often_said_once_and_declared_when_it_is_mended(
    host: Host, pauses: list[float]
) -> None:
    host.queues.refused, host.queues.mended_after = {"refused"}, 20
    with structlog.testing.capture_logs() as logs:
        await host.declares("refused")
    assert len(pauses) == 20
    assert pauses[0] <= task_queues.RETRY_SECONDS[0]
    assert min(pauses[10:]) >= task_queues.RETRY_SECONDS[1] / 2
    told = [entry for entry in logs if entry["log_level"] in ("warning", "info")]
    assert [entry["event"] for entry in told] == ["task_queue_not_declared", "task_queue_declared"]
    assert told[0]["subject"] == "task queue refused"
    assert "other arguments" in told[0]["reason"]
    assert "its tasks wait" in told[0]["what_to_do"]


@pytest.mark.usefixtures("pauses")
async def test_no_queue_waits_for_one_that_is_refused(host: Host) -> None:
    """It is neither declared later nor looked at later."""
    await host.declares("a")
    await host.declares("z")
    host.queues.refused = {"a"}
    host.task_queues.declare("a")
    await host.declares("b")
    host.queues.refused.clear()
    await asyncio.gather(*host.task_queues._declaring.values())
    host.queues.refused = {"a"}
    host.queues.delete("z")
    await host.looks()
    assert host.lost == ["z"]


async def test_a_mark_that_is_refused_for_long_is_said_once(host: Host) -> None:
    host.queues.may_mark = False
    with structlog.testing.capture_logs() as logs:
        await host.declares("orders")
        for _ in range(5):
            await host.looks()
        host.queues.may_mark = True
        await host.looks()
    events = [entry["event"] for entry in logs]
    assert events == ["task_queue_not_marked", "task_queue_marked"]
