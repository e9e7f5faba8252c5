"""A host ends where its database is older than the broker. What lasts for a while only, it waits out."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from dalsegno.actors.supervisor.database.store_threads import StoreThreads
from dalsegno.actors.supervisor.database.watermark import OlderDatabaseError, WatermarkKeeper
from dalsegno.broker.port import Session
from dalsegno.broker.watermark import Mark, write_mark
from dalsegno.errors import ConfigurationError, SchemaError, StoreUnavailableError
from dalsegno.persistence.port import Namespace, Watermark
from tests.workers.fake_broker import FakeBroker

US = "a" * 32
NAMESPACE = Namespace(generation=1, partitions=2, hash_seed=7, identity=US)


class Database:
    """Its watermark, and the error that whoever asks for it meets."""

    def __init__(self) -> None:
        self.at = Watermark(number=5, time=5)
        self.trouble: Exception | None = None
        self.met = asyncio.Event()
        self.raised = asyncio.Event()

    @property
    def clock(self) -> Database:
        """The thread that reads it."""
        return self

    async def write(self, work: Any) -> Any:
        return await self.fetch(work)

    async def fetch(self, work: Any) -> Any:
        if self.trouble is not None:
            self.met.set()
            raise self.trouble
        return work(self)

    def watermark(self) -> Watermark:
        return self.at

    def raise_watermark(self, *, above: int) -> Watermark | None:
        if above > self.at.number:
            return None
        self.at = Watermark(number=self.at.number + 1, time=6)
        self.raised.set()
        return self.at


class Stage:
    """A keeper between a database and a broker that can be made to refuse it."""

    def __init__(self) -> None:
        self.database = Database()
        self.refused = asyncio.Event()
        self.keeper = WatermarkKeeper(NAMESPACE, cast(StoreThreads, self.database), refused=self.refused.set)

    async def open(self, *, known: int) -> Session:
        """A session with a broker that has seen the database at `known`."""
        self.session: Session = cast(Session, await FakeBroker().connect(on_closed=lambda reason: None))
        self.publisher = await self.session.open_publisher(on_closed=lambda reason: None)
        await write_mark(self.session, Mark(US, known, known), self.publisher.publish)
        return self.session

    async def refuse(self, *args: Any, **options: Any) -> None:
        self.database.met.set()
        raise ConfigurationError("RabbitMQ refuses the queue")

    async def missed(self) -> None:
        """A step has failed."""
        self.keeper.tick(self.session, self.publisher.publish)
        await asyncio.wait_for(self.database.met.wait(), 10)

    async def told(self) -> None:
        """A step has raised the watermark, after as many ticks as it takes."""
        async with asyncio.timeout(10):
            while not self.database.raised.is_set():
                self.keeper.tick(self.session, self.publisher.publish)
                await asyncio.sleep(0)


@pytest.mark.parametrize(
    "trouble",
    [SchemaError("no such table: meta"), StoreUnavailableError("it is away"), ConfigurationError("no right")],
    ids=lambda trouble: type(trouble).__name__,
)
async def test_what_keeps_a_host_from_its_database_for_a_while_does_not_end_it(trouble: Exception) -> None:
    stage = Stage()
    await stage.open(known=5)
    stage.database.trouble = trouble
    await stage.missed()

    stage.database.trouble = None
    await stage.told()
    assert not stage.refused.is_set()
    stage.keeper.raise_if_refused()


async def test_rights_at_the_broker_that_are_missing_for_a_while_do_not_end_a_host(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stage = Stage()
    session = await stage.open(known=5)
    with monkeypatch.context() as patch:
        patch.setattr(session, "open_consumer", stage.refuse)
        await stage.missed()

    await stage.told()
    assert not stage.refused.is_set()


async def test_a_database_that_turns_out_to_be_older_than_the_broker_ends_its_host() -> None:
    stage = Stage()
    session = await stage.open(known=9)

    stage.keeper.tick(session, stage.publisher.publish)

    await asyncio.wait_for(stage.refused.wait(), 10)
    with pytest.raises(OlderDatabaseError, match="This database is older than its broker"):
        stage.keeper.raise_if_refused()
