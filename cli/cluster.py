"""`dalsegno ping`, `hosts`, `partitions`."""

from __future__ import annotations

from collections.abc import Callable

from dalsegno.broker.protocol.messages import HostInfo
from dalsegno.cli.asking import ask, look
from dalsegno.cli.options import Source
from dalsegno.cli.output import moment, print_json, ranges, say, table
from dalsegno.client import Client, NoAnswerError, Pong
from dalsegno.errors import StoreUnavailableError


def ping(broker: str, timeout: float, *, as_json: bool) -> None:
    pong, reads_database = ask(broker, timeout, probe)
    if as_json:
        print_json({"host_id": pong.host_id, "version": pong.version, "database": reads_database})
    if not reads_database:
        raise StoreUnavailableError(
            f"Host {pong.host_id} answers, but no host could read the database within {timeout:g} s."
        )
    if not as_json:
        say(f"host {pong.host_id} answers (dalsegno {pong.version})")


async def probe(client: Client) -> tuple[Pong, bool]:
    """A host's answer, and whether one can read the database: nothing goes on without it."""
    pong = await client.ping()
    try:
        await client.hosts()
    except NoAnswerError:
        return pong, False
    return pong, True


def hosts(source: Source, timeout: float, *, as_json: bool) -> None:
    rows = look(source, timeout, lambda client: client.hosts())
    if as_json:
        for row in rows:
            print_json(row)
        return
    columns: dict[str, Callable[[HostInfo], object]] = {
        "host": lambda row: row.host_id,
        "version": lambda row: row.version,
        "knows tables": lambda row: row.tables,
        "reads format": lambda row: row.format_read,
        "valid until (UTC)": lambda row: moment(row.expires_at),
        "partitions": lambda row: ranges(row.partitions) or "none",
    }
    # Of interest while hosts of two versions run side by side.
    for name in ("knows tables", "reads format"):
        if len({columns[name](row) for row in rows}) < 2:
            del columns[name]
    table(list(columns), [[shown(row) for shown in columns.values()] for row in rows])


def partitions(source: Source, timeout: float, *, as_json: bool) -> None:
    rows = look(source, timeout, lambda client: client.partitions())
    if as_json:
        for row in rows:
            print_json(row)
        return
    table(["partition", "owner", "epoch"], [(r.partition, r.owner or "nobody", r.epoch) for r in rows])
