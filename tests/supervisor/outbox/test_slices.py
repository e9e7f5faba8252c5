"""Much leaves in portions, one in each turn of the loop, and holds up nothing of others."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from dalsegno.actors.supervisor.outbox.outbox import Outbox
from dalsegno.actors.supervisor.outbox.shipment import Shipment
from dalsegno.actors.supervisor.outbox.slow_shipments import PARK_AFTER_SECONDS
from dalsegno.actors.supervisor.wire.form import Address
from dalsegno.actors.workflow_actor.interface.cause import Together
from dalsegno.broker.port import Fault, Message, Outcome
from dalsegno.broker.protocol.codec import MessageTooLargeError
from tests.supervisor.outbox.carrier import Shell, cause, shipment, word

GOOD = Message(body=b"the task", message_id="c", type="activity.task")


def opened(shell: Shell) -> Outbox:
    outbox = Outbox(shell, shell, at_once=2)
    outbox.publisher_opened()
    return outbox


def turn(shell: Shell) -> None:
    """Of the loop."""
    callbacks, shell.soon = shell.soon, []
    for callback in callbacks:
        callback()


def test_so_many_leave_in_one_turn_in_order() -> None:
    shell = Shell()
    outbox = opened(shell)
    outbox.send([shipment(name) for name in "abcde"])
    assert shell.ids() == ["a", "b"]
    turn(shell)
    assert shell.ids() == ["a", "b", "c", "d"]
    turn(shell)
    assert shell.ids() == ["a", "b", "c", "d", "e"]
    turn(shell)
    assert shell.soon == []


def test_what_others_send_does_not_wait_for_the_rest() -> None:
    shell = Shell()
    outbox = opened(shell)
    outbox.send([shipment(name) for name in "abcde"])
    outbox.send([shipment("other")])
    assert shell.ids() == ["a", "b", "other"]
    outbox.send([shipment(name) for name in "xyz"])
    while shell.soon:
        turn(shell)
    assert shell.ids() == ["a", "b", "other", "x", "y", "c", "d", "e", "z"]


def test_what_waits_for_its_turn_here_is_not_taken_for_what_the_broker_does_not_take() -> None:
    """A host that has very much to send is slow itself."""
    shell = Shell()
    outbox = opened(shell)
    asked, origin = cause()
    outbox.send([shipment(name, causes=[asked], durable=name != "e") for name in "abcde"])
    asked.done()
    for outgoing in shell.take():
        outgoing.on_outcome(Outcome.CONFIRMED)
    shell.time += 2 * PARK_AFTER_SECONDS
    outbox.taken_beside(0.1)
    outbox.park_overdue()
    assert (shell.parked, outbox.dropped) == ([], 0)
    turn(shell)
    assert shell.ids() == ["c", "d"]
    shell.time += 2 * PARK_AFTER_SECONDS
    outbox.taken_beside(0.1)
    outbox.park_overdue()
    assert len(shell.parked) == 2, "they have been given to the broker"
    turn(shell)
    assert shell.ids() == ["c", "d", "e"]
    for outgoing in shell.take():
        outgoing.on_outcome(Outcome.CONFIRMED)
    assert origin.removed == 1


def test_all_of_it_is_on_its_way_from_the_beginning() -> None:
    shell = Shell()
    outbox = opened(shell)
    asked, origin = cause()
    outbox.send([shipment(name, causes=[asked]) for name in "abc"])
    asked.done()
    assert outbox.is_in_flight("c")
    again, other = cause()
    assert outbox.join("c", again)
    again.done()
    outbox.forget("c")  # it needs not be sent any more
    assert other.removed == 1
    turn(shell)
    assert shell.ids() == ["a", "b"]
    for outgoing in shell.take():
        outgoing.on_outcome(Outcome.CONFIRMED)
    assert origin.removed == 1


def test_a_publisher_that_opens_meanwhile_is_given_all_once_and_in_order() -> None:
    shell = Shell()
    outbox = opened(shell)
    outbox.send([shipment(name) for name in "abcde"])
    shell.take()
    outbox.publisher_closed(Fault.NONE, "the connection was lost")
    outbox.publisher_opened()
    while shell.soon:
        turn(shell)
    assert shell.ids() == ["a", "b", "c", "d", "e"]


def test_what_is_to_be_sent_again_before_it_has_left_leaves_once() -> None:
    shell = Shell()
    outbox = opened(shell)
    outbox.send([shipment(name) for name in "abcdefg"])
    outbox.namespace_declared()
    while shell.soon:
        turn(shell)
    assert shell.ids() == list("abcdefg")


def test_nothing_of_it_leaves_while_suspects_are_tried() -> None:
    shell = Shell()
    outbox = opened(shell)
    outbox.send([shipment(name) for name in "abcd"])
    shell.take()
    outbox.publisher_closed(Fault.MESSAGE, "precondition failed")
    outbox.publisher_opened()
    turn(shell)
    assert shell.ids() == ["a"]
    shell.take()[0].on_outcome(Outcome.CONFIRMED)
    shell.take()[0].on_outcome(Outcome.CONFIRMED)
    while shell.soon:
        turn(shell)
    assert shell.ids() == ["c", "d"]


def late(name: str, *made: Message | Exception) -> Shipment:
    """What comes of each try to encode it."""
    tries = iter(made)

    def pack() -> Message:
        message = next(tries)
        if isinstance(message, Exception):
            raise message
        return message

    workflow = (0, "w", "run", (1, ord(name)))
    placeholder = Message(body=b"", message_id=name, type="unpacked")
    return Shipment(placeholder, Address("dalsegno", "r"), workflow=workflow, pack=pack)


def test_what_leaves_late_is_encoded_then_and_its_owner_told_if_it_cannot_be() -> None:
    shell = Shell()
    outbox = opened(shell)
    bad = late("d", MessageTooLargeError("it is too large"))
    outbox.send([shipment("a"), shipment("b"), late("c", GOOD), bad])
    assert [it.message.body for it in shell.published] == [b"", b""]
    while shell.soon:
        turn(shell)
    assert shell.ids() == ["a", "b", "c"]
    assert shell.published[-1].message == GOOD
    assert shell.unsendable == [bad.workflow]
    assert bad.unsendable == "it is too large"


def test_what_a_defect_keeps_from_being_encoded_is_lost_to_nobody_and_leaves_once_it_can() -> None:
    shell = Shell()
    outbox = opened(shell)
    defect = ZeroDivisionError("a defect")
    outbox.send([shipment("a"), shipment("b"), late("c", defect, defect, GOOD), shipment("d")])
    while shell.soon:
        turn(shell)
    assert shell.ids() == ["a", "b", "d"]
    for _ in range(2):
        (try_again,) = shell.later
        shell.later.clear()
        try_again()
    assert shell.ids() == ["a", "b", "d", "c"]
    assert shell.published[-1].message == GOOD
    assert not shell.unsendable


@pytest.mark.parametrize("meanwhile", ["its exchange is closed to us", "it has met a defect"])
def test_what_is_found_too_large_only_after_it_has_waited_is_told_to_its_owner(meanwhile: str) -> None:
    """And the next one tries the closed exchange, or nobody would."""
    shell = Shell()
    outbox = opened(shell)
    is_barred = meanwhile == "its exchange is closed to us"
    tries = [MessageTooLargeError("it is too large")]
    large = late("c", *tries) if is_barred else late("c", ZeroDivisionError("a defect"), *tries)
    outbox.send([shipment("a"), shipment("b"), large, late("d", replace(GOOD, message_id="d"))])
    if is_barred:
        for outgoing in shell.take():
            outgoing.on_outcome(Outcome.CONFIRMED)
        outbox.send([word("e", "dalsegno")])
        outbox.publisher_closed(Fault.TARGET, "ACCESS_REFUSED")
        shell.take()
        outbox.publisher_opened()
        assert shell.take() == []
    while shell.soon:
        turn(shell)
    for try_again in shell.later.copy():
        try_again()
    assert shell.unsendable == [large.workflow]
    assert shell.ids()[-1] == "d"


def test_a_defect_of_one_does_not_open_an_exchange_that_was_not_tried() -> None:
    shell = Shell()
    outbox = opened(shell)
    outbox.send([shipment("a"), shipment("b"), late("c", ZeroDivisionError("a defect"), GOOD)])
    for outgoing in shell.take():
        outgoing.on_outcome(Outcome.CONFIRMED)
    outbox.send([word("e", "dalsegno"), word("f", "dalsegno")])
    outbox.publisher_closed(Fault.TARGET, "ACCESS_REFUSED")
    shell.take()
    outbox.publisher_opened()
    for try_again in shell.later.copy():
        try_again()
    assert shell.ids() == ["e"]


def test_causes_that_wait_together_are_removed_together_but_for_those_that_are_handled_anew() -> None:
    shell = Shell()
    outbox = opened(shell)
    (first, one), (second, two) = cause(), cause()
    together = Together([first, second])
    outbox.send([shipment("a", causes=[together]), shipment("b", causes=[together])])
    assert outbox.waiting_for("a") == [first, second]
    together.done()
    first.done()
    second.done()
    a, b = shell.take()
    a.on_outcome(Outcome.CONFIRMED)
    outbox.disown([second])
    second.retry()
    assert outbox.waiting_for("b") == [first]
    b.on_outcome(Outcome.CONFIRMED)
    assert (one.removed, two.removed) == (1, 0)
    second.done()
    assert two.removed == 1
