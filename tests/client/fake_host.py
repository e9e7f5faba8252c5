"""A host that does as it is told: it takes commands from real queues and answers what the test prepared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar
from uuid import uuid4

from dalsegno.broker.port import Broker, Consumer, Delivery, Outcome, Outgoing, Publisher, Session
from dalsegno.broker.protocol.codec import decode, encode, reply_address
from dalsegno.broker.protocol.ids import run_id
from dalsegno.broker.protocol.messages import (
    ControlReply,
    ErrorCode,
    Reply,
    ReplyError,
    StartWorkflow,
    ToWorkflow,
    WireMessage,
)
from dalsegno.broker.topology import CONTROL_QUEUE, namespace_topology, partition_queue
from dalsegno.policies import WorkflowStatus
from tests.broker.witness import eventually
from tests.partition_ids import nth, nths

PARTITIONS = 2


W = TypeVar("W", bound=WireMessage)
Answers = Sequence[Reply | ControlReply]
Script = Callable[["Request"], Answers]


@dataclass(frozen=True, slots=True)
class Request:
    """What has come, in order. `earlier` counts messages that came before with the same message ID."""

    body: WireMessage
    message_id: str | None
    correlation_id: str
    reply_to: str
    content_type: str
    queue: str
    earlier: int


def accepted(request: Request) -> Reply:
    assert isinstance(request.body, StartWorkflow)
    return Reply(
        kind="accepted",
        workflow_id=request.body.workflow_id,
        run_id=run_id(request.body.workflow_id, request.message_id),
        status=WorkflowStatus.RUNNING,
    )


def answer(request: Request) -> Reply:
    assert isinstance(request.body, ToWorkflow)
    return Reply(kind="answer", workflow_id=request.body.workflow_id, run_id="run-1")


def refused(code: ErrorCode, message: str = "no") -> Reply:
    return Reply(kind="answer", error=ReplyError(code=code, message=message, workflow_id="w-1", run_id="run-0"))


def default_script(request: Request) -> Answers:
    match request.body:
        case StartWorkflow():
            return [accepted(request)]
        case ToWorkflow():
            return [answer(request)]
        case _:
            return [ControlReply(host_id="host-a", version="1.2.3")]


@dataclass
class FakeHost:
    """Answers by `scripts` (message class to script), else by the default. `silent` answers nothing."""

    broker: Broker
    scripts: dict[type[WireMessage], Script] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    silent: bool = False
    _session: Session | None = None
    _publisher: Publisher | None = None
    _outcomes: list[Outcome] = field(default_factory=list)

    async def start(self) -> None:
        self._session = await self.broker.connect(on_closed=lambda reason: None, name="fake host")
        await self._session.declare(namespace_topology(nths(PARTITIONS)))
        self._publisher = await self._session.open_publisher(on_closed=lambda reason: None)
        for queue in (CONTROL_QUEUE, *(partition_queue(nth(number)) for number in range(PARTITIONS))):
            await self._consume(queue)

    async def _consume(self, queue: str) -> None:
        assert self._session is not None
        consumers: list[Consumer] = []

        def take(delivery: Delivery) -> None:
            self._take(queue, delivery)
            consumers[0].acknowledge(delivery.tag)

        consumers.append(
            await self._session.open_consumer(
                queue, prefetch=100, on_delivery=take, on_closed=lambda reason: None
            )
        )

    def _take(self, queue: str, delivery: Delivery) -> None:
        message = delivery.message
        address = reply_address(message)
        assert address is not None, "the client asks for an answer to everything"
        request = Request(
            decode(message),
            message.message_id,
            address.correlation_id,
            address.queue,
            address.content_type,
            queue,
            sum(earlier.message_id == message.message_id for earlier in self.requests),
        )
        self.requests.append(request)
        if not self.silent:
            for reply in self.scripts.get(type(request.body), default_script)(request):
                self.send(request, reply)

    def send(self, request: Request, reply: Reply | ControlReply) -> None:
        """Answer a request, now or later, once or more often."""
        assert self._publisher is not None
        message = encode(
            reply,
            message_id=str(uuid4()),
            correlation_id=request.correlation_id,
            content_type=request.content_type,
        )
        self._publisher.publish([Outgoing("", request.reply_to, message, self._outcomes.append)])

    def of(self, kind: type[W]) -> list[W]:
        return [request.body for request in self.requests if isinstance(request.body, kind)]

    async def received(self, kind: type[WireMessage], count: int = 1) -> list[Request]:
        """The first `count` requests of a kind, once they have come."""

        def found() -> list[Request]:
            return [request for request in self.requests if isinstance(request.body, kind)]

        await eventually(lambda: len(found()) >= count, f"{count} of {kind.TYPE}")
        return found()[:count]

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
