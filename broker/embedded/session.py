"""The client's side of a session, the same over a socket and within the owner's process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import assert_never

from dalsegno.broker.embedded.channels import EmbeddedConsumer, EmbeddedPublisher
from dalsegno.broker.embedded.link import LinkEnd
from dalsegno.broker.embedded.wire import (
    PROTOCOL_VERSION,
    ChannelClosed,
    ClientOperation,
    CloseChannel,
    Declare,
    DeleteQueue,
    Deliver,
    Goodbye,
    Hello,
    OpenConsumer,
    OpenPublisher,
    PublishOutcomes,
    PurgeQueue,
    QueueDepth,
    Request,
    Response,
    ServerOperation,
    SessionClosed,
    Unbind,
)
from dalsegno.broker.port import Binding, OnClosed, OnDelivery, Topology
from dalsegno.errors import BrokerUnavailableError, ConfigurationError, TopologyError

REQUEST_SECONDS = 30.0
"""How long an answer may take. Deleting a queue of a million messages takes seconds."""
CLOSE_SECONDS = 5.0


class EmbeddedSession:
    """`path` is named in errors."""

    def __init__(self, path: Path, on_closed: OnClosed) -> None:
        self._path = path
        self._on_closed = on_closed
        self._loop = asyncio.get_running_loop()
        self._link: LinkEnd[ClientOperation] | None = None
        self._requests = count(1)
        self._channel_numbers = count(1)
        self._replies: dict[int, asyncio.Future[int | None]] = {}
        self._channels: dict[int, EmbeddedPublisher | EmbeddedConsumer] = {}
        self._is_open = False
        self._is_ours_to_end = True
        """Nobody is to be told of the end: `connect` has not returned, or our own close() is at work."""
        self._end_reason = "It was closed."

    @property
    def is_open(self) -> bool:
        return self._is_open

    @property
    def link(self) -> LinkEnd[ClientOperation]:
        if self._link is None or not self._is_open:
            raise self._unavailable()
        return self._link

    async def greet(self, link: LinkEnd[ClientOperation], name: str, held_bytes: int | None) -> None:
        """Begin. Raises ConfigurationError when the owner speaks another version."""
        self._link = link
        self._is_open = True
        try:
            await self.request(lambda number: Hello(number, PROTOCOL_VERSION, name, held_bytes))
        except BaseException as error:
            self._end("It did not begin.")
            link.close()
            if isinstance(error, TopologyError):
                raise ConfigurationError(str(error)) from None
            raise
        self._is_ours_to_end = False

    @property
    def is_blocked(self) -> bool:
        return False

    @property
    def channel_max(self) -> int | None:
        return None

    async def declare(self, topology: Topology) -> None:
        await self.request(lambda number: Declare(number, topology))

    async def unbind(self, bindings: Sequence[Binding]) -> None:
        await self.request(lambda number: Unbind(number, bindings))

    async def delete_queue(self, name: str) -> None:
        await self.request(lambda number: DeleteQueue(number, name))

    async def purge_queue(self, name: str) -> int:
        return await self.request(lambda number: PurgeQueue(number, name)) or 0

    async def queue_depth(self, name: str) -> int | None:
        return await self.request(lambda number: QueueDepth(number, name))

    async def has_consumers(self, name: str) -> bool:
        return bool(await self.request(lambda number: QueueDepth(number, name, of_consumers=True)))

    async def mark_queue(self, name: str) -> None:
        """Nothing is left: nobody but hosts and workers speaks to this broker, and they delete no durable
        queue."""

    async def has_mark(self, name: str) -> bool:
        return await self.queue_depth(name) is not None

    async def open_publisher(self, *, on_closed: OnClosed) -> EmbeddedPublisher:
        channel = next(self._channel_numbers)
        await self.request(lambda number: OpenPublisher(number, channel))
        publisher = self._channels[channel] = EmbeddedPublisher(self, channel, on_closed)
        return publisher

    async def open_consumer(
        self,
        queue: str,
        *,
        prefetch: int,
        on_delivery: OnDelivery,
        on_closed: OnClosed,
        gathers: bool = False,
    ) -> EmbeddedConsumer:
        """Acknowledgements of many are as cheap at once. Raises TopologyError when there is no such queue."""
        channel = next(self._channel_numbers)
        # Known before the answer: deliveries follow on its heels.
        consumer = self._channels[channel] = EmbeddedConsumer(self, channel, on_delivery, on_closed)
        try:
            await self.request(lambda number: OpenConsumer(number, channel, queue, prefetch))
        except BaseException:
            self.forget(channel)
            if self._is_open:  # It may open yet, and must hold nothing then.
                self.link.send((CloseChannel(next(self._requests), channel),))
            raise
        self._loop.call_soon(consumer.start)
        return consumer

    async def close(self) -> None:
        if not self._is_open:
            return
        self._is_ours_to_end = True
        # Without an answer the server is gone, or so slow that it will see the end of the line first.
        with suppress(BrokerUnavailableError):
            await self.request(Goodbye, timeout=CLOSE_SECONDS)
        self._end("It was closed.")
        if self._link is not None:
            self._link.close()

    # -- for the channels --------------------------------------------------------------------------

    async def request(self, make: Callable[[int], Request], *, timeout: float = REQUEST_SECONDS) -> int | None:
        """Send a request and wait for its answer. Raises TopologyError when the broker refuses it."""
        number = next(self._requests)
        answer: asyncio.Future[int | None] = self._loop.create_future()
        self._replies[number] = answer
        try:
            self.link.send((make(number),))
            async with asyncio.timeout(timeout):
                value = await answer
        except TimeoutError:
            raise BrokerUnavailableError(
                f"The embedded broker {self._path} did not answer within {timeout:g} s."
            ) from None
        finally:
            self._replies.pop(number, None)
        if not self._is_open:
            raise self._unavailable()
        return value

    def forget(self, channel: int) -> None:
        self._channels.pop(channel, None)

    # -- from the server ---------------------------------------------------------------------------

    def received(self, operations: Sequence[ServerOperation]) -> None:
        for operation in operations:
            match operation:
                case Deliver(channel=number):
                    consumer = self._channels.get(number)
                    if isinstance(consumer, EmbeddedConsumer):
                        consumer.deliver(operation)
                case PublishOutcomes(channel=number):
                    publisher = self._channels.get(number)
                    if isinstance(publisher, EmbeddedPublisher):
                        publisher.take_outcomes(operation)
                case Response(request, value, error):
                    self._take_reply(request, value, error)
                case ChannelClosed(channel=number, reason=reason):
                    channel = self._channels.pop(number, None)
                    if isinstance(channel, EmbeddedPublisher):
                        channel.refused(reason)
                    elif channel is not None:
                        channel.end(reason)
                case SessionClosed(reason=reason):
                    self.lost(reason)
                case _:
                    assert_never(operation)

    def lost(self, reason: str) -> None:
        self._end(reason)
        if self._link is not None:
            self._link.close()

    # -- inside ------------------------------------------------------------------------------------

    def _take_reply(self, number: int, value: int | None, error: str | None) -> None:
        answer = self._replies.get(number)
        if answer is None or answer.done():
            return  # It came too late for whoever asked.
        if error is None:
            answer.set_result(value)
        else:
            answer.set_exception(TopologyError(error))

    def _end(self, reason: str) -> None:
        if not self._is_open:
            return
        self._is_open = False
        self._end_reason = reason
        for answer in self._replies.values():
            if not answer.done():
                answer.set_exception(self._unavailable())
        channels, self._channels = self._channels, {}
        told = None if self._is_ours_to_end else reason
        for channel in channels.values():
            channel.end(told)
        if told is not None:
            self._loop.call_soon(self._on_closed, told)

    def _unavailable(self) -> BrokerUnavailableError:
        reason = self._end_reason.rstrip(".")
        return BrokerUnavailableError(
            f"The session with the embedded broker {self._path} is gone: {reason}. Open a new one."
        )
