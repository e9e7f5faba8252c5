"""What cannot leave for long while other things do is parked, and its owner told; answers are dropped."""

from __future__ import annotations

from dalsegno.actors.supervisor.outbox.outbox import PARK_AFTER_SECONDS, Outbox
from dalsegno.actors.supervisor.outbox.shipment import Shipment
from dalsegno.actors.supervisor.wire.form import Address
from dalsegno.broker.port import Fault, Message, Outcome
from tests.supervisor.outbox.carrier import Shell, cause, shipment, workflow


def test_what_is_refused_for_long_while_others_are_confirmed_is_parked(shell: Shell, outbox: Outbox) -> None:
    asked, origin = cause()
    outbox.send([shipment("a", causes=[asked]), shipment("b")])
    asked.done()
    a, b = shell.take()
    a.on_outcome(Outcome.REFUSED)
    shell.time += PARK_AFTER_SECONDS + 1
    b.on_outcome(Outcome.CONFIRMED)
    outbox.park_overdue()
    assert shell.parked == [workflow()]
    assert origin.removed == 0, "the wake-up is not durable yet"
    outbox.release_causes("a")
    assert origin.removed == 1
    assert outbox.is_in_flight("a")


def test_nothing_is_parked_while_nothing_is_confirmed(shell: Shell, outbox: Outbox) -> None:
    asked, _ = cause()
    outbox.send([shipment("a", causes=[asked])])
    shell.take()[0].on_outcome(Outcome.REFUSED)
    shell.time += 1000
    outbox.park_overdue()
    assert shell.parked == []


def test_what_was_refused_before_its_publisher_closed_is_parked_only_if_the_next_does_not_bring_it_on_its_way(
    shell: Shell, outbox: Outbox
) -> None:
    outbox.send([shipment("a", causes=[cause()[0]]), shipment("b")])
    a, b = shell.take()
    a.on_outcome(Outcome.REFUSED)
    shell.time += PARK_AFTER_SECONDS - 1
    b.on_outcome(Outcome.CONFIRMED)
    outbox.publisher_closed(Fault.NONE, "by the test")
    shell.time += 2
    outbox.park_overdue()
    assert shell.parked == []
    outbox.publisher_opened()
    outbox.park_overdue()
    assert shell.parked == []
    assert [outgoing.message.message_id for outgoing in shell.take()] == ["a"]
    shell.time += PARK_AFTER_SECONDS
    outbox.taken_beside(0.1)
    outbox.park_overdue()
    assert shell.parked == [workflow()]


def test_only_answers_are_dropped_when_they_are_refused_for_long(shell: Shell, outbox: Outbox) -> None:
    """A command that is passed on to its own partition is somebody's confirmed word."""
    (asked, answered), (passed, kept) = cause(), cause()
    command = Shipment(
        Message(body=b"", message_id="command"), Address("dalsegno.commands", "slot.1"), causes=[passed]
    )
    outbox.send([shipment("answer", causes=[asked], durable=False), command, shipment("other")])
    asked.done()
    passed.done()
    answer, forwarded, other = shell.take()
    answer.on_outcome(Outcome.REFUSED)
    forwarded.on_outcome(Outcome.REFUSED)
    shell.time += PARK_AFTER_SECONDS + 1
    other.on_outcome(Outcome.CONFIRMED)
    outbox.park_overdue()
    assert (answered.removed, kept.removed) == (1, 0)
    assert outbox.is_in_flight("command")


def test_what_is_never_confirmed_while_what_was_sent_later_is_gets_parked(shell: Shell, outbox: Outbox) -> None:
    """A queue without a leader neither confirms nor refuses."""
    outbox.send([shipment("a", causes=[cause()[0]])])
    shell.time += PARK_AFTER_SECONDS + 1
    outbox.park_overdue()
    assert shell.parked == []
    outbox.send([shipment("b", causes=[cause()[0]])])
    shell.take()[1].on_outcome(Outcome.CONFIRMED)
    outbox.park_overdue()
    assert len(shell.parked) == 1


def test_a_task_whose_queue_cannot_be_declared_is_parked(shell: Shell, outbox: Outbox) -> None:
    outbox.send([shipment("a", causes=[cause()[0]], queue="q")])
    shell.time += PARK_AFTER_SECONDS + 1
    outbox.send([shipment("b")])
    shell.take()[0].on_outcome(Outcome.CONFIRMED)
    outbox.park_overdue()
    assert len(shell.parked) == 1


def test_who_is_to_park_is_told_again_until_the_causes_are_released(shell: Shell, outbox: Outbox) -> None:
    outbox.send([shipment("a", causes=[cause()[0]]), shipment("b")])
    a, b = shell.take()
    a.on_outcome(Outcome.REFUSED)
    shell.time += PARK_AFTER_SECONDS + 1
    b.on_outcome(Outcome.CONFIRMED)
    outbox.park_overdue()
    outbox.park_overdue()
    assert len(shell.parked) == 1
    shell.time += PARK_AFTER_SECONDS + 1
    outbox.send([shipment("c")])
    shell.take()[0].on_outcome(Outcome.CONFIRMED)
    outbox.park_overdue()
    assert len(shell.parked) == 2
    outbox.release_causes("a")
    shell.time += PARK_AFTER_SECONDS + 1
    outbox.send([shipment("d")])
    shell.take()[0].on_outcome(Outcome.CONFIRMED)
    outbox.park_overdue()
    assert len(shell.parked) == 2
