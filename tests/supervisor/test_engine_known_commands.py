"""Commands that come again are known by their message IDs, those of each type apart."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from dalsegno.actors.supervisor.settings import HostSettings
from dalsegno.actors.workflow_actor import again
from dalsegno.actors.workflow_actor.run.inputs import Begin
from dalsegno.broker.protocol import messages as wire
from dalsegno.broker.protocol.codec import decode
from dalsegno.broker.protocol.ids import run_id
from dalsegno.policies import WorkflowIDConflictPolicy, WorkflowStatus
from tests.partition_ids import FIRST
from tests.supervisor.mail import command, signal, start, terminate
from tests.supervisor.scripted_world import ScriptedWorld
from tests.workflow_actor.rig import ScriptedCode, activity, timer

LATER = 2**52


def begun() -> ScriptedWorld:
    """Workflow w, started by the message "same"."""
    world = ScriptedWorld(ScriptedCode([[timer(1, LATER)], [activity(1)], [activity(2)]]))
    world.own()
    world.deliver(start("same"))
    world.go_on()
    return world


def tasks_sent(world: ScriptedWorld) -> int:
    """However often each."""
    return len({message.message_id for message in world.sent if message.type == wire.ActivityTask.TYPE})


@pytest.mark.parametrize("cold", [False, True])
def test_a_signal_with_the_message_id_of_the_start_is_applied(cold: bool) -> None:
    world = begun()
    if cold:
        world.live_through(15)
        assert world.engine.partitions[FIRST].actors.peek("w") is None

    tag = world.deliver(signal("same"))
    world.go_on()

    assert world.acknowledged() == tag
    assert tasks_sent(world) == 1


def test_a_signal_that_comes_again_is_applied_once_whoever_else_has_its_message_id() -> None:
    world = begun()
    world.deliver(signal("same"))
    world.go_on()
    world.live_through(15)

    tag = world.deliver(signal("same"))
    world.go_on()

    assert world.acknowledged() == tag
    assert tasks_sent(world) == 1


def test_a_start_that_comes_again_is_known_behind_a_signal_with_its_message_id() -> None:
    world = begun()
    world.deliver(signal("same"))
    world.deliver(terminate("same"))
    world.go_on()
    assert world.status() is WorkflowStatus.TERMINATED
    world.live_through(15)

    world.deliver(start("same"), redelivered=True)
    world.go_on()

    assert world.status() is WorkflowStatus.TERMINATED


@pytest.mark.parametrize(
    "body",
    [
        wire.CancelWorkflow(workflow_id="w"),
        wire.SuspendWorkflow(workflow_id="w"),
        wire.TerminateWorkflow(workflow_id="w"),
    ],
    ids=lambda body: type(body).__name__,
)
def test_commands_of_two_types_with_one_message_id_are_both_carried_out_and_both_answered(
    body: wire.WireMessage,
) -> None:
    world = begun()
    world.deliver(signal("m"))
    world.deliver(command(body, "m"))
    world.go_on()

    assert {type_ for (type_, message_id) in world.database.known["w"] if message_id == "m"} == {
        wire.SignalWorkflow.TYPE,
        body.TYPE,
    }
    answers = {message.message_id for message in world.sent if message.correlation_id == "call m"}
    assert len(answers) == 2


def test_what_was_stored_without_its_type_is_known_for_any() -> None:
    world = begun()
    world.database.known["w"] = {("", "old"): ""}
    world.live_through(15)

    tag = world.deliver(signal("old"))
    world.go_on()

    assert world.acknowledged() == tag
    assert tasks_sent(world) == 0


def answered(world: ScriptedWorld, message_id: str) -> list[str]:
    """The codes that it was refused with, or nothing, however often it was answered."""
    replies = [m for m in world.sent if (m.type, m.correlation_id) == (wire.Reply.TYPE, f"call {message_id}")]
    bodies = [body for body in map(decode, replies) if isinstance(body, wire.Reply)]
    return ["" if body.error is None else body.error.code for body in bodies]


def forgetful(world: ScriptedWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of what was answered comes with a load."""
    load = world.database.load
    monkeypatch.setattr(world.database, "load", lambda workflow_id: replace(load(workflow_id), seen={}))


def test_what_the_commit_finds_out_is_told_apart_by_type_too(monkeypatch: pytest.MonkeyPatch) -> None:
    world = begun()
    forgetful(world, monkeypatch)
    world.live_through(15)

    tag = world.deliver(signal("same"))
    world.go_on()

    assert world.acknowledged() == tag
    assert tasks_sent(world) == 1


@pytest.mark.parametrize("stored_as", ["workflow.signal", ""])
@pytest.mark.parametrize("answer", ["", "not_found"])
def test_the_commit_finds_out_what_came_before_and_it_is_answered_as_it_was_then(
    monkeypatch: pytest.MonkeyPatch, stored_as: str, answer: str
) -> None:
    world = begun()
    forgetful(world, monkeypatch)
    world.database.known["w"][stored_as, "old"] = answer
    world.live_through(15)

    tag = world.deliver(signal("old"))
    world.go_on()

    assert world.acknowledged() == tag
    assert tasks_sent(world) == 0, "it is applied to nothing that lasts"
    assert answered(world, "old") == [answer]


def test_what_is_new_beside_it_is_applied_once_and_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    world = begun()
    forgetful(world, monkeypatch)
    world.database.known["w"] |= {("workflow.signal", "old 1"): "", ("workflow.signal", "old 2"): ""}

    for message_id in ("old 1", "new", "old 2", "new"):
        tag = world.deliver(signal(message_id))
    world.go_on()

    assert world.acknowledged() == tag
    signals = [key for key in world.database.known["w"] if key[0] == wire.SignalWorkflow.TYPE]
    assert sorted(signals) == [("workflow.signal", name) for name in ("new", "old 1", "old 2")]
    assert tasks_sent(world) == 1


def test_it_is_found_out_however_little_an_actor_remembers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(again, "SEEN_LIMIT", 1)
    world = begun()
    forgetful(world, monkeypatch)
    names = [f"m{number}" for number in range(6)]
    for turn in range(3):
        for message_id in (*names, *reversed(names)):
            tag = world.deliver(signal(message_id))
            if turn == 2:
                world.go_on()
        world.go_on()
    assert world.acknowledged() == tag
    assert len([key for key in world.database.known["w"] if key[0] == wire.SignalWorkflow.TYPE]) == len(names)
    signalled = [
        row for row in world.database.rows["w"].journal if row.cause.startswith(wire.SignalWorkflow.TYPE)
    ]
    assert len(signalled) == len(names)


def test_a_refusal_is_not_told_to_who_was_answered_otherwise_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """The run has ended meanwhile: what a command that is refused leads to is one row in `seen` alone."""
    world = begun()
    world.deliver(signal("m"))
    world.deliver(terminate("end"))
    world.go_on()
    forgetful(world, monkeypatch)
    world.live_through(15)

    tag = world.deliver(signal("m"))
    world.go_on()

    assert world.acknowledged() == tag
    assert answered(world, "m") == ["", ""]


def test_nothing_is_read_for_the_first_signal_of_a_workflow_that_was_just_started() -> None:
    world = begun()
    world.deliver(signal("m"))
    world.run()
    assert world.loads == []


def test_a_signal_that_was_refused_before_there_was_its_workflow_stays_refused() -> None:
    world = ScriptedWorld(ScriptedCode([[timer(1, LATER)], [activity(1)]]))
    world.own()
    world.deliver(signal("early"))
    world.go_on()
    world.live_through(15)
    world.deliver(start("start"))
    world.deliver(signal("early"))
    tag = world.deliver(signal("late"))
    world.go_on()

    assert world.acknowledged() == tag
    assert answered(world, "early") == ["not_found", "not_found"]
    assert tasks_sent(world) == 1


def test_a_commit_of_unknown_outcome_does_not_hide_what_it_has_found_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = begun()
    forgetful(world, monkeypatch)
    world.database.known["w"]["workflow.signal", "old"] = ""
    world.deliver(signal("old"))
    tag = world.deliver(signal("new"))
    world.committed()
    world.loaded()
    world.commit_fails(though_done=True)
    world.pass_time(1.0)
    world.go_on()

    assert world.acknowledged() == tag
    assert tasks_sent(world) == 1


def test_who_stands_in_for_a_workflow_that_cannot_be_read_answers_as_before_too() -> None:
    """A termination that was answered in an earlier run ends nothing."""
    world = begun()
    world.live_through(15)
    old = {("workflow.terminate", "t"): "closed", ("workflow.start", "s"): "already_started"}
    world.database.known["w"] |= old
    world.database.unreadable.add("w")

    for message in (terminate("t"), start("s"), signal("new")):
        tag = world.deliver(message)
    world.go_on()

    assert world.acknowledged() == tag
    assert answered(world, "t") == ["closed"]
    assert answered(world, "s") == ["already_started"]
    assert world.status() is WorkflowStatus.SUSPENDED
    world.database.unreadable.clear()
    world.live_through(30)
    signals = [row for row in world.database.rows["w"].journal if row.cause == "workflow.signal new"]
    assert len(signals) == 1
    assert world.status() is WorkflowStatus.RUNNING


@pytest.mark.parametrize("is_closed", [False, True], ids=["runs", "has ended"])
def test_a_start_that_was_answered_before_ends_nothing_that_cannot_be_read(is_closed: bool) -> None:
    """It has begun an earlier run. Nor does it take the place of the stored state of a run that has ended."""
    world = begun()
    ends_it = start("later", conflict_policy=WorkflowIDConflictPolicy.TERMINATE_EXISTING)
    world.deliver(ends_it)
    world.go_on()
    later, status = run_id("w", "later"), WorkflowStatus.TERMINATED if is_closed else WorkflowStatus.RUNNING
    if is_closed:
        world.deliver(terminate("end"))
        world.go_on()
    world.live_through(15)
    row = world.database.rows["w"]
    assert (row.run_id, row.status) == (later, status)
    world.database.unreadable.add("w")

    tag = world.deliver(start("same", conflict_policy=WorkflowIDConflictPolicy.TERMINATE_EXISTING))
    world.go_on()

    assert world.acknowledged() == tag
    assert answered(world, "same") == ["", ""]
    now = world.database.rows["w"]
    assert (now.run_id, now.sequence, now.snapshot, now.journal) == (
        later,
        row.sequence,
        row.snapshot,
        row.journal,
    )
    world.database.unreadable.clear()
    world.live_through(30)
    assert (world.database.rows["w"].run_id, world.status()) == (later, status)


@pytest.mark.parametrize("limit", [2, 50])
def test_what_a_commit_has_found_out_for_a_stand_in_is_not_forgotten_by_the_commit_that_shows_it(
    limit: int,
) -> None:
    """Under load each round is full before its mail is looked at again."""
    settings = HostSettings(round_activations=limit)
    begins = ScriptedCode(lambda _, input_: [timer(1, LATER)] if isinstance(input_, Begin) else [])
    world = ScriptedWorld(begins, settings=settings)
    world.own()
    for name in ("w", *map(str, range(limit))):
        world.deliver(start(f"start {name}", name))
    world.go_on()
    world.live_through(15)
    world.database.known["w"]["workflow.terminate", "t"] = "closed"
    world.database.unreadable.add("w")
    world.deliver(terminate("t"))
    found, dispatcher = 0, world.engine.partition_dispatcher

    def others_are_busy(turn: str) -> None:
        for name in map(str, range(limit)):
            world.deliver(signal(f"{turn} {name}", name))

    for turn in range(20):
        others_are_busy(f"{turn} first")
        world.run()
        found += bool(world.rounds) and "w" in world.committed().known
        world.loaded()
        world.formats_found()
        others_are_busy(f"{turn} then")
        while dispatcher.ready:  # their mail comes before that of the stand-in, which is found now
            dispatcher.run_one()
        world.remains_found()
        found += bool(world.rounds) and "w" in world.committed().known
        world.confirm_all()
    assert found == 1
    assert answered(world, "t") == ["closed"]
