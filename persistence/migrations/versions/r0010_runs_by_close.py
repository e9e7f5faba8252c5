"""Runs by when they ended: lists by close time walk no others. Open ones are not in it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
readable_by = "0007"


def upgrade() -> None:
    ended = sa.text("closed_at IS NOT NULL")
    op.create_index(
        "runs_closed_at", "runs", ["closed_at", "run_id"], postgresql_where=ended, sqlite_where=ended
    )
