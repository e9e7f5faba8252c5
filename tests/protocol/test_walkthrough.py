"""The programs of docs/protocol-*.md do what the page says of them: they know a broker, not dalsegno."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dalsegno.broker.port import Broker, Outgoing, Session
from dalsegno.broker.protocol.codec import JSON, decode, encode
from dalsegno.broker.protocol.messages import (
    ActivityCompleted,
    ActivityFailed,
    ActivityTask,
    Reply,
    StartWorkflow,
)
from dalsegno.broker.topology import (
    RESULTS_EXCHANGE,
    declare_task_queue,
    namespace_topology,
    partition_queue,
    routing_key_of,
    task_queue,
)
from dalsegno.broker.url import open_broker
from dalsegno.policies import WorkflowStatus
from tests.broker.witness import Inbox
from tests.client.fake_host import FakeHost, accepted
from tests.default_converter import encode_args, from_payload, to_payload
from tests.partition_ids import FIRST, nths

pytestmark = pytest.mark.rabbitmq

PAGES = sorted((Path(__file__).parents[2] / "docs").glob("protocol-*.md"))
PROGRAMS = dict(
    re.findall(
        r"<!-- tested: (\w+) -->\n```python\n(.*?)```", "".join(page.read_text() for page in PAGES), re.DOTALL
    )
)


async def run(program: str, url: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        PROGRAMS[program],
        env=os.environ | {"AMQP_URL": url},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


@pytest.fixture
def broker(rabbitmq_url: str) -> Broker:
    return open_broker(rabbitmq_url)


@pytest.fixture
async def session(broker: Broker) -> AsyncIterator[Session]:
    session = await broker.connect(on_closed=lambda reason: None, name="test")
    yield session
    await session.close()


async def test_a_bare_amqp_client_starts_a_workflow_and_gets_its_result(
    broker: Broker, rabbitmq_url: str
) -> None:
    host = FakeHost(broker)
    await host.start()
    done = Reply(kind="result", status=WorkflowStatus.COMPLETED, result=to_payload({"paid": True}))
    host.scripts[StartWorkflow] = lambda request: [accepted(request), done]

    process = await run("client", rabbitmq_url)
    output, errors = await process.communicate()

    assert output.decode().splitlines() == ["accepted running null", 'result completed {"paid": true}'], errors
    (start,) = host.of(StartWorkflow)
    assert (start.workflow_id, start.workflow_type) == ("order-1001", "Order")
    assert [from_payload(payload) for payload in start.args] == [{"sku": "A-7", "count": 2}]
    assert host.requests[0].content_type == JSON
    await host.close()


def task(activity_type: str) -> ActivityTask:
    return ActivityTask(
        workflow_id="order-1001",
        run_id="9a3a6c1e-1c58-5b0e-8f0f-0f4f5b6a7c8d",
        workflow_type="Order",
        activity_id="3",
        activity_type=activity_type,
        task_queue="payments",
        attempt=1,
        token=b"t" * 16,
        fence=1,
        idempotency_key="order-1001/3",
        exchange=RESULTS_EXCHANGE,
        routing_key=routing_key_of("order-1001"),
        args=encode_args("charge", [12.5, "EUR"]),
        scheduled_at=1,
    )


async def until_there(session: Session, queue: str, process: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(30):
        while await session.queue_depth(queue) is None:
            assert process.returncode is None, "it ended instead"
            await asyncio.sleep(0.05)


async def test_a_bare_amqp_worker_serves_tasks_of_a_queue_that_it_is_the_first_to_use(
    session: Session, rabbitmq_url: str
) -> None:
    await session.declare(namespace_topology(nths(1)))
    publisher = await session.open_publisher(on_closed=lambda reason: None)
    answers = Inbox()
    await session.open_consumer(
        partition_queue(FIRST), prefetch=10, on_delivery=answers, on_closed=lambda reason: None
    )
    tasks = [
        encode(task(kind), message_id=f"task-{kind}", content_type=JSON) for kind in ("charge", "unheard of")
    ]

    process = await run("worker", rabbitmq_url)
    try:
        await until_there(session, task_queue("payments"), process)
        await session.declare(declare_task_queue("payments"))  # as a host does: refused if it is another queue
        publisher.publish(
            [Outgoing("", task_queue("payments"), message, lambda outcome: None) for message in tasks]
        )
        completed, failed = [decode(delivery.message) for delivery in await answers.receive(2)]
    finally:
        process.kill()
        await process.communicate()

    assert isinstance(completed, ActivityCompleted)
    assert from_payload(completed.result) == {"receipt": "12.5 EUR"}
    assert (completed.activity_id, completed.attempt, completed.token) == ("3", 1, b"t" * 16)
    assert isinstance(failed, ActivityFailed)
    assert (failed.failure.type, failed.failure.message) == ("KeyError", "'unheard of'")
