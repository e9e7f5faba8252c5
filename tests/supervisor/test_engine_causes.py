"""Every cause is acknowledged in the end, and none before all that it led to is durable and confirmed."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

import msgspec
import pytest

from dalsegno.actors.supervisor.deliveries import intake
from dalsegno.actors.supervisor.deliveries.unread import PUT_BACK_SECONDS
from dalsegno.actors.supervisor.outbox.slow_shipments import PARK_AFTER_SECONDS
from dalsegno.actors.supervisor.wire import replies
from dalsegno.actors.workflow_actor.interface.effects import AnswerEffect, ResultEffect
from dalsegno.actors.workflow_actor.interface.run_info import RunInfo
from dalsegno.actors.workflow_actor.program.port import Program
from dalsegno.actors.workflow_actor.run.inputs import SignedState
from dalsegno.broker.port import Message, Outcome, Outgoing
from dalsegno.broker.protocol import messages as wire
from dalsegno.broker.protocol.codec import decode
from dalsegno.errors import QueryFailedError
from dalsegno.payload import Payload
from dalsegno.policies import WorkflowStatus
from tests.partition_ids import FIRST
from tests.supervisor.mail import REPLIES, query, signal, start, terminate
from tests.supervisor.scripted_world import ScriptedWorld
from tests.workflow_actor.rig import ScriptedCode, ScriptedProgram, activity


def shop() -> ScriptedWorld:
    """A workflow of one activity, or as many signals as come."""
    world = ScriptedWorld(ScriptedCode([[activity(1)]]))
    world.own()
    return world


def test_a_start_is_acknowledged_when_its_effects_are_confirmed() -> None:
    world = shop()
    tag = world.deliver(start())
    world.go_on(confirm=False)
    assert world.published_of(wire.ActivityTask)
    assert world.acknowledged() < tag
    world.confirm_all()
    assert world.acknowledged() == tag


def test_a_closed_workflow_stays_while_what_it_answered_is_being_written() -> None:
    """The last confirm of its outcome comes while a refused signal is in the transaction."""
    world = shop()
    world.deliver(start(replies=("accepted", "result")))
    world.go_on()
    world.deliver(terminate("t"))
    world.go_on(confirm=False)
    tag = world.deliver(signal("late"))
    world.run()
    assert world.rounds
    world.confirm_all()
    world.go_on()
    assert [reply.error.code for reply in world.replies() if reply.error] == ["closed"]
    assert world.acknowledged() == tag


def test_a_task_that_is_refused_for_long_holds_up_nobody_even_if_its_workflow_has_left_memory() -> None:
    world = shop()
    tag = world.deliver(start())
    world.go_on(confirm=False)
    (task,) = world.published_of(wire.ActivityTask)
    for _ in range(200):
        for outgoing in list(world.published):
            refused = outgoing.message.type == wire.ActivityTask.TYPE
            world.answer(outgoing, Outcome.REFUSED if refused else Outcome.CONFIRMED)
        world.pass_time(0.1)
        world.engine.sweep()
        world.go_on(confirm=False)
    # It was idle for long and nothing else was confirmed, so nothing could be parked. Now something is.
    assert world.acknowledged() < tag
    world.deliver(start("start-2", "other"))
    for _ in range(round(PARK_AFTER_SECONDS) * 10 + 20):
        for outgoing in list(world.published):
            refused = outgoing.message.message_id == task.message.message_id
            world.answer(outgoing, Outcome.REFUSED if refused else Outcome.CONFIRMED)
        world.pass_time(0.1)
        world.go_on(confirm=False)
    assert world.acknowledged() > tag


def test_an_answer_that_cannot_be_encoded_harms_nobody_else() -> None:
    class Mumbling(ScriptedProgram):
        def query(self, name: str, args: Sequence[Payload], headers: object = None) -> Payload:
            raise QueryFailedError("half a character: \udc80")

    class Code(ScriptedCode):
        def build(self, info: RunInfo, signed: SignedState, patches: Sequence[str] = ()) -> Program:
            return Mumbling(self.script, 0)

    world = ScriptedWorld(Code([[activity(1)]]))
    world.own()
    world.deliver(start())
    world.deliver(start("start-2", "other"))
    world.go_on()
    world.deliver(query("q"))
    tag = world.deliver(signal("s", "other"))
    world.go_on()
    assert world.acknowledged() == tag
    assert [reply.error.code for reply in world.replies() if reply.error] == ["rejected"]


def test_a_defect_while_effects_are_sent_harms_its_own_instance_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    real = replies.of_effect

    def broken(effect: AnswerEffect | ResultEffect) -> wire.Reply:
        if effect.workflow_id == "w":
            raise ZeroDivisionError
        return real(effect)

    monkeypatch.setattr(replies, "of_effect", broken)
    world = shop()
    world.deliver(start())
    world.deliver(start("start-2", "other"))
    world.go_on()
    assert [reply.workflow_id for reply in world.replies() if reply.kind == "accepted"] == ["other"]
    for _ in range(10):
        world.live_through(1)
    assert world.acknowledged() == 3, "it crashes its actor, and is kept"
    assert world.database.mail


def test_reading_many_instances_gives_others_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    world = shop()
    for number in range(20):
        world.deliver(start(f"start {number}", f"w{number}"))
    world.go_on()
    world.live_through(15)
    for number in range(20):
        world.deliver(query(f"q {number}", f"w{number}"))
    world.run()
    assert len(world.loads) == 20
    monkeypatch.setattr(world, "monotonic", count(1000.0, 0.001).__next__)
    supervisor = world.engine.partitions[FIRST]
    world.engine.loaded(FIRST, [world.database.load(f"w{number}") for number in range(20)])
    assert 0 < sum(not actor.is_loaded for actor in map(supervisor.actors.peek, world_ids(20)) if actor) < 20
    world.run()
    assert all(actor.is_loaded for actor in map(supervisor.actors.peek, world_ids(20)) if actor)


def world_ids(number: int) -> list[str]:
    return [f"w{index}" for index in range(number)]


def test_a_start_that_comes_again_from_a_new_queue_is_recorded_once_and_its_message_id_too() -> None:
    world = shop()
    world.deliver(start(replies=("accepted", "result")))
    world.go_on()
    again = msgspec.structs.replace(start(replies=("accepted", "result")), reply_to="new-queue")
    for _ in range(2):
        tag = world.deliver(again)
        world.go_on()
        assert world.acknowledged() == tag
    assert world.database.rows["w"].sequence == 2
    world.deliver(terminate("t"))
    world.go_on(confirm=False)
    outcomes = [outgoing.routing_key for outgoing in world.published_of(wire.Reply) if is_result(outgoing)]
    assert sorted(outcomes) == [REPLIES, "new-queue"]


def is_result(outgoing: Outgoing) -> bool:
    body = decode(outgoing.message)
    return isinstance(body, wire.Reply) and body.kind == "result"


def test_a_message_that_meets_a_defect_while_it_is_read_is_kept_and_holds_up_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """There is nothing wrong with it: it is no dead letter, and its sender hears of no error."""
    world = ScriptedWorld(ScriptedCode([]))
    world.own()
    bad = signal("unlucky", "w")
    read = decode

    def defect(message: Message) -> wire.WireMessage:
        if message.message_id == "unlucky":
            raise KeyError("a defect")
        return read(message)

    monkeypatch.setattr(intake, "decode", defect)
    world.deliver(start())
    tag = world.deliver(bad)
    world.deliver(start("start-2", "other"))
    world.live_through(1)
    assert world.status("other") is WorkflowStatus.RUNNING
    assert world.acknowledged() == tag - 1
    world.live_through(PUT_BACK_SECONDS + 1)
    assert world.acknowledged() == tag + 1
    assert [sent for sent in world.sent if sent.message_id == "unlucky"] == [bad]
    assert not [reply for reply in world.replies() if reply.error]
    monkeypatch.setattr(intake, "decode", read)
    world.deliver(bad)
    world.live_through(1)
    assert world.database.seen["w"] == {"start-1": "", "unlucky": ""}


def test_a_message_that_meets_a_defect_comes_again_by_itself_when_its_channel_is_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def defect(message: Message) -> wire.WireMessage:
        raise KeyError("a defect")

    world = shop()
    monkeypatch.setattr(intake, "decode", defect)
    world.deliver(signal("unlucky"))
    world.live_through(1)
    world.lose_channel()
    world.live_through(2 * PUT_BACK_SECONDS)
    assert not [sent for sent in world.sent if sent.message_id == "unlucky"]
