"""A publisher that the broker closes: for one message, for a right that is missing, or for an exchange."""

from __future__ import annotations

import pytest

from dalsegno.actors.supervisor.outbox.outbox import Outbox
from dalsegno.actors.supervisor.outbox.shipment import Shipment, to_reader
from dalsegno.actors.supervisor.outbox.slow_shipments import PARK_AFTER_SECONDS
from dalsegno.actors.workflow_actor.interface.cause import Cause
from dalsegno.broker.port import Fault, Outcome
from dalsegno.broker.protocol import messages as wire
from dalsegno.broker.protocol.codec import JSON, decode, encode
from dalsegno.payload import JSON_PLAIN, Payload
from tests.supervisor.outbox.carrier import Shell, cause, shipment, word, workflow

REFUSED_RIGHT = "ACCESS_REFUSED - write access refused"


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


def answer(body: wire.Reply | wire.ControlReply, causes: list[Cause]) -> Shipment:
    message = encode(body, message_id="answer", correlation_id="call 1", content_type=JSON)
    return to_reader(message, "dalsegno.reply.c1", causes)


@pytest.mark.parametrize(
    "body",
    [
        wire.Reply(kind="result", workflow_id="w", run_id="r", result=Payload(JSON_PLAIN, b"1")),
        wire.ControlReply(version="1"),
    ],
    ids=["reply", "control reply"],
)
def test_in_the_place_of_an_answer_that_no_broker_takes_goes_an_error(
    shell: Shell, outbox: Outbox, body: wire.Reply | wire.ControlReply
) -> None:
    """Its reader would ask again, and the same would happen again."""
    asked, origin = cause()
    outbox.send([answer(body, [asked])])
    asked.done()
    shell.take()[0].on_outcome(Outcome.IMPOSSIBLE)
    (error,) = shell.take()
    assert (error.routing_key, error.message.correlation_id) == ("dalsegno.reply.c1", "call 1")
    assert error.message.content_type == JSON
    told = decode(error.message)
    assert type(told) is type(body)
    assert told.error is not None
    assert told.error.code == "too_large"
    assert origin.removed == 0
    error.on_outcome(Outcome.IMPOSSIBLE)
    assert shell.published == []
    assert len(outbox) == 0
    assert origin.removed == 1


def test_an_effect_that_no_broker_can_carry_is_told_to_its_workflow_and_not_sent_again(
    shell: Shell, outbox: Outbox
) -> None:
    outbox.send([shipment("task"), shipment("other")])
    first, other = shell.take()
    first.on_outcome(Outcome.IMPOSSIBLE)
    other.on_outcome(Outcome.CONFIRMED)
    assert shell.unsendable == [workflow()]
    outbox.publisher_opened()
    assert shell.published == []
