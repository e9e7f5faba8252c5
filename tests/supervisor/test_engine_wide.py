"""A workflow that has very much under way: what it lets out leaves in portions, and what comes again for it is
answered without a look at each of its effects for each message."""

from __future__ import annotations

from unittest.mock import patch

from dalsegno.actors.supervisor.settings import HostSettings
from dalsegno.broker.port import Outgoing
from dalsegno.broker.protocol import messages as wire
from tests.supervisor.mail import signal, start, task_in
from tests.supervisor.scripted_world import ScriptedWorld
from tests.supervisor.test_calls_per_activation import Calls
from tests.workflow_actor.rig import ScriptedCode, activity

MANY = 1_000
AT_ONCE = 100


def wide(number: int = MANY) -> ScriptedWorld:
    """It has asked for so many activities; nothing has been confirmed."""
    wanted = [activity(index) for index in range(1, number + 1)]
    code = ScriptedCode(lambda index, _: wanted if index == 0 else ())
    world = ScriptedWorld(code, settings=HostSettings(sent_at_once=AT_ONCE))
    world.own()
    world.deliver(start())
    world.committed()
    return world


def test_its_tasks_leave_in_portions_and_each_once() -> None:
    world = wide()
    batches: list[int] = []
    publish = world.publish

    def noted(batch: list[Outgoing]) -> None:
        batches.append(len(batch))
        publish(batch)

    with patch.object(world, "publish", noted):
        world.declared()
    assert batches == [AT_ONCE] * (MANY // AT_ONCE)
    tasks = [task_in(outgoing).activity_id for outgoing in world.published_of(wire.ActivityTask)]
    assert tasks == [str(number) for number in range(1, MANY + 1)]
    before = world.acknowledged()
    for outgoing in world.published[:-1]:
        world.answer(outgoing)
    assert world.acknowledged() == before
    world.confirm_all()
    assert world.acknowledged() == before + 1


def calls_for_what_comes_again(number: int) -> int:
    """So many signals, which were committed, come again with a new channel."""
    world = wide()
    world.declared()
    signals = [signal(f"signal {index}") for index in range(number)]
    for message in signals:
        world.deliver(message)
    world.loaded()
    world.committed()
    world.lose_channel()
    world.open_channel_of()
    for message in (start(), *signals):
        tag = world.deliver(message, redelivered=True)
    calls = Calls()
    with calls.counted():
        world.run()
    assert world.acknowledged() < tag - number
    for outgoing in world.published[:-1]:
        world.answer(outgoing)
    assert world.acknowledged() < tag
    world.confirm_all()
    assert world.acknowledged() == tag
    return calls.total


def test_each_message_that_comes_again_costs_no_look_at_each_effect() -> None:
    few, many = calls_for_what_comes_again(2), calls_for_what_comes_again(50)
    assert many - few < 48 * MANY / 4
