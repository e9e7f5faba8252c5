"""Commands that were answered are known by the type of their message, too: a signal may have a start's ID.

Rows from before are of the type "", which stands for any. They are gone when they have aged out.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    # A table of its own, and then the rows: no database alters a primary key alike. Hosts of the version before
    # write no type, so it has a default.
    op.rename_table("seen", "seen_before")
    op.drop_index("seen_time", "seen_before")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE seen_before RENAME CONSTRAINT seen_pkey TO seen_before_pkey")
    op.create_table(
        "seen",
        sa.Column("workflow_id", KEY, primary_key=True),
        sa.Column("message_id", KEY, primary_key=True),
        sa.Column("type", KEY, primary_key=True, server_default=""),
        sa.Column("slot", sa.Integer, nullable=False),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.Column("answer", sa.Text, nullable=False),
    )
    columns = "workflow_id, message_id, slot, time, answer"
    op.execute(f"INSERT INTO seen ({columns}) SELECT {columns} FROM seen_before")
    op.drop_table("seen_before")
    op.create_index("seen_time", "seen", ["time"])
