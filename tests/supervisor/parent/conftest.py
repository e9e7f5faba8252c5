"""A parent with real children, and the store that it writes to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dalsegno.actors.supervisor.parent.child import ChildSpec
from dalsegno.persistence import open_store
from dalsegno.persistence.port import Membership, Store
from tests.supervisor.parent.supervision import Supervise, Supervision


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = open_store(f"sqlite:///{tmp_path / 'store.db'}")
    store.migrate(partitions=2)
    yield store
    store.close()


@pytest.fixture
def table(store: Store) -> Membership:
    return store.membership()


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    return tmp_path / "notes"


@pytest.fixture
def supervisions() -> Iterator[list[Supervision]]:
    """Their children are killed at the end."""
    started: list[Supervision] = []
    yield started
    for supervision in started:
        for child in supervision.parent.children:
            child.kill()
            child.close()


@pytest.fixture
def supervise(store: Store, supervisions: list[Supervision]) -> Supervise:
    def begin(*specs: ChildSpec) -> Supervision:
        supervisions.append(Supervision(store, *specs))
        return supervisions[-1]

    return begin
