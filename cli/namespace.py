"""`dalsegno init`: what a namespace needs, in the database and at the broker."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from contextlib import AsyncExitStack, closing, suppress
from pathlib import Path
from typing import TypeVar

from dalsegno.actors.workflow_actor.stored.codec import CODEC
from dalsegno.broker import topology
from dalsegno.broker.namespace import declare_namespace
from dalsegno.broker.port import Broker
from dalsegno.broker.url import open_broker
from dalsegno.cli.options import embedded_file, is_embedded
from dalsegno.cli.output import plain
from dalsegno.cli.upgrading import Initialised
from dalsegno.cli.watermark import raise_watermark
from dalsegno.errors import BrokerUnavailableError, ConfigurationError, SchemaError, TransientError
from dalsegno.persistence import open_store
from dalsegno.persistence.port import Namespace, Store
from dalsegno.private_files import make_private_folder

NEWEST_FORMAT = CODEC.newest
"""Of what is stored, as far as this version reads and writes it."""
SQLITE_FILE = "sqlite:///"
DEV_LOCK = "dev.lock"
"""In the folder of a `dalsegno dev`."""
PATIENCE_SECONDS = 10.0
"""For a database, and again for a broker, that is just being started: by the same deployment, as a rule."""
RETRY_SECONDS = 0.5

T = TypeVar("T")


def prepare_folders(broker: str, database: str) -> None:
    """The folders of embedded files; only `init` and `dev` make them."""
    files = [embedded_file(broker)] if is_embedded(broker) else []
    files += [_sqlite_file(database)] if database.startswith(SQLITE_FILE) else []
    ours = [DEV_LOCK, *(file.name for file in files if file.name)]
    for file in files:
        make_private_folder(file.parent, ours)


def _sqlite_file(database: str) -> Path:
    return Path(database.removeprefix(SQLITE_FILE).partition("?")[0])


def initialise(
    broker: str,
    database: str,
    partitions: int | None = None,
    *,
    accept_restored: bool = False,
    force: bool = False,
) -> Initialised:
    """Make or upgrade the namespace; doing it again changes nothing. Without `partitions` those that it has
    are left, and a new one has 16. A database that is older than its broker is refused, unless it is to be
    accepted as it is; so are live hosts that could not work with the upgraded tables, unless by `force`.

    That the newest stored format be written is asked for last, and granted if every live host reads it.

    A database or broker that is not there is tried for PATIENCE_SECONDS; then its TransientError is raised.
    """
    if partitions is not None and not 1 <= partitions <= topology.SLOTS:
        raise ConfigurationError(f"--partitions is {partitions}, but must be 1 to {topology.SLOTS}")
    opened = open_broker(broker)
    prepare_folders(broker, database)
    with closing(open_store(database)) as store:
        before = _patiently(lambda: _found(store))
        namespace = _patiently(lambda: store.migrate(partitions=partitions, force=force))
        _patiently(lambda: asyncio.run(_declare(opened, broker, database, namespace, accept_restored)))
        membership = store.membership()
        cluster = _patiently(lambda: membership.ask_format(NEWEST_FORMAT))
    return Initialised(before, namespace, cluster)


def _patiently(attempt: Callable[[], T]) -> T:
    """What `attempt` returns, once it no longer raises a TransientError; or its error, when the time is up."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    told = not sys.stderr.isatty()
    while True:
        try:
            return attempt()
        except TransientError as error:
            if time.monotonic() + RETRY_SECONDS > deadline:
                raise
            if not told:
                told = True
                print(f"{plain(error)} Trying for {PATIENCE_SECONDS:g} s ...", file=sys.stderr, flush=True)
        time.sleep(RETRY_SECONDS)


def _found(store: Store) -> Namespace | None:
    try:
        return store.namespace()
    except SchemaError:
        return None


async def _declare(
    opened: Broker, url: str, database: str, namespace: Namespace, accept_restored: bool
) -> None:
    async with AsyncExitStack() as stack:
        if is_embedded(url):
            from dalsegno.broker.embedded import EmbeddedServer

            with suppress(ConfigurationError):  # another process owns the file: it serves us
                await stack.enter_async_context(EmbeddedServer(embedded_file(url)))
        await _declare_at(opened, database, namespace, accept_restored)


async def _declare_at(broker: Broker, database: str, namespace: Namespace, accept_restored: bool) -> None:
    lost: list[str] = []
    session = await broker.connect(on_closed=lost.append, name="dalsegno init")
    try:
        await declare_namespace(
            session,
            identity=namespace.identity,
            partitions=namespace.partition_ids,
        )
        await raise_watermark(session, database, namespace.identity, accept_restored=accept_restored)
    finally:
        await session.close()
    if lost:
        raise BrokerUnavailableError(lost[0])


def checked_store(database: str) -> Store:
    """An open store whose schema fits, or a ConfigurationError that says what to do."""
    store = open_store(database)
    if database.startswith(SQLITE_FILE) and not (file := _sqlite_file(database)).exists():
        raise SchemaError(
            f"There is no database {file.absolute()}: run `dalsegno init` first, or `dalsegno dev`, which "
            "makes one, or name another with DALSEGNO_DATABASE or --database."
        )
    try:
        store.namespace()
    except BaseException:
        store.close()
        raise
    return store
