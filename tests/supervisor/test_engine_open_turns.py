"""Turns that stay open: their instance waits, in order, and nobody else does; what becomes of one is what the
table of `open_turn` says, whatever happens meanwhile."""

from __future__ import annotations

import pytest

from dalsegno.actors.workflow_actor.instance import Instance
from dalsegno.actors.workflow_actor.interface.commands import WakeUp
from dalsegno.actors.workflow_actor.queries.commands import Query
from dalsegno.actors.workflow_actor.signals.commands import Signal
from dalsegno.broker.protocol import messages as wire
from dalsegno.policies import WorkflowStatus
from tests.partition_ids import FIRST
from tests.supervisor.mail import query, signal, start
from tests.supervisor.opened import LATER, LOCAL, Opened, describe, finish
from tests.workflow_actor.rig import SECOND, T0, ScriptedCode, activity, timer

pytestmark = pytest.mark.usefixtures("quiet", "local")


# --- nothing of it before it is sealed -----------------------------------------------------------------------


def test_an_open_turn_writes_nothing_answers_nothing_and_acknowledges_nothing(opened: Opened) -> None:
    acknowledged = opened.world.acknowledged()
    assert not opened.world.rounds
    assert opened.rows == 1
    assert opened.answered("s1") == []

    finish(opened)
    assert opened.rows == 2, "one activation, whatever it has waited for"
    assert len(opened.answered("s1")) == 1
    assert opened.world.acknowledged() == acknowledged + 1
    assert opened.actor.turn is None


def test_others_go_on_meanwhile(opened: Opened) -> None:
    opened.off_loop.slow = ()
    opened.world.deliver(start("other", "w2"))
    opened.world.go_on()
    assert opened.world.status("w2") is WorkflowStatus.RUNNING
    assert opened.rows == 1


def test_what_comes_meanwhile_waits_in_order(opened: Opened) -> None:
    for number in range(2, 5):
        opened.world.deliver(signal(f"s{number}"))
    opened.world.go_on()
    assert opened.rows == 1
    finish(opened)
    causes = [row.cause for row in opened.world.database.rows["w"].journal]
    assert causes[1:] == [f"workflow.signal s{number}" for number in range(1, 5)]


def test_what_is_told_first_comes_behind_the_cause_of_the_open_turn(opened: Opened) -> None:
    actor = opened.actor
    opened.world.deliver(signal("s2"))
    opened.world.run()
    (first, second) = actor.actor_inbox
    actor.put_first([actor.actor_inbox.pop()])
    assert list(actor.actor_inbox) == [first, second]
    finish(opened)
    assert opened.rows == 3


# --- who asks meanwhile --------------------------------------------------------------------------------------


def test_a_description_is_of_the_state_before_the_turn(opened: Opened) -> None:
    opened.world.deliver(describe("d1"))
    opened.world.go_on()
    (reply,) = opened.answered("d1")
    assert reply.description is not None
    assert reply.description.pending_activities == ()
    assert opened.actor.turn is not None
    finish(opened)
    assert opened.rows == 2


def test_a_query_behind_a_signal_waits_for_it_as_it_may_be_its_sender_s(opened: Opened) -> None:
    opened.world.deliver(query("q1"))
    opened.world.go_on()
    assert opened.answered("q1") == []
    finish(opened)
    assert len(opened.answered("q1")) == 1


def test_nobody_passes_who_comes_behind_what_waits(opened: Opened) -> None:
    opened.world.deliver(signal("s2"))
    opened.world.deliver(describe("d1"))
    opened.world.go_on()
    assert opened.answered("d1") == []
    finish(opened)
    assert len(opened.answered("d1")) == 1


@pytest.mark.parametrize("preparing", [True, False])
def test_a_query_during_the_turn_of_a_wake_up_reads_what_was_before(preparing: bool) -> None:
    opened = Opened(
        *((WakeUp,) if preparing else ()),
        code=ScriptedCode([[timer(1, T0 + SECOND)], [LOCAL], []]),
    )
    opened.world.pass_time(1.5)
    opened.world.run()
    assert opened.actor.turn is not None
    opened.world.deliver(query("q1"))
    opened.world.run()
    opened.world.confirm_all()
    (reply,) = opened.answered("q1")
    assert reply.result is not None
    assert reply.result.data == b'["q", 1]'
    finish(opened)
    assert opened.rows == 2


def test_a_query_that_has_to_be_prepared_itself_waits_for_the_turn_that_is_open() -> None:
    opened = Opened(WakeUp, Query, code=ScriptedCode([[timer(1, T0 + SECOND)], []]))
    opened.world.pass_time(1.5)
    opened.world.deliver(query("q1"))
    opened.world.go_on()
    assert [type(waits) for waits, _ in opened.off_loop.preparing] == [WakeUp]
    opened.off_loop.prepared()
    opened.world.go_on()
    assert [type(waits) for waits, _ in opened.off_loop.preparing] == [Query]
    finish(opened)
    assert len(opened.answered("q1")) == 1


# --- what goes wrong meanwhile -------------------------------------------------------------------------------


def test_a_lost_channel_brings_the_signal_again_and_it_is_applied_once(opened: Opened) -> None:
    opened.world.lose_channel()
    opened.world.run()
    opened.world.open_channel_of()
    opened.world.deliver(signal("s1"), redelivered=True)
    opened.world.go_on()
    finish(opened)
    assert opened.rows == 2
    assert opened.world.acknowledged() == 2, "the marker and the signal"


def test_the_copy_of_a_signal_waits_for_what_the_turn_of_the_lost_one_sends() -> None:
    opened = Opened(code=ScriptedCode([[timer(9, LATER)], [LOCAL], [activity(2)]]))
    world = opened.world
    world.deliver(signal("s1"))
    world.go_on()
    world.lose_channel()
    world.run()
    world.open_channel_of()
    tag = world.deliver(signal("s1"), redelivered=True)
    world.run()
    opened.off_loop.worked()
    world.committed()
    world.declared()
    world.confirm_all_but(wire.ActivityTask)
    assert world.published_of(wire.ActivityTask)
    assert world.acknowledged() == tag - 1
    world.confirm_all()
    assert world.acknowledged() == tag


def test_a_turn_that_has_not_stepped_is_dropped_once_its_cause_is_void() -> None:
    opened = Opened(Signal)
    opened.world.deliver(signal("s1"))
    opened.world.go_on()
    opened.world.lose_channel()
    opened.off_loop.prepared()
    opened.world.go_on()
    assert opened.rows == 1
    assert opened.actor.turn is None


def test_of_a_lost_lease_nothing_is_left_and_the_next_owner_begins_anew(opened: Opened) -> None:
    world = opened.world
    world.engine.lease_lost(FIRST)
    world.own(epoch=2)
    finish(opened)  # too late for the turn: nobody hears it
    assert opened.rows == 1
    world.deliver(signal("s1"), redelivered=True)
    world.go_on()
    finish(opened)
    assert opened.rows == 2


def test_a_commit_of_unknown_outcome_drops_the_turn_that_was_begun_on_it() -> None:
    opened = Opened(code=ScriptedCode([[timer(9, LATER)], [], [LOCAL], []]))
    world = opened.world
    world.deliver(signal("s1"))
    world.run()
    assert world.rounds
    world.deliver(signal("s2"))
    world.run()
    world.commit_fails(though_done=True)
    world.live_through(1)
    finish(opened)
    assert opened.rows == 3
    assert world.acknowledged() == 4, "the marker, the start and both signals"


def test_a_commit_that_fails_while_a_turn_is_open_takes_the_turn_along(opened: Opened) -> None:
    """A description goes with a round; so does the mail of others."""
    world = opened.world
    world.engine.open_rounds.current.entry(opened.actor, FIRST).move_wake_up = True
    world.engine.request_work()
    world.run()
    before = opened.actor
    world.commit_fails()
    world.live_through(1)
    assert opened.actor is not before
    finish(opened)
    assert opened.rows == 2


def test_a_defect_in_the_second_step_drops_the_turn_and_the_signal_is_told_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened = Opened()
    opened.world.deliver(signal("s1"))
    opened.world.go_on()
    with monkeypatch.context() as patched:
        patched.setattr(Instance, "go_on", lambda *_, **__: 1 / 0)
        opened.off_loop.worked()
        opened.world.run()
    for _ in range(50):
        if not opened.off_loop.working:
            opened.world.live_through(0.1)
    finish(opened)
    assert opened.rows == 2
    assert opened.world.status() is WorkflowStatus.RUNNING


@pytest.mark.parametrize("what", ["prepare", "work"])
def test_a_defect_as_the_turn_opens_has_the_signal_told_again_once(
    what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = Opened(*((Signal,) if what == "prepare" else ()))
    with monkeypatch.context() as patched:
        patched.setattr(opened.off_loop, what, lambda *_: 1 / 0)
        tag = opened.world.deliver(signal("s1"))
        opened.world.run()
    assert [cause.name for cause in opened.actor.actor_inbox] == ["workflow.signal s1"]
    opened.off_loop.slow = ()
    for _ in range(50):
        if opened.rows < 2:
            opened.world.live_through(0.1, confirm=False)
            while opened.off_loop.working:
                opened.off_loop.worked()
                opened.world.go_on(confirm=False)
    assert opened.rows == 2
    assert len(opened.world.published) == 1, "its answer"
    assert opened.world.acknowledged() == tag - 1
    opened.world.go_on()
    assert opened.world.acknowledged() == tag


def test_other_code_makes_the_instance_anew_and_the_turn_begins_again(opened: Opened) -> None:
    assert isinstance(opened.world.code, ScriptedCode)
    before = opened.actor
    opened.world.code.source = "code-2"
    opened.world.engine.code_changed()
    opened.world.go_on()
    assert opened.actor is not before
    finish(opened)
    assert opened.rows == 2
