"""Strikes of queries are cleared with the resume that asks for it, and not while its turn is open: it may still
come to nothing."""

from __future__ import annotations

import pytest

from dalsegno.actors.supervisor.failing.strikes import STRIKES_LIMIT
from dalsegno.actors.workflow_actor.interface.commands import Resume
from dalsegno.actors.workflow_actor.interface.waiting import Unfit
from dalsegno.actors.workflow_actor.open_turn import TurnState
from dalsegno.broker.protocol import messages as wire
from dalsegno.broker.protocol.ids import run_id
from dalsegno.policies import WorkflowStatus
from tests.partition_ids import FIRST
from tests.supervisor.mail import command, query, signal
from tests.supervisor.opened import LATER, LOCAL, Opened, describe, finish
from tests.workflow_actor.rig import ScriptedCode, timer

pytestmark = pytest.mark.usefixtures("quiet", "local")

STRIKES = {run_id("w", "start-1"): (("query q @code-1", STRIKES_LIMIT),)}


def resumed(state: TurnState) -> Opened:
    """A workflow is suspended, of which a query has killed hosts; the turn of who resumes it is open."""
    is_working = state is TurnState.WORKING
    opened = Opened(code=ScriptedCode([[timer(9, LATER)], [LOCAL] if is_working else [], []]))
    world = opened.world
    world.deliver(command(wire.SuspendWorkflow(workflow_id="w"), "suspend"))
    world.deliver(signal("s1"))
    world.go_on()
    world.live_through(1)
    assert world.engine.partitions[FIRST].actors.peek("w") is None
    world.database.strikes.update(STRIKES)
    opened.off_loop.slow = () if is_working else (Resume,)
    world.deliver(command(wire.ResumeWorkflow(workflow_id="w"), "resume"))
    world.go_on()
    turn = opened.actor.turn
    assert turn is not None
    assert turn.state is state
    return opened


def refused(opened: Opened, message_id: str) -> bool:
    """The query is sent again, and is not run."""
    opened.world.deliver(query(message_id))
    opened.world.go_on()
    (reply,) = opened.answered(message_id)
    return reply.error is not None and reply.error.code == "query_failed"


@pytest.mark.parametrize("state", [TurnState.PREPARING, TurnState.WORKING])
def test_strikes_are_kept_while_a_description_passes_the_resume_and_go_when_that_is_durable(
    state: TurnState,
) -> None:
    opened = resumed(state)
    opened.world.deliver(describe("d1"))
    opened.world.go_on()
    assert len(opened.answered("d1")) == 1
    assert opened.actor.turn is not None
    assert opened.world.database.strikes == STRIKES

    finish(opened)
    assert opened.world.database.strikes == {}
    assert opened.world.status() is WorkflowStatus.RUNNING
    assert not refused(opened, "q1")


def test_a_resume_that_is_unfit_gives_no_handler_another_chance() -> None:
    opened = resumed(TurnState.PREPARING)
    opened.off_loop.prepared(Unfit(("rejected", "not by you")))
    opened.world.go_on()
    assert len(opened.answered("resume")) == 1
    assert refused(opened, "q1")
    assert opened.world.database.strikes == STRIKES


def test_a_resume_that_is_void_when_it_is_prepared_gives_no_handler_another_chance() -> None:
    opened = resumed(TurnState.PREPARING)
    opened.world.lose_channel()
    opened.off_loop.prepared()
    opened.world.go_on()
    assert opened.actor.turn is None
    opened.world.open_channel_of()
    assert refused(opened, "q1")
    assert opened.world.database.strikes == STRIKES


@pytest.mark.parametrize("state", [TurnState.PREPARING, TurnState.WORKING])
def test_a_resume_whose_turn_is_lost_with_the_lease_gives_no_handler_another_chance(state: TurnState) -> None:
    opened = resumed(state)
    opened.world.deliver(describe("d1"))
    opened.world.go_on()
    opened.world.engine.lease_lost(FIRST)
    opened.world.own(epoch=2)
    assert refused(opened, "q1")
    assert opened.world.database.strikes == STRIKES
