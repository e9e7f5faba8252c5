"""Tasks that no worker survives, and tasks that the broker has lost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pika  # type: ignore[import-untyped]
import pytest

from tests.servers import wait_until
from tests.system.bare import Bare
from tests.system.conftest import SERVERS, StackFactory
from tests.system.odd_workflows import NOBODYS_QUEUE
from tests.system.stack import Stack

pytestmark = [pytest.mark.rabbitmq, pytest.mark.postgres]

QUEUE = f"dalsegno.tasks.{NOBODYS_QUEUE}"
DELIVERY_LIMIT = 20


@pytest.fixture(scope="module")
def stack(stack_on: StackFactory) -> Iterator[Stack]:
    """Whose task queue is there, and its worker gone."""
    with stack_on(SERVERS, modules=["tests.system.odd_workflows"], workers=0) as stack:
        stack.worker(task_queue=NOBODYS_QUEUE).wait_ready().kill()
        yield stack


@pytest.fixture
def bare(stack: Stack) -> Iterator[Bare]:
    with Bare(stack.broker) as bare:
        yield bare


@pytest.fixture
def served(stack: Stack) -> Iterator[None]:
    """A worker that the test starts in the end is gone afterwards."""
    yield
    for worker in stack.workers:
        worker.kill()


def take_and_die(broker: str) -> None:
    """What a worker does that a task kills."""
    connection = pika.BlockingConnection(pika.URLParameters(broker))
    channel = connection.channel()
    taken: list[Any] = []
    channel.basic_consume(QUEUE, lambda *delivery: taken.append(delivery))
    while not taken:
        connection.process_data_events(time_limit=10)
    connection.close()


def attempt_of(bare: Bare, workflow_id: str) -> dict[str, Any]:
    description = bare.ask("workflow.describe", {"workflow_id": workflow_id})["description"]
    (pending,) = description["pending_activities"]
    told: dict[str, Any] = pending
    return told


def test_a_task_that_kills_every_worker_fails_its_attempt_and_is_tried_again(
    stack: Stack, bare: Bare, served: None
) -> None:
    message_id = bare.start("Waits", "poisonous")
    for _ in range(DELIVERY_LIMIT + 1):
        take_and_die(stack.broker)
    wait_until(lambda: attempt_of(bare, "poisonous")["attempt"] == 2, 30, "a second attempt")
    failure = attempt_of(bare, "poisonous")["last_failure"]
    assert (failure["kind"], failure["type"]) == ("worker_lost", "WorkerLost")
    assert str(DELIVERY_LIMIT) in failure["message"]
    stack.worker(task_queue=NOBODYS_QUEUE).wait_ready()
    assert bare.reply(message_id, "result")["result"] == "true"


def test_a_task_that_came_back_too_often_because_it_was_never_granted_is_sent_again(
    stack: Stack, bare: Bare, served: None
) -> None:
    """Its only attempt was not begun, so it has not failed."""
    message_id = bare.start("Waits", "never asked", 60.0, True)
    for _ in range(DELIVERY_LIMIT + 2):
        take_and_die(stack.broker)
    assert attempt_of(bare, "never asked")["attempt"] == 1
    stack.worker(task_queue=NOBODYS_QUEUE).wait_ready()
    assert bare.reply(message_id, "result")["result"] == "true"


@pytest.mark.slow
def test_a_task_that_the_broker_has_lost_is_sent_again(stack: Stack, bare: Bare, served: None) -> None:
    message_id = bare.start("Waits", "lost", 2.0)
    wait_until(lambda: bare.channel.queue_purge(QUEUE).method.message_count == 1, 30, "the task in its queue")
    wait_until(
        lambda: bare.channel.queue_declare(QUEUE, passive=True).method.message_count == 1,
        60,
        "the task in its queue again",
    )
    assert attempt_of(bare, "lost")["attempt"] == 1
    stack.worker(task_queue=NOBODYS_QUEUE).wait_ready()
    assert bare.reply(message_id, "result")["result"] == "true"
