"""Programs are dropped by whoever built them; here, after each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.workflow_actor.program import play


@pytest.fixture(autouse=True)
def drop_all_programs() -> Iterator[None]:
    yield
    while play.built:
        play.built.pop().drop()
