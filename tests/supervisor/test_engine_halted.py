"""Instances that cannot be run for a defect of ours: no mail is lost, and an operator can end them."""

from __future__ import annotations

from typing import Any

import pytest

from dalsegno.actors.supervisor.partition.stored import instance_of
from dalsegno.actors.workflow_actor.instance import Instance
from dalsegno.broker.port import Message
from dalsegno.broker.protocol import messages as wire
from dalsegno.broker.protocol.codec import decode, encode
from dalsegno.persistence.deadlines_port import DeadlineRow
from dalsegno.persistence.port import Round
from dalsegno.policies import WorkflowIDConflictPolicy, WorkflowStatus
from tests.partition_ids import FIRST
from tests.supervisor.mail import await_result, command, query, signal, start, terminate
from tests.supervisor.scripted_world import ScriptedWorld
from tests.workflow_actor.rig import DONE, ScriptedCode, activity, payload, timer

pytestmark = pytest.mark.usefixtures("quiet")

LATER = 2**52


def dead_letters(world: ScriptedWorld) -> list[Message]:
    return [message for message in world.sent if "x-dalsegno-reason" in message.headers]


def refusals(world: ScriptedWorld) -> list[str]:
    return [reply.error.code for reply in world.replies() if reply.error]


def begun(code: ScriptedCode | None = None) -> ScriptedWorld:
    world = ScriptedWorld(code or ScriptedCode([[timer(1, LATER)]]))
    world.own()
    world.deliver(start())
    world.go_on()
    return world


def unreadable(world: ScriptedWorld) -> None:
    """Workflow w leaves memory, and its rows are damaged."""
    world.live_through(15)
    assert world.engine.partitions[FIRST].actors.peek("w") is None
    world.database.unreadable.add("w")


def signals_in(world: ScriptedWorld) -> list[str]:
    """Their message IDs, as recorded."""
    row = world.database.rows["w"]
    return [r.cause.split()[1] for r in row.journal if r.cause.startswith("workflow.signal")]


def test_what_is_sent_to_an_instance_that_cannot_be_read_waits_until_it_can_in_order() -> None:
    world = begun()
    unreadable(world)

    tag = 0
    for number in range(5):
        tag = world.deliver(signal(f"s{number}"))
    world.go_on()

    assert world.acknowledged() == tag
    assert dead_letters(world) == []
    assert len(world.database.mail) == 5
    assert refusals(world) == []
    assert world.status() is WorkflowStatus.SUSPENDED
    run_id = world.database.rows["w"].run_id
    assert world.database.shown[run_id][0] is WorkflowStatus.SUSPENDED
    assert "cannot be read: 'odd' is not a status" in str(world.database.shown[run_id][1])

    world.database.unreadable.clear()
    world.live_through(30)

    assert signals_in(world) == [f"s{number}" for number in range(5)]
    assert world.database.mail == {}
    assert world.status() is WorkflowStatus.RUNNING
    assert world.database.shown[run_id] == (WorkflowStatus.RUNNING, None)


def test_what_comes_while_mail_is_worked_off_comes_behind_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dalsegno.actors.supervisor.deliveries.mail.PAGE", 3)
    monkeypatch.setattr("tests.supervisor.scripted_database.PAGE", 3)
    world = begun()
    unreadable(world)
    for number in range(8):
        world.deliver(signal(f"s{number}"))
    world.go_on()

    world.database.unreadable.clear()
    world.pass_time(3)
    tag = world.deliver(signal("last"))
    world.live_through(5)

    assert world.acknowledged() == tag
    assert signals_in(world) == [*(f"s{number}" for number in range(8)), "last"]
    assert world.database.mail == {}


def test_an_instance_that_is_well_again_is_shown_so_without_any_mail() -> None:
    world = begun()
    unreadable(world)
    world.deliver(query("q"))
    world.go_on()
    assert refusals(world) == ["rejected"]
    assert world.status() is WorkflowStatus.SUSPENDED

    world.database.unreadable.clear()
    world.live_through(60)

    assert world.status() is WorkflowStatus.RUNNING


def test_a_message_that_crashes_its_actor_each_time_suspends_the_instance_and_is_kept() -> None:
    code = ScriptedCode([[activity(1)], [], ZeroDivisionError(), []])
    world = begun(code)
    world.deliver(signal("good"))
    world.deliver(signal("bad"))
    tag = world.deliver(signal("late"))
    world.live_through(30)

    assert world.acknowledged() == tag
    assert dead_letters(world) == []
    assert world.status() is WorkflowStatus.SUSPENDED
    run_id = world.database.rows["w"].run_id
    assert "ZeroDivisionError" in str(world.database.shown[run_id][1])

    code.script = lambda index, _: [activity(1)] if index == 0 else []
    world.live_through(600)

    assert signals_in(world) == ["good", "bad", "late"]
    assert world.status() is WorkflowStatus.RUNNING
    assert world.database.mail == {}


def test_the_result_of_an_activity_is_kept_too() -> None:
    world = begun(ScriptedCode([[activity(1)], [timer(1, LATER)]]))
    sent = next(message for message in world.sent if message.type == wire.ActivityTask.TYPE)
    unreadable(world)
    task = decode(sent)
    assert isinstance(task, wire.ActivityTask)
    done = wire.ActivityCompleted(
        workflow_id="w",
        run_id=task.run_id,
        activity_id=task.activity_id,
        attempt=task.attempt,
        token=task.token,
        result=payload(),
    )
    tag = world.deliver(encode(done, message_id="done"))
    world.go_on()
    assert world.acknowledged() == tag
    assert len(world.database.mail) == 1

    world.database.unreadable.clear()
    world.live_through(30)

    assert world.database.mail == {}
    assert world.database.rows["w"].wake_at == LATER  # the activity is over, and the timer is set


def test_an_operator_can_terminate_what_cannot_be_read_and_start_anew() -> None:
    world = begun()
    first = world.database.rows["w"].run_id
    unreadable(world)
    world.deliver(signal("kept"))
    world.go_on()

    tag = world.deliver(terminate("t"))
    world.database.unreadable.clear()  # the row is written whatever was there
    world.go_on()

    assert world.acknowledged() == tag
    assert world.status() is WorkflowStatus.TERMINATED
    assert world.database.shown[first][0] is WorkflowStatus.TERMINATED
    assert world.database.deadlines_over == [DeadlineRow.all_over(first)], "nobody knows which it had"

    world.deliver(start("start-2"))
    world.live_through(5)

    assert world.status() is WorkflowStatus.RUNNING
    assert world.database.rows["w"].run_id != first
    assert world.database.mail == {}


def test_a_start_that_takes_its_place_ends_it_unread() -> None:
    world = begun()
    first = world.database.rows["w"].run_id
    unreadable(world)

    world.deliver(start("start-2", conflict_policy=WorkflowIDConflictPolicy.TERMINATE_EXISTING))
    world.run()
    world.loaded()
    world.database.unreadable.clear()
    world.go_on()

    assert world.status() is WorkflowStatus.RUNNING
    assert world.database.rows["w"].run_id != first
    assert world.database.shown[first][0] is WorkflowStatus.TERMINATED


@pytest.mark.parametrize(
    ("policy", "answer"),
    [
        (WorkflowIDConflictPolicy.FAIL, "already_started"),
        (WorkflowIDConflictPolicy.USE_EXISTING, None),
    ],
)
def test_a_start_over_it_is_answered_as_over_one_that_runs(
    policy: WorkflowIDConflictPolicy, answer: str | None
) -> None:
    world = begun()
    first = world.database.rows["w"].run_id
    unreadable(world)

    tag = world.deliver(start("start-2", conflict_policy=policy))
    world.go_on()

    assert world.acknowledged() == tag
    assert refusals(world) == ([answer] if answer else [])
    last = world.replies()[-1]
    if answer is None:
        assert (last.kind, last.run_id, last.status) == ("accepted", first, WorkflowStatus.SUSPENDED)


def test_describe_tells_why_it_is_suspended() -> None:
    world = begun()
    unreadable(world)

    world.deliver(command(wire.DescribeWorkflow(workflow_id="w"), "d"))
    world.go_on()

    description = world.replies()[-1].description
    assert description is not None
    assert description.status is WorkflowStatus.SUSPENDED
    assert "cannot be read" in str(description.suspended_reason)
    assert description.workflow_type == "order"


def test_who_waits_for_its_result_is_told_and_goes_on_waiting() -> None:
    world = begun()
    unreadable(world)

    world.deliver(command(wire.AwaitResult(workflow_id="w", tell_suspended=True), "asks"))
    world.go_on()
    assert [m.correlation_id for m in world.sent].count("call asks") == 1
    world.deliver(terminate("t"))
    world.go_on()

    assert [m.correlation_id for m in world.sent].count("call asks") == 2
    assert world.replies()[-1].status is WorkflowStatus.TERMINATED or any(
        reply.kind == "result" and reply.status is WorkflowStatus.TERMINATED for reply in world.replies()
    )


def test_mail_survives_a_commit_whose_outcome_is_unknown_and_a_hand_over() -> None:
    world = begun()
    unreadable(world)
    world.deliver(signal("s0"))
    world.run()
    world.loaded()
    world.formats_found()
    partition, workflow_id = world.remains_asked.pop()
    world.engine.remains_found(partition, workflow_id, world.database.remains("w"))
    world.run()
    world.commit_fails(though_done=True)
    tag = world.deliver(signal("s1"))
    world.live_through(2)
    assert world.acknowledged() == tag
    world.lose_channel()
    world.engine.lease_lost(FIRST)
    world.own(epoch=2)

    world.database.unreadable.clear()
    world.deliver(query("q"))
    world.live_through(5)

    assert signals_in(world) == ["s0", "s1"]
    assert world.database.mail == {}
    assert world.status() is WorkflowStatus.RUNNING


def test_an_effect_that_was_not_sent_before_it_became_unreadable_is_sent_when_its_cause_is_worked_off() -> None:
    """The message that caused it comes again, and may not be acknowledged for good while it is unsent."""
    world = ScriptedWorld(ScriptedCode([[activity(1)]]))
    world.own()
    message = start()
    world.deliver(message)
    world.run()
    world.committed()
    database, world = world.database, ScriptedWorld(world.code)  # the host dies before it has sent anything
    world.database = database
    database.unreadable.add("w")
    world.own(epoch=2)

    tag = world.deliver(message, redelivered=True)
    world.go_on()
    assert world.acknowledged() == tag
    assert not any(sent.type == wire.ActivityTask.TYPE for sent in world.sent)

    world.database.unreadable.clear()
    world.live_through(30)

    assert any(sent.type == wire.ActivityTask.TYPE for sent in world.sent)
    assert world.database.mail == {}


def test_resume_tries_it_again_at_once() -> None:
    world = begun()
    unreadable(world)
    for _ in range(8):
        world.deliver(query("q"))
        world.live_through(100)
    world.database.unreadable.clear()

    world.deliver(command(wire.ResumeWorkflow(workflow_id="w"), "r"))
    world.go_on()

    assert world.status() is WorkflowStatus.RUNNING


def test_a_closed_run_that_cannot_be_read_stays_closed_and_another_may_begin() -> None:
    world = begun()
    world.deliver(terminate("t"))
    world.go_on()
    first = world.database.rows["w"].run_id
    unreadable(world)
    world.deliver(query("q"))
    world.go_on()
    assert refusals(world) == ["rejected"]
    assert world.status() is WorkflowStatus.TERMINATED

    world.deliver(start("start-2"), redelivered=True)
    world.run()
    world.database.unreadable.clear()
    world.go_on()

    assert world.status() is WorkflowStatus.RUNNING
    assert world.database.rows["w"].run_id != first


def ended(code: ScriptedCode | None = None) -> ScriptedWorld:
    world = begun(code or ScriptedCode([[timer(1, LATER)], [DONE]]))
    world.deliver(signal("s"))
    world.go_on()
    assert world.status() is WorkflowStatus.COMPLETED
    return world


def test_how_a_run_has_ended_is_told_also_while_it_cannot_be_read() -> None:
    world = ended()
    unreadable(world)
    world.deliver(await_result("asks"))
    world.go_on()
    told = world.replies()[-1]
    assert (told.kind, told.status, told.result) == ("result", WorkflowStatus.COMPLETED, DONE.result)


def test_who_waits_is_told_nothing_about_a_result_of_which_nothing_is_known() -> None:
    world = ended()
    world.database.outcomes.clear()
    unreadable(world)
    world.deliver(await_result("asks"))
    world.go_on()
    assert refusals(world) == ["rejected"]

    world.database.unreadable.clear()
    world.live_through(5)
    world.deliver(await_result("asks again"))
    world.live_through(5)
    assert world.replies()[-1].result == DONE.result


def test_a_result_outlives_the_end_of_a_run_that_cannot_be_read() -> None:
    world = ended()
    first = world.database.rows["w"].run_id
    unreadable(world)
    world.deliver(start("start-2"), redelivered=True)
    world.run()
    world.loaded()
    world.database.unreadable.clear()
    world.go_on()
    assert world.status() is WorkflowStatus.RUNNING

    row = world.database.runs[first]
    state = instance_of(row, world.code, history_limit=10).state
    assert state is not None
    assert state.outcome is not None
    assert (state.outcome.status, state.outcome.result) == (WorkflowStatus.COMPLETED, DONE.result)


def test_what_fails_again_in_the_place_of_what_was_ended_is_tried_less_and_less_often(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = ended()
    first = world.database.rows["w"].run_id
    is_broken = True
    activate = Instance.activate

    def broken(instance: Instance, *args: Any, **options: Any) -> Any:
        if is_broken and not instance.stands_in:
            raise ZeroDivisionError
        return activate(instance, *args, **options)

    monkeypatch.setattr(Instance, "activate", broken)
    world.deliver(signal("late"))
    world.live_through(1)
    commits = 0
    commit = world.commit

    def counted(round_: Round) -> None:
        nonlocal commits
        commits += 1
        commit(round_)

    monkeypatch.setattr(world, "commit", counted)
    world.deliver(start("start-2"))
    world.live_through(60)
    assert commits < 30, "it does not go round in circles"
    assert world.status() is WorkflowStatus.COMPLETED

    is_broken = False
    world.live_through(120)
    assert world.status() is WorkflowStatus.RUNNING
    assert world.database.rows["w"].run_id != first
    assert world.database.mail == {}
    accepted = [reply.run_id for reply in world.replies() if reply.kind == "accepted"]
    assert accepted == [first, world.database.rows["w"].run_id]


def test_the_halt_of_what_was_ended_unread_is_over_though_nothing_is_written_behind_it() -> None:
    """Else what is halted in its place later is tried as rarely as that was in the end."""
    world = begun()
    unreadable(world)
    world.deliver(query("q"))
    world.go_on()
    standing_in = world.engine.partitions[FIRST].standing_in
    world.live_through(100)
    assert standing_in.halted["w"].tries > 3

    world.deliver(terminate("t"))
    world.database.unreadable.clear()  # the row is written whatever was there
    world.live_through(15)
    assert world.status() is WorkflowStatus.TERMINATED
    assert world.engine.partitions[FIRST].actors.peek("w") is None
    assert standing_in.halted == {}
