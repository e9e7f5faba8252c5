"""Pages of `instances` keep room for new versions of their rows: an update that leaves `wake_at` as it was then
touches no index. Pages that are full already fill up to that only with time."""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"
readable_by = "0007"


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE instances SET (fillfactor = 80)")
