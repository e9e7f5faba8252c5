"""Tasks that no worker survives, and tasks that the broker has lost."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pika  # type: ignore[import-untyped]
import pika.exceptions  # type: ignore[import-untyped]
import pytest

from dalsegno.actors.workflow_actor.activities.worker_deaths import RETURNS_UNSEEN_MAX
from tests.servers import wait_until
from tests.system.bare import Bare
from tests.system.conftest import SERVERS, StackFactory
from tests.system.odd_workflows import NOBODYS_QUEUE
from tests.system.stack import Stack

pytestmark = [pytest.mark.rabbitmq, pytest.mark.postgres]

QUEUE = f"dalsegno.tasks.{NOBODYS_QUEUE}"
DELIVERY_LIMIT = 20
TASK_QUEUE_ARGUMENTS = {
    "x-queue-type": "quorum",
    "x-delivery-limit": DELIVERY_LIMIT,
    "x-dead-letter-exchange": "dalsegno.dead",
    "x-dead-letter-routing-key": "tasks",
    "x-dead-letter-strategy": "at-least-once",
    "x-overflow": "reject-publish",
}
PASSIVATING = ["--idle-seconds", "0.5", "--log-level", "debug"]


@pytest.fixture(scope="module")
def stack(stack_on: StackFactory) -> Iterator[Stack]:
    """Whose task queue is there, and its worker gone."""
    modules = ["tests.system.odd_workflows"]
    with stack_on(SERVERS, modules=modules, workers=0, host_flags=PASSIVATING) as stack:
        stack.worker(task_queue=NOBODYS_QUEUE).wait_ready().kill()
        yield stack


@pytest.fixture
def bare(stack: Stack) -> Iterator[Bare]:
    with Bare(stack.broker) as bare:
        yield bare


@pytest.fixture
def served(stack: Stack) -> Iterator[None]:
    """A worker that the test starts in the end is gone afterwards, with all that it did acknowledged: what was
    not would be in the queue of the next test."""
    yield
    for worker in stack.workers:
        if worker.is_running:
            worker.terminate()
            asyncio.run(worker.until_ended())


def take_and_die(broker: str) -> None:
    """What a worker does that a task kills."""
    connection = pika.BlockingConnection(pika.URLParameters(broker))
    channel = connection.channel()
    taken: list[Any] = []
    channel.basic_consume(QUEUE, lambda *delivery: taken.append(delivery))
    while not taken:
        connection.process_data_events(time_limit=10)
    connection.close()


def depth(bare: Bare) -> int:
    """Of the task queue, which may be missing for a moment."""
    session = bare.fresh_channel()
    try:
        count: int = session.queue_declare(QUEUE, passive=True).method.message_count
    except pika.exceptions.ChannelClosedByBroker:
        return -1
    session.close()
    return count


def has_left_memory(stack: Stack, names: list[str]) -> bool:
    passivated: set[str] = set()
    for host in stack.hosts:
        for line in host.log.splitlines():
            if '"passivated"' in line:
                passivated.add(json.loads(line)["workflow_id"])
    return passivated >= set(names)


def attempt_of(bare: Bare, workflow_id: str) -> dict[str, Any]:
    description = bare.ask("workflow.describe", {"workflow_id": workflow_id})["description"]
    (pending,) = description["pending_activities"]
    told: dict[str, Any] = pending
    return told


def test_a_task_that_kills_every_worker_fails_its_attempt_and_is_tried_again(
    stack: Stack, bare: Bare, served: None
) -> None:
    """The broker gives it up several times: nobody has said that he works on it, so it may be the network."""
    message_id = bare.start("Waits", "poisonous")
    for _ in range((RETURNS_UNSEEN_MAX + 1) * (DELIVERY_LIMIT + 1)):
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


@pytest.mark.parametrize("declared_again", [False, True], ids=["gone", "declared again at once"])
def test_tasks_of_a_deleted_queue_come_again_at_once_though_nothing_else_is_sent_to_it(
    stack: Stack, bare: Bare, served: None, declared_again: bool
) -> None:
    """A worker whose consumer was cancelled declares it before any host can look."""
    names = [f"deleted {number} {declared_again}" for number in range(5)]
    started = [bare.start("Waits", name, 600.0) for name in names]
    wait_until(lambda: depth(bare) == len(names), 30, "the tasks in their queue")
    bare.channel.queue_delete(QUEUE)
    if declared_again:
        bare.channel.queue_declare(QUEUE, durable=True, arguments=TASK_QUEUE_ARGUMENTS)
    wait_until(lambda: depth(bare) == len(names), 30, "the tasks in their queue again")
    assert [attempt_of(bare, name)["attempt"] for name in names] == [1] * len(names)
    stack.worker(task_queue=NOBODYS_QUEUE).wait_ready()
    assert [bare.reply(message_id, "result")["result"] for message_id in started] == ["true"] * len(names)


@pytest.mark.slow
def test_tasks_of_workflows_that_have_left_memory_on_any_host_come_again_when_their_queue_was_deleted(
    stack: Stack, bare: Bare, served: None
) -> None:
    second = stack.host().wait_ready()
    names = [f"cold {number}" for number in range(16)]
    started = [bare.start("Waits", name, 600.0) for name in names]
    wait_until(lambda: depth(bare) == len(names), 30, "the tasks in their queue")
    wait_until(lambda: has_left_memory(stack, names), 60, "the workflows have left memory")
    bare.channel.queue_delete(QUEUE)
    wait_until(lambda: depth(bare) == len(names), 30, "the tasks in their queue again")
    stack.worker(task_queue=NOBODYS_QUEUE).wait_ready()
    assert [bare.reply(message_id, "result")["result"] for message_id in started] == ["true"] * len(names)
    second.terminate()
