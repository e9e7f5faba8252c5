"""The tables, as SQLAlchemy Core sees them. Migrations create them; a test holds the two together.

Times are whole microseconds since 1970. `instances` is what actors write and wake by, `runs` what people see.
"""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData()

HEAD = "0013"
"""The revision of these: the newest in `migrations/versions`."""
MIN_REVISION = "0006"
"""The oldest tables that this code works with, so that its hosts run beside those of a version before."""

VERSION_TABLE = "dalsegno_version"
"""Where Alembic notes the revision. Not its default name, which an application in the same schema may use."""

Key = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
"""Text that is compared byte by byte: keys need no dictionary order, and it costs a fraction."""

meta = sa.Table(
    "meta",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("generation", sa.Integer, nullable=False),
    sa.Column("partitions", sa.Integer, nullable=False),
    sa.Column("hash_seed", sa.BigInteger, nullable=False),
    sa.Column("identity", sa.Text, nullable=False),
    sa.Column("watermark", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("watermark_at", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("format_written", sa.Integer, nullable=False, server_default="1"),
    sa.Column("format_asked", sa.Integer, nullable=False, server_default="1"),
    sa.Column("readable_by", sa.Text, nullable=False, server_default="0007"),
)
"""One row, with the id 1. `readable_by` is the oldest revision whose code may still use these tables."""

GENERATION = sa.select(meta.c.generation).where(meta.c.id == sa.literal_column("1")).scalar_subquery()
"""That of the partitions whose numbers are in `leases` and `journal`. Whoever changes it has to take the leases
from all hosts in the same transaction, and must not lower an epoch. Fences, takes and looks at the cluster tell
a host of another generation by it."""

hosts = sa.Table(
    "hosts",
    metadata,
    sa.Column("host_id", Key, primary_key=True),
    sa.Column("expires_at", sa.BigInteger, nullable=False),
    sa.Column("version", sa.Text, nullable=False),
    sa.Column("ttl", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("format_read", sa.Integer, nullable=False, server_default="1"),
    sa.Column("head", sa.Text, nullable=False, server_default="0006"),
)
"""`head` is the newest revision of the tables that the host's code knows."""

leases = sa.Table(
    "leases",
    metadata,
    sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("owner", Key),
    sa.Column("epoch", sa.BigInteger, nullable=False),
)

instances = sa.Table(
    "instances",
    metadata,
    sa.Column("workflow_id", Key, primary_key=True),
    sa.Column("slot", sa.Integer, nullable=False),
    sa.Column("run_id", Key, nullable=False),
    sa.Column("sequence", sa.BigInteger, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("wake_at", sa.BigInteger),
)
sa.Index(
    "instances_wake_at",
    instances.c.slot,
    instances.c.wake_at,
    sqlite_where=instances.c.wake_at.is_not(None),
    postgresql_where=instances.c.wake_at.is_not(None),
)
sa.Index(
    "instances_suspended",
    instances.c.slot,
    instances.c.workflow_id,
    sqlite_where=instances.c.status == "suspended",
    postgresql_where=instances.c.status == "suspended",
)

runs = sa.Table(
    "runs",
    metadata,
    sa.Column("run_id", Key, primary_key=True),
    sa.Column("workflow_id", Key, nullable=False),
    sa.Column("workflow_type", Key, nullable=False),
    sa.Column("task_queue", Key, nullable=False),
    sa.Column("status", Key, nullable=False),
    sa.Column("started_at", sa.BigInteger, nullable=False),
    sa.Column("closed_at", sa.BigInteger),
    sa.Column("reason", sa.Text),
    sa.Column("result", sa.LargeBinary),
    sa.Column("memo", sa.LargeBinary),
    sa.Index("runs_started_at", "started_at", "run_id"),
    sa.Index("runs_status", "status", "started_at", "run_id"),
    sa.Index("runs_workflow_type", "workflow_type", "status", "started_at", "run_id"),
    sa.Index("runs_workflow_id", "workflow_id", "started_at", "run_id"),
    sa.Index(
        "runs_closed_at",
        "closed_at",
        "run_id",
        postgresql_where=sa.text("closed_at IS NOT NULL"),
        sqlite_where=sa.text("closed_at IS NOT NULL"),
    ),
)

seen = sa.Table(
    "seen",
    metadata,
    sa.Column("workflow_id", Key, primary_key=True),
    sa.Column("message_id", Key, primary_key=True),
    sa.Column("type", Key, primary_key=True, server_default=""),
    sa.Column("slot", sa.Integer, nullable=False),
    sa.Column("time", sa.BigInteger, nullable=False),
    sa.Column("answer", sa.Text, nullable=False),
    sa.Index("seen_time", "time"),
)

mail = sa.Table(
    "mail",
    metadata,
    sa.Column("workflow_id", Key, primary_key=True),
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("slot", sa.Integer, nullable=False),
    sa.Column("time", sa.BigInteger, nullable=False),
    sa.Column("message", sa.LargeBinary, nullable=False),
    sa.Index("mail_slot", "slot", "workflow_id"),
)
"""Messages that came while their workflow could not be run for a defect, in order. They are worked off, and
deleted, when it can be run again."""

inbox = sa.Table(
    "inbox",
    metadata,
    sa.Column("number", sa.BigInteger().with_variant(sa.Integer, "sqlite"), sa.Identity(), primary_key=True),
    sa.Column("time", sa.BigInteger, nullable=False),
    sa.Column("message", sa.LargeBinary, nullable=False),
    sqlite_autoincrement=True,
)
"""Commands that applications have written in transactions of their own, until a host has sent them on. A number
is never used twice: whoever removes a row knows nothing else of it."""

search_attributes = sa.Table(
    "search_attributes",
    metadata,
    sa.Column("name", Key, primary_key=True),
    sa.Column("type", sa.Text, nullable=False),
)
"""The attributes that are declared."""

run_attributes = sa.Table(
    "run_attributes",
    metadata,
    sa.Column("of_run", Key, primary_key=True),
    sa.Column("name", Key, primary_key=True),
    sa.Column("ordinal", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("begun_at", sa.BigInteger, nullable=False),
    sa.Column("keyword_value", Key),
    sa.Column("int_value", sa.BigInteger),
    sa.Column("double_value", sa.Double),
    sa.Column("text_value", sa.Text),
    *(
        sa.Index(
            f"run_attributes_{column}",
            "name",
            column,
            "begun_at",
            "of_run",
            postgresql_where=sa.text(f"{column} IS NOT NULL"),
            sqlite_where=sa.text(f"{column} IS NOT NULL"),
        )
        for column in ("keyword_value", "int_value", "double_value")
    ),
)
"""The values of runs that have any, beside `runs`, so that those that have none pay nothing. In one of the
columns, by the type of the attribute: dates and truth values are integers. Of a list each keyword has a row; of
all others the ordinal is 0. A value that was taken back leaves its row, with nothing in it, so that whoever
writes only ever inserts or overwrites. `begun_at` is when the run began: of those with a value the newest come
first in an index."""

deadlines = sa.Table(
    "deadlines",
    metadata,
    sa.Column("of_run", Key, primary_key=True),
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("risk_at", sa.BigInteger, nullable=False),
    sa.Column("due_at", sa.BigInteger, nullable=False),
    sa.Index("deadlines_risk_at", "risk_at", "of_run", "number"),
)
"""Those that are open, by the numbers that they have in their runs. Which are at risk the clock says, so that a
row is written when one is set, and deleted when it is over."""

journal = sa.Table(
    "journal",
    metadata,
    sa.Column("run_id", Key, primary_key=True),
    sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("round", sa.BigInteger, nullable=False),
    sa.Column("cause", sa.Text, nullable=False),
    sa.Column("partition", sa.Integer, nullable=False),
    sa.Column("epoch", sa.BigInteger, nullable=False),
    sa.Column("host", sa.Text, nullable=False),
    sa.Column("time", sa.BigInteger, nullable=False),
    sa.Column("events", sa.LargeBinary, nullable=False),
)

COLUMNS_OF_JOURNAL = ", ".join(
    [
        *(f"journal.{column.name}" for column in journal.c),
        "(SELECT generation FROM meta WHERE id = 1) AS generation",
    ]
)
"""For statements written by hand: `*` would mean something else once a newer version has added a column. With
`GENERATION`, without which the number of a partition does not say which one it is."""

snapshots = sa.Table(
    "snapshots",
    metadata,
    sa.Column("run_id", Key, primary_key=True),
    sa.Column("sequence", sa.BigInteger, nullable=False),
    sa.Column("format", sa.Integer, nullable=False),
    sa.Column("checksum", sa.LargeBinary, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
)
"""The newest of each run; older ones are overwritten."""

strikes = sa.Table(
    "strikes",
    metadata,
    sa.Column("run_id", Key, primary_key=True),
    sa.Column("cause", Key, primary_key=True),
    sa.Column("count", sa.Integer, nullable=False),
)
