"""A host's row says for how long a renewal is good, so that others notice when it is renewed no more."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("hosts", sa.Column("ttl", sa.BigInteger, nullable=False, server_default="0"))
