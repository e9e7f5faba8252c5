"""What is parked is held by its workflow's state alone: the outbox makes its message anew when it may leave."""

from __future__ import annotations

import pytest

from dalsegno.actors.supervisor.outbox.outbox import PARK_AFTER_SECONDS, Outbox
from dalsegno.actors.supervisor.outbox.shipment import Shipment
from dalsegno.actors.supervisor.wire.form import Address
from dalsegno.broker.port import Fault, Message, Outcome
from tests.supervisor.outbox.carrier import Shell, Workflow, cause, shipment, workflow

SIZE = 1000


def task(number: int, *, lane: str | None = None) -> Shipment:
    message = Message(body=bytes(SIZE), message_id=f"task {number}", type="activity.task")
    in_lane = None if lane is None else ("run", lane)
    to = Address("", "dalsegno.tasks.q")
    return Shipment(message, to, causes=[cause()[0]], workflow=workflow(number), lane=in_lane)


def held(outbox: Outbox) -> int:
    """Bytes of all that is on its way."""
    return sum(len(on_its_way.message.body) for on_its_way in outbox._in_flight.values())


def parked(shell: Shell, outbox: Outbox, *tasks: Shipment, outcome: Outcome | None = Outcome.REFUSED) -> None:
    """Their queue takes nothing for long, or does not answer; that they are parked is durable."""
    outbox.send(tasks)
    for outgoing in shell.take() if outcome else ():
        outgoing.on_outcome(outcome)
    shell.published.clear()
    wait(shell, outbox)
    assert held(outbox) == len(tasks) * SIZE, "that they are parked is not durable yet"
    for each in tasks:
        outbox.release_causes(each.key)
    outbox.park_overdue()


def wait(shell: Shell, outbox: Outbox) -> None:
    shell.time += PARK_AFTER_SECONDS + 1
    outbox.taken_beside(0.1)
    outbox.park_overdue()


def retry(shell: Shell) -> None:
    later, shell.later = shell.later, []
    for callback in later:
        callback()


def made(workflow: Workflow) -> Message:
    number = workflow[3][0]
    return Message(body=bytes(SIZE), message_id=f"task {number}", type="activity.task")


@pytest.mark.parametrize("outcome", [Outcome.REFUSED, None], ids=["refused", "never answered"])
def test_what_is_parked_has_no_body_here_and_leaves_as_it_was(
    shell: Shell, outbox: Outbox, outcome: Outcome | None
) -> None:
    shell.again = made
    parked(shell, outbox, task(1), task(2), outcome=outcome)
    assert (held(outbox), outbox.weight.bytes) == (0, 0)
    if outcome is None:
        outbox.publisher_closed(Fault.NONE, "by the test")
        outbox.publisher_opened()
    retry(shell)
    first, second = shell.take()
    assert first.message == made(workflow(1))
    first.on_outcome(Outcome.CONFIRMED)
    assert (held(outbox), outbox.weight.bytes) == (SIZE, SIZE)
    second.on_outcome(Outcome.REFUSED)
    wait(shell, outbox)
    assert (held(outbox), outbox.weight.bytes) == (0, 0), "and so on"
    assert shell.confirmed == [workflow(1)]


def test_what_waits_in_a_lane_behind_what_is_parked_has_no_body_either(shell: Shell, outbox: Outbox) -> None:
    shell.again = made
    parked(shell, outbox, task(1, lane="worker"), task(2, lane="worker"))
    assert held(outbox) == 0
    retry(shell)
    shell.take()[0].on_outcome(Outcome.CONFIRMED)
    assert [outgoing.message for outgoing in shell.take()] == [made(workflow(2))]


def test_what_is_asked_for_again_meanwhile_keeps_its_causes_waiting(shell: Shell, outbox: Outbox) -> None:
    shell.again = made
    parked(shell, outbox, task(1))
    asked, origin = cause()
    assert outbox.join("task 1", asked)
    asked.done()
    retry(shell)
    shell.take()[0].on_outcome(Outcome.CONFIRMED)
    assert origin.removed == 1


def test_what_is_not_in_memory_is_tried_again_later(shell: Shell, outbox: Outbox) -> None:
    parked(shell, outbox, task(1))
    retry(shell)
    assert shell.published == []
    shell.again = made
    retry(shell)
    assert shell.ids() == ["task 1"]


def test_what_is_outstanding_no_more_is_forgotten(shell: Shell, outbox: Outbox) -> None:
    parked(shell, outbox, task(1, lane="worker"), task(2, lane="worker"))

    def forget(of: Workflow) -> Message | None:
        if of == workflow(2):
            return made(of)
        outbox.forget("task 1")
        return None

    shell.again = forget
    retry(shell)
    assert shell.ids() == ["task 2"]
    assert not outbox.is_in_flight("task 1")
    assert shell.confirmed == []


def test_no_channel_closes_over_what_is_not_in_memory(shell: Shell, outbox: Outbox) -> None:
    """A suspect that cannot be sent is not the one in the air, and holds up no other."""
    tasks = [task(number) for number in range(300)]
    outbox.send(tasks)
    while shell.soon:
        shell.soon.pop(0)()
    wait(shell, outbox)
    for each in tasks:
        outbox.release_causes(each.key)
    for _ in range(2):
        outbox.park_overdue()
    assert held(outbox) == 0
    outbox.send([shipment("other", causes=[cause()[0]])])
    shell.take()
    outbox.publisher_closed(Fault.MESSAGE, "PRECONDITION_FAILED - message size")
    outbox.publisher_opened()
    assert shell.ids() == ["other"]
    shell.take()
    outbox.publisher_closed(Fault.MESSAGE, "PRECONDITION_FAILED - message size")
    assert len(shell.unsendable) == 1
    outbox.publisher_opened()
    shell.again = made
    retry(shell)
    assert len(shell.ids()) == 300


def test_an_exchange_stays_closed_while_what_is_for_it_cannot_be_made(shell: Shell, outbox: Outbox) -> None:
    parked(shell, outbox, task(1))
    outbox.send([shipment("other", causes=[cause()[0]])])
    shell.take()
    outbox.publisher_closed(Fault.TARGET, "ACCESS_REFUSED")
    outbox.publisher_opened()
    retry(shell)
    tried = [shell.take()]
    outbox.publisher_closed(Fault.TARGET, "ACCESS_REFUSED")
    outbox.publisher_opened()
    shell.again = made
    outbox.forget("other")
    retry(shell)
    assert [o.message.message_id for o in tried[0]] == ["other"]
    assert shell.ids() == ["task 1"]
    shell.take()[0].on_outcome(Outcome.CONFIRMED)
    assert outbox._departures.barred == {}


def test_what_cannot_leave_as_it_is_has_no_body_while_its_owner_is_asked(shell: Shell, outbox: Outbox) -> None:
    outbox.send([task(1), task(2)])
    for outgoing in shell.take():
        outgoing.on_outcome(Outcome.IMPOSSIBLE)
    assert len(shell.unsendable) == 2
    assert held(outbox) == 0
