"""The shop's services, played by a ledger in SQLite. Each booking has a unique key, so that a step that runs
twice (activities run at least once) books once: this is what idempotency keys are for.

Some inputs misbehave on purpose, as payment providers' test cards do:

    card 4000-0002          declined, for good
    card 4000-flaky         the provider is down for the first two calls
    card 4000-closed        what was charged cannot be given back
    sku  sold-out           out of stock, for good
    address nowhere         cannot be shipped to, for good
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from dalsegno import ApplicationError

PACE_VARIABLE = "ORDERS_PACE"
"""Seconds that each call takes, so that people can watch."""
LEDGER_VARIABLE = "ORDERS_LEDGER"


class PaymentDeclined(ApplicationError):  # noqa: N818 - it reads better where it is raised
    """The bank said no; asking again changes nothing."""


class AccountClosed(ApplicationError):  # noqa: N818
    """There is nowhere to give the money back to."""


class OutOfStock(ApplicationError):  # noqa: N818
    """The warehouse does not have it."""


class Undeliverable(ApplicationError):  # noqa: N818
    """No carrier goes there."""


class ProviderDown(Exception):  # noqa: N818
    """It may work the next time."""


@contextmanager
def ledger() -> Generator[sqlite3.Connection, None, None]:
    path = Path(os.environ.get(LEDGER_VARIABLE, ".dalsegno/orders.db"))
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, timeout=30, isolation_level=None)
    try:
        connection.execute("pragma journal_mode=wal")
        connection.execute("create table if not exists bookings (key text primary key, what text, at real)")
        connection.execute("create table if not exists calls (key text, at real)")
        yield connection
    finally:
        connection.close()


def book(key: str, what: str) -> str:
    """Book once, however often it is called; the booking's number is returned."""
    time.sleep(float(os.environ.get(PACE_VARIABLE, "0")))
    with ledger() as connection:
        connection.execute("insert or ignore into bookings values (?, ?, ?)", (key, what, time.time()))
        row = connection.execute("select rowid from bookings where key = ?", (key,)).fetchone()
    return f"{what.split()[0]}-{row[0]}"


def booked(beginning: str) -> str | None:
    """The number of the last booking that begins so, if there is one: for who does not know how it ended."""
    with ledger() as connection:
        query = "select rowid, what from bookings where substr(what, 1, ?) = ? order by rowid desc"
        row = connection.execute(query, (len(beginning), beginning)).fetchone()
    return None if row is None else f"{row[1].split()[0]}-{row[0]}"


def calls(key: str) -> int:
    """Count one more call, and say how many there have been."""
    with ledger() as connection:
        connection.execute("insert into calls values (?, ?)", (key, time.time()))
        count: int = connection.execute("select count(*) from calls where key = ?", (key,)).fetchone()[0]
    return count
