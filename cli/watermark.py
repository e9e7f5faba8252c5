"""Whether a database is older than its broker, for `init` and `verify`."""

from __future__ import annotations

import asyncio
import sys
from contextlib import closing

from dalsegno.actors.supervisor.database.watermark import advance, check
from dalsegno.broker.port import Session
from dalsegno.broker.url import open_broker
from dalsegno.errors import BrokerUnavailableError
from dalsegno.persistence import open_store
from dalsegno.persistence.port import Watermark

CONFIRM_SECONDS = 10.0


async def raise_watermark(session: Session, database: str, identity: str, *, accept_restored: bool) -> None:
    """One step, so that the broker knows of the database from the beginning. ConfigurationError if that is
    older, unless it is to be accepted; where the broker knows nothing of its past, what that means is said."""
    publisher = await session.open_publisher(on_closed=lambda _: None)
    with closing(open_store(database)) as store:
        writer, reader = store.writer(), store.reader()

        async def read() -> Watermark:
            return reader.watermark()

        async def raise_(above: int) -> Watermark | None:
            return writer.raise_watermark(above=above, accept=accept_restored)

        try:
            async with asyncio.timeout(CONFIRM_SECONDS):
                warning = await advance(session, identity, publisher.publish, raise_, read)
        except TimeoutError as error:
            raise BrokerUnavailableError("The broker takes no messages just now.") from error
        finally:
            await publisher.close()
    if warning:
        print(f"dalsegno: {warning}", file=sys.stderr, flush=True)


async def compare_ages(broker: str, database: str) -> None:
    """ConfigurationError if the database is older than the broker. Nothing is changed."""
    session = await open_broker(broker).connect(on_closed=lambda _: None, name="dalsegno verify")
    try:
        with closing(open_store(database)) as store:
            reader = store.reader()

            async def read() -> Watermark:
                return reader.watermark()

            await check(session, store.namespace().identity, read)
    finally:
        await session.close()
