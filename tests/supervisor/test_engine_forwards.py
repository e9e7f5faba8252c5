"""What comes to a foreign partition goes on to its own, and in order."""

from __future__ import annotations

from dalsegno.broker import topology
from dalsegno.broker.port import Outcome
from dalsegno.broker.protocol import messages as wire
from tests.supervisor.mail import signal, start
from tests.supervisor.scripted_world import ScriptedWorld
from tests.workflow_actor.rig import ScriptedCode

STRANGERS = [name for name in (f"w{number}" for number in range(20)) if topology.slot_of(name) % 2]
"""Workflow IDs that do not live in the first partition of two."""
ONE, ANOTHER = STRANGERS[:2]


def world_with_the_first_of_two_partitions() -> ScriptedWorld:
    world = ScriptedWorld(ScriptedCode([]), partitions=2)
    world.own()
    return world


def forwarded(world: ScriptedWorld) -> list[str | None]:
    """What is on its way there, by message ID."""
    return [outgoing.message.message_id for outgoing in world.published]


def test_commands_that_are_forwarded_do_not_overtake_one_that_the_broker_has_not_taken() -> None:
    world = world_with_the_first_of_two_partitions()
    tags = [world.deliver(signal(name, ONE)) for name in ("first", "second", "third")]
    world.deliver(signal("other", ANOTHER))
    world.run()
    assert forwarded(world) == ["first", "other"]

    refused, other = world.published
    world.answer(refused, Outcome.REFUSED)
    world.answer(other)
    world.run()
    assert forwarded(world) == []
    world.pass_time(5)
    assert forwarded(world) == ["first"]
    assert world.acknowledged() == tags[0] - 1

    for name, tag in zip(("first", "second", "third"), tags, strict=True):
        assert forwarded(world) == [name]
        world.answer(world.published[0])
        world.pass_time(1)
        assert world.acknowledged() >= tag


def test_a_command_that_no_channel_carries_does_not_hold_up_those_that_are_forwarded_behind_it() -> None:
    world = world_with_the_first_of_two_partitions()
    world.deliver(signal("too large", ONE))
    world.deliver(signal("behind", ONE))
    world.run()
    world.answer(world.published[0], Outcome.IMPOSSIBLE)
    world.run()
    assert forwarded(world) == ["behind"]


def test_what_is_forwarded_is_forwarded_again_in_order_when_it_comes_again() -> None:
    """The channel was lost before the broker had taken it: what was behind it has not left before it."""
    world = world_with_the_first_of_two_partitions()
    for name in ("first", "second"):
        world.deliver(signal(name, ONE))
    world.run()
    world.answer(world.published[0], Outcome.REFUSED)
    world.lose_channel()
    world.open_channel_of()
    for name in ("first", "second"):
        world.deliver(signal(name, ONE), redelivered=True)
    world.pass_time(5)
    left: list[str | None] = []
    while names := forwarded(world):
        left += names
        for outgoing in list(world.published):
            world.answer(outgoing)
        world.run()
    assert left == ["first", "second"]
    assert world.acknowledged() == 3, "the marker as well"


def test_two_that_are_forwarded_with_one_message_id_hold_up_nobody() -> None:
    world = world_with_the_first_of_two_partitions()
    asked = start("same", ONE)
    tags = [world.deliver(message) for message in (asked, signal("same", ONE), signal("third", ONE))]
    world.run()
    for _ in tags:
        (outgoing,) = world.published
        world.answer(outgoing)
        world.pass_time(1)
    assert forwarded(world) == []
    assert [message.message_id for message in world.sent if message.type != wire.Marker.TYPE] == [
        "same",
        "third",
        "same",
    ]
    assert world.acknowledged() == tags[-1]
