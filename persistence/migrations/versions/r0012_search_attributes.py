"""Search attributes: those that are declared, and the values of runs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
readable_by = "0007"

KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "search_attributes",
        sa.Column("name", KEY, primary_key=True),
        sa.Column("type", sa.Text, nullable=False),
    )
    op.create_table(
        "run_attributes",
        sa.Column("of_run", KEY, primary_key=True),
        sa.Column("name", KEY, primary_key=True),
        sa.Column("ordinal", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("begun_at", sa.BigInteger, nullable=False),
        sa.Column("keyword_value", KEY),
        sa.Column("int_value", sa.BigInteger),
        sa.Column("double_value", sa.Double),
        sa.Column("text_value", sa.Text),
    )
    for column in ("keyword_value", "int_value", "double_value"):
        op.create_index(
            f"run_attributes_{column}",
            "run_attributes",
            ["name", column, "begun_at", "of_run"],
            postgresql_where=sa.text(f"{column} IS NOT NULL"),
            sqlite_where=sa.text(f"{column} IS NOT NULL"),
        )
