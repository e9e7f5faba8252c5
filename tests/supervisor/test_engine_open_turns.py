"""Turns that stay open: their instance waits, in order, and nobody else does; what becomes of one is what the
table of `open_turn` says, whatever happens meanwhile."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from dalsegno.actors.supervisor.settings import HostSettings
from dalsegno.actors.workflow_actor.actor import WorkflowActor
from dalsegno.actors.workflow_actor.instance import Instance
from dalsegno.actors.workflow_actor.interface.commands import Command, Query, Start, Terminate, WakeUp
from dalsegno.actors.workflow_actor.interface.waiting import Unfit, Unready
from dalsegno.actors.workflow_actor.open_turn import PREPARING_SECONDS, WORKING_SECONDS
from dalsegno.actors.workflow_actor.signals.commands import Signal
from dalsegno.broker.port import Message
from dalsegno.broker.protocol import messages as wire
from dalsegno.policies import WorkflowStatus
from tests.supervisor.mail import command, completed, query, signal, start, task_in, terminate
from tests.supervisor.scripted_off_loop import ScriptedOffLoop
from tests.supervisor.scripted_world import ScriptedWorld
from tests.workflow_actor.local_work import LOCAL_QUEUE, local_activities
from tests.workflow_actor.rig import DONE, SECOND, T0, ScriptedCode, activity, timer

LATER = 2**52
LOCAL = activity(1, task_queue=LOCAL_QUEUE)


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    with capture_logs():
        yield


@pytest.fixture(autouse=True)
def local() -> Iterator[None]:
    with local_activities():
        yield


def describe(message_id: str) -> Message:
    return command(wire.DescribeWorkflow(workflow_id="w"), message_id)


class Opened:
    """A world in which workflow w runs, and the turn of what comes next to it will stay open."""

    def __init__(self, *slow: type[Command], code: ScriptedCode | None = None) -> None:
        self.off_loop = ScriptedOffLoop()
        self.world = ScriptedWorld(
            code or ScriptedCode([[timer(9, LATER)], [LOCAL], []]),
            off_loop=self.off_loop,
            settings=HostSettings(idle_seconds=0.0),
        )
        self.world.own()
        self.world.deliver(start())
        self.world.go_on()
        self.off_loop.slow = slow

    @property
    def actor(self) -> WorkflowActor:
        actor = self.world.engine.partitions[0].actors.peek("w")
        assert actor is not None
        return actor

    @property
    def rows(self) -> int:
        return len(self.world.database.rows["w"].journal)

    def answered(self, message_id: str) -> list[wire.Reply]:
        return [
            reply
            for reply, message in zip(self.world.replies(), self._messages(), strict=True)
            if message == f"call {message_id}"
        ]

    def _messages(self) -> list[str | None]:
        return [message.correlation_id for message in self.world.sent if message.type == wire.Reply.TYPE]


@pytest.fixture(params=["preparing", "working"])
def opened(request: pytest.FixtureRequest) -> Opened:
    """The turn of a signal is open."""
    opened = Opened(*((Signal,) if request.param == "preparing" else ()))
    opened.world.deliver(signal("s1"))
    opened.world.go_on()
    assert opened.actor.turn is not None
    return opened


def finish(opened: Opened) -> None:
    """All that turns wait for is done."""
    opened.off_loop.slow = ()
    while opened.off_loop.preparing or opened.off_loop.working:
        while opened.off_loop.preparing:
            opened.off_loop.prepared()
            opened.world.go_on()
        while opened.off_loop.working:
            opened.off_loop.worked()
            opened.world.go_on()


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
    world.engine.lease_lost(0)
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
    world.engine.open_rounds.current.entry(opened.actor, 0).move_wake_up = True
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


def test_other_code_makes_the_instance_anew_and_the_turn_begins_again(opened: Opened) -> None:
    assert isinstance(opened.world.code, ScriptedCode)
    before = opened.actor
    opened.world.code.source = "code-2"
    opened.world.engine.code_changed()
    opened.world.go_on()
    assert opened.actor is not before
    finish(opened)
    assert opened.rows == 2


# --- bounds --------------------------------------------------------------------------------------------------


def test_what_cannot_be_prepared_in_time_is_recorded_and_the_run_suspended_until_it_can() -> None:
    opened = Opened(Signal, code=ScriptedCode([[timer(9, LATER)], [DONE]]))
    opened.world.deliver(signal("s1"))
    opened.world.go_on()
    opened.world.live_through(PREPARING_SECONDS + 0.2)
    assert opened.world.status() is WorkflowStatus.SUSPENDED
    assert len(opened.answered("s1")) == 1, "it is recorded"
    assert "was not there within 5 s" in str(
        opened.world.database.shown[opened.world.database.rows["w"].run_id]
    )
    opened.world.live_through(3)
    assert opened.world.status() is WorkflowStatus.COMPLETED


def test_what_was_found_not_to_be_there_suspends_the_run_and_says_why() -> None:
    opened = Opened(Start)
    opened.world.deliver(start("other", "w2"))
    opened.world.go_on()
    opened.off_loop.prepared(Unready("payload store 's3' does not answer"))
    opened.world.go_on()
    assert opened.world.status("w2") is WorkflowStatus.SUSPENDED
    opened.world.live_through(3)
    assert opened.world.status("w2") is WorkflowStatus.RUNNING


def test_what_is_unfit_is_refused_once_and_leaves_nothing() -> None:
    opened = Opened(Signal)
    opened.world.deliver(signal("s1"))
    opened.world.go_on()
    opened.off_loop.prepared(Unfit(("rejected", "there is no such shelf")))
    opened.world.go_on()
    opened.world.deliver(signal("s1"), redelivered=True)
    opened.world.go_on()
    assert [reply.error and reply.error.code for reply in opened.answered("s1")] == ["rejected"] * 2
    assert opened.off_loop.preparing == []
    assert opened.rows == 1


def test_at_its_bound_local_work_is_left_behind_and_its_outcome_is_a_cause_of_its_own() -> None:
    opened = Opened()
    opened.world.deliver(signal("s1"))
    opened.world.go_on()
    opened.world.pass_time(WORKING_SECONDS + 0.2)
    opened.world.go_on()
    assert opened.rows == 2
    assert opened.actor.turn is None
    opened.off_loop.worked()
    opened.world.go_on()
    assert opened.world.database.rows["w"].journal[-1].cause == "local work"
    assert opened.rows == 3


def test_local_work_that_was_left_behind_and_its_task_that_was_sent_count_once() -> None:
    opened = Opened()
    opened.world.deliver(signal("s1"))
    opened.world.go_on()
    opened.world.pass_time(WORKING_SECONDS + 0.2)
    opened.world.go_on(confirm=False)
    (sent,) = opened.world.published_of(wire.ActivityTask)
    opened.world.deliver(completed(task_in(sent)))
    opened.world.go_on()
    opened.off_loop.worked()
    opened.world.go_on()
    assert opened.rows == 3


def test_an_operator_s_word_waits_no_longer_than_the_bound_and_needs_no_preparing(opened: Opened) -> None:
    opened.off_loop.slow = (Signal, Terminate)
    opened.world.deliver(terminate("t1"))
    opened.world.live_through(PREPARING_SECONDS + WORKING_SECONDS + 0.5)
    assert opened.world.status() is WorkflowStatus.TERMINATED


def test_a_hand_over_waits_for_an_open_turn(opened: Opened) -> None:
    consumer = opened.world.consumers[0]
    opened.world.engine.release(0)
    opened.world.pass_time(0.5)
    assert opened.world.released == []
    finish(opened)
    opened.world.pass_time(0.1)
    opened.world.go_on()
    opened.world.pass_time(0.1)
    assert opened.world.released == [(0, 1)]
    assert opened.rows == 2
    assert consumer.acknowledged == 3


@pytest.mark.parametrize("preparing", [True, False])
def test_a_hand_over_waits_for_the_open_turn_of_a_wake_up(preparing: bool) -> None:
    opened = Opened(
        *((WakeUp,) if preparing else ()),
        code=ScriptedCode([[timer(1, T0 + SECOND)], [LOCAL], []]),
    )
    opened.world.pass_time(1.2)
    opened.world.run()
    assert opened.actor.turn is not None
    opened.world.engine.release(0)
    opened.world.pass_time(0.3)
    assert opened.world.released == []


def test_a_hand_over_waits_for_no_longer_than_it_does_for_anything() -> None:
    opened = Opened(Signal)
    opened.world.deliver(signal("s1"))
    opened.world.go_on()
    opened.world.engine._settings = HostSettings(drain_seconds=1.0)
    opened.world.engine.release(0)
    opened.world.pass_time(1.5)
    assert opened.world.released == [(0, 1)]
    assert opened.rows == 1


def test_an_instance_whose_turn_is_open_stays_in_memory(opened: Opened) -> None:
    opened.world.pass_time(0.5)
    opened.world.engine.sweep()
    assert opened.actor.turn is not None
    finish(opened)
    opened.world.live_through(1)
    opened.world.engine.sweep()
    assert opened.world.engine.partitions[0].actors.peek("w") is None


def test_of_a_new_workflow_nothing_is_known_before_its_first_turn_is_sealed() -> None:
    opened = Opened(Start)
    opened.world.deliver(start("other", "w2"))
    opened.world.deliver(command(wire.DescribeWorkflow(workflow_id="w2"), "d1"))
    opened.world.go_on()
    (reply,) = opened.answered("d1")
    assert reply.error is not None
    assert reply.error.code == "not_found"
    finish(opened)
    assert opened.world.status("w2") is WorkflowStatus.RUNNING
