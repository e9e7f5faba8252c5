"""The other side of a worker: schedules tasks, grants, cancels, and reads what comes back. On any broker."""

from __future__ import annotations

import itertools
import secrets
from typing import Any, TypeVar

from dalsegno.broker.port import (
    Binding,
    Broker,
    Delivery,
    Exchange,
    Message,
    OnDelivery,
    Outcome,
    Outgoing,
    Queue,
    Topology,
)
from dalsegno.broker.protocol import codec
from dalsegno.broker.protocol.messages import (
    ActivityCancel,
    ActivityCanceled,
    ActivityCompleted,
    ActivityFailed,
    ActivityGrant,
    ActivityStarted,
    ActivityTask,
    FromActivity,
    WireMessage,
)
from dalsegno.broker.topology import (
    DEAD_EXCHANGE,
    DEAD_QUEUE,
    RESULTS_EXCHANGE,
    declare_task_queue,
    task_queue,
)
from dalsegno.priority import at_level
from tests.broker.witness import Ends, eventually
from tests.default_converter import from_payload, to_payload

RESULTS_QUEUE = "test.results"
RESULTS_KEY = "slot.7"
NAMESPACE = Topology(
    exchanges=[Exchange(RESULTS_EXCHANGE), Exchange(DEAD_EXCHANGE)],
    queues=[Queue(RESULTS_QUEUE), Queue(DEAD_QUEUE)],
    bindings=[
        Binding(RESULTS_EXCHANGE, RESULTS_KEY, RESULTS_QUEUE),
        Binding(DEAD_EXCHANGE, "invalid", DEAD_QUEUE),
    ],
)

M = TypeVar("M", bound=FromActivity)
Ended = ActivityCompleted | ActivityFailed | ActivityCanceled


_numbers = itertools.count(1)


def new_task(activity_type: str, *args: Any, **fields: Any) -> ActivityTask:
    """A task as an engine would schedule it, unlike any other; durations in `fields` are microseconds."""
    number = next(_numbers)
    return ActivityTask(
        **{
            "workflow_id": f"order-{number}",
            "run_id": f"run-{number}",
            "workflow_type": "Order",
            "activity_id": "1",
            "activity_type": activity_type,
            "task_queue": "default",
            "attempt": 1,
            "token": secrets.token_bytes(16),
            "fence": number,
            "idempotency_key": f"run-{number}/1",
            "exchange": RESULTS_EXCHANGE,
            "routing_key": RESULTS_KEY,
            "args": tuple(map(to_payload, args)),
            "scheduled_at": 1_790_000_000_000_000,
            "start_to_close": 600_000_000,
            **fields,
        }
    )


class Engine:
    """`granting` answers every `started` of an early task that way; None leaves them unanswered."""

    def __init__(self, broker: Broker, *, granting: bool | None = True) -> None:
        self._broker = broker
        self._early: set[bytes] = set()
        self.granting = granting
        self.received: list[tuple[str | None, WireMessage]] = []
        """Message ID and message, in the order of their coming."""
        self.dead: list[Message] = []

    async def start(self) -> None:
        self.session = await self._broker.connect(on_closed=Ends(), name="engine")
        await self.session.declare(NAMESPACE)
        await self.session.declare(declare_task_queue("default"))
        self._publisher = await self.session.open_publisher(on_closed=Ends())
        await self._consume(RESULTS_QUEUE, self._on_result)
        await self._consume(DEAD_QUEUE, lambda delivery: self.dead.append(delivery.message))

    async def _consume(self, queue: str, on_delivery: OnDelivery) -> None:
        def take(delivery: Delivery) -> None:
            on_delivery(delivery)
            consumer.acknowledge(delivery.tag)

        consumer = await self.session.open_consumer(queue, prefetch=1000, on_delivery=take, on_closed=Ends())

    async def stop(self) -> None:
        await self.session.close()

    # --- to the worker -----------------------------------------------------------------------------------

    async def schedule(self, activity_type: str, *args: Any, **fields: Any) -> ActivityTask:
        task = new_task(activity_type, *args, **fields)
        await self.send(task)
        return task

    async def send(self, task: ActivityTask) -> None:
        """Publish the task, once more if it was before; returns when it is confirmed."""
        if task.acknowledge == "early":
            self._early.add(task.token)
        queue = task_queue(at_level(task.task_queue, task.priority))
        await self.publish(queue, codec.encode(task, message_id=f"task-{task.run_id}"))

    async def publish(self, queue: str, message: Message) -> None:
        outcomes: list[Outcome] = []
        self._publisher.publish([Outgoing("", queue, message, outcomes.append)])
        await eventually(lambda: bool(outcomes), "an outcome of the publish")
        assert outcomes == [Outcome.CONFIRMED]

    async def grant(self, started: ActivityStarted, granted: bool = True) -> None:
        await self.publish(started.worker, _grant(started, granted))

    async def cancel(self, started: ActivityStarted, reason: str = "", *, named_by_token: bool = True) -> None:
        """Older hosts name no token."""
        request = ActivityCancel(
            run_id=started.run_id,
            activity_id=started.activity_id,
            attempt=started.attempt,
            reason=reason,
            token=started.token if named_by_token else None,
        )
        await self.publish(started.worker, codec.encode(request, message_id="cancel"))

    # --- from the worker ---------------------------------------------------------------------------------

    def messages(self, task: ActivityTask, kind: type[M]) -> list[M]:
        """All that came of one kind about one attempt."""
        return [
            message for _, message in self.received if isinstance(message, kind) and message.token == task.token
        ]

    def message_ids(self, task: ActivityTask) -> list[str | None]:
        """The IDs of the outcomes that came for one attempt."""
        return [
            message_id
            for message_id, message in self.received
            if isinstance(message, Ended) and message.token == task.token
        ]

    async def expect(self, task: ActivityTask, kind: type[M], count: int = 1) -> M:
        """The newest message of that kind, once there are `count` of them."""
        await eventually(
            lambda: len(self.messages(task, kind)) >= count,
            f"{count} x {kind.__name__} for {task.activity_type}",
        )
        return self.messages(task, kind)[-1]

    async def ended(self, task: ActivityTask) -> Ended:
        """How the attempt ended; the first answer counts."""

        def outcomes() -> list[Ended]:
            return [
                message
                for _, message in self.received
                if isinstance(message, Ended) and message.token == task.token
            ]

        await eventually(lambda: bool(outcomes()), f"an outcome of {task.activity_type}")
        return outcomes()[0]

    async def result(self, task: ActivityTask) -> Any:
        outcome = await self.ended(task)
        assert isinstance(outcome, ActivityCompleted), outcome
        return from_payload(outcome.result)

    async def failure(self, task: ActivityTask) -> ActivityFailed:
        outcome = await self.ended(task)
        assert isinstance(outcome, ActivityFailed), outcome
        return outcome

    async def depth(self) -> int:
        """Tasks that are ready in the queue."""
        depth = await self.session.queue_depth(task_queue("default"))
        assert depth is not None
        return depth

    def _on_result(self, delivery: Delivery) -> None:
        message = codec.decode(delivery.message)
        self.received.append((delivery.message.message_id, message))
        if self.granting is not None and isinstance(message, ActivityStarted) and message.token in self._early:
            grant = Outgoing("", message.worker, _grant(message, self.granting), lambda outcome: None)
            self._publisher.publish([grant])


def _grant(started: ActivityStarted, granted: bool) -> Message:
    grant = ActivityGrant(
        run_id=started.run_id,
        activity_id=started.activity_id,
        attempt=started.attempt,
        granted=granted,
        token=started.token,
    )
    return codec.encode(grant, message_id=f"grant-{started.run_id}-{secrets.token_hex(4)}")
