"""A worker of the protocol in one page, which keeps it but for the one fault that it is given."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from uuid import uuid4

from dalsegno.broker.port import Broker, Consumer, Delivery, Message, Outgoing, Queue, Session, Topology
from dalsegno.broker.topology import RESULTS_EXCHANGE, declare_task_queue, task_queue, worker_queue

SECOND = 1_000_000
ASK_AGAIN = 0.2


class FailsForError(Exception):
    def __init__(self, type_: str, message: str = "", non_retryable: bool = False, **fields: Any) -> None:
        self.failure = {"type": type_, "message": message, "non_retryable": non_retryable, **fields}


class Tiny:
    """`fault` is the name of the point that it breaks."""

    def __init__(self, broker: Broker, queue: str, fault: str | None = None) -> None:
        self._broker = broker
        self._queue = queue
        self._fault = fault
        self._own = worker_queue(str(uuid4()))
        self._working: dict[str, asyncio.Task[Any]] = {}
        self._grants: dict[str, asyncio.Future[bool]] = {}
        self._background: set[asyncio.Task[Any]] = set()
        self._begun = 0
        self._ends = False

    async def __aenter__(self) -> Tiny:
        self._session: Session = await self._broker.connect(on_closed=lambda reason: None, name="tiny")
        self._publisher = await self._session.open_publisher(on_closed=lambda reason: None)
        await self._session.declare(Topology(queues=[Queue(self._own, durable=False)]))
        await self._session.open_consumer(
            self._own, prefetch=100, on_delivery=self._on_directive, on_closed=lambda reason: None
        )
        await self._consume()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._ends = True
        for task in (*self._background, *self._working.values()):
            task.cancel()
        await asyncio.gather(*self._background, *self._working.values(), return_exceptions=True)
        await self._session.close()

    async def _consume(self) -> None:
        await self._session.declare(declare_task_queue(self._queue))

        def again(reason: str) -> None:
            if self._fault != "queue again" and self._session.is_open and not self._ends:
                self._later(self._consume())

        self._consumer: Consumer = await self._session.open_consumer(
            task_queue(self._queue),
            prefetch=100,
            on_delivery=lambda delivery: self._later(self._on_task(delivery)),
            on_closed=again,
        )

    def _later(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    def _on_directive(self, delivery: Delivery) -> None:
        said = json.loads(delivery.message.body)
        key = f"{said['run_id']} {said['activity_id']}"
        if delivery.message.type == "activity.grant" and key in self._grants:
            if not self._grants[key].done():
                self._grants[key].set_result(said["granted"])
        elif key in self._working and self._fault != "canceled":
            self._working[key].cancel()

    async def _publish(self, exchange: str, routing_key: str, message: Message) -> None:
        done = asyncio.Event()
        self._publisher.publish([Outgoing(exchange, routing_key, message, lambda outcome: done.set())])
        await done.wait()

    async def _say(self, task: dict[str, Any], type_: str, **fields: Any) -> None:
        copied = {key: task[key] for key in ("workflow_id", "run_id", "activity_id", "attempt", "token")}
        if self._fault == "copies":
            copied["attempt"] = 1
        body = json.dumps(copied | fields).encode()
        message = Message(body=body, type=type_, content_type="application/json")
        await self._publish(task["exchange"], task["routing_key"], message)
        if self._fault == "readable":
            await self._publish(task["exchange"], task["routing_key"], Message(body=b"[]", type=type_))

    async def _on_task(self, delivery: Delivery) -> None:
        try:
            task = json.loads(delivery.message.body)
            known = task["run_id"], task["activity_id"]
            if task["exchange"] != RESULTS_EXCHANGE and self._fault != "addresses":
                raise ValueError(task["exchange"])
        except (ValueError, KeyError, UnicodeDecodeError):
            if self._fault != "no task":
                reason = {"x-dalsegno-reason": "no task"}
                await self._publish(
                    "dalsegno.dead", "invalid", Message(body=delivery.message.body, headers=reason)
                )
            self._consumer.acknowledge(delivery.tag)
            return
        key = " ".join(known)
        if self._fault == "unknown fields" and "conformance_new" in task:
            return
        if self._fault == "serves on" and task.get("args") == ["behind"]:
            return
        if key in self._working and self._fault != "twice":
            await asyncio.wait([self._working[key]])
            self._consumer.acknowledge(delivery.tag)
            return
        late = task.get("acknowledge", "late") == "late"
        if not late:
            begins = self._fault == "early" and task["args"] == ["granted"]
            if not begins and not await self._is_granted(task, key):
                self._consumer.acknowledge(delivery.tag)
                return
            if begins:
                await self._say(task, "activity.started", worker=self._own)
            self._consumer.acknowledge(delivery.tag)
        work = self._working[key] = asyncio.ensure_future(self._outcome(task, late))
        type_, fields = await work
        await self._say(task, type_, **fields)
        self._working.pop(key, None)
        if late:
            self._consumer.acknowledge(delivery.tag)

    async def _is_granted(self, task: dict[str, Any], key: str) -> bool:
        grant = self._grants[key] = asyncio.get_running_loop().create_future()
        while True:
            await self._say(task, "activity.started", worker=self._own)
            done, _ = await asyncio.wait([grant], timeout=60 if self._fault == "asks again" else ASK_AGAIN)
            if done:
                return grant.result() or self._fault == "refused"

    async def _outcome(self, task: dict[str, Any], late: bool) -> tuple[str, dict[str, Any]]:
        signs = asyncio.ensure_future(self._signs(task, late))
        try:
            limit = task.get("start_to_close", 60 * SECOND) / SECOND
            async with asyncio.timeout(None if self._fault == "too long" else limit):
                return "activity.completed", {"result": await self._perform(task)}
        except FailsForError as error:
            return "activity.failed", {"failure": error.failure}
        except TimeoutError:
            failure = {"kind": "timed_out", "timeout_type": "start_to_close", "message": "too long"}
            return "activity.failed", {"failure": failure}
        except asyncio.CancelledError:
            return "activity.canceled", {}
        finally:
            signs.cancel()

    async def _signs(self, task: dict[str, Any], late: bool) -> None:
        if self._fault != "heartbeats" and task.get("auto_heartbeat"):
            for _ in range(3):
                await asyncio.sleep(task["heartbeat_timeout"] / 3 / SECOND)
                await self._say(task, "activity.heartbeat", worker=self._own)
        elif late and self._fault != "started":
            await asyncio.sleep(1)
            await self._say(task, "activity.started", worker=self._own)

    async def _perform(self, task: dict[str, Any]) -> Any:
        args = task.get("args", [])
        if isinstance(args[0] if args else None, dict) and "$payload" in args[0]:
            if self._fault == "unknown payload":
                return args[0]["$payload"]["data"]
            raise FailsForError("UnknownEncoding")
        match task["activity_type"], args:
            case "conformance.echo", [value]:
                if self._fault == "echo" and isinstance(value, dict):
                    return str(value)
                return value[:65536] if self._fault == "large" and isinstance(value, str) else value
            case "conformance.fail", [type_, message, non_retryable]:
                final = self._fault == "fails" or (non_retryable and self._fault != "fails for good")
                raise FailsForError(type_, message, final)
            case "conformance.sleep", [seconds]:
                await asyncio.sleep(seconds)
            case "conformance.count", [seconds]:
                self._begun += 1
                mine = self._begun
                await asyncio.sleep(seconds)
                return mine
            case "conformance.beat", [seconds]:
                return await self._beat(task, seconds)
            case _:
                if self._fault != "unknown activity":
                    raise FailsForError("ActivityNotFound", "no such activity")
        return None

    async def _beat(self, task: dict[str, Any], seconds: float) -> int:
        counted: int = 0 if self._fault == "details" else task.get("heartbeat_details", 0)
        end = asyncio.get_running_loop().time() + seconds
        while asyncio.get_running_loop().time() < end:
            counted += 1
            details = {} if self._fault == "own heartbeats" else {"details": counted}
            await self._say(task, "activity.heartbeat", worker=self._own, **details)
            await asyncio.sleep(0.1)
        return counted
