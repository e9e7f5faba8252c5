"""The database's half of the watermark, by which a database that was restored is recognised.

It is raised here, and committed, before the broker is told: so in good order the broker knows no higher one.
"""

from __future__ import annotations

import sqlalchemy as sa

from dalsegno.persistence.database import Database
from dalsegno.persistence.port import Watermark
from dalsegno.persistence.tables import meta


def raise_watermark(
    database: Database, connection: sa.Connection, *, above: int, accept: bool
) -> Watermark | None:
    """See `port.Writer`."""
    number = meta.c.watermark
    statement = sa.update(meta).returning(number, meta.c.watermark_at)
    if accept:
        statement = statement.values(watermark=sa.case((number > above, number), else_=above) + 1)
    else:
        statement = statement.where(number >= above).values(watermark=number + 1)
    row = connection.execute(statement.values(watermark_at=database.now())).one_or_none()
    return None if row is None else Watermark(row.watermark, row.watermark_at)


def read_watermark(connection: sa.Connection) -> Watermark:
    row = connection.execute(sa.select(meta.c.watermark, meta.c.watermark_at)).one()
    return Watermark(row.watermark, row.watermark_at)
