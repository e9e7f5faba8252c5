"""What a run sends to one recipient is not overtaken by what it sends later; and what cannot leave blocks
nobody for ever."""

from __future__ import annotations

import pytest

from dalsegno.actors.supervisor.outbox.outbox import PARK_AFTER_SECONDS, Outbox
from dalsegno.actors.supervisor.outbox.shipment import Shipment
from dalsegno.actors.supervisor.wire.form import Address
from dalsegno.actors.supervisor.wire.translate import FORMS
from dalsegno.actors.workflow_actor.activities.sends import CancelTaskEffect, GrantEffect
from dalsegno.actors.workflow_actor.interface.cause import Cause
from dalsegno.actors.workflow_actor.interface.effects import Effect
from dalsegno.broker.port import Fault, Message, Outcome
from dalsegno.broker.protocol.codec import MessageTooLargeError
from tests.partition_ids import FIRST
from tests.supervisor.outbox.carrier import Shell, cause, shipment

LANE = ("run", "recipient")


def in_lane(number: int, *, causes: list[Cause] | None = None, durable: bool = True) -> Shipment:
    """`number` is that of its effect, too."""
    return Shipment(
        Message(body=b"", message_id=str(number)),
        Address("", "dalsegno.worker.w") if not durable else Address("dalsegno.results", "slot.1"),
        causes=causes or [],
        workflow=(FIRST, "order", "run", (number, 0)) if durable else None,
        mandatory=durable,
        droppable=not durable,
        lane=LANE,
    )


def confirm_one(shell: Shell) -> None:
    (only,) = shell.take()
    only.on_outcome(Outcome.CONFIRMED)


def test_a_later_one_waits_for_the_confirm_of_the_earlier_and_others_do_not(
    shell: Shell, outbox: Outbox
) -> None:
    outbox.send([in_lane(1), in_lane(2), shipment("a"), shipment("b", lane=("run", "another"))])
    outbox.send([in_lane(3), shipment("c", lane=("another run", "recipient"))])
    assert shell.ids() == ["1", "a", "b", "c"]
    assert all(outbox.is_in_flight(name) for name in "123")
    for outgoing in shell.take():
        outgoing.on_outcome(Outcome.CONFIRMED)
    assert shell.ids() == ["2"]
    confirm_one(shell)
    assert shell.ids() == ["3"]
    confirm_one(shell)
    assert len(outbox) == 0


def test_one_that_is_refused_is_not_overtaken(shell: Shell, outbox: Outbox) -> None:
    outbox.send([in_lane(1), in_lane(2)])
    shell.take()[0].on_outcome(Outcome.REFUSED)
    outbox.send([in_lane(3)])
    assert shell.ids() == []
    shell.later.pop()()
    assert shell.ids() == ["1"]
    confirm_one(shell)
    assert shell.ids() == ["2"]


@pytest.mark.parametrize("fault", Fault)
def test_the_order_is_kept_over_a_new_publisher(shell: Shell, outbox: Outbox, fault: Fault) -> None:
    outbox.send([in_lane(1), in_lane(2), shipment("other")])
    for outgoing in shell.take():
        outgoing.on_outcome(Outcome.LOST)
    outbox.publisher_closed(fault, "by the broker")
    outbox.send([in_lane(3)])
    outbox.publisher_opened()
    left: list[str | None] = []
    while shell.published:
        left += shell.ids()
        for outgoing in shell.take():
            outgoing.on_outcome(Outcome.CONFIRMED)
    assert [name for name in left if name != "other"] == ["1", "2", "3"]
    assert len(outbox) == 0


def test_those_behind_one_that_is_not_taken_are_parked_with_it_and_follow_when_it_is(
    shell: Shell, outbox: Outbox
) -> None:
    (first, one), (second, two) = cause(), cause()
    outbox.send([in_lane(1, causes=[first]), in_lane(2, causes=[second])])
    first.done()
    second.done()
    shell.take()[0].on_outcome(Outcome.REFUSED)
    shell.time += PARK_AFTER_SECONDS + 1
    outbox.send([shipment("other")])
    confirm_one(shell)
    outbox.park_overdue()
    assert [effect for *_, effect in shell.parked] == [(1, 0), (2, 0)]
    outbox.release_causes("1")
    outbox.release_causes("2")
    assert (one.removed, two.removed) == (1, 1)
    shell.later.pop()()
    confirm_one(shell)
    assert shell.ids() == ["2"]


def test_one_that_is_given_up_is_waited_for_by_nobody(shell: Shell, outbox: Outbox) -> None:
    """Its owner may need long to say what becomes of it."""
    outbox.send([in_lane(1), in_lane(2)])
    shell.take()[0].on_outcome(Outcome.IMPOSSIBLE)
    assert [effect for *_, effect in shell.unsendable] == [(1, 0)]
    assert shell.ids() == ["2"]
    outbox.forget("1")
    outbox.send([in_lane(3)])
    assert shell.ids() == ["2"]
    confirm_one(shell)
    assert shell.ids() == ["3"]


def test_one_over_which_the_channel_closes_is_waited_for_by_nobody(shell: Shell, outbox: Outbox) -> None:
    outbox.send([in_lane(1), in_lane(2)])
    for _ in range(2):
        shell.take()
        outbox.publisher_closed(Fault.MESSAGE, "PRECONDITION_FAILED - message size")
        outbox.publisher_opened()
    assert [effect for *_, effect in shell.unsendable] == [(1, 0)]
    assert shell.ids() == ["2"]


def test_one_that_cannot_be_encoded_is_waited_for_by_nobody(shell: Shell, outbox: Outbox) -> None:
    def pack() -> Message:
        raise MessageTooLargeError("it is too large")

    late = in_lane(1)
    late.pack = pack
    outbox.send([late, in_lane(2)])
    assert [effect for *_, effect in shell.unsendable] == [(1, 0)]
    assert shell.ids() == ["2"]


def test_one_without_an_owner_that_no_broker_takes_is_waited_for_by_nobody(
    shell: Shell, outbox: Outbox
) -> None:
    kept = Shipment(Message(body=b"", message_id="kept"), Address("dalsegno.results", "slot.1"), lane=LANE)
    outbox.send([kept, in_lane(2)])
    shell.take()[0].on_outcome(Outcome.IMPOSSIBLE)
    assert shell.ids() == ["2"]
    assert outbox.is_in_flight("kept")


def test_one_whose_reader_is_gone_lets_the_next_go(shell: Shell, outbox: Outbox) -> None:
    outbox.send([in_lane(1, durable=False), in_lane(2, durable=False)])
    shell.take()[0].on_outcome(Outcome.RETURNED)
    assert shell.ids() == ["2"]


def test_one_that_is_not_needed_any_more_leaves_its_place(shell: Shell, outbox: Outbox) -> None:
    asked, origin = cause()
    outbox.send([in_lane(1), in_lane(2, causes=[asked]), in_lane(3)])
    asked.done()
    outbox.forget("2")
    assert origin.removed == 1
    confirm_one(shell)
    assert shell.ids() == ["3"]


def test_with_one_that_is_left_to_another_host_go_those_behind_it(shell: Shell, outbox: Outbox) -> None:
    """From there it leaves later: what left from here would overtake it."""
    asked, origin = cause()
    outbox.send([in_lane(1), in_lane(2, causes=[asked]), in_lane(3), shipment("a", lane=("another run", "x"))])
    asked.done()
    shell.take()[0].on_outcome(Outcome.REFUSED)

    outbox.leave_to_others("1")
    outbox.leave_to_others("1")
    assert not any(outbox.is_in_flight(name) for name in "123")
    assert outbox.is_in_flight("a")
    assert shell.ids() == []
    assert origin.removed == 0, "nothing is confirmed: it comes again to whoever has its queue"
    assert shell.confirmed == []

    outbox.send([in_lane(1), in_lane(2)])
    assert shell.ids() == ["1"]


def test_those_before_one_that_is_left_to_another_host_go_on(shell: Shell, outbox: Outbox) -> None:
    outbox.send([in_lane(1), in_lane(2), in_lane(3)])
    outbox.leave_to_others("2")
    confirm_one(shell)
    assert shell.ids() == []
    assert len(outbox) == 0


def test_an_answer_that_waits_for_what_is_not_taken_is_dropped_but_not_when_its_exchange_is_closed(
    shell: Shell, outbox: Outbox
) -> None:
    """Its cause must not wait for ever; and whose right is missing is not its reader's fault."""
    asked, origin = cause()
    outbox.send([in_lane(1, durable=False), in_lane(2, durable=False, causes=[asked])])
    asked.done()
    shell.take()
    outbox.publisher_closed(Fault.TARGET, "ACCESS_REFUSED - write access refused")
    outbox.publisher_opened()
    shell.time += PARK_AFTER_SECONDS + 1
    outbox.send([shipment("elsewhere", queue=None)])
    outbox.send([Shipment(Message(body=b"", message_id="word"), Address("dalsegno.results", "slot.1"))])
    confirm_one(shell)
    outbox.park_overdue()
    assert origin.removed == 0
    shell.later.pop(0)()
    shell.take()[0].on_outcome(Outcome.CONFIRMED)
    assert "2" in shell.ids()


def test_an_answer_that_waits_for_what_is_refused_for_long_is_dropped(shell: Shell, outbox: Outbox) -> None:
    asked, origin = cause()
    durable = in_lane(1)
    outbox.send([durable, in_lane(2, durable=False, causes=[asked])])
    asked.done()
    shell.take()[0].on_outcome(Outcome.REFUSED)
    shell.time += PARK_AFTER_SECONDS + 1
    outbox.send([shipment("other")])
    confirm_one(shell)
    outbox.park_overdue()
    assert origin.removed == 1
    assert outbox.dropped == 1
    assert outbox.is_in_flight("1")


def lane_of(effect: Effect) -> object:
    lane = FORMS[type(effect)].lane
    assert lane is not None
    return lane(effect)


def test_what_is_said_to_a_worker_of_one_attempt_keeps_its_order_and_other_attempts_do_not_wait() -> None:
    def grant(activity_id: str, attempt: int, worker: str = "w") -> object:
        effect = GrantEffect(
            worker=worker, run_id="run", activity_id=activity_id, attempt=attempt, granted=True
        )
        return lane_of(effect)

    stop = CancelTaskEffect(worker="w", run_id="run", activity_id="a", attempt=1, reason="its run is over")
    assert lane_of(stop) == grant("a", 1)
    assert len({grant("a", 1), grant("a", 2), grant("b", 1), grant("a", 1, "another worker")}) == 4
