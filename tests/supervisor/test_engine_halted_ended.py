"""Instances that cannot be run for a time, though their run has ended."""

from __future__ import annotations

import pytest

from dalsegno.actors.supervisor.partition.stored import instance_of
from dalsegno.actors.workflow_actor.interface.cause import AwaitOutcome
from dalsegno.actors.workflow_actor.interface.commands import Caller
from dalsegno.actors.workflow_actor.interface.effects import AnswerEffect
from dalsegno.actors.workflow_actor.shown import answers
from dalsegno.actors.workflow_actor.stored.codec import CODEC
from dalsegno.persistence.attributes_port import INCIDENTS
from dalsegno.policies import WorkflowStatus
from tests.supervisor.mail import query, signal, start, terminate
from tests.supervisor.test_engine_halted import begun, ended, unreadable

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


@pytest.mark.parametrize(("written", "rows"), [(2, []), (CODEC.newest, [INCIDENTS])])
def test_no_list_of_incidents_finds_a_run_that_was_ended_unread(written: int, rows: list[str]) -> None:
    """Where there are lists of incidents."""
    world = begun()
    world.engine.format_written(written)
    first = world.database.rows["w"].run_id
    unreadable(world)
    world.deliver(signal("kept"))
    world.go_on()
    world.deliver(terminate("t"))
    world.database.unreadable.clear()
    world.go_on()

    assert world.database.shown[first][0] is WorkflowStatus.TERMINATED
    assert [row.name for row in world.database.attributes] == rows
    assert all((row.run_id, row.value) == (first, None) for row in world.database.attributes)


def test_no_result_is_made_up_of_a_run_that_could_not_be_read_when_another_took_its_place() -> None:
    world = ended()
    first = world.database.rows["w"].run_id
    told = len(world.replies())
    world.database.outcomes.clear()
    unreadable(world)
    world.deliver(start("start-2"), redelivered=True)
    world.run()
    world.loaded()
    world.deliver(start("start-1", replies=("accepted", "result")), redelivered=True)
    world.database.unreadable.clear()
    world.go_on()
    assert world.status() is WorkflowStatus.RUNNING
    assert world.database.rows["w"].run_id != first

    state = instance_of(world.database.runs[first], world.code, history_limit=10).state
    assert state is not None
    assert state.outcome is not None
    assert not state.outcome.is_known
    asks = Caller("dalsegno.reply.client", "call asks")
    answer = answers.awaited(AwaitOutcome(run_id=first, caller=asks), asks, state)
    assert isinstance(answer, AnswerEffect)
    assert answer.error is not None
    assert "could not be read" in answer.error[1]
    assert not [reply for reply in world.replies()[told:] if reply.kind == "result"]
