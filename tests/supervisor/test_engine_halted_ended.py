"""Instances that cannot be run for a time, though their run has ended."""

from __future__ import annotations

import pytest

from dalsegno.policies import WorkflowStatus
from tests.supervisor.mail import query, terminate
from tests.supervisor.test_engine_halted import begun, unreadable

pytestmark = pytest.mark.usefixtures("quiet")


def test_a_run_that_has_ended_is_not_due_for_ever_once_it_can_be_read_again() -> None:
    world = begun()
    world.deliver(terminate("t"))
    world.go_on()
    unreadable(world)
    world.deliver(query("q"))
    world.go_on()
    assert world.database.rows["w"].wake_at is not None

    world.database.unreadable.clear()
    world.live_through(30)

    assert world.database.rows["w"].wake_at is None
    assert world.status() is WorkflowStatus.TERMINATED
