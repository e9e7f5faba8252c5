"""What is committed leaves, whatever the broker does; and nothing is acknowledged before its confirm."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from dalsegno.actors.supervisor.outbox.outbox import Outbox
from dalsegno.actors.supervisor.outbox.shipment import to_reader
from dalsegno.broker.port import Fault, Message, Outcome
from dalsegno.broker.protocol.messages import ActivityGrant
from tests.supervisor.outbox.carrier import Shell, cause, shipment


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
            outbox.send([to_reader(grant, "dalsegno.worker.x")])
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


def test_a_refused_message_is_not_sent_twice_when_the_publisher_opens_again(
    shell: Shell, outbox: Outbox
) -> None:
    outbox.send([shipment("a")])
    shell.take()[0].on_outcome(Outcome.REFUSED)
    outbox.publisher_closed(Fault.NONE, "the connection was lost")
    outbox.publisher_opened()
    shell.later.pop()()
    assert shell.ids() == ["a"]


def test_a_task_queue_that_was_forgotten_among_ever_new_ones_is_declared_again(
    shell: Shell, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dalsegno.actors.supervisor.outbox.outbox.DECLARED_MAX", 2)
    for number in range(5):
        outbox.send([shipment(f"m{number}", queue=f"q{number}")])
        outbox.task_queue_declared(f"q{number}")
    assert len(outbox._declared) == 2
    outbox.send([shipment("new", queue="q0"), shipment("another", queue="q4")])
    assert shell.declared == ["q0", "q1", "q2", "q3", "q4", "q0"]
    assert shell.ids()[-1] == "another"
    outbox.task_queue_declared("q0")
    assert shell.ids()[-1] == "new"
