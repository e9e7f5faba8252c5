"""An activation that moves no wake-up changes its row in place: no index of PostgreSQL is touched."""

from __future__ import annotations

import time
from typing import Any

import pytest
import sqlalchemy as sa

from dalsegno.persistence import open_database, open_store
from dalsegno.persistence.database import OwnedConnection, Role
from tests.partition_ids import FIRST
from tests.persistence.rounds import HOUR, creation, round_of, step

INSTANCES = 100
STEPS = 10
PATIENCE_SECONDS = 30.0

_UPDATES = sa.text(
    "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables "
    "WHERE schemaname = current_schema() AND relname = 'instances'"
)


@pytest.mark.postgres
def test_most_updates_that_leave_wake_at_as_it_was_are_made_in_place(postgres_schema_url: str) -> None:
    store = open_store(postgres_schema_url)
    store.migrate(partitions=1)
    membership = store.membership()
    membership.join("host-a", ttl=HOUR, version="1")
    membership.take([FIRST], "host-a")
    writer = store.writer()
    names = [f"order-{number}" for number in range(INSTANCES)]
    assert not writer.commit(round_of(*[creation(name, wake_at=1000) for name in names])).missed
    for sequence in range(2, 2 + STEPS):
        steps = [step(name, sequence, wake_at=1000) for name in names]
        assert not writer.commit(round_of(*steps)).missed
    store.close()  # what a connection has counted is to be seen when it has ended

    updated, in_place = updates(postgres_schema_url)
    assert in_place >= 0.7 * updated, "without room in their pages it is less than half"


def updates(url: str) -> tuple[int, int]:
    """All, and those in place, once they are counted."""
    owned = OwnedConnection(open_database(url), Role.READER)
    deadline = time.monotonic() + PATIENCE_SECONDS
    try:
        while True:
            with owned.transaction() as connection:
                found: Any = connection.execute(_UPDATES).one()
            if found.n_tup_upd >= INSTANCES * STEPS:
                return found.n_tup_upd, found.n_tup_hot_upd
            assert time.monotonic() < deadline, f"{found.n_tup_upd} updates were counted"
    finally:
        owned.close()
