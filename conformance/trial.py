"""The host's side of a trial: tasks go out to one task queue, and what the worker says of each is kept with it.

Its answers are addressed as those to a workflow are, so no host may serve the virtual host meanwhile: it would
answer, too, that it knows no such workflow.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeVar
from uuid import uuid4

import msgspec

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
    ActivityHeartbeat,
    ActivityStarted,
    ActivityTask,
    FromActivity,
    WireMessage,
)
from dalsegno.broker.topology import (
    CONTROL_QUEUE,
    DEAD_EXCHANGE,
    LEVELS_EXCHANGE,
    RESULTS_EXCHANGE,
    declare_task_queue,
    reply_queue,
    routing_key_of,
    task_queue,
)
from dalsegno.conformance.point import NotMetError
from dalsegno.errors import BrokerUnavailableError, ConfigurationError, InvalidMessageError
from dalsegno.payload import JSON_PLAIN, Payload

ACTIVITIES = "conformance."
"""What the names of the activities begin with that a worker has for a trial."""

M = TypeVar("M", bound=FromActivity)
Ended = ActivityCompleted | ActivityFailed | ActivityCanceled
OUTCOMES: tuple[type[Ended], ...] = (ActivityCompleted, ActivityFailed, ActivityCanceled)


@dataclass(frozen=True, slots=True)
class TrialPatience:
    """In seconds: how long to wait for what is to come, and for what is not to."""

    answer: float = 30.0
    silence: float = 0.5
    look_again: float = 0.05


class Given:
    """A task that was given out, and what the worker has said of it."""

    def __init__(self, trial: Trial, task: ActivityTask) -> None:
        self.task = task
        self.heard: list[FromActivity] = []
        self.content_type = codec.CBOR
        self._trial = trial
        self._news = asyncio.Event()

    def hear(self, message: FromActivity, content_type: str) -> None:
        self.heard.append(message)
        self.content_type = content_type
        self._news.set()

    async def outcome(self) -> Ended:
        """The first. NotMetError if there is none in time."""
        return await self._said(OUTCOMES, "an outcome", 0)

    async def completed(self) -> Any:
        """The value that the activity has returned."""
        outcome = await self.outcome()
        if not isinstance(outcome, ActivityCompleted):
            raise NotMetError(f"It was to end as activity.completed, but ended as {shown(outcome)}.")
        return value_of(outcome.result)

    async def failed(self) -> ActivityFailed:
        outcome = await self.outcome()
        if not isinstance(outcome, ActivityFailed):
            raise NotMetError(f"It was to end as activity.failed, but ended as {shown(outcome)}.")
        return outcome

    async def started(self, *, after: int = 0) -> ActivityStarted:
        """One that comes behind the first `after` messages."""
        return await self._said((ActivityStarted,), "an activity.started", after)

    async def heartbeat(self, *, after: int = 0) -> ActivityHeartbeat:
        return await self._said((ActivityHeartbeat,), "an activity.heartbeat", after)

    async def worker(self) -> str:
        """The queue for grant and cancel, as soon as the worker has named it."""
        while True:
            count = len(self.heard)
            for said in self.heard:
                if isinstance(said, ActivityStarted | ActivityHeartbeat) and said.worker is not None:
                    return said.worker
            await self._said((FromActivity,), "an activity.started or activity.heartbeat with its queue", count)

    async def _said(self, kinds: tuple[type[M], ...], what: str, after: int) -> M:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._trial.patience.answer):
                while True:
                    for said in self.heard[after:]:
                        if isinstance(said, kinds):
                            return said
                    self._news.clear()
                    await self._news.wait()
        told = ", ".join(said.TYPE for said in self.heard) or "nothing"
        raise NotMetError(f"Within {self._trial.patience.answer:g} s {what} was to come; what came is: {told}.")

    async def no_outcome(self, why: str) -> None:
        await asyncio.sleep(self._trial.patience.silence)
        for said in self.heard:
            if isinstance(said, OUTCOMES):
                raise NotMetError(f"It ended as {shown(said)}, {why}.")

    async def no_more_than_one(self) -> None:
        await asyncio.sleep(self._trial.patience.silence)
        kinds = {said.TYPE for said in self.heard if isinstance(said, OUTCOMES)}
        if len(kinds) > 1:
            raise NotMetError(f"Of one attempt it said more than one outcome: {', '.join(sorted(kinds))}.")

    async def grant(self, granted: bool = True) -> None:
        task = self.task
        await self._tell(
            ActivityGrant(
                run_id=task.run_id,
                activity_id=task.activity_id,
                attempt=task.attempt,
                token=task.token,
                granted=granted,
            )
        )

    async def cancel(self) -> None:
        task = self.task
        await self._tell(
            ActivityCancel(
                run_id=task.run_id,
                activity_id=task.activity_id,
                attempt=task.attempt,
                token=task.token,
                reason="the trial wants it to stop",
            )
        )

    async def _tell(self, message: WireMessage) -> None:
        queue = await self.worker()
        encoded = codec.encode(message, message_id=str(uuid4()), content_type=self.content_type)
        if await self._trial.publish("", queue, encoded) is Outcome.RETURNED:
            raise NotMetError(f"The queue {queue!r}, which it names for grant and cancel, is not there.")


class Trial:
    """Of one worker. `content_type` is that of the tasks."""

    def __init__(
        self,
        broker: Broker,
        task_queue: str,
        *,
        content_type: str = codec.JSON,
        patience: TrialPatience | None = None,
    ) -> None:
        self.patience = patience or TrialPatience()
        self.task_queue = task_queue
        self.unreadable: list[str] = []
        """Why the host could not have read what came."""
        self.strayed: list[str | None] = []
        """The types of what came to `elsewhere`, where nothing is to come."""
        self.dead: list[Message] = []
        self.elsewhere = f"conformance.{uuid4()}"
        self.content_type = content_type
        self._id = f"conformance-{uuid4()}"
        self._broker = broker
        self._given: dict[str, Given] = {}
        self._lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def __aenter__(self) -> Self:
        self._session = await self._broker.connect(on_closed=self._on_closed, name="dalsegno conformance")
        try:
            await self._open()
        except BaseException:
            await self._session.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def _open(self) -> None:
        session = self._session
        if await session.has_consumers(CONTROL_QUEUE):
            raise ConfigurationError(
                "A host serves this virtual host, and would answer the worker beside the trial: give the trial "
                "and the worker one of their own."
            )
        answers, dead = reply_queue(self._id), reply_queue(f"{self._id}.dead")
        await session.declare(
            Topology(
                exchanges=[Exchange(RESULTS_EXCHANGE), Exchange(DEAD_EXCHANGE), Exchange(LEVELS_EXCHANGE)],
                queues=[Queue(answers, durable=False), Queue(dead, durable=False)],
                bindings=[
                    Binding(RESULTS_EXCHANGE, routing_key_of(self._id), answers),
                    Binding(DEAD_EXCHANGE, self.elsewhere, dead),
                    Binding(DEAD_EXCHANGE, "invalid", dead),
                ],
            )
        )
        self._publisher = await session.open_publisher(on_closed=self._on_closed)
        await self._consume(answers, self._on_answer)
        await self._consume(dead, self._on_dead)
        await self.declare_task_queue()
        await self.until_consumed()

    async def _consume(self, queue: str, on_delivery: OnDelivery) -> None:
        def take(delivery: Delivery) -> None:
            on_delivery(delivery)
            consumer.acknowledge(delivery.tag)

        consumer = await self._session.open_consumer(
            queue, prefetch=1000, on_delivery=take, on_closed=self._on_closed
        )

    # --- the task queue ----------------------------------------------------------------------------------

    async def declare_task_queue(self) -> None:
        await self._session.declare(declare_task_queue(self.task_queue))

    async def delete_task_queue(self) -> None:
        await self._session.delete_queue(task_queue(self.task_queue))

    async def is_consumed(self) -> bool:
        """Whether somebody consumes the task queue within the patience for answers."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.patience.answer):
                while True:
                    if await self._session.has_consumers(task_queue(self.task_queue)):
                        return True
                    await asyncio.sleep(self.patience.look_again)
        return False

    async def until_consumed(self) -> None:
        if not await self.is_consumed():
            raise ConfigurationError(
                f"Nobody consumes {task_queue(self.task_queue)} within {self.patience.answer:g} s: start the "
                "worker on this broker and task queue, and try again."
            )

    # --- what goes out -----------------------------------------------------------------------------------

    def task(self, activity: str, *args: Any, **fields: Any) -> ActivityTask:
        """One of its own, whose answers come here; `args` may be payloads, durations are in microseconds."""
        number = len(self._given) + 1
        task = ActivityTask(
            **{
                "workflow_id": self._id,
                "run_id": str(uuid4()),
                "workflow_type": "Conformance",
                "activity_id": f"{number} of {self._id}",  # others may be tried whose IDs have the same slot
                "activity_type": f"{ACTIVITIES}{activity}",
                "task_queue": self.task_queue,
                "attempt": 1,
                "token": secrets.token_bytes(16),
                "fence": number,
                "idempotency_key": f"{self._id}/{number}",
                "exchange": RESULTS_EXCHANGE,
                "routing_key": routing_key_of(self._id),
                "args": tuple(map(payload_of, args)),
                "scheduled_at": 1_790_000_000_000_000,
                **fields,
            }
        )
        self._given[task.activity_id] = Given(self, task)
        return task

    async def give(self, activity: str, *args: Any, **fields: Any) -> Given:
        return await self.send(self.task(activity, *args, **fields))

    async def send(self, task: ActivityTask, *, more: Mapping[str, Any] | None = None) -> Given:
        """`more`: fields that no version knows."""
        message = codec.encode(task, message_id=str(uuid4()), content_type=self.content_type)
        if more:
            message = msgspec.structs.replace(message, body=_with_fields(message.body, self.content_type, more))
        await self.send_body(message.body)
        return self._given[task.activity_id]

    async def send_body(self, body: bytes) -> None:
        """As a task, whatever it is."""
        message = Message(
            body=body, type=ActivityTask.TYPE, content_type=self.content_type, message_id=str(uuid4())
        )
        await self.publish("", task_queue(self.task_queue), message)

    async def publish(self, exchange: str, routing_key: str, message: Message) -> Outcome:
        outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

        def settle(known: Outcome) -> None:
            if not outcome.done():  # who waited may be gone
                outcome.set_result(known)

        self._publisher.publish([Outgoing(exchange, routing_key, message, settle)])
        return await outcome

    # --- what comes --------------------------------------------------------------------------------------

    def _on_answer(self, delivery: Delivery) -> None:
        try:
            message = codec.decode(delivery.message)
        except InvalidMessageError as error:
            self.unreadable.append(str(error))
            return
        given = self._given.get(message.activity_id) if isinstance(message, FromActivity) else None
        if isinstance(message, FromActivity) and given:
            given.hear(message, codec.spoken_by(delivery.message))

    def _on_dead(self, delivery: Delivery) -> None:
        if delivery.routing_key == self.elsewhere:
            self.strayed.append(delivery.message.type)
        else:
            self.dead.append(delivery.message)

    async def dead_letter(self, body: bytes) -> Message | None:
        """What was sent as that body, when it is among the dead letters; None if it is not in time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.patience.answer):
                while True:
                    for message in self.dead:
                        if message.body == body:
                            return message
                    await asyncio.sleep(self.patience.look_again)
        return None

    def _on_closed(self, reason: str) -> None:
        if not self._lost.done():
            self._lost.set_result(reason)

    async def until_lost(self) -> None:
        """BrokerUnavailableError once the trial's own connection is gone: no worker is to blame for what comes
        then."""
        reason = await asyncio.shield(self._lost)
        raise BrokerUnavailableError(f"The trial lost its connection to the broker: {reason}")


def payload_of(value: Any) -> Payload:
    if isinstance(value, Payload):
        return value
    return Payload(JSON_PLAIN, json.dumps(value, ensure_ascii=False).encode())


def value_of(payload: Payload) -> Any:
    if payload.encoding != JSON_PLAIN:
        raise NotMetError(f"A value was to come as {JSON_PLAIN}, but came as {payload.encoding!r}.")
    return json.loads(payload.data)


def shown(outcome: Ended) -> str:
    match outcome:
        case ActivityFailed(failure=failure):
            return f"{outcome.TYPE} ({failure.type or failure.kind}: {failure.message[:200]})"
        case _:
            return outcome.TYPE


def _with_fields(body: bytes, content_type: str, more: Mapping[str, Any]) -> bytes:
    if content_type == codec.JSON:
        return json.dumps({**json.loads(body), **more}).encode()
    from dalsegno.broker.protocol import strict_cbor

    return strict_cbor.dumps({**strict_cbor.loads(body), **more})
