"""Every statement walks an index: none reads a table, or all that is behind its key, for one batch."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest
import sqlalchemy as sa

from dalsegno.verification.reader import AuditReader

KEY = {"workflow_id": "w", "started_at": 0, "run_id": "r", "most": 31}
ASKED: dict[str, dict[str, Any]] = {
    "runs": KEY,
    "runs_of": {**KEY, "only": "w"},
    "run": {"run_id": "r"},
    "short": {"ids": ["r", "s"]},
    "rows": {"run_id": "r", "after": 3, "most": 100},
    "snapshots": {"ids": ["r"]},
    "instances": {"after": "w", "most": 100},
    "instance": {"after": "", "most": 100, "only": "w"},
    "journal_ids": {"after": "r", "most": 100},
    "snapshot_ids": {"after": "r", "most": 100},
}
SORTED = ("short", "journal_ids", "snapshot_ids")
"""Of what was found by the index, and is bounded."""


@pytest.mark.parametrize("name", ASKED)
def test_a_statement_walks_an_index(traded_url: str, kind: str, name: str) -> None:
    plan = plan_of(traded_url, kind, name)
    if kind == "sqlite":
        scans = [line for line in plan if line.startswith("SCAN ") and "VIRTUAL" not in line]
        assert set(scans) <= {"SCAN ids", "SCAN CONSTANT ROW"}
        assert name in SORTED or not any("TEMP B-TREE" in line for line in plan)
    else:
        text = "\n".join(plan)
        assert not any(word in text for word in ("Seq Scan", "Bitmap", "Hash", "hashed", "Merge")), text
        assert name in SORTED or "Sort" not in text, text


def plan_of(url: str, kind: str, name: str) -> list[str]:
    with closing(AuditReader(url, batch=100)) as reader:
        database, statement = reader._database, getattr(reader._statements, name)
        asked = {key: database.keys(value) if key == "ids" else value for key, value in ASKED[name].items()}

        def explain(_c: Any, _u: Any, sql: str, parameters: Any, _x: Any, _m: bool) -> tuple[str, Any]:
            return f"EXPLAIN {'QUERY PLAN ' if kind == 'sqlite' else ''}{sql}", parameters

        with reader._owned.transaction() as connection:
            sa.event.listen(connection, "before_cursor_execute", explain, retval=True)
            result = connection.execute(statement, asked)
            return [str(row[-1]) for row in result.cursor.fetchall()]
