"""A number that only grows, which the broker knows as well: by it a restored database is recognised."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    for name in ("watermark", "watermark_at"):
        op.add_column("meta", sa.Column(name, sa.BigInteger, nullable=False, server_default="0"))
