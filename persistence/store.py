"""A database URL made usable: `open_store` is the way in."""

from __future__ import annotations

from dalsegno.persistence import schema
from dalsegno.persistence.attributes_port import SearchAttributes
from dalsegno.persistence.database import Database, OwnedConnection, Role
from dalsegno.persistence.inbox import SqlInbox
from dalsegno.persistence.inbox_port import Inbox
from dalsegno.persistence.membership import SqlMembership
from dalsegno.persistence.port import Membership, Namespace, Store, Writer
from dalsegno.persistence.reader import SqlReader
from dalsegno.persistence.reader_port import PeopleReader, Reader
from dalsegno.persistence.search_attributes import SqlSearchAttributes
from dalsegno.persistence.url import parse_url


def open_store(url: str) -> Store:
    """The store behind `postgresql://user:password@host/database?schema=name` or `sqlite:///file`.

    Nothing is connected to yet. ConfigurationError says what is wrong with the URL, without its password.
    """
    return SqlStore(open_database(url))


def open_database(url: str) -> Database:
    """The kind of database that the URL names; as for `open_store`."""
    address = parse_url(url)
    # Each driver is loaded only where it is used.
    if address.is_sqlite:
        from dalsegno.persistence.sqlite import Sqlite

        return Sqlite(address)
    from dalsegno.persistence.postgres import Postgres

    return Postgres(address)


class SqlStore:
    """`port.Store`. It hands out writers, readers and memberships, each with a connection of its own."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._handed_out: list[Writer | SqlReader | Membership | Inbox | SearchAttributes] = []

    def migrate(self, *, partitions: int | None = None, force: bool = False) -> Namespace:
        owned = OwnedConnection(self._database, Role.SCHEMA)
        try:
            while True:
                with owned.transaction() as connection:
                    made = schema.migrate(self._database, connection, partitions=partitions, force=force)
                if made is not None:
                    return made
        finally:
            owned.close()

    def namespace(self) -> Namespace:
        owned = OwnedConnection(self._database, Role.READER)
        try:
            with owned.transaction() as connection:
                return schema.read_namespace(self._database, connection)
        finally:
            owned.close()

    def writer(self) -> Writer:
        writer = self._database.writer()
        self._handed_out.append(writer)
        return writer

    def reader(self) -> Reader:
        return self._reader(Role.READER)

    def people_reader(self) -> PeopleReader:
        return self._reader(Role.PEOPLE)

    def _reader(self, role: Role) -> SqlReader:
        reader = SqlReader(self._database, role)
        self._handed_out.append(reader)
        return reader

    def membership(self) -> Membership:
        membership = SqlMembership(self._database)
        self._handed_out.append(membership)
        return membership

    def inbox(self) -> Inbox:
        inbox = SqlInbox(self._database)
        self._handed_out.append(inbox)
        return inbox

    def search_attributes(self) -> SearchAttributes:
        attributes = SqlSearchAttributes(self._database)
        self._handed_out.append(attributes)
        return attributes

    def close(self) -> None:
        """Close all that was handed out; to be called when the threads that use them have ended."""
        for owner in self._handed_out:
            owner.close()
        self._handed_out.clear()
