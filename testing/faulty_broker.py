"""The broker as one process of a disturbed run sees it: messages come twice or late, and its lines can be cut.

A message that is late is at the broker already: its sender is told so, and whatever that sender sends to the
same place stays behind it. So nothing is out of an order that AMQP keeps.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

from dalsegno.broker.embedded.link import LinkEnd
from dalsegno.broker.embedded.memory import MemoryBroker
from dalsegno.broker.embedded.session import EmbeddedSession
from dalsegno.broker.embedded.wire import ClientOperation, Publish, PublishOutcomes
from dalsegno.broker.message_bytes import decode_message
from dalsegno.broker.port import OnClosed, Outcome, Outgoing, Publisher, Session
from dalsegno.broker.protocol.codec import decode
from dalsegno.broker.protocol.messages import (
    ActivityHeartbeat,
    ActivityStarted,
    ActivityTask,
    FromActivity,
    QueryWorkflow,
    Reply,
    StartWorkflow,
    ToChangeWorkflow,
    WireMessage,
    WorkflowAnswered,
    WorkflowEnded,
)
from dalsegno.broker.topology import WATERMARK_QUEUE, reply_queue
from dalsegno.errors import BrokerUnavailableError, InvalidMessageError
from dalsegno.testing.crash_points import CrashFault, Crossings, PointKind

REPLIES = reply_queue("")
ENDS = ("result", "update")
"""Kinds of replies that tell what something has come to."""
NO_OUTCOMES = (ActivityStarted, ActivityHeartbeat)

Way = tuple[int, str, str]
"""By which sender, exchange and routing key."""


class Courier:
    """Carries what is withheld at the broker, one message at a time, in order, when it is let go."""

    def __init__(self) -> None:
        self._session: Session | None = None
        self._publisher: Publisher | None = None
        self._withheld: deque[tuple[Way, Publish]] = deque()
        self.on_withheld: Callable[[], object] = lambda: None
        self.activity_types: dict[tuple[str, str], str] = {}

    async def start(self, broker: MemoryBroker) -> None:
        self._session = await broker.connect(on_closed=lambda reason: None, name="courier")
        self._publisher = await self._session.open_publisher(on_closed=lambda reason: None)

    def close(self) -> None:
        self._withheld.clear()

    async def forget_watermark(self) -> None:
        """It tells of databases that were restored, which this one never is; and a host that begins waits for
        seconds where it is not written yet."""
        assert self._session is not None
        await self._session.delete_queue(WATERMARK_QUEUE)

    def __bool__(self) -> bool:
        return bool(self._withheld)

    def withhold(self, way: Way, publish: Publish) -> None:
        self._withheld.append((way, publish))
        self.on_withheld()

    def is_before(self, way: Way) -> bool:
        """Whether something that is withheld has to come before what goes this way."""
        return any(way == withheld for withheld, _ in self._withheld)

    def let_go(self) -> None:
        assert self._publisher is not None
        _, publish = self._withheld.popleft()
        message = decode_message(publish.payload)
        self._publisher.publish(
            [Outgoing(publish.exchange, publish.routing_key, message, lambda outcome: None)]
        )


class FaultyBroker:
    """Implements Broker, for one process. `lost`, of a worker, ends the process, and is to call `cut`."""

    def __init__(
        self,
        broker: MemoryBroker,
        crossings: Crossings,
        courier: Courier,
        lost: Callable[[], None] | None = None,
    ) -> None:
        self._broker = broker
        self._sessions: list[EmbeddedSession] = []
        self.crossings = crossings
        self.courier = courier
        self.lost = lost
        self.is_cut = False

    async def connect(self, *, on_closed: OnClosed, name: str = "dalsegno") -> EmbeddedSession:
        """Raises BrokerUnavailableError when it is cut."""
        self._check()
        session = await self._broker.connect(on_closed=on_closed, name=name, through=self._line)
        self._sessions.append(session)
        if self.is_cut:  # meanwhile
            session.lost(KILLED)
        self._check()
        return session

    def _check(self) -> None:
        if self.is_cut:
            raise BrokerUnavailableError(KILLED)

    def cut(self) -> None:
        """Nothing leaves any more, and nothing comes; what was not acknowledged goes to others."""
        self.is_cut = True
        for session in self._sessions:
            session.lost(KILLED)

    def _line(self, session: EmbeddedSession, end: LinkEnd[ClientOperation]) -> LinkEnd[ClientOperation]:
        return FaultyLine(self, session, end)


KILLED = "The process was killed."


class FaultyLine:
    """Implements LinkEnd."""

    def __init__(self, process: FaultyBroker, session: EmbeddedSession, end: LinkEnd[ClientOperation]) -> None:
        self._process = process
        self._session = session
        self._end = end
        self._loop = asyncio.get_running_loop()

    def send(self, operations: Sequence[ClientOperation]) -> None:
        for operation in operations:
            if self._process.is_cut:
                break
            if isinstance(operation, Publish):
                self._publish(operation)
            else:
                self._end.send((operation,))

    def _publish(self, publish: Publish) -> None:
        way = (id(self), publish.exchange, publish.routing_key)
        lost, courier = self._process.lost, self._process.courier
        match self._fault_at(publish):
            case CrashFault.TWICE:
                self._end.send((publish,))
                courier.withhold(way, publish)
            case CrashFault.LATE:
                self._withhold(way, publish)
            case CrashFault.WORKER_LOST_BEFORE if lost is not None:
                lost()
            case CrashFault.WORKER_LOST_AFTER if lost is not None:
                self._end.send((publish,))
                lost()
            case _ if courier.is_before(way) or self._tells_an_end(publish):
                self._withhold(way, publish)
            case _:
                self._end.send((publish,))

    def _fault_at(self, publish: Publish) -> CrashFault | None:
        found = _point_of(publish, self._process.courier.activity_types)
        return None if found is None else self._process.crossings.cross(*found)

    def _tells_an_end(self, publish: Publish) -> bool:
        """Once something was done to a run, its ends are told when nothing is under way any more: so whoever
        has awaited a result sees all that has come of it."""
        if not self._process.crossings.struck or not publish.routing_key.startswith(REPLIES):
            return False
        message = _read(publish)
        return isinstance(message, Reply) and message.kind in ENDS

    def _withhold(self, way: Way, publish: Publish) -> None:
        self._process.courier.withhold(way, publish)
        confirmed = PublishOutcomes(publish.channel, Outcome.CONFIRMED, [publish.tag])
        self._loop.call_soon(self._session.received, (confirmed,))

    def flush(self) -> None:
        self._end.flush()

    def close(self) -> None:
        self._end.close()

    def pause(self) -> None:
        self._end.pause()

    def resume(self) -> None:
        self._end.resume()


def _point_of(publish: Publish, types: dict[tuple[str, str], str]) -> tuple[PointKind, str] | None:
    """What goes to a workflow and may change it, and tasks. How workers ask and are asked is our own affair.
    `types` of activities are noted, by workflow and activity ID: their outcomes do not say them."""
    if publish.routing_key.startswith(REPLIES):
        return None
    message = _read(publish)
    match message:
        case ActivityTask():
            types[message.workflow_id, message.activity_id] = message.activity_type
            return PointKind.MESSAGE, _attempt_at(message, types)
        case FromActivity() if not isinstance(message, NO_OUTCOMES):
            return PointKind.OUTCOME, _attempt_at(message, types)
        case StartWorkflow() | ToChangeWorkflow() | QueryWorkflow() | WorkflowAnswered() | WorkflowEnded():
            return PointKind.MESSAGE, _said(message)
    return None


def _read(publish: Publish) -> WireMessage | None:
    try:
        return decode(decode_message(publish.payload))
    except (InvalidMessageError, ValueError, TypeError):
        return None


def _attempt_at(message: ActivityTask | FromActivity, types: dict[tuple[str, str], str]) -> str:
    name = types.get((message.workflow_id, message.activity_id), "")
    return f"{message.TYPE} {name} {message.activity_id} of {message.workflow_id!r}, attempt {message.attempt}"


def _said(message: WireMessage) -> str:
    name = getattr(message, "name", None)  # of a signal, an update, a query
    said = message.TYPE if name is None else f"{message.TYPE} {name}"
    return f"{said} to {getattr(message, 'workflow_id', '')!r}"
