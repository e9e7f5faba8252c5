"""What PostgreSQL and SQLite have to answer differently, and the connections that live on it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from enum import Enum
from typing import Any, Protocol

import sqlalchemy as sa

from dalsegno.errors import CommandRejectedError, SchemaError, StoreUnavailableError, UnreadableRowError
from dalsegno.persistence.port import Writer
from dalsegno.persistence.url import DatabaseURL


class DataRefusedError(CommandRejectedError):
    """The database cannot store these values (SQLSTATE classes 22, 23, 54). The text quotes none of them."""


class StatementTimeoutError(StoreUnavailableError):
    """The database cut a statement short, by the time that its role gives it."""


class Role(Enum):
    """Who uses a connection; timeouts, isolation and the right to checkpoint differ."""

    WRITER = "writer"
    READER = "reader"
    PEOPLE = "people"
    """Reads what a person asks, who does not wait long."""
    AUDITOR = "auditor"
    """Reads as a reader does, but everything, in the order of keys."""
    MEMBERSHIP = "membership"
    SCHEMA = "schema"


READING = (Role.READER, Role.PEOPLE, Role.AUDITOR)


class Database(Protocol):
    """A kind of database. It holds the URL and no connection."""

    url: DatabaseURL
    driver_error: type[Exception]
    """The base of what the driver raises."""

    def engine(self, role: Role) -> sa.Engine:
        """An engine that pools nothing and opens connections fit for `role`."""

    def writer(self) -> Writer: ...

    def now(self) -> sa.ColumnElement[int]:
        """The database's clock, fixed before the statement that it stands in takes its snapshot."""

    def among(self, column: sa.ColumnElement[Any], parameter: str) -> sa.ColumnElement[bool]:
        """`column` is one of the values in `parameter`, which is what `keys` made of them.

        It is one parameter whatever their number, so that statements are built and prepared once.
        """

    def keys(self, values: Iterable[Any]) -> Any:
        """The parameter for `among`. Texts that the database cannot store are left out: no row has them."""

    def answers(self) -> sa.TextClause:
        """workflow_id, message_id, type, answer: for each workflow ID of `ids` (see `keys`) at most `most`
        rows of seen, whichever come first. No more are read, however many there are."""

    def tails(self) -> sa.TextClause:
        """Rows of journal by run ID and sequence, for what `runs_after` made. No more than those are read."""

    def runs_after(self, sequences: Mapping[str, int]) -> Mapping[str, Any]:
        """The parameters of `tails`: by run ID, the sequence behind which its rows are wanted."""

    def insert_or_update(self, table: sa.Table, row: Mapping[str, Any], update: Mapping[str, Any]) -> sa.Insert:
        """Insert `row`, or where its primary key exists set `update`."""

    def prepare_namespace(self, connection: sa.Connection) -> None:
        """Before a migration: keep others from migrating, make the schema."""

    def check_outcome(self, connection: sa.Connection) -> None:
        """Raises StoreUnavailableError where the database did commit, but said that it may yet lose it."""

    def translate(self, error: Exception) -> Exception:
        """What an error of the driver, or SQLAlchemy's around it, means to the catcher, without payload."""


class OwnedConnection:
    """One connection, opened at first use and anew after it broke. Used by one thread at a time."""

    def __init__(self, database: Database, role: Role) -> None:
        self._database = database
        self._engine = database.engine(role)
        self._connection: sa.Connection | None = None

    @contextmanager
    def transaction(self) -> Iterator[sa.Connection]:
        """Committed at the end of the block, rolled back when it raises."""
        with self.opened() as connection, connection.begin():
            yield connection

    @contextmanager
    def opened(self) -> Iterator[sa.Connection]:
        """The connection, with the driver's errors translated."""
        try:
            if self._connection is None:
                self._connection = self._engine.connect()
            yield self._connection
            self._database.check_outcome(self._connection)
        except StoreUnavailableError:
            self.close()
            raise
        except (sa.exc.DBAPIError, self._database.driver_error) as error:
            fault = self._database.translate(error)
            if not isinstance(fault, DataRefusedError):
                self.close()
            if fault is error:
                raise
            if isinstance(fault, UnreadableRowError):
                raise fault from None  # the driver quotes what it could not read
            raise fault from error

    def close(self) -> None:
        """Drop the connection; what it had not committed is rolled back by the database."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            connection.invalidate()
            connection.close()


def storable(value: object) -> bool:
    """Whether a key can be stored at all: bytes, and texts with NUL or lone surrogates, cannot."""
    if not isinstance(value, str):
        return not isinstance(value, bytes)
    try:
        return b"\0" not in value.encode()
    except UnicodeEncodeError:
        return False


PEOPLE_SECONDS = 5
"""How long the database works on one statement of a person's question."""


def unavailable(url: DatabaseURL, detail: str) -> StoreUnavailableError:
    return StoreUnavailableError(f"The database {url.shown} could not answer: {detail}.")


def schema_error(url: DatabaseURL, fault: str) -> SchemaError:
    """`fault` is the first half of a sentence whose second names the command that mends it."""
    return SchemaError(f"{fault}; run: dalsegno init --database '{url.shown}'")
