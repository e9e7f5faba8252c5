"""What comes from outside and is wrong: it is answered in one clear sentence, kept among the dead letters where
nobody can read it, and harms nothing. After each test an ordinary order completes."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from tests.servers import wait_until
from tests.system.bare import Bare, slot_key
from tests.system.conftest import SERVERS, StackFactory
from tests.system.odd_workflows import NOBODYS_QUEUE, UNHEARD_OF
from tests.system.shop import plain_order
from tests.system.stack import Stack

pytestmark = [pytest.mark.rabbitmq, pytest.mark.postgres]

DEAD = "dalsegno.dead"
REASON = "x-dalsegno-reason"
ODD = "tests.system.odd_workflows"
MEBIBYTE = 1024 * 1024


@pytest.fixture(scope="module")
def stack(stack_on: StackFactory) -> Iterator[Stack]:
    with stack_on(SERVERS, modules=["examples.orders", ODD], hosts=1, workers=1) as stack:
        yield stack


@pytest.fixture
def bare(stack: Stack) -> Iterator[Bare]:
    with Bare(stack.broker) as bare:
        yield bare
        name = f"afterwards-{uuid4()}"
        assert bare.reply(bare.start("Order", name, plain_order(name)), "result")["status"] == "completed"
        assert bare.taken_from(DEAD) == [], "a dead letter that the test did not look at"


def assert_a_sentence(text: str) -> None:
    """For people: not empty, not long, in one line, without a program's innards."""
    assert 10 < len(text) < 400, text
    assert "\n" not in text
    assert "Traceback" not in text
    assert "object at 0x" not in text


def until_dead(bare: Bare) -> list[tuple[Any, bytes]]:
    """The dead letters, when there is one."""
    found: list[tuple[Any, bytes]] = []

    def arrived() -> bool:
        found.extend(bare.taken_from(DEAD))
        return bool(found)

    wait_until(arrived, 30, "the arrival of a dead letter")
    return found


# --- nobody can read it --------------------------------------------------------------------------------------

START = {"workflow_id": "w", "workflow_type": "Order"}
SIGNAL = {"workflow_id": "w", "name": "approve"}


@pytest.mark.parametrize(
    ("kind", "body", "how", "code", "word"),
    [
        pytest.param("workflow.start", b"\xff\xfe\x00", {}, "invalid", "JSON", id="bytes that are no JSON"),
        pytest.param(
            "workflow.start",
            b"\x9f\xff\xff",
            {"content_type": "application/cbor"},
            "invalid",
            "CBOR",
            id="bytes that are no CBOR",
        ),
        pytest.param("workflow.start", b"", {}, "invalid", "JSON", id="nothing"),
        pytest.param("workflow.start", b"[]", {}, "invalid", "object", id="a list"),
        pytest.param("workflow.start", b'{"args":' * 65 + b"1" + b"}" * 65, {}, "invalid", "64", id="too deep"),
        pytest.param("workflow.dance", START, {}, "unsupported", "workflow.dance", id="an unknown type"),
        pytest.param("child.started", START, {}, "unsupported", "not known", id="a type of a later version"),
        pytest.param(None, START, {}, "invalid", "type", id="no type"),
        pytest.param("workflow.start", {**START, "args": 5}, {}, "invalid", "args", id="a number for a list"),
        pytest.param(
            "workflow.start", {**START, "workflow_type": 5}, {}, "invalid", "workflow_type", id="a wrong type"
        ),
        pytest.param(
            "workflow.start", {"workflow_id": "w"}, {}, "invalid", "workflow_type", id="a missing field"
        ),
        pytest.param(
            "workflow.start", {**START, "workflow_id": "a\nb"}, {}, "invalid", "workflow_id", id="a forged ID"
        ),
        pytest.param(
            "workflow.start",
            {**START, "execution_timeout": -1},
            {},
            "invalid",
            "execution_timeout",
            id="a negative time",
        ),
        pytest.param(
            "workflow.signal", SIGNAL, {"message_id": None}, "invalid", "message ID", id="no message ID"
        ),
        pytest.param(
            "workflow.start", START, {"content_type": "text/plain"}, "invalid", "content type", id="plain text"
        ),
        pytest.param(
            "workflow.start",
            {**START, "args": ["x" * (MEBIBYTE + 1)]},
            {},
            "invalid",
            str(MEBIBYTE),
            id="more than a mebibyte",
        ),
        pytest.param("control.ping", {}, {}, "invalid", "control.ping", id="a question for another queue"),
    ],
)
def test_what_nobody_can_read_is_refused_and_kept(
    bare: Bare, kind: str | None, body: Any, how: dict[str, Any], code: str, word: str
) -> None:
    message_id = bare.send(kind, body, routing_key=slot_key("w"), **how)
    reply = bare.reply(message_id)
    assert reply["error"]["code"] == code
    assert_a_sentence(reply["error"]["message"])
    assert word in reply["error"]["message"]
    ((properties, kept),) = until_dead(bare)
    assert properties.headers[REASON] == reply["error"]["message"]
    assert properties.type == kind
    assert kept == (body if isinstance(body, bytes) else json.dumps(body).encode())
    assert bare.control("workflow.describe", {"workflow_id": "w"})["error"]["code"] == "not_found"


def test_a_question_to_the_control_queue_that_nobody_can_read_is_refused_and_kept(bare: Bare) -> None:
    reply = bare.control("control.workflows", {"limit": "many"})
    assert reply["error"]["code"] == "invalid"
    assert "limit" in reply["error"]["message"]
    ((properties, _),) = until_dead(bare)
    assert properties.headers[REASON] == reply["error"]["message"]


def test_an_answer_is_never_sent_to_a_queue_that_is_not_for_answers(bare: Bare) -> None:
    bare.channel.basic_publish(
        "dalsegno.commands",
        slot_key("w"),
        json.dumps(START).encode(),
        bare.properties("workflow.start", str(uuid4()), reply_to="dalsegno.partition.1.3"),
    )
    ((properties, _),) = until_dead(bare)
    assert "reply_to" in properties.headers[REASON]


# --- it comes twice, or too late, or to the wrong place ------------------------------------------------------


def test_a_start_that_comes_twice_begins_one_run(bare: Bare) -> None:
    message_id = bare.start("Gathers", "twice")
    run_id = bare.reply(message_id, "accepted")["run_id"]
    body = {"workflow_id": "twice", "workflow_type": "Gathers", "replies": ["accepted"]}
    assert bare.ask("workflow.start", body, message_id=message_id)["run_id"] == run_id
    refused = bare.ask("workflow.start", body)["error"]
    assert (refused["code"], refused["run_id"]) == ("already_started", run_id)
    assert_a_sentence(refused["message"])
    bare.ask("workflow.signal", {"workflow_id": "twice", "name": "end", "args": [0]})
    assert bare.reply(message_id, "result")["result"] == []
    # Even now that the run has ended, the first start stands for that run, and for no other.
    assert bare.ask("workflow.start", body, message_id=message_id)["run_id"] == run_id
    (row,) = bare.control("control.workflows", {"workflow_id": "twice"})["workflows"]
    assert row["status"] == "completed"


def test_a_signal_that_comes_twice_is_handled_once(bare: Bare) -> None:
    bare.reply(bare.start("Gathers", "echoes"), "accepted")
    body = {"workflow_id": "echoes", "name": "say", "args": ["once"]}
    message_id = str(uuid4())
    for _ in range(3):
        assert "error" not in bare.ask("workflow.signal", body, message_id=message_id)
    bare.ask("workflow.signal", {**body, "args": ["more"]})
    assert bare.ask("workflow.query", {"workflow_id": "echoes", "name": "said"})["result"] == ["once", "more"]


def test_a_signal_to_a_workflow_that_ended_or_never_was_is_refused(bare: Bare) -> None:
    bare.reply(bare.start("Inflates", "over", 3, True), "result")
    refused = bare.ask("workflow.signal", {"workflow_id": "over", "name": "anything"})["error"]
    assert refused["code"] == "closed"
    assert_a_sentence(refused["message"])
    refused = bare.ask("workflow.signal", {"workflow_id": "never was", "name": "anything"})["error"]
    assert refused["code"] == "not_found"
    assert_a_sentence(refused["message"])


def test_a_query_that_nobody_answers_is_refused(bare: Bare) -> None:
    bare.reply(bare.start("Gathers", "asked"), "accepted")
    refused = bare.ask("workflow.query", {"workflow_id": "asked", "name": "unheard of"})["error"]
    assert refused["code"] == "query_failed"
    assert_a_sentence(refused["message"])


def test_a_start_that_came_to_a_foreign_partition_is_forwarded(bare: Bare) -> None:
    own = int(slot_key("astray").removeprefix("slot.")) % 16
    message_id = bare.send(
        "workflow.start",
        {"workflow_id": "astray", "workflow_type": "Gathers", "replies": ["accepted"]},
        exchange="",
        routing_key=f"dalsegno.partition.1.{(own + 1) % 16}",
    )
    assert bare.reply(message_id)["status"] == "running"
    assert bare.ask("workflow.describe", {"workflow_id": "astray"})["description"]["partition"] == own


# --- there is no code for it ---------------------------------------------------------------------------------


def test_a_workflow_of_an_unknown_type_is_recorded_and_waits_for_its_code(stack: Stack, bare: Bare) -> None:
    """As in a rolling deployment: first the hosts do not know it yet."""
    (host,) = [program for program in stack.hosts if program.is_running]
    without = stack.host("examples.orders").wait_ready()
    host.terminate()
    asyncio.run(host.until_ended())

    message_id = bare.start("Late", "late")
    accepted = bare.reply(message_id, "accepted")
    assert accepted["status"] == "suspended"
    assert_a_sentence(accepted["reason"])
    assert "Late" in accepted["reason"]
    description = bare.ask("workflow.describe", {"workflow_id": "late"})["description"]
    assert (description["status"], description["suspended_reason"]) == ("suspended", accepted["reason"])

    stack.host().wait_ready()
    without.terminate()
    asyncio.run(without.until_ended())
    assert bare.reply(message_id, "result")["result"] == "better late"


def test_an_activity_that_no_worker_knows_is_tried_again_and_shows_why(bare: Bare) -> None:
    bare.reply(bare.start("AsksForTheUnknown", "unknown"), "accepted")
    seen: list[dict[str, Any]] = []

    def has_failed_twice() -> bool:
        description = bare.ask("workflow.describe", {"workflow_id": "unknown"})["description"]
        seen[:] = description["pending_activities"]
        return bool(seen) and seen[0]["attempt"] > 2 and "last_failure" in seen[0]

    wait_until(has_failed_twice, 30, "a second failure of an unknown activity")
    assert seen[0]["activity_type"] == UNHEARD_OF
    assert_a_sentence(seen[0]["last_failure"]["message"])
    assert UNHEARD_OF in seen[0]["last_failure"]["message"]
    bare.ask("workflow.terminate", {"workflow_id": "unknown"})


def test_an_answer_with_a_wrong_token_changes_nothing(stack: Stack, bare: Bare) -> None:
    message_id = bare.start("Waits", "guarded")
    run_id = bare.reply(message_id, "accepted")["run_id"]
    before = bare.ask("workflow.describe", {"workflow_id": "guarded"})["description"]
    (pending,) = before["pending_activities"]
    answer = {
        "workflow_id": "guarded",
        "run_id": run_id,
        "activity_id": pending["activity_id"],
        "attempt": pending["attempt"],
        "token": base64.b64encode(b"guessed by a thief").decode(),
    }
    results = {"exchange": "dalsegno.results"}
    bare.send("activity.completed", {**answer, "result": "false"}, **results)
    bare.send("activity.failed", {**answer, "failure": {"message": "no", "non_retryable": True}}, **results)
    bare.send("activity.canceled", answer, **results)
    after = bare.ask("workflow.describe", {"workflow_id": "guarded"})["description"]
    assert after["pending_activities"] == before["pending_activities"]
    stack.worker(task_queue=NOBODYS_QUEUE).wait_ready()
    assert bare.reply(message_id, "result")["result"] == "true"


# --- it is too large -----------------------------------------------------------------------------------------


def test_an_activity_whose_arguments_do_not_fit_into_a_task_fails(bare: Bare) -> None:
    failed = bare.reply(bare.start("Doubles", "doubled", "x" * (600 * 1024)), "result")
    assert failed["status"] == "failed"
    assert failed["failure"]["kind"] == "activity"
    reason = failed["failure"]["cause"]["message"]
    assert_a_sentence(reason)
    assert str(MEBIBYTE) in reason


def test_an_activity_whose_result_does_not_fit_into_a_message_fails(bare: Bare) -> None:
    failed = bare.reply(bare.start("Inflates", "inflated", MEBIBYTE, False), "result")
    assert failed["status"] == "failed"
    reason = failed["failure"]["cause"]["message"]
    assert_a_sentence(reason)
    assert str(MEBIBYTE) in reason


def test_an_answer_that_does_not_fit_into_a_message_is_told_as_such(bare: Bare) -> None:
    bare.reply(bare.start("Inflates", "large", MEBIBYTE, True), "accepted")
    question = {"workflow_id": "large", "name": "inflated", "args": [MEBIBYTE]}
    refused = bare.ask("workflow.query", question)["error"]
    assert refused["code"] == "too_large"
    assert_a_sentence(refused["message"])
    assert bare.ask("workflow.query", {**question, "args": [5]})["result"] == "xxxxx"


def test_a_result_that_does_not_fit_into_a_message_is_told_as_such_and_the_workflow_has_ended(
    bare: Bare,
) -> None:
    message_id = bare.start("Inflates", "huge", MEBIBYTE, True)
    assert bare.reply(message_id)["kind"] == "accepted"
    told = bare.reply(message_id)
    assert told["error"]["code"] == "too_large"
    assert_a_sentence(told["error"]["message"])
    assert bare.ask("workflow.describe", {"workflow_id": "huge"})["description"]["status"] == "completed"
