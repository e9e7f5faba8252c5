"""How many bytes are on their way, as the outbox counts; what the broker does not take is not counted."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dalsegno.actors.supervisor.outbox.outbox import PARK_AFTER_SECONDS, Outbox
from dalsegno.actors.supervisor.outbox.shipment import Shipment, to_reader
from dalsegno.actors.supervisor.wire.form import Address
from dalsegno.broker.port import Fault, Message, Outcome
from tests.supervisor.outbox.carrier import Shell, cause, workflow

SIZE = 100
LIMIT = 10 * SIZE


def large(
    message_id: str, *, to: str = "dalsegno.tasks.q", pack: Callable[[], Message] | None = None
) -> Shipment:
    """An effect of SIZE bytes, now or when it leaves."""
    body = b"" if pack else bytes(SIZE)
    message = Message(body=body, message_id=message_id)
    return Shipment(message, Address("", to), causes=[cause()[0]], workflow=workflow(), pack=pack)


@pytest.fixture
def outbox(shell: Shell) -> Outbox:
    outbox = Outbox(shell, shell, at_once=4, bytes_max=LIMIT)
    outbox.publisher_opened()
    return outbox


@pytest.fixture
def shell() -> Shell:
    return Shell()


def go_on(shell: Shell) -> None:
    while shell.soon:
        shell.soon.pop(0)()


def test_what_is_on_its_way_counts_until_its_end_once_though_its_publisher_closes(
    shell: Shell, outbox: Outbox
) -> None:
    outbox.send([large("a"), large("b"), large("c")])
    outbox.send([large("a")])  # the same again
    assert outbox.weight.bytes == 3 * SIZE
    for outgoing in shell.take():
        outgoing.on_outcome(Outcome.LOST)
    outbox.publisher_closed(Fault.NONE, "by the test")
    outbox.publisher_opened()
    assert outbox.weight.bytes == 3 * SIZE
    first, second, third = shell.take()
    first.on_outcome(Outcome.CONFIRMED)
    second.on_outcome(Outcome.REFUSED)
    assert outbox.weight.bytes == 2 * SIZE
    outbox.forget("b")
    third.on_outcome(Outcome.CONFIRMED)
    assert outbox.weight.bytes == 0


def test_what_is_made_late_counts_from_then_on(shell: Shell, outbox: Outbox) -> None:
    made = [large(f"{n}", pack=lambda n=n: Message(body=bytes(SIZE), message_id=f"{n}")) for n in range(6)]  # type: ignore[misc]
    outbox.send(made)
    assert outbox.weight.bytes == 4 * SIZE
    go_on(shell)
    assert outbox.weight.bytes == 6 * SIZE
    for outgoing in shell.take():
        outgoing.on_outcome(Outcome.CONFIRMED)
    assert outbox.weight.bytes == 0


def test_who_found_it_full_is_told_once_when_it_is_not_any_more(shell: Shell, outbox: Outbox) -> None:
    told: list[str] = []

    def room() -> None:
        told.append("room")

    outbox.send([large(f"{n}") for n in range(12)])
    go_on(shell)
    for _ in range(3):
        outbox.weight.when_room(room)
    taken = shell.take()
    for outgoing in taken[:2]:
        outgoing.on_outcome(Outcome.CONFIRMED)
    assert told == [], "it is full with ten"
    for outgoing in taken[2:]:
        outgoing.on_outcome(Outcome.CONFIRMED)
    assert told == ["room"]


def test_what_its_queue_does_not_take_while_the_broker_takes_others_counts_no_more(
    shell: Shell, outbox: Outbox
) -> None:
    """Else all work would wait for that queue. Nothing but markers need be on its way beside."""
    told: list[str] = []
    outbox.send([large(f"{n}") for n in range(12)])
    go_on(shell)
    for number, outgoing in enumerate(shell.take()):
        if number % 2:  # the others are not answered: their queue has no leader
            outgoing.on_outcome(Outcome.REFUSED)
    outbox.weight.when_room(lambda: told.append("room"))
    shell.time += PARK_AFTER_SECONDS + 1
    outbox.park_overdue()
    assert (outbox.weight.bytes, told) == (12 * SIZE, []), "it may be that the broker takes nothing"
    outbox.taken_beside(0.1)
    outbox.park_overdue()
    assert (outbox.weight.bytes, told) == (0, ["room"])
    assert len(shell.parked) == 12
    outbox.forget("0")
    assert outbox.weight.bytes == 0


def test_what_a_new_session_proves_before_its_publisher_is_open_parks_and_drops_nothing(
    shell: Shell, outbox: Outbox
) -> None:
    """All that is here is old after an outage, and is about to be sent again."""
    outbox.send([large(f"{n}") for n in range(3)])
    outbox.publisher_closed(Fault.NONE, "by the test")
    for outgoing in shell.take():
        outgoing.on_outcome(Outcome.LOST)
    outbox.send([to_reader(Message(body=bytes(SIZE), message_id="answer"), "client", [cause()[0]])])
    shell.time += PARK_AFTER_SECONDS + 1
    outbox.taken_beside(0.01)
    outbox.park_overdue()
    assert (outbox.weight.bytes, shell.parked, outbox.dropped) == (4 * SIZE, [], 0)
    outbox.publisher_opened()
    assert len(shell.take()) == 4


def test_what_cannot_leave_as_it_is_counts_no_more(shell: Shell, outbox: Outbox) -> None:
    outbox.send([large("a"), large("b")])
    shell.take()[0].on_outcome(Outcome.IMPOSSIBLE)
    assert outbox.weight.bytes == SIZE
    outbox.forget("a")
    assert outbox.weight.bytes == SIZE
