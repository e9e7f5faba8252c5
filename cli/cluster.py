"""`dalsegno ping`, `hosts`, `partitions`."""

from __future__ import annotations

from dalsegno.cli.asking import ask
from dalsegno.cli.output import moment, print_json, ranges, say, table


def ping(broker: str, timeout: float, *, as_json: bool) -> None:
    pong = ask(broker, timeout, lambda client: client.ping())
    if as_json:
        print_json({"host_id": pong.host_id, "version": pong.version})
    else:
        say(f"host {pong.host_id} answers (dalsegno {pong.version})")


def hosts(broker: str, timeout: float, *, as_json: bool) -> None:
    rows = ask(broker, timeout, lambda client: client.hosts())
    if as_json:
        for row in rows:
            print_json(row)
        return
    table(
        ["host", "version", "valid until (UTC)", "partitions"],
        [(r.host_id, r.version, moment(r.expires_at), ranges(r.partitions) or "none") for r in rows],
    )


def partitions(broker: str, timeout: float, *, as_json: bool) -> None:
    rows = ask(broker, timeout, lambda client: client.partitions())
    if as_json:
        for row in rows:
            print_json(row)
        return
    table(["partition", "owner", "epoch"], [(r.partition, r.owner or "nobody", r.epoch) for r in rows])
