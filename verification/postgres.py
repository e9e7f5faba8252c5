"""PostgreSQL for reading in order: an index is walked from a key on and left after a few rows.

A bitmap scan would fetch all that is behind the key, and sort it, for each batch anew.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from dalsegno.persistence.database import Role
from dalsegno.persistence.postgres import Postgres


class WalkingPostgres(Postgres):
    def engine(self, role: Role) -> sa.Engine:
        engine = super().engine(role)
        sa.event.listen(engine, "connect", _walk_indexes)
        return engine


def _walk_indexes(connection: Any, _: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET enable_bitmapscan = off")
    connection.commit()
