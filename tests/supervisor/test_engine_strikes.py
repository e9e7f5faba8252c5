"""Code that killed its host twice at the same cause does not run a third time, until somebody says so."""

from __future__ import annotations

from dalsegno.broker.protocol import messages as wire
from dalsegno.broker.protocol.ids import run_id
from dalsegno.policies import WorkflowIDConflictPolicy, WorkflowStatus
from tests.partition_ids import FIRST
from tests.supervisor.mail import command, query, signal, start, terminate
from tests.supervisor.scripted_world import ScriptedWorld
from tests.workflow_actor.rig import SECOND, T0, ScriptedCode, activity, timer

RUN = run_id("w", "start-1")


def struck_while_running() -> ScriptedWorld:
    """Its host was killed twice in its timer; another has just loaded it."""
    world = ScriptedWorld(ScriptedCode([[timer(1, T0 + 60 * SECOND)]]))
    world.own()
    world.deliver(start())
    world.go_on()
    world.live_through(15)
    world.database.strikes[RUN] = (("wake-up after 1", 2),)
    world.deliver(signal("s1"))
    world.go_on()
    return world


def test_a_struck_instance_is_suspended_when_it_is_loaded() -> None:
    world = struck_while_running()
    assert world.status() is WorkflowStatus.SUSPENDED
    assert "s1" in world.database.seen["w"]


def test_what_an_operator_resumes_stays_resumed_when_it_is_loaded_again() -> None:
    world = struck_while_running()
    world.deliver(command(wire.ResumeWorkflow(workflow_id="w"), "r"))
    world.go_on()
    assert world.status() is WorkflowStatus.RUNNING
    world.live_through(15)
    assert world.engine.partitions[FIRST].actors.peek("w") is None
    world.deliver(signal("s2"))
    world.go_on()
    assert world.status() is WorkflowStatus.RUNNING


def test_a_start_that_killed_its_hosts_is_recorded_and_suspended() -> None:
    world = ScriptedWorld(ScriptedCode([[activity(1)]]))
    world.database.strikes[RUN] = (("workflow.start start-1", 2),)
    world.own()
    tag = world.deliver(start(), redelivered=True)
    world.go_on()
    assert world.status() is WorkflowStatus.SUSPENDED
    assert world.acknowledged() == tag
    assert world.code.built == []  # type: ignore[attr-defined]
    world.live_through(20)
    assert world.code.built == []  # type: ignore[attr-defined]


def test_it_stays_suspended_if_the_host_dies_before_it_has_said_so() -> None:
    """The quarantined start is written; the word that nobody shall try it again is not."""
    world = ScriptedWorld(ScriptedCode([[activity(1)]]))
    world.database.strikes[RUN] = (("workflow.start start-1", 2),)
    world.own()
    world.deliver(start(), redelivered=True)
    world.run()
    world.loaded()
    world.engine.strikes_found(FIRST, "w", world.database.strikes[RUN])
    actor = world.engine.partitions[FIRST].actors.peek("w")
    assert actor is not None
    actor.actor_inbox.pop()  # the second word, lost with the host
    world.run()
    world.committed()
    world.lose_channel()
    world.engine.lease_lost(FIRST)
    world.own(epoch=2)
    world.live_through(20)
    assert world.code.built == []  # type: ignore[attr-defined]
    assert world.status() is WorkflowStatus.SUSPENDED


def test_an_answer_about_strikes_that_an_actor_before_this_one_asked_for_changes_nothing() -> None:
    world = ScriptedWorld(ScriptedCode([[activity(1)]]))
    world.own()
    world.deliver(start())
    world.go_on()
    world.engine.strikes_found(FIRST, "w", (("workflow.start start-1", 2),))
    tag = world.deliver(signal("s"))
    world.go_on()
    assert world.acknowledged() == tag
    assert world.status() is WorkflowStatus.RUNNING


def test_a_query_of_a_closed_run_that_killed_its_hosts_is_not_run_again() -> None:
    world = ScriptedWorld(ScriptedCode([[activity(1)]]))
    world.own()
    world.deliver(start())
    world.deliver(terminate("t"))
    world.go_on()
    assert world.engine.partitions[FIRST].actors.peek("w") is None
    world.database.strikes[RUN] = (("workflow.query q", 2),)
    world.code.built.clear()  # type: ignore[attr-defined]
    tag = world.deliver(query("q"), redelivered=True)
    world.go_on()
    assert world.acknowledged() == tag
    assert world.code.built == []  # type: ignore[attr-defined]
    assert [reply.error.code for reply in world.replies() if reply.error] == ["query_failed"]


def test_what_was_queued_before_this_host_came_may_have_killed_the_last_though_no_broker_says_so() -> None:
    """The embedded broker dies with its host, and a client may have sent the start again meanwhile."""
    world = ScriptedWorld(ScriptedCode([[activity(1)]]))
    world.database.strikes[RUN] = (("workflow.start start-1", 2),)
    world.own(live=False)
    tag = world.deliver(start(), redelivered=False)
    world.go_on(confirm=False)
    assert world.status() is WorkflowStatus.SUSPENDED
    assert world.code.built == []  # type: ignore[attr-defined]
    world.go_on()
    assert world.acknowledged() == tag


def test_strikes_that_are_found_while_the_run_before_is_being_written_count_all_the_same() -> None:
    world = ScriptedWorld(ScriptedCode([[activity(1)]]))
    world.own()
    world.deliver(start())
    world.deliver(signal("s1"))
    world.go_on()
    second = run_id("w", "start-2")
    world.database.strikes[second] = (("workflow.start start-2", 2),)
    world.deliver(signal("s2"))
    policy = WorkflowIDConflictPolicy.TERMINATE_EXISTING
    tag = world.deliver(start("start-2", conflict_policy=policy), redelivered=True)
    world.run()
    (asked,) = world.strikes_asked
    assert asked == (FIRST, "w", second)
    assert world.rounds, "the second signal is being written"
    world.strikes_asked.clear()
    world.code.built.clear()  # type: ignore[attr-defined]
    world.engine.strikes_found(FIRST, "w", world.database.strikes[second])
    world.committed()
    world.go_on()
    assert world.acknowledged() == tag
    assert world.database.rows["w"].run_id == second
    assert world.status() is WorkflowStatus.SUSPENDED
    assert world.code.built == []  # type: ignore[attr-defined]
