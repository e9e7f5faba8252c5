"""Which stored format may be written, and what each host reads; which versions may use tables that are newer.

The defaults are what versions without these columns read, and know.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
readable_by = "0007"
"""The code of 0006 takes no tables that it does not know."""


def upgrade() -> None:
    for name in ("format_written", "format_asked"):
        op.add_column("meta", sa.Column(name, sa.Integer, nullable=False, server_default="1"))
    op.add_column("meta", sa.Column("readable_by", sa.Text, nullable=False, server_default="0007"))
    op.add_column("hosts", sa.Column("format_read", sa.Integer, nullable=False, server_default="1"))
    op.add_column("hosts", sa.Column("head", sa.Text, nullable=False, server_default="0006"))
