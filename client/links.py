"""The client's link to the broker, replaced when it breaks, and the way of replies to who waits for them."""

from __future__ import annotations

import asyncio
from itertools import count
from uuid import uuid4

from dalsegno.backoff import Backoff
from dalsegno.broker.port import Broker, Message
from dalsegno.broker.protocol.codec import decode
from dalsegno.broker.protocol.messages import ControlReply, Reply
from dalsegno.client.errors import NamespaceMissingError
from dalsegno.client.link import ClientLink
from dalsegno.client.patience import Patience
from dalsegno.client.reply_box import ReplyBox
from dalsegno.client.timings import ClientTimings
from dalsegno.errors import BrokerUnavailableError, ConfigurationError, InvalidMessageError
from dalsegno.loop_clock import LoopClock, sleep
from dalsegno.loop_clock import timeout as within
from dalsegno.observer import Observer


class Links:
    """At most one link at a time; a new one is opened when it is asked for, with growing pauses."""

    def __init__(
        self,
        broker: Broker,
        timings: ClientTimings,
        observer: Observer | None = None,
        clock: LoopClock | None = None,
    ) -> None:
        self.timings = timings
        self.observer = observer
        self.broker = broker
        self._clock = clock
        self._link: ClientLink | None = None
        self._opening: asyncio.Task[ClientLink | Exception] | None = None
        self._pauses = Backoff(timings.pause_min, timings.pause_max)
        self._pause = 0.0
        self._boxes: dict[str, ReplyBox] = {}
        self._id = uuid4().hex  # hosts derive the message IDs of answers from correlation IDs
        self._correlation_ids = count(1)
        self._closed = False

    @property
    def clock(self) -> LoopClock:
        """All that is timed goes by it."""
        return self._clock or asyncio.get_running_loop()

    async def connect(self, *, timeout: float | None) -> None:
        """Have a link. Raises BrokerUnavailableError after `timeout` seconds, or a ConfigurationError."""
        patience = Patience("Connecting", self.timings)
        patience.hindered("the broker does not answer")
        try:
            async with within(self.clock, timeout):
                while await self.link(patience) is None:
                    pass
        except TimeoutError:
            raise patience.exhausted(timeout or 0) from None

    async def link(self, patience: Patience) -> ClientLink | None:
        """The open link, or a new one; None when this attempt to get one failed.

        Raises ConfigurationError for what does not pass by itself, RuntimeError when the client is closed.
        """
        if self._closed:
            raise RuntimeError("This client is closed.")
        if self._link is not None and self._link.is_open:
            return self._link
        if self._opening is None:
            self._opening = asyncio.create_task(self._open())
        opening = self._opening
        await asyncio.wait({opening})  # unlike a plain await, this leaves it alone when we are cancelled
        if opening.cancelled():
            return None  # by `close`
        outcome = opening.result()
        match outcome:
            case ClientLink():
                return outcome
            case NamespaceMissingError():
                patience.namespace_missing(self.clock.time())
            case BrokerUnavailableError():
                patience.hindered(str(outcome))
            case _:
                raise outcome
        return None

    async def _open(self) -> ClientLink | Exception:
        """One attempt, shared by all who want a link. Errors are values: who asked may be gone by then."""
        link = ClientLink(self.broker, on_reply=self._deliver, on_end=self._link_ended)
        try:
            await sleep(self.clock, self._pause)
            await link.open()
        except (BrokerUnavailableError, ConfigurationError) as error:
            self._pause = self._pauses.next_seconds()
            return error
        finally:
            self._opening = None
        self._link = link
        return link

    def _link_ended(self, reason: str) -> None:
        self._pause = self._pauses.next_seconds()
        for box in self._boxes.values():
            box.wake()

    def _deliver(self, message: Message) -> None:
        self._pauses.reset()
        box = self._boxes.get(message.correlation_id or "")
        if box is None:
            return  # nobody waits any more: a second answer, or one that came too late
        try:
            reply = decode(message)
        except InvalidMessageError as error:
            box.put(error, message.message_id)
            return
        if isinstance(reply, Reply | ControlReply):
            box.put(reply, message.message_id)

    def open_box(self) -> ReplyBox:
        """Replies to its correlation ID are kept from now on, until `close_box`."""
        box = ReplyBox(f"{self._id}.{next(self._correlation_ids)}")
        self._boxes[box.correlation_id] = box
        return box

    def close_box(self, box: ReplyBox) -> None:
        del self._boxes[box.correlation_id]

    async def close(self) -> None:
        """Whoever waits for a reply gets a RuntimeError. Closing twice is ordinary."""
        self._closed = True
        if self._opening is not None:
            self._opening.cancel()  # a broker that does not answer must not keep us
            await asyncio.wait({self._opening})
        if self._link is not None:
            await self._link.close()
