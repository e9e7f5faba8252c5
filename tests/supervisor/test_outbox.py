"""What is committed leaves, whatever the broker does; and nothing is acknowledged before its confirm."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVarTuple

import pytest
from structlog.testing import capture_logs

from dalsegno.actors.supervisor.fail_stop import guarded
from dalsegno.actors.supervisor.outbox import PARK_AFTER_SECONDS, Outbox
from dalsegno.actors.supervisor.shipment import Shipment
from dalsegno.actors.supervisor.translate import Address
from dalsegno.actors.workflow_actor.cause import Cause
from dalsegno.actors.workflow_actor.commands import WakeUp
from dalsegno.broker.port import Fault, Message, Outcome, Outgoing
from dalsegno.broker.protocol.messages import ActivityGrant

Ts = TypeVarTuple("Ts")


Workflow = tuple[int, str, str, tuple[int, int]]


class Origin:
    is_void = False

    def __init__(self) -> None:
        self.removed = 0

    def remove(self) -> None:
        self.removed += 1


class Shell:
    """A carrier and an owner that write down what they are asked."""

    def __init__(self) -> None:
        self.published: list[Outgoing] = []
        self.declared: list[str] = []
        self.later: list[Callable[[], None]] = []
        self.confirmed: list[Workflow] = []
        self.unsendable: list[Workflow] = []
        self.parked: list[Workflow] = []
        self.namespaces_declared = 0
        self.time = 100.0

    def publish(self, batch: list[Outgoing]) -> None:
        self.published.extend(batch)

    def declare_task_queue(self, name: str) -> None:
        self.declared.append(name)

    def declare_namespace(self) -> None:
        self.namespaces_declared += 1

    def call_later(self, delay_seconds: float, callback: Callable[[], None]) -> None:
        self.later.append(callback)

    def guarded(self, callback: Callable[[*Ts], object]) -> Callable[[*Ts], None]:
        return guarded(lambda _: None, callback)

    def monotonic(self) -> float:
        return self.time

    def effect_confirmed(self, workflow: Workflow) -> None:
        self.confirmed.append(workflow)

    def effect_unsendable(self, workflow: Workflow, reason: str) -> None:
        self.unsendable.append(workflow)

    def effect_parked(self, workflow: Workflow) -> None:
        self.parked.append(workflow)

    def take(self) -> list[Outgoing]:
        taken, self.published = self.published, []
        return taken

    def ids(self) -> list[str | None]:
        return [outgoing.message.message_id for outgoing in self.published]


@pytest.fixture
def shell() -> Shell:
    return Shell()


@pytest.fixture
def outbox(shell: Shell) -> Outbox:
    outbox = Outbox(shell, shell)
    outbox.publisher_opened()
    return outbox


def workflow(number: int = 1) -> Workflow:
    return (0, "order", "run", (number, 0))


def shipment(
    message_id: str = "m", *, causes: list[Cause] | None = None, queue: str | None = None, durable: bool = True
) -> Shipment:
    address = Address("", f"dalsegno.tasks.{queue}", queue) if queue else Address("", "dalsegno.reply.x")
    return Shipment(
        Message(body=b"", message_id=message_id),
        address,
        causes=causes or [],
        workflow=workflow() if durable else None,
    )


def word(message_id: str, exchange: str, *, causes: list[Cause] | None = None) -> Shipment:
    """What nothing but its cause stands behind: a dead letter, a forwarded command."""
    return Shipment(Message(body=b"", message_id=message_id), Address(exchange, "key"), causes=causes or [])


def cause() -> tuple[Cause, Origin]:
    origin = Origin()
    return Cause(WakeUp(), name="test", origin=origin), origin


def test_a_cause_is_removed_only_when_committed_and_all_its_effects_are_confirmed(
    shell: Shell, outbox: Outbox
) -> None:
    first, origin = cause()
    outbox.send([shipment("a", causes=[first]), shipment("b", causes=[first])])
    first.done()  # its commit
    a, b = shell.take()
    b.on_outcome(Outcome.CONFIRMED)
    assert origin.removed == 0
    a.on_outcome(Outcome.CONFIRMED)
    assert origin.removed == 1
    assert len(outbox) == 0


def test_what_was_lost_is_sent_again_in_order_by_the_next_publisher(shell: Shell, outbox: Outbox) -> None:
    outbox.send([shipment("a"), shipment("b"), shipment("c")])
    for outgoing in shell.take()[:2]:
        outgoing.on_outcome(Outcome.LOST)
    outbox.publisher_closed(Fault.NONE, "the connection was lost")
    outbox.send([shipment("d")])
    assert shell.ids() == []
    outbox.publisher_opened()
    assert shell.ids() == ["a", "b", "c", "d"]


def test_one_message_id_is_never_in_flight_twice_and_both_causes_wait_for_it(
    shell: Shell, outbox: Outbox
) -> None:
    (first, one), (second, two) = cause(), cause()
    outbox.send([shipment("a", causes=[first])])
    outbox.send([shipment("a", causes=[second])])
    first.done()
    second.done()
    (only,) = shell.take()
    assert (one.removed, two.removed) == (0, 0)
    only.on_outcome(Outcome.CONFIRMED)
    assert (one.removed, two.removed) == (1, 1)


def test_a_task_waits_until_its_queue_is_declared(shell: Shell, outbox: Outbox) -> None:
    outbox.send([shipment("a", queue="q"), shipment("b", queue="q")])
    assert shell.ids() == []
    assert shell.declared == ["q"]
    outbox.task_queue_declared("q")
    assert shell.ids() == ["a", "b"]


def test_a_returned_task_has_its_queue_declared_and_is_sent_again(shell: Shell, outbox: Outbox) -> None:
    outbox.send([shipment("a", queue="q")])
    outbox.task_queue_declared("q")
    shell.take()[0].on_outcome(Outcome.RETURNED)
    assert shell.declared == ["q", "q"]
    outbox.task_queue_declared("q")
    assert shell.ids() == ["a"]


def test_a_reply_whose_reader_is_gone_is_dropped_and_counted(shell: Shell, outbox: Outbox) -> None:
    asked, origin = cause()
    outbox.send([shipment("a", causes=[asked], durable=False)])
    asked.done()
    shell.take()[0].on_outcome(Outcome.RETURNED)
    assert origin.removed == 1
    assert outbox.dropped == 1


def test_grants_that_reach_no_worker_are_warned_of_now_and_then(shell: Shell, outbox: Outbox) -> None:
    with capture_logs() as logs:
        for name in ("a", "b"):
            grant = Message(body=b"", message_id=name, type=ActivityGrant.TYPE)
            outbox.send([Shipment(grant, Address("", "dalsegno.worker.x"))])
            shell.take()[0].on_outcome(Outcome.RETURNED)
    assert [(line["event"], line["log_level"]) for line in logs] == [
        ("grant_undeliverable", "warning"),
        ("message_dropped", "info"),
    ]


def test_a_refused_message_is_sent_again(shell: Shell, outbox: Outbox) -> None:
    outbox.send([shipment("a")])
    shell.take()[0].on_outcome(Outcome.REFUSED)
    assert shell.ids() == []
    shell.later.pop()()
    assert shell.ids() == ["a"]


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


def test_the_one_message_that_closes_the_channel_is_found_and_given_up(shell: Shell, outbox: Outbox) -> None:
    outbox.send([shipment("a"), shipment("culprit"), shipment("c")])
    outbox.publisher_closed(Fault.MESSAGE, "PRECONDITION_FAILED - message size")
    shell.take()
    outbox.publisher_opened()
    assert shell.ids() == ["a"], "the suspects go one by one"
    shell.take()[0].on_outcome(Outcome.CONFIRMED)
    assert shell.ids() == ["culprit"]
    shell.take()[0].on_outcome(Outcome.LOST)
    outbox.publisher_closed(Fault.MESSAGE, "PRECONDITION_FAILED - message size")
    assert shell.unsendable == [workflow()]
    outbox.publisher_opened()
    assert shell.ids() == ["c"]
    shell.take()[0].on_outcome(Outcome.CONFIRMED)
    outbox.send([shipment("d"), shipment("e")])
    assert shell.ids() == ["d", "e"], "back to batches"


def test_a_suspect_that_is_refused_or_returned_does_not_hold_up_the_others(
    shell: Shell, outbox: Outbox
) -> None:
    outbox.send([shipment("full"), shipment("task", queue="q"), shipment("c")])
    outbox.task_queue_declared("q")
    outbox.publisher_closed(Fault.MESSAGE, "PRECONDITION_FAILED - message size")
    shell.take()
    outbox.publisher_opened()
    shell.take()[0].on_outcome(Outcome.REFUSED)
    assert shell.ids() == ["task"]
    shell.take()[0].on_outcome(Outcome.RETURNED)
    assert shell.ids() == ["c"]
    shell.take()[0].on_outcome(Outcome.CONFIRMED)
    outbox.task_queue_declared("q")
    while shell.later:
        shell.later.pop(0)()
    assert sorted(str(name) for name in shell.ids()) == ["full", "task"], "each once"


def test_a_refused_message_is_not_sent_twice_when_the_publisher_opens_again(
    shell: Shell, outbox: Outbox
) -> None:
    outbox.send([shipment("a")])
    shell.take()[0].on_outcome(Outcome.REFUSED)
    outbox.publisher_closed(Fault.NONE, "the connection was lost")
    outbox.publisher_opened()
    shell.later.pop()()
    assert shell.ids() == ["a"]


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


REFUSED_RIGHT = "ACCESS_REFUSED - write access refused"


def test_a_missing_right_blames_no_message_and_holds_up_that_exchange_alone(
    shell: Shell, outbox: Outbox
) -> None:
    asked, origin = cause()
    outbox.send([shipment("task"), word("letter", "dead", causes=[asked]), shipment("other")])
    asked.done()
    shell.take()
    outbox.publisher_closed(Fault.TARGET, REFUSED_RIGHT)
    outbox.publisher_opened()
    shell.take()[0].on_outcome(Outcome.CONFIRMED)
    assert shell.ids() == ["letter"], "one by one, to learn which exchange it is"
    shell.take()[0].on_outcome(Outcome.LOST)
    outbox.publisher_closed(Fault.TARGET, REFUSED_RIGHT)
    outbox.publisher_opened()
    assert shell.ids() == ["other"]
    shell.take()[0].on_outcome(Outcome.CONFIRMED)
    outbox.send([word("another letter", "dead"), shipment("more", durable=False)])
    assert shell.ids() == ["more"]
    assert shell.unsendable == []
    assert origin.removed == 0
    shell.take()[0].on_outcome(Outcome.CONFIRMED)
    shell.later.pop(0)()
    assert shell.ids() == ["letter"], "one tries"
    shell.take()[0].on_outcome(Outcome.CONFIRMED)
    assert origin.removed == 1
    assert shell.ids() == ["another letter"]


def test_what_may_not_be_published_anywhere_waits_and_fails_nothing(shell: Shell, outbox: Outbox) -> None:
    outbox.send([shipment("a"), shipment("b")])
    shell.take()
    for _ in range(20):
        outbox.publisher_closed(Fault.TARGET, REFUSED_RIGHT)
        outbox.publisher_opened()
        assert shell.ids() == [], "all of it went to one exchange: that is the one"
        shell.later.pop(0)()
        assert shell.ids() == ["a"]
        shell.take()[0].on_outcome(Outcome.LOST)
    outbox.publisher_closed(Fault.TARGET, REFUSED_RIGHT)
    outbox.publisher_opened()
    shell.later.pop(0)()
    shell.take()[0].on_outcome(Outcome.CONFIRMED)
    assert shell.ids() == ["b"]
    assert shell.unsendable == []


def test_an_answer_is_not_dropped_for_a_right_that_the_host_lacks(shell: Shell, outbox: Outbox) -> None:
    asked, origin = cause()
    outbox.send([shipment("answer", causes=[asked], durable=False)])
    asked.done()
    shell.take()
    outbox.publisher_closed(Fault.TARGET, REFUSED_RIGHT)
    outbox.publisher_opened()
    shell.time += PARK_AFTER_SECONDS + 1
    outbox.send([word("elsewhere", "dalsegno.results")])
    shell.take()[0].on_outcome(Outcome.CONFIRMED)
    outbox.park_overdue()
    assert origin.removed == 0
    shell.later.pop(0)()
    shell.take()[0].on_outcome(Outcome.CONFIRMED)
    assert origin.removed == 1


def test_a_missing_exchange_is_declared_anew_and_what_waits_for_it_leaves_at_once(
    shell: Shell, outbox: Outbox
) -> None:
    outbox.send([word("a", "dalsegno.results"), word("b", "dalsegno.results")])
    shell.take()
    outbox.publisher_closed(Fault.TARGET, "NOT_FOUND - no exchange")
    assert shell.namespaces_declared == 1
    outbox.publisher_opened()
    assert shell.ids() == []
    outbox.namespace_declared()
    assert shell.ids() == ["a"]
    shell.take()[0].on_outcome(Outcome.CONFIRMED)
    assert shell.ids() == ["b"]


def test_what_an_exchange_has_no_queue_for_waits_until_the_queue_is_declared_anew(
    shell: Shell, outbox: Outbox
) -> None:
    asked, origin = cause()
    outbox.send([word("a", "dalsegno.results", causes=[asked])])
    asked.done()
    shell.take()[0].on_outcome(Outcome.RETURNED)
    assert shell.namespaces_declared == 1
    outbox.namespace_declared()
    assert origin.removed == 0
    shell.take()[0].on_outcome(Outcome.CONFIRMED)
    assert origin.removed == 1


def test_what_has_no_owner_is_kept_even_if_the_broker_finds_it_too_large(shell: Shell, outbox: Outbox) -> None:
    asked, origin = cause()
    outbox.send([word("letter", "dead", causes=[asked])])
    asked.done()
    outbox.publisher_closed(Fault.MESSAGE, "PRECONDITION_FAILED - message size")
    shell.take()
    outbox.publisher_opened()
    shell.take()[0].on_outcome(Outcome.LOST)
    outbox.publisher_closed(Fault.MESSAGE, "PRECONDITION_FAILED - message size")
    outbox.publisher_opened()
    assert shell.ids() == []
    assert origin.removed == 0
    shell.later.pop()()
    shell.take()[0].on_outcome(Outcome.CONFIRMED)
    assert origin.removed == 1


def test_a_suspect_that_is_never_answered_does_not_keep_the_others(shell: Shell, outbox: Outbox) -> None:
    outbox.send([shipment("no leader"), shipment("b")])
    outbox.publisher_closed(Fault.MESSAGE, "PRECONDITION_FAILED - message size")
    shell.take()
    outbox.publisher_opened()
    assert shell.ids() == ["no leader"]
    shell.time += PARK_AFTER_SECONDS + 1
    outbox.park_overdue()
    assert shell.ids() == ["no leader", "b"]
