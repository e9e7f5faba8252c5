"""The namespace has an identity, by which the broker knows whose virtual host it is."""

from __future__ import annotations

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("meta", sa.Column("identity", sa.Text))
    meta = sa.table("meta", sa.column("identity", sa.Text))
    op.execute(sa.update(meta).values(identity=secrets.token_hex(16)))
    # SQLite alters no column: there, a batch copies the table, which has one row.
    with op.batch_alter_table("meta") as batch:
        batch.alter_column("identity", existing_type=sa.Text(), nullable=False)
