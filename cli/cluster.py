"""`dalsegno ping`, `hosts`, `partitions`."""

from __future__ import annotations

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
    table(
        ["host", "version", "valid until (UTC)", "partitions"],
        [(r.host_id, r.version, moment(r.expires_at), ranges(r.partitions) or "none") for r in rows],
    )


def partitions(source: Source, timeout: float, *, as_json: bool) -> None:
    rows = look(source, timeout, lambda client: client.partitions())
    if as_json:
        for row in rows:
            print_json(row)
        return
    table(["partition", "owner", "epoch"], [(r.partition, r.owner or "nobody", r.epoch) for r in rows])
