"""Defects and lost leases that meet what is half done: no cause is removed early, none is left undone."""

from __future__ import annotations

import pytest

from dalsegno.actors.supervisor.outbox.shipment import Shipment
from dalsegno.actors.supervisor.outbox.shipping import Shipping
from dalsegno.actors.supervisor.round.round import Entry
from dalsegno.broker.protocol import messages as wire
from tests.partition_ids import FIRST
from tests.supervisor.mail import query, signal, start
from tests.supervisor.scripted_world import ScriptedWorld
from tests.workflow_actor.rig import ScriptedCode, activity

pytestmark = pytest.mark.usefixtures("quiet")


def shop() -> ScriptedWorld:
    """Its workflow `w` has sent its task; confirms are the test's."""
    world = ScriptedWorld(ScriptedCode([[activity(1)]]))
    world.own()
    world.deliver(start())
    world.go_on(confirm=False)
    return world


def test_a_host_whose_leases_do_not_hold_answers_no_query_and_the_message_comes_again() -> None:
    world = shop()
    world.confirm_all()
    before = len(world.replies())
    world.leases_hold = False
    tag = world.deliver(query("q"))
    world.go_on()
    assert len(world.replies()) == before
    assert world.acknowledged() < tag
    assert world.closed == [FIRST], "with its channel the message returns to its queue"
    assert not world.engine.partitions
    world.leases_hold = True
    world.own(epoch=2)
    again = world.deliver(query("q"), redelivered=True)
    world.go_on()
    assert len(world.replies()) == before + 1
    assert world.acknowledged() == again


@pytest.mark.parametrize("outcome", ["committed", "failed", "failed though done"])
def test_what_an_actor_was_told_is_done_in_the_end_though_a_defect_replaces_it_meanwhile(outcome: str) -> None:
    world = shop()
    world.go_on()
    first = world.deliver(signal("first"))
    world.loaded()
    assert world.rounds, "its entry is being written"
    supervisor = world.engine.partitions[FIRST]
    actor = supervisor.actors.peek("w")
    assert actor is not None
    supervisor.failed(actor, None, ZeroDivisionError())
    assert supervisor.actors.peek("w") is not actor
    last = world.deliver(signal("last"))
    world.loaded()
    assert world.acknowledged() < first, "nobody knows yet whether it was written"
    if outcome == "committed":
        world.committed()
    else:
        world.commit_fails(though_done=outcome == "failed though done")
    world.live_through(10)
    assert world.acknowledged() == last
    told = [row.cause for row in world.database.rows["w"].journal]
    assert [name for name in told if "first" in name or "last" in name] == told[-2:]
    assert "first" in told[-2]
    assert "last" in told[-1]


def test_a_confirm_that_belongs_to_an_earlier_try_removes_no_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    world = shop()
    (task,) = world.published_of(wire.ActivityTask)
    real, broken = Shipping._outstanding, [True]

    def outstanding(shipping: Shipping, entry: Entry, shipments: list[Shipment]) -> None:
        real(shipping, entry, shipments)
        if broken:
            broken.pop()
            raise ZeroDivisionError

    monkeypatch.setattr(Shipping, "_outstanding", outstanding)
    again = world.deliver(start(), redelivered=True)
    world.run()
    while world.rounds:
        world.committed()
    assert not broken
    world.answer(task)
    world.confirm_all()
    assert world.acknowledged() < again, "what came again is to be handled once more"
    world.live_through(10)
    assert world.acknowledged() == again


def test_who_is_replaced_while_it_is_written_does_not_move_its_row_past_its_journal() -> None:
    world = shop()
    world.go_on()
    world.deliver(signal("first"))
    world.loaded()
    assert world.rounds, "its entry is being written"
    actor = world.engine.partitions[FIRST].actors.peek("w")
    assert actor is not None
    entry = world.engine.open_rounds.current.entry(actor, 0)
    entry.shows_status()  # as for one that was halted and is well again
    world.commit_fails()
    world.live_through(10)
    row = world.database.rows["w"]
    assert row.sequence == row.journal[-1].sequence
    assert "first" in row.journal[-1].cause
