"""Search attributes: what is declared, who declares it, and what runs have."""

from __future__ import annotations

import re
from collections.abc import Collection

import sqlalchemy as sa

from dalsegno.errors import CommandRejectedError, SchemaError
from dalsegno.persistence import formats
from dalsegno.persistence.attribute_rows import attributes_of
from dalsegno.persistence.attributes_port import INCIDENTS
from dalsegno.persistence.database import Database, OwnedConnection, Role
from dalsegno.persistence.filters.fields import field_of
from dalsegno.persistence.filters.grammar import WORDS
from dalsegno.persistence.tables import run_attributes, search_attributes
from dalsegno.search_attributes import AttributeValue, Declared, SearchAttributeIndexedValueType

SINCE = "0012"
"""The revision of the tables that has them."""
DECLARED_MAX = 500
NAME_CHARACTERS_MAX = 100
REMOVED_AT_ONCE = 5_000
"""Values that one transaction deletes."""
_TYPES = {type_.value: type_ for type_ in SearchAttributeIndexedValueType}
_NAME = re.compile(r"[^\W\d][\w.-]*")


def read_declared(connection: sa.Connection, revision: str | None = None) -> Declared:
    """None where the tables, which are of that revision, are older. Types of newer versions are passed over."""
    if (revision or formats.revision_of(connection)) < SINCE:
        return {}
    rows = connection.execute(sa.select(search_attributes).order_by(search_attributes.c.name))
    return {
        row.name: _TYPES[row.type]
        for row in rows
        if row.type in _TYPES and isinstance(row.name, str) and why_not_name(row.name) is None
    }


def read_fields(connection: sa.Connection) -> Declared:
    """The attributes that a filter may name: those declared, and what the engine itself sets."""
    revision = formats.revision_of(connection)
    if revision < SINCE:
        return {}
    own = {INCIDENTS: SearchAttributeIndexedValueType.INT}
    return {**read_declared(connection, revision), **own}


def read_values(
    database: Database, connection: sa.Connection, run_ids: Collection[str]
) -> dict[str, dict[str, AttributeValue]]:
    """By run ID and name, of those that have any."""
    if not run_ids or not (declared := read_declared(connection)):
        return {}
    key = (run_attributes.c.of_run, run_attributes.c.name, run_attributes.c.ordinal)
    asked = sa.select(run_attributes).where(database.among(run_attributes.c.of_run, "ids")).order_by(*key)
    return attributes_of(connection.execute(asked, {"ids": database.keys(run_ids)}), declared)


def why_not_name(name: str) -> str | None:
    """Why no attribute can have that name; None if one can."""
    if _NAME.fullmatch(name) is None or len(name) > NAME_CHARACTERS_MAX:
        return (
            "it must begin with a letter, and have letters, digits, '_', '-' and '.', at most "
            f"{NAME_CHARACTERS_MAX}"
        )
    if field_of(name) is not None or name.lower() == INCIDENTS.lower():
        return "filters have a field of that name"
    if name.lower() in WORDS:
        return "it is a word of the filter language"
    return None


class SqlSearchAttributes:
    """`attributes_port.SearchAttributes` on connections of its own."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._reading = OwnedConnection(database, Role.READER)
        self._owned = OwnedConnection(database, Role.MEMBERSHIP)

    def declared(self) -> Declared:
        with self._reading.transaction() as connection:
            return read_declared(connection)

    def add(self, name: str, type_: SearchAttributeIndexedValueType) -> bool:
        if (why := why_not_name(name)) is not None:
            raise CommandRejectedError(f"No search attribute can have the name {name!r}: {why}.")
        with self._owned.transaction() as connection:
            declared = self._declared_to_change(connection)
            alike = next((one for one in declared if one.lower() == name.lower()), None)
            if alike == name and declared[name] is type_:
                return False
            if alike is not None:
                raise CommandRejectedError(
                    f"There is a search attribute {alike!r} of the type {declared[alike].value}; names differ "
                    "in more than case, and a type is changed by removing the attribute first."
                )
            if len(declared) >= DECLARED_MAX:
                raise CommandRejectedError(
                    f"A namespace has at most {DECLARED_MAX} search attributes; remove some."
                )
            # Of one before, whose removal a host had not heard of when it wrote them.
            connection.execute(sa.delete(run_attributes).where(run_attributes.c.name == name))
            connection.execute(sa.insert(search_attributes).values(name=name, type=type_.value))
        return True

    def remove(self, name: str, *, force: bool = False) -> int:
        with self._owned.transaction() as connection:
            declared = self._declared_to_change(connection)
            if name not in declared:
                raise CommandRejectedError(f"There is no search attribute {name!r}; {_there_are(declared)}.")
            used = sa.select(run_attributes.c.of_run).where(run_attributes.c.name == name).limit(1)
            if not force and connection.execute(used).first() is not None:
                raise CommandRejectedError(
                    f"Runs have the search attribute {name!r}; with force it is removed from them, too."
                )
        removed = 0
        key = sa.tuple_(run_attributes.c.of_run, run_attributes.c.name, run_attributes.c.ordinal)
        some = (
            sa.select(run_attributes.c.of_run, run_attributes.c.name, run_attributes.c.ordinal)
            .where(run_attributes.c.name == name)
            .limit(REMOVED_AT_ONCE)
        )
        while True:
            with self._owned.transaction() as connection:
                count = connection.execute(sa.delete(run_attributes).where(key.in_(some))).rowcount
                removed += count
                if count < REMOVED_AT_ONCE:  # last, so that it can be done again until then
                    connection.execute(sa.delete(search_attributes).where(search_attributes.c.name == name))
                    return removed

    def _declared_to_change(self, connection: sa.Connection) -> Declared:
        if formats.revision_of(connection) < SINCE:
            raise SchemaError(
                f"The database {self._database.url.shown} has no search attributes yet: run `dalsegno init`, "
                "once all hosts are of this version."
            )
        if connection.dialect.name == "postgresql":  # who declares at the same time waits; readers do not
            connection.execute(sa.text(f"LOCK TABLE {search_attributes.name} IN SHARE ROW EXCLUSIVE MODE"))
        return read_declared(connection)

    def close(self) -> None:
        self._reading.close()
        self._owned.close()


def _there_are(declared: Declared) -> str:
    return f"there are {', '.join(declared)}" if declared else "there is none"
