"""Run by Alembic inside the transaction that `persistence.schema` has opened."""

from __future__ import annotations

from alembic import context

from dalsegno.persistence.tables import VERSION_TABLE, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
)
context.run_migrations()
