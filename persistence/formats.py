"""Which stored format may be written: as new as every live host reads, and no newer.

`meta.format_written` is what may be written, `meta.format_asked` what it shall become (`dalsegno init` asks),
and a host's row says what it reads. It is raised in one transaction that locks the meta row, so that none
joins, and then looks at the hosts; a host joins in one that shares that lock, and is refused if it does not
read what may be written. So no raise and no join pass each other, and a live host can read all that is stored.

Tables from before revision 0007 have none of these columns: then the first format is written, and hosts say
nothing but which tables they know, as a part of their version.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from dalsegno.errors import NewerFormatError
from dalsegno.persistence.database import Database
from dalsegno.persistence.port import HostRow
from dalsegno.persistence.tables import HEAD, VERSION_TABLE, hosts, meta

FIRST_FORMAT = 1
OLDEST_HEAD = "0006"
"""What hosts know that do not say."""
_TABLES = "+tables."
_SINCE = {"ttl": "0003", "format_read": "0007", "head": "0007"}
"""By column of `hosts`, the revision that made it, where that is not the first."""


def revision_of(connection: sa.Connection) -> str:
    """The tables'. They must be there."""
    revision: str = connection.execute(
        sa.select(sa.column("version_num")).select_from(sa.table(VERSION_TABLE))
    ).scalar_one()
    return revision


def are_kept(revision: str) -> bool:
    """Whether tables of that revision have columns for formats."""
    return revision >= _SINCE["format_read"]


def read(connection: sa.Connection, revision: str) -> tuple[int, int]:
    """The format that may be written, and the one that is asked for."""
    if not are_kept(revision):
        return FIRST_FORMAT, FIRST_FORMAT
    row = connection.execute(sa.select(meta.c.format_written, meta.c.format_asked)).one()
    return row.format_written, row.format_asked


def admit(database: Database, connection: sa.Connection, format_read: int) -> str:
    """Keep tables and format from being raised until this transaction is over; the tables' revision is
    returned. NewerFormatError if a host that reads up to `format_read` has no place here any more."""
    # Shares the lock with other hosts that join, and with whoever raises the watermark. Only then is looked.
    connection.execute(sa.select(meta.c.id).with_for_update(read=True, key_share=True))
    revision = revision_of(connection)
    written, _ = read(connection, revision)
    if format_read < written:
        raise newer_format(database, written, format_read)
    return revision


def newer_format(database: Database, written: int, format_read: int) -> NewerFormatError:
    return NewerFormatError(
        f"What is stored in {database.url.shown} may be of format {written}, and this version of dalsegno "
        f"reads formats up to {format_read}; upgrade dalsegno."
    )


def announcement(revision: str, version: str, format_read: int) -> Mapping[str, Any]:
    """The columns in which a host says what it reads and knows."""
    if are_kept(revision):
        return {"version": version, "format_read": format_read, "head": HEAD}
    return {"version": f"{version}{_TABLES}{HEAD}"}


def ask(database: Database, connection: sa.Connection, newest: int) -> None:
    """Ask for `newest`, the newest of a release, whatever was asked for before. NewerFormatError if a newer one
    may be written already."""
    written, _ = _locked(connection)
    if newest < written:
        raise newer_format(database, written, newest)
    connection.execute(sa.update(meta).values(format_asked=newest))


def grant(database: Database, connection: sa.Connection) -> int:
    """What was asked for, if every live host reads it. What may be written then is returned."""
    written, asked = _locked(connection)
    # Gone for good, not only passed over: one that is just being renewed would be live without being asked.
    connection.execute(sa.delete(hosts).where(hosts.c.expires_at <= database.now()))
    least: int | None = connection.execute(sa.select(sa.func.min(hosts.c.format_read))).scalar_one()
    if asked <= written or (least is not None and least < asked):
        return written
    connection.execute(sa.update(meta).values(format_written=asked))
    return asked


def _locked(connection: sa.Connection) -> tuple[int, int]:
    row = connection.execute(sa.select(meta.c.format_written, meta.c.format_asked).with_for_update()).one()
    return row.format_written, row.format_asked


def live_hosts(database: Database, connection: sa.Connection, revision: str) -> list[HostRow]:
    """By host ID."""
    columns = [column for column in hosts.c if _SINCE.get(column.name, "") <= revision]
    live = sa.select(*columns).where(hosts.c.expires_at > database.now()).order_by(hosts.c.host_id)
    return [_host(row._asdict()) for row in connection.execute(live)]


def _host(row: Mapping[str, Any]) -> HostRow:
    # Said in the version also for a while after the tables were raised, until the row is renewed.
    version, _, said = row["version"].partition(_TABLES)
    return HostRow(**{**row, "version": version, "head": said or row.get("head", OLDEST_HEAD)})
