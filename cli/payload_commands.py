"""`dalsegno payloads ...`: what the payload store holds."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from dalsegno.cli import options

app = typer.Typer(name="payloads", help="Large payloads, and the store that they are in.", no_args_is_help=True)

GRACE = "7d"


@app.callback()
def payloads() -> None:
    """Large payloads, and the store that they are in."""


@app.command()
def sweep(
    database: options.Database = options.DEFAULT_DATABASE,
    data_converter: options.DataConverter = None,
    older_than: Annotated[
        str,
        typer.Option(
            metavar="AGE",
            help="Only what was put that long ago or longer (90m, 24h, 7d): longer than any message may lie "
            "with the broker, or in a client, before a host has it.",
        ),
    ] = GRACE,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Delete nothing; say what would be.")] = False,
    even_all: Annotated[
        bool,
        typer.Option("--even-all", help="Also if the database refers to nothing in the store."),
    ] = False,
    as_json: options.AsJson = False,
) -> None:
    """Delete what nobody refers to any more from the payload store.

    The database is only read, and hosts may go on meanwhile. The store is that
    of the --data-converter; let each namespace have one of its own (or a
    prefix, folder or name in it). Where the database refers to nothing in the
    store, it is more likely another one's: then nothing is deleted, but with
    --even-all.

    Exit codes: 0 it is done; 2 something must be mended (a converter without a
    store, URL, tables); 3 the database or the store is not there just now.

    Example: dalsegno payloads sweep --data-converter shop.converter:stored
    """
    from dalsegno.cli import code
    from dalsegno.cli.output import print_json, say
    from dalsegno.cli.sweeping import swept
    from dalsegno.cli.verify_command import moment_of

    converter = code.data_converter(data_converter)
    before = moment_of(older_than, now=time.time(), option="--older-than") / 1_000_000
    done = swept(database, converter, before=before, deletes=not dry_run, even_all=even_all)
    if as_json:
        print_json({"kept": done.kept, "deleted": done.unreferred, "dry_run": dry_run})
        return
    verb = "would be deleted" if dry_run else "deleted"
    say(f"{done.unreferred:,} that nobody refers to {verb}; {done.kept:,} as old are referred to.")
