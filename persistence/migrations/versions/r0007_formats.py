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

REFUSE = """
CREATE FUNCTION dalsegno_host_joins() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE written integer;
BEGIN
    EXECUTE format('SELECT format_written FROM %I.meta FOR KEY SHARE', TG_TABLE_SCHEMA) INTO written;
    IF NEW.format_read < written THEN
        RAISE insufficient_privilege USING MESSAGE = format(
            'what is stored may be of format %s, and host %s reads formats up to %s, so upgrade dalsegno',
            written, NEW.host_id, NEW.format_read);
    END IF;
    RETURN NEW;
END $$"""
"""A host of a version that knows of no formats asks nobody when it joins anew after a freeze."""


def upgrade() -> None:
    for name in ("format_written", "format_asked"):
        op.add_column("meta", sa.Column(name, sa.Integer, nullable=False, server_default="1"))
    op.add_column("meta", sa.Column("readable_by", sa.Text, nullable=False, server_default="0007"))
    op.add_column("hosts", sa.Column("format_read", sa.Integer, nullable=False, server_default="1"))
    op.add_column("hosts", sa.Column("head", sa.Text, nullable=False, server_default="0006"))
    if op.get_bind().dialect.name == "postgresql":  # with SQLite there is one host
        op.execute(REFUSE)
        op.execute(
            "CREATE TRIGGER host_joins BEFORE INSERT ON hosts"
            " FOR EACH ROW EXECUTE FUNCTION dalsegno_host_joins()"
        )
