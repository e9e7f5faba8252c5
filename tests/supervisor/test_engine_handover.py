"""Leases come and go: what was delivered is finished first, and nothing of an old lease touches the new one."""

from __future__ import annotations

from dalsegno.broker import topology
from dalsegno.broker.port import Fault
from dalsegno.broker.protocol import messages as wire
from dalsegno.policies import WorkflowIDConflictPolicy, WorkflowStatus
from tests.partition_ids import FIRST, nth
from tests.supervisor.mail import await_result, command, signal, start, terminate
from tests.supervisor.scripted_world import ScriptedWorld
from tests.workflow_actor.rig import ScriptedCode, activity


def of_partition(number: int, partitions: int = 2) -> str:
    """A workflow ID that lives there."""
    return next(f"w{index}" for index in range(100) if topology.slot_of(f"w{index}") % partitions == number)


def test_a_hand_over_does_not_wait_for_what_other_partitions_write() -> None:
    world = ScriptedWorld(ScriptedCode([[activity(1)]]), partitions=2)
    world.own(FIRST)
    world.own(nth(1))
    world.deliver(start("s0", of_partition(0)), FIRST)
    world.go_on()
    world.deliver(start("s1", of_partition(1)), nth(1))
    world.run()
    assert world.rounds
    world.engine.release(FIRST)
    world.pass_time(0.1)
    assert world.released == [(FIRST, 1)]


def test_a_hand_over_waits_for_what_was_delivered() -> None:
    world = ScriptedWorld(ScriptedCode([[activity(1)]]))
    world.own()
    tag = world.deliver(start())
    world.engine.release(FIRST)
    world.pass_time(0.1)
    assert world.rounds
    assert world.released == []
    world.commit_fails()
    consumer = world.consumers[FIRST]
    world.live_through(2)
    assert consumer.acknowledged == tag
    assert world.released == [(FIRST, 1)]


def test_what_comes_during_a_hand_over_returns_to_its_queue_untouched() -> None:
    world = ScriptedWorld(ScriptedCode([[activity(1)]]))
    world.own()
    begun = world.deliver(start())
    consumer = world.consumers[FIRST]
    world.run()
    world.engine.release(FIRST)
    world.deliver(signal("meanwhile"))
    world.go_on()
    world.pass_time(0.1)
    assert world.released == [(FIRST, 1)]
    assert consumer.acknowledged == begun
    assert world.database.seen["w"] == {"start-1": ""}


def test_who_asked_for_an_outcome_before_a_hand_over_is_told_to_ask_the_next_owner() -> None:
    world = ScriptedWorld(ScriptedCode([[activity(1)]]))
    world.own()
    world.deliver(start())
    world.deliver(await_result("before"))
    world.go_on()
    world.deliver(await_result("just before"))
    world.engine.release(FIRST)
    world.go_on()
    world.pass_time(0.1)
    assert world.released == [(FIRST, 1)]
    assert [reply.error.code for reply in world.replies() if reply.error] == ["moved", "moved"]


def test_who_waits_for_a_run_that_another_takes_the_place_of_is_not_told_the_others_outcome() -> None:
    world = ScriptedWorld(ScriptedCode([[activity(1)]]))
    world.own()
    world.deliver(start())
    world.go_on()
    first = world.database.rows["w"].run_id
    world.deliver(await_result("waits", run_id=first))
    world.go_on()
    world.deliver(start("start-2", conflict_policy=WorkflowIDConflictPolicy.TERMINATE_EXISTING))
    world.go_on()
    world.deliver(terminate("t"))
    world.go_on()
    assert world.status() is WorkflowStatus.TERMINATED
    told = [reply for reply in world.replies() if reply.kind == "result" or reply.error]
    assert [(reply.run_id, reply.error and reply.error.code) for reply in told] == [(None, "moved")]


def test_a_start_that_went_with_its_channel_leaves_no_guess_behind() -> None:
    """It was taken to be of a new workflow ID, unread; that must not be believed when others ask."""
    world = ScriptedWorld(ScriptedCode([[activity(1)]]))
    world.own()
    world.deliver(start())
    world.go_on()
    world.live_through(15)
    assert world.engine.partitions[FIRST].actors.peek("w") is None
    world.deliver(start("first", "other"))
    world.run()
    assert world.rounds
    world.deliver(start("start-2", conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING))
    world.run()
    world.lose_channel()
    world.go_on()
    world.open_channel_of()
    world.deliver(signal("s"))
    world.go_on()
    assert world.database.seen["w"] == {"start-1": "", "s": ""}


def test_a_guess_that_proves_wrong_is_loaded_and_all_is_answered_from_what_is_there() -> None:
    world = ScriptedWorld(ScriptedCode([[activity(1)]]))
    world.own()
    world.deliver(start())
    world.go_on()
    world.live_through(15)
    world.deliver(start("start-2"))
    tag = world.deliver(signal("s"))
    world.go_on()
    assert [reply.error.code for reply in world.replies() if reply.error] == ["already_started"]
    assert world.acknowledged() == tag
    assert world.database.seen["w"] == {"start-1": "", "start-2": "already_started", "s": ""}


def test_what_was_refused_before_its_workflow_began_stays_refused() -> None:
    world = ScriptedWorld(ScriptedCode([[activity(1)]]))
    world.own()
    world.deliver(signal("early"))
    world.go_on()
    world.live_through(15)
    world.deliver(start())
    tag = world.deliver(signal("early"))
    world.go_on()
    assert world.acknowledged() == tag
    assert world.database.seen["w"] == {"early": "not_found", "start-1": ""}


def test_what_cannot_be_sent_is_forgotten_with_its_partition() -> None:
    world = ScriptedWorld(ScriptedCode([[activity(1)]]))
    world.own()
    world.deliver(start())
    world.go_on(confirm=False)
    world.lose_publisher(Fault.MESSAGE)
    while world.published[0].message.type != wire.ActivityTask.TYPE:
        world.answer(world.published[0])
    world.engine.lease_lost(FIRST)
    world.lose_publisher(Fault.MESSAGE)
    world.pass_time(20)
    assert len(world.engine.outbox) == 0


def test_a_commit_of_an_old_lease_lets_nothing_out_under_the_new_one() -> None:
    world = ScriptedWorld(ScriptedCode([[activity(1)]]))
    world.own()
    world.deliver(start())
    world.run()
    assert world.rounds
    world.engine.lease_lost(FIRST)
    world.own(epoch=2)
    world.committed(lost=frozenset({0}))
    assert world.engine.partitions[FIRST].epoch == 2
    assert not world.replies()
    tag = world.deliver(start(), redelivered=True)
    world.go_on()
    assert world.acknowledged() == tag
    assert world.published_of(wire.ActivityTask) == []
    assert len([reply for reply in world.replies() if reply.kind == "accepted"]) == 1


def test_a_host_that_has_rejoined_writes_and_answers_under_its_new_id() -> None:
    world = ScriptedWorld(ScriptedCode([[activity(1)]]))
    world.own()
    world.engine.all_leases_lost()
    world.engine.rejoined("host-2")
    world.own(epoch=2)
    world.deliver(start())
    world.run()
    assert world.rounds[0].host_id == "host-2"
    assert {row.host for write in world.rounds[0].instances for row in write.journal} == {"host-2"}
    world.deliver(command(wire.DescribeWorkflow(workflow_id="w"), "d"))
    world.go_on()
    described = [reply.description for reply in world.replies() if reply.description is not None]
    assert [description.host_id for description in described] == ["host-2"]
