"""Whether this database and this broker are of one age.

The watermark is a number that only grows. It is raised in the database, and then told to the broker, every few
seconds in which something was committed. A crash between the two leaves the database ahead, which is well. A
broker that is ahead of its database works with an older one: restored from a backup, or promoted without the
last commits. To go on with it would lose what came since, and start anew what is long done, without a word; so
hosts refuse, until an operator says that it is meant.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from dalsegno._log import get_logger
from dalsegno.actors.supervisor.database.store_threads import StoreThreads
from dalsegno.broker.namespace import declare_namespace
from dalsegno.broker.port import Session
from dalsegno.broker.watermark import Mark, Publish, read_mark, write_mark
from dalsegno.errors import ConfigurationError, DalsegnoError
from dalsegno.persistence.port import Namespace, Watermark

log = get_logger()

ADVANCE_SECONDS = 5.0

Read = Callable[[], Awaitable[Watermark]]
Raise = Callable[[int], Awaitable[Watermark | None]]
"""Told the broker's number, as `Writer.raise_watermark`."""


class OlderDatabaseError(ConfigurationError):
    """What no waiting mends, unlike rights and tables that are missing for a while."""


async def check(session: Session, identity: str, read: Read) -> str | None:
    """Raises OlderDatabaseError where the database is older than the broker. Where the broker knows nothing of
    the database's past, what that means is returned as a sentence."""
    # The broker first: what it knows by now, the database had already committed.
    mark = await read_mark(session, identity)
    database = await read()
    if mark is not None and mark.number > database.number:
        raise _older(database, mark)
    return _warning(database, mark)


async def advance(session: Session, identity: str, publish: Publish, raise_: Raise, read: Read) -> str | None:
    """One step. Raises OlderDatabaseError as `check` does, and then changes nothing; returns what it does."""
    mark = await read_mark(session, identity)
    warning = _warning(await read(), mark)
    raised = await raise_(0 if mark is None else mark.number)
    if raised is None:
        assert mark is not None, "every number is above 0"
        raise _older(await read(), mark)
    await write_mark(session, Mark(identity, raised.number, raised.time), publish)
    return warning


def _warning(database: Watermark, broker: Mark | None) -> str | None:
    if broker is not None or not database.number:
        return None
    return (
        f"The broker knows nothing of this database, which is at {_shown(database)}: it is a new one, or has "
        "lost its data. Commands and results that waited in its queues are gone; activities without a result "
        "are given out again when their time is up."
    )


def _older(database: Watermark, broker: Mark) -> OlderDatabaseError:
    return OlderDatabaseError(
        f"This database is older than its broker: it is at {_shown(database)}, and the broker has seen it at "
        f"{_shown(broker)}. It was restored from a backup, or a fail-over lost commits. If it is to be used as "
        'it is, read "After a restore" in docs/operating.md, then run: dalsegno init --accept-restored-database'
    )


def _shown(at: Watermark | Mark) -> str:
    if not at.number:
        return "0"
    return f"{at.number} ({datetime.fromtimestamp(at.time / 1e6, UTC):%Y-%m-%d %H:%M:%S} UTC)"


class WatermarkKeeper:
    """A host's part: it makes sure of the namespace, and tells the broker how far the database is. `refused` is
    called when that turns out to be an older one, and then `raise_if_refused` raises."""

    def __init__(self, namespace: Namespace, threads: StoreThreads, *, refused: Callable[[], None]) -> None:
        self._namespace = namespace
        self._threads = threads
        self._refused = refused
        self._refusal: OlderDatabaseError | None = None
        self._is_due = True
        self._step: asyncio.Task[None] | None = None

    async def declare(self, session: Session) -> None:
        """On each new session, before anything else. Raises as `check` does, and TopologyError where the broker
        is another database's."""
        namespace = self._namespace
        await declare_namespace(
            session,
            identity=namespace.identity,
            partitions=namespace.partition_ids,
        )
        try:
            warning = await check(session, namespace.identity, self._read)
        except OlderDatabaseError as error:
            self._refuse(error)
            raise
        if warning:
            log.warning("broker_knows_nothing", reason=warning)

    def committed(self) -> None:
        """Something was: the database is further than the broker knows."""
        self._is_due = True

    def tick(self, session: Session | None, publish: Publish) -> None:
        """To be called every ADVANCE_SECONDS."""
        if self._is_due and session is not None and (self._step is None or self._step.done()):
            self._is_due = False
            self._step = asyncio.get_running_loop().create_task(self._advance(session, publish))

    async def _advance(self, session: Session, publish: Publish) -> None:
        try:
            await advance(session, self._namespace.identity, publish, self._raise, self._read)
        except OlderDatabaseError as error:
            self._refuse(error)
        except DalsegnoError as error:
            self._is_due = True
            log.debug("watermark_not_raised", reason=str(error))

    def _refuse(self, error: OlderDatabaseError) -> None:
        self._refusal = error
        self._refused()

    def raise_if_refused(self) -> None:
        if self._refusal is not None:
            raise self._refusal

    async def _raise(self, above: int) -> Watermark | None:
        return await self._threads.write(lambda writer: writer.raise_watermark(above=above))

    async def _read(self) -> Watermark:
        return await self._threads.clock.fetch(lambda reader: reader.watermark())

    def close(self) -> None:
        if self._step is not None:
            self._step.cancel()
