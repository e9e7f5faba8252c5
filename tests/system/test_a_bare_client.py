"""A client that knows a broker and JSON, and nothing of dalsegno."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers import wait_until
from tests.system.bare import Bare
from tests.system.conftest import SERVERS, StackFactory
from tests.system.shop import booked, plain_order
from tests.system.stack import Stack

pytestmark = [pytest.mark.rabbitmq, pytest.mark.postgres]

LARGE = "600.00"
"""A price that needs an approval."""


@pytest.fixture(scope="module")
def stack(stack_on: StackFactory) -> Iterator[Stack]:
    flags = ["--idle-seconds", "0.3", "--log-level", "debug"]
    with stack_on(SERVERS, modules=["examples.orders"], host_flags=flags) as stack:
        yield stack


@pytest.fixture
def bare(stack: Stack) -> Iterator[Bare]:
    with Bare(stack.broker) as bare:
        yield bare


def until_put_away(stack: Stack, workflow_id: str, *, times: int = 1) -> None:
    wait_until(lambda: stack.times_put_away(workflow_id) >= times, 30, f"the passivation of {workflow_id}")


def test_a_start_as_json_is_accepted_and_answered_with_its_result(stack: Stack, bare: Bare) -> None:
    message_id = bare.start("Order", "plain", plain_order("plain"))
    accepted = bare.reply(message_id)
    assert (accepted["kind"], accepted["status"]) == ("accepted", "running")
    result = bare.reply(message_id)
    assert (result["kind"], result["status"]) == ("result", "completed")
    assert result["run_id"] == accepted["run_id"]
    assert result["result"]["status"] == "completed"
    assert booked(stack.ledger, "plain") == ["payment", "reservation", "shipment", "mail"]


def test_a_failure_is_told_as_json(bare: Bare) -> None:
    message_id = bare.start("Order", "plain-invalid", plain_order("plain-invalid", lines=[]))
    assert bare.reply(message_id)["kind"] == "accepted"
    failed = bare.reply(message_id)
    assert (failed["kind"], failed["status"]) == ("result", "failed")
    assert failed["failure"]["cause"]["message"] == "the order has no lines"


def test_both_replies_come_although_the_host_is_killed_before_either(stack: Stack, bare: Bare) -> None:
    (host,) = stack.hosts
    host.kill()
    message_id = bare.start("Order", "early", plain_order("early"))
    host.start().wait_ready()
    assert bare.reply(message_id, "accepted")["status"] == "running"
    assert bare.reply(message_id, "result")["status"] == "completed"


def test_the_result_comes_although_the_host_is_killed_after_it_accepted(stack: Stack, bare: Bare) -> None:
    (host,) = stack.hosts
    message_id = bare.start("Order", "between", plain_order("between", price=LARGE))
    assert bare.reply(message_id)["kind"] == "accepted"
    host.kill()
    approval = {"approved": True, "by": "bob"}
    signal = bare.send("workflow.signal", {"workflow_id": "between", "name": "approve", "args": [approval]})
    host.start().wait_ready()
    answer = bare.reply(signal)
    assert (answer["kind"], answer.get("error")) == ("answer", None)
    result = bare.reply(message_id, "result")
    assert result["status"] == "completed"
    assert booked(stack.ledger, "between") == ["payment", "reservation", "shipment", "mail"]


def test_a_client_that_lost_its_connection_starts_again_and_gets_the_result_on_its_new_queue(
    stack: Stack,
) -> None:
    with Bare(stack.broker) as lost:
        message_id = lost.start("Order", "again", plain_order("again", price=LARGE))
        assert lost.reply(message_id)["kind"] == "accepted"
    with Bare(stack.broker) as bare:
        bare.start("Order", "again", plain_order("again", price=LARGE), message_id=message_id)
        assert bare.reply(message_id)["kind"] == "accepted"
        approval = {"approved": True, "by": "bob"}
        bare.ask("workflow.signal", {"workflow_id": "again", "name": "approve", "args": [approval]})
        assert bare.ask("workflow.result", {"workflow_id": "again"})["status"] == "completed"
        assert bare.reply(message_id, "result", seconds=5)["status"] == "completed"


def test_a_workflow_that_was_put_away_is_described_and_queried(stack: Stack, bare: Bare) -> None:
    bare.start("Order", "asleep", plain_order("asleep", price=LARGE))
    until_put_away(stack, "asleep")
    description = bare.control("workflow.describe", {"workflow_id": "asleep"})["description"]
    assert (description["workflow_type"], description["status"]) == ("Order", "running")
    assert description["pending_timers"] == 1
    until_put_away(stack, "asleep", times=2)
    question = {"workflow_id": "asleep", "name": "order_status"}
    assert bare.control("workflow.query", question)["result"] == "awaiting approval"


def test_a_closed_workflow_is_described_and_queried(stack: Stack, bare: Bare) -> None:
    message_id = bare.start("Order", "closed", plain_order("closed"))
    assert [bare.reply(message_id)["kind"], bare.reply(message_id)["kind"]] == ["accepted", "result"]
    until_put_away(stack, "closed")
    description = bare.control("workflow.describe", {"workflow_id": "closed"})["description"]
    assert description["status"] == "completed"
    assert description["closed_at"] >= description["started_at"]
    question = {"workflow_id": "closed", "name": "order_status"}
    assert bare.control("workflow.query", question)["result"] == "completed"
    cleanly = {**question, "reject_condition": "not_completed_cleanly"}
    assert bare.control("workflow.query", cleanly)["result"] == "completed"
    refused = bare.control("workflow.query", {**question, "reject_condition": "not_open"})
    assert (refused["error"]["code"], refused["status"]) == ("query_rejected", "completed")


def test_the_control_queue_answers_what_needs_the_database_alone(stack: Stack, bare: Bare) -> None:
    (host,) = stack.hosts
    assert bare.control("control.ping", {})["host_id"] == host.host_id
    assert [row["host_id"] for row in bare.control("control.hosts", {})["hosts"]] == [host.host_id]
    partitions = bare.control("control.partitions", {})["partitions"]
    assert {row["owner"] for row in partitions} == {host.host_id}
    message_id = bare.start("Order", "listed", plain_order("listed"))
    bare.reply(message_id)
    bare.reply(message_id)
    (row,) = bare.control("control.workflows", {"workflow_id": "listed"})["workflows"]
    assert row["status"] == "completed"
    found = {"filter": "WorkflowID = 'listed' and Status = completed and StartTime > -1h"}
    assert bare.control("control.find", found)["workflows"] == [row]
    counted = bare.control("control.count", {"filter": "WorkflowID starts_with 'liste' group by Status"})
    assert (counted["count"], counted["groups"]) == (1, [{"values": ["completed"], "count": 1}])
    for kind in ("control.find", "control.count"):
        refused = bare.control(kind, {"filter": "Totl > 10"})["error"]
        assert refused["code"] == "rejected"
        assert "character 1: there is no field 'Totl'" in refused["message"]
    assert bare.control("control.find", {"filter": "group by Type"})["error"]["code"] == "rejected"
    history = bare.control("control.history", {"workflow_id": "listed"})["history"]
    assert history[-1]["events"][-1]["type"] == "RunClosed"


@pytest.mark.parametrize("kind", ["workflow.describe", "workflow.query", "workflow.terminate"])
def test_who_asks_for_a_workflow_that_nobody_started_is_told_so(bare: Bare, kind: str) -> None:
    assert bare.ask(kind, {"workflow_id": "nobody", "name": "order_status"})["error"]["code"] == "not_found"
