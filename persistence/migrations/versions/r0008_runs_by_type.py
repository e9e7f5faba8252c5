"""Runs of one type and status, newest first: lists by type walk no others."""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"
readable_by = "0007"


def upgrade() -> None:
    op.create_index("runs_workflow_type", "runs", ["workflow_type", "status", "started_at", "run_id"])
