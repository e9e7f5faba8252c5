"""What one of the hosts does for all, beside everything else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, cast

import pytest

from dalsegno.actors.supervisor.database.duties import TRIM_LIMIT, TRIM_SECONDS, Duties
from dalsegno.actors.supervisor.database.reading_thread import ToLoop
from dalsegno.errors import StoreUnavailableError
from dalsegno.persistence.port import Membership

NOW = 1_700_000_000_000_000
DAY = 24 * 3600


class Table:
    """A membership that only trims. `result` is what it says, or raises."""

    def __init__(self) -> None:
        self.result: int | Exception = 3
        self.asked: list[dict[str, Any]] = []
        self.closed = False
        self.changed = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def trim_seen(self, **asked: Any) -> int:
        self.asked.append(asked)
        self._loop.call_soon_threadsafe(self.changed.set)
        if isinstance(self.result, Exception):
            raise self.result
        return self.result

    def close(self) -> None:
        self.closed = True


class Host:
    def __init__(self) -> None:
        self.table = Table()
        self.is_first = True
        self.clock = 1_000.0
        self.escaped: list[BaseException] = []
        self.duties = Duties(
            cast(Membership, self.table),
            ToLoop(self.escaped.append),
            seen_retention_seconds=DAY,
            is_mine=lambda: self.is_first,
            now=lambda: NOW,
            monotonic=lambda: self.clock,
        )

    async def trims(self, count: int) -> None:
        """Look until it has trimmed so often."""
        await self.until(lambda: len(self.table.asked) >= count and not self.duties._is_under_way)

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not holds():
                self.duties.look()
                await asyncio.sleep(0)


@pytest.fixture
async def host() -> AsyncIterator[Host]:
    host = Host()
    yield host
    host.duties.close()
    assert host.table.closed
    assert host.escaped == []


async def test_each_minute_the_first_of_the_hosts_trims_what_was_seen_a_day_ago(host: Host) -> None:
    host.duties.look()
    assert not host.duties._is_under_way
    host.clock += TRIM_SECONDS
    await host.trims(1)
    assert host.table.asked == [{"older_than": NOW - DAY * 1_000_000, "limit": TRIM_LIMIT}]
    host.clock += TRIM_SECONDS - 1
    host.duties.look()
    assert not host.duties._is_under_way
    host.clock += 1
    await host.trims(2)


async def test_a_host_that_is_not_the_first_leaves_it_to_that_one(host: Host) -> None:
    host.is_first = False
    host.clock += 10 * TRIM_SECONDS
    host.duties.look()
    assert not host.duties._is_under_way
    host.is_first = True
    await host.trims(1)


async def test_a_trim_that_left_something_goes_on_at_the_next_look(host: Host) -> None:
    host.table.result = TRIM_LIMIT
    host.clock += TRIM_SECONDS
    await host.trims(3)
    host.table.result = 3
    await host.trims(len(host.table.asked) + 1)
    host.duties.look()
    assert not host.duties._is_under_way


@pytest.mark.parametrize("error", [StoreUnavailableError("it is away"), ZeroDivisionError("a defect")])
async def test_a_trim_that_fails_is_tried_again_a_minute_later_and_harms_nothing(
    host: Host, error: Exception
) -> None:
    host.table.result = error
    host.clock += TRIM_SECONDS
    await host.trims(1)
    host.duties.look()
    assert not host.duties._is_under_way
    host.table.result = 3
    host.clock += TRIM_SECONDS
    await host.trims(2)
