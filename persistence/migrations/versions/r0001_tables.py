"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

# A copy of what the tables were at this revision, not an import of what they are today.
KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    _create_ownership()
    _create_instances()
    _create_history()


def _create_ownership() -> None:
    op.create_table(
        "meta",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("generation", sa.Integer, nullable=False),
        sa.Column("partitions", sa.Integer, nullable=False),
        sa.Column("hash_seed", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "hosts",
        sa.Column("host_id", KEY, primary_key=True),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
    )
    op.create_table(
        "leases",
        sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("owner", KEY),
        sa.Column("epoch", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "strikes",
        sa.Column("run_id", KEY, primary_key=True),
        sa.Column("cause", KEY, primary_key=True),
        sa.Column("count", sa.Integer, nullable=False),
    )


def _create_instances() -> None:
    op.create_table(
        "instances",
        sa.Column("workflow_id", KEY, primary_key=True),
        sa.Column("slot", sa.Integer, nullable=False),
        sa.Column("run_id", KEY, nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("wake_at", sa.BigInteger),
    )
    waking = sa.text("wake_at IS NOT NULL")
    op.create_index(
        "instances_wake_at",
        "instances",
        ["slot", "wake_at"],
        sqlite_where=waking,
        postgresql_where=waking,
    )
    suspended = sa.text("status = 'suspended'")
    op.create_index(
        "instances_suspended",
        "instances",
        ["slot", "workflow_id"],
        sqlite_where=suspended,
        postgresql_where=suspended,
    )
    op.create_table(
        "runs",
        sa.Column("run_id", KEY, primary_key=True),
        sa.Column("workflow_id", KEY, nullable=False),
        sa.Column("workflow_type", KEY, nullable=False),
        sa.Column("task_queue", KEY, nullable=False),
        sa.Column("status", KEY, nullable=False),
        sa.Column("started_at", sa.BigInteger, nullable=False),
        sa.Column("closed_at", sa.BigInteger),
        sa.Column("reason", sa.Text),
        sa.Column("result", sa.LargeBinary),
        sa.Column("memo", sa.LargeBinary),
    )
    op.create_index("runs_started_at", "runs", ["started_at", "run_id"])
    op.create_index("runs_status", "runs", ["status", "started_at", "run_id"])
    op.create_index("runs_workflow_id", "runs", ["workflow_id", "started_at", "run_id"])
    op.create_table(
        "seen",
        sa.Column("workflow_id", KEY, primary_key=True),
        sa.Column("message_id", KEY, primary_key=True),
        sa.Column("slot", sa.Integer, nullable=False),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.Column("answer", sa.Text, nullable=False),
    )
    op.create_index("seen_time", "seen", ["time"])


def _create_history() -> None:
    op.create_table(
        "journal",
        sa.Column("run_id", KEY, primary_key=True),
        sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("round", sa.BigInteger, nullable=False),
        sa.Column("cause", sa.Text, nullable=False),
        sa.Column("partition", sa.Integer, nullable=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("host", sa.Text, nullable=False),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.Column("events", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "snapshots",
        sa.Column("run_id", KEY, primary_key=True),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("format", sa.Integer, nullable=False),
        sa.Column("checksum", sa.LargeBinary, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
