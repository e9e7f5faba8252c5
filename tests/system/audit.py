"""What a database must show whatever happened to its namespace's processes: what `dalsegno verify` says."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import sqlalchemy as sa

from dalsegno.persistence import open_database, tables
from dalsegno.persistence.database import OwnedConnection, Role
from dalsegno.verification import AuditReader, Finding, Scope, verify

BATCH = 1000


class Rows:
    """All that the database holds, for looking at."""

    def __init__(self, database: str) -> None:
        with (
            closing(OwnedConnection(open_database(database), Role.READER)) as owned,
            owned.transaction() as connection,
        ):

            def read(table: sa.Table, *order: sa.Column[Any]) -> list[Any]:
                return list(connection.execute(sa.select(table).order_by(*order)))

            self.journal = read(tables.journal, tables.journal.c.run_id, tables.journal.c.sequence)
            self.runs = {row.run_id: row for row in read(tables.runs)}
            self.instances = {row.workflow_id: row for row in read(tables.instances)}
            self.snapshots = {row.run_id: row for row in read(tables.snapshots)}

    def journal_of(self, run_id: str) -> list[Any]:
        return [row for row in self.journal if row.run_id == run_id]


def audit(database: str) -> list[str]:
    """What is wrong, one sentence each; empty when all is well. To be called when no host runs any more."""
    findings: list[Finding] = []
    with closing(AuditReader(database, batch=BATCH)) as reader:
        summary = verify(reader, Scope(), on_finding=findings.append)
    unread = [f"{summary.unread} runs could not be read"] if summary.unread else []
    return [*(finding.sentence for finding in findings), *unread]
