"""Priorities, on both stacks: what is urgent goes past a backlog, nothing is lost where nobody knows them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest

from dalsegno import Client, Priority, Worker, activity
from dalsegno.broker.port import Delivery, Message, Outgoing, Session
from dalsegno.broker.protocol.codec import decode, encode
from dalsegno.broker.protocol.messages import ActivityCompleted, ActivityTask
from dalsegno.broker.topology import declare_task_queue, task_queue
from dalsegno.broker.url import open_broker
from dalsegno.priority import at_level
from tests.default_converter import to_payload
from tests.system.conftest import EMBEDDED, SERVERS, StackFactory
from tests.system.stack import Stack, until
from tests.system.urgent import Inherits, Work, urgency

URGENT = Priority(priority_key=1)
LOW = Priority(priority_key=5)
BACKLOG = 50


ON_SERVERS = pytest.param(SERVERS, marks=[pytest.mark.rabbitmq, pytest.mark.postgres])


@pytest.fixture(scope="module", params=[EMBEDDED, ON_SERVERS])
def stack(request: pytest.FixtureRequest, stack_on: StackFactory) -> Iterator[Stack]:
    with stack_on(request.param, modules=["tests.system.urgent"], workers=0) as stack:
        yield stack


@pytest.fixture
async def client(stack: Stack) -> AsyncIterator[Client]:
    async with stack.client() as client:
        yield client


@pytest.fixture
async def session(stack: Stack) -> AsyncIterator[Session]:
    session = await open_broker(stack.broker).connect(on_closed=lambda reason: None, name="test")
    yield session
    await session.close()


@pytest.fixture
def queue() -> str:
    """Of the test alone."""
    return f"work-{uuid4()}"


class Works:
    """Begun one after the other; the first waits until the test lets it go on."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.may_go_on = asyncio.Event()

    @activity.defn
    async def work(self, name: str) -> str:
        self.begun.append(name)
        await self.may_go_on.wait()
        return name


@asynccontextmanager
async def working(stack: Stack, queue: str, works: Works, *, at_once: int = 1) -> AsyncIterator[None]:
    activities = [works.work, urgency]
    async with Worker(stack.broker, task_queue=queue, activities=activities, max_concurrent_activities=at_once):
        yield


async def ready(session: Session, queue: str, count: int) -> None:
    """So many tasks wait in it."""

    async def has_as_many() -> bool:
        return await session.queue_depth(task_queue(queue)) == count

    await until(has_as_many, f"{count} tasks wait in {queue}", seconds=60)


async def test_what_is_urgent_goes_past_a_backlog(
    stack: Stack, client: Client, session: Session, queue: str
) -> None:
    works = Works()
    async with working(stack, queue, works):
        first = await client.start(Work.run, ["first"], id=f"first-{queue}", task_queue=queue)
        await until(lambda: works.begun, "the first is begun")
        lows = [f"low {number}" for number in range(BACKLOG // 2)]
        ordinary = [f"ordinary {number}" for number in range(BACKLOG // 2)]
        others = [
            await client.start(Work.run, lows, id=f"low-{queue}", task_queue=queue, priority=LOW),
            await client.start(Work.run, ordinary, id=f"ordinary-{queue}", task_queue=queue),
        ]
        await ready(session, at_level(queue, 5), len(lows) - 1)
        await ready(session, queue, len(ordinary) - 1)
        urgent = ["urgent 0", "urgent 1", "urgent 2"]
        handle = await client.start(Work.run, urgent, id=f"urgent-{queue}", task_queue=queue, priority=URGENT)
        await ready(session, at_level(queue, 1), 1)  # the worker has fetched as many as it may

        works.may_go_on.set()

        assert await handle.result() == urgent
        assert await first.result() == ["first"]
        for other in others:
            await other.result()
    assert works.begun[1:3] == ["urgent 0", "urgent 1"]
    assert works.begun.index("urgent 2") < 10
    # Where tasks are done faster than the next ones come, what is not urgent has slots that nothing else wants.
    assert [name[:3] for name in works.begun[-5:]] == ["low"] * 5
    assert sorted(works.begun) == sorted(["first", *urgent, *ordinary, *lows])


async def test_what_nothing_else_is_said_of_is_as_urgent_as_what_asks_for_it(
    stack: Stack, client: Client, queue: str
) -> None:
    async with working(stack, queue, Works(), at_once=10):
        handle = await client.start(
            Inherits.run, args=[2, []], id=f"heir-{queue}", task_queue=queue, priority=Priority(2)
        )
        assert await handle.result() == [2, 2, 5, 3, 2, 2, 4, 4, 2, 2, 2, 2]
        assert (await handle.describe()).priority == 2
        plain = await client.execute(Inherits.run, args=[0, []], id=f"plain-{queue}", task_queue=queue)
        assert plain == [3, 3]
        assert await client.execute_activity(urgency, id=f"alone-{queue}", task_queue=queue, priority=LOW) == 5


async def test_a_level_that_only_workers_of_the_task_queue_might_read_is_not_left_to_itself(
    client: Client, session: Session, queue: str
) -> None:
    """A worker of a version before, or in another language, that consumes the task queue alone."""
    await session.declare(declare_task_queue(queue))
    publisher = await session.open_publisher(on_closed=lambda reason: None)
    taken: list[str] = []

    def take(delivery: Delivery) -> None:
        task = decode(delivery.message)
        assert isinstance(task, ActivityTask)
        taken.append(task.activity_id)
        done = encode(
            ActivityCompleted(
                workflow_id=task.workflow_id,
                run_id=task.run_id,
                activity_id=task.activity_id,
                attempt=task.attempt,
                token=task.token,
                result=to_payload("done"),
            ),
            message_id=f"{task.idempotency_key}-done",
        )
        publisher.publish([_outgoing(task, done)])
        consumer.acknowledge(delivery.tag)

    consumer = await session.open_consumer(
        task_queue(queue), prefetch=10, on_delivery=take, on_closed=lambda reason: None
    )
    names = [f"n{number}" for number in range(30)]
    handle = await client.start(Work.run, names, id=f"plain-{queue}", task_queue=queue, priority=URGENT)
    described = await handle.describe()
    assert {told.priority for told in described.pending_activities} <= {1}
    assert await handle.result() == ["done"] * 30
    assert sorted(set(taken), key=int) == [str(number + 1) for number in range(30)]


def _outgoing(task: ActivityTask, message: Message) -> Outgoing:
    return Outgoing(task.exchange, task.routing_key, message, lambda outcome: None)


async def test_what_waits_in_a_level_outlives_its_host_and_is_found_by_a_worker_that_comes_later(
    stack: Stack, client: Client, session: Session, queue: str
) -> None:
    handle = await client.start(Work.run, ["one"], id=f"late-{queue}", task_queue=queue, priority=URGENT)
    await ready(session, at_level(queue, 1), 1)

    stack.hosts[0].kill_child()
    await stack.hosts[0].until_ready()

    works = Works()
    works.may_go_on.set()
    async with working(stack, queue, works):
        assert await handle.result() == ["one"]
    assert works.begun == ["one"]


# Nobody deletes a durable queue of the embedded broker.
@pytest.mark.parametrize("stack", [ON_SERVERS], indirect=True)
async def test_what_lay_in_a_level_that_was_deleted_is_sent_again(
    stack: Stack, client: Client, session: Session, queue: str
) -> None:
    works = Works()
    works.may_go_on.set()
    handle = await client.start(Work.run, ["one"], id=f"lost-{queue}", task_queue=queue, priority=LOW)
    await ready(session, at_level(queue, 5), 1)

    await session.delete_queue(task_queue(at_level(queue, 5)))

    async with working(stack, queue, works):
        assert await handle.result() == ["one"]
    assert works.begun == ["one"]
