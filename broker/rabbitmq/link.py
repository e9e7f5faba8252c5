"""One AMQP connection, with its tap and someone who asks whether it is alive."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from itertools import count
from typing import Any, TypeVar

import aio_pika
from aio_pika.abc import AbstractChannel
from aiormq.abc import AbstractChannel as UnderlayChannel
from aiormq.exceptions import AMQPChannelError
from pamqp import commands as spec

from dalsegno.broker.port import Fault
from dalsegno.broker.rabbitmq.address import BrokerAddress
from dalsegno.broker.rabbitmq.failures import connect_failure, connection_fault, text_of
from dalsegno.broker.rabbitmq.tap import Tap, TapFactory
from dalsegno.errors import BrokerUnavailableError, ConfigurationError, DalsegnoError

T = TypeVar("T")

PROBED_EXCHANGE = "amq.direct"
"""Exists in every virtual host and cannot be deleted; asking for it needs no rights."""

DEFAULT_FRAME_MAX = 131_072
"""Where the broker names no limit."""
CHANNEL_MAX = 65_535
"""What fits into a frame's head."""


@dataclass(frozen=True, slots=True)
class Timings:
    """How long the broker may take, in seconds."""

    connect: float = 10.0
    answer: float = 10.0
    topology: float = 60.0
    """For two thousand bindings on a busy cluster."""
    close: float = 5.0
    probe_interval: float = 3.0
    probe_answer: float = 4.0
    """A link that is silent is given up after at most `probe_interval` and this, well before the broker gives
    up on us (20 to 30 s) and the library on the broker (33 s)."""


class _TappedConnection(aio_pika.Connection):
    """aio-pika's connection, through our transport factory."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.tap_factory = TapFactory()
        self.kwargs["transport_factory"] = self.tap_factory


class Link:
    """A live connection. `on_lost` is called once, with a sentence, when it ends otherwise than by close()."""

    def __init__(
        self,
        connection: _TappedConnection,
        tap: Tap,
        tune: spec.Connection.Tune,
        address: BrokerAddress,
        timings: Timings,
    ) -> None:
        self._connection = connection
        self._tune = tune
        self._address = address
        self._timings = timings
        self._on_lost: Callable[[str], None] | None = None
        self._watch: asyncio.Task[None] | None = None
        self.tap = tap
        self._numbers: set[int] = set()
        """Of channels that are being opened; the library knows the others."""
        self.is_tapped = False
        """Known once watched: frames do come by the tap, under the numbers of their channels."""

    @classmethod
    async def open(cls, address: BrokerAddress, name: str, timings: Timings) -> Link:
        connection = _TappedConnection(address.url, client_properties={"connection_name": name})
        try:
            async with asyncio.timeout(timings.connect):
                await connection.connect()
        except TimeoutError as error:
            raise BrokerUnavailableError(
                f"cannot reach RabbitMQ at {address}: no answer within {timings.connect:g} s"
            ) from error
        except Exception as error:
            # The library and the transport raise what they like; all of it means "not connected".
            tap = connection.tap_factory.tap
            raise connect_failure(address, error, tap.close_reason if tap else None) from error
        tap, transport = connection.tap_factory.tap, connection.transport
        if tap is None or transport is None:
            with suppress(Exception):
                await asyncio.wait_for(connection.close(), timings.close)
            if tap is None:
                raise ConfigurationError(_no_tap())
            raise BrokerUnavailableError(f"RabbitMQ at {address} closed the connection at once")
        return cls(connection, tap, transport.connection.connection_tune, address, timings)

    async def watch(self, on_lost: Callable[[str], None]) -> None:
        """Begin to report the end of the connection and to ask whether it is alive."""
        control = await self.underlay(await self.channel(confirms=False))
        self.is_tapped = self.tap.has_seen(control.number)
        self._on_lost = on_lost
        self._connection.close_callbacks.add(self._library_closed)
        self._watch = asyncio.create_task(self._probe(control))

    @property
    def frame_max(self) -> int:
        """The largest frame in bytes, head and end included."""
        return self._tune.frame_max or DEFAULT_FRAME_MAX

    @property
    def channel_max(self) -> int:
        """How many channels the broker allows this connection."""
        return self._tune.channel_max or CHANNEL_MAX

    @property
    def fault(self) -> Fault:
        """What the broker closed this connection over, if it did."""
        return connection_fault(self.tap.close_code)

    async def channel(self, *, confirms: bool) -> AbstractChannel:
        return await self.answer(self._open_channel(confirms))

    async def _open_channel(self, confirms: bool) -> AbstractChannel:
        number = self._free_number()
        self._numbers.add(number)
        try:
            channel = self._connection.channel(number, publisher_confirms=confirms, on_return_raises=confirms)
            await channel.initialize()
        finally:
            self._numbers.discard(number)
        return channel

    def _free_number(self) -> int:
        """The lowest: the library's choice grows with every channel, up to the broker's limit, which costs the
        connection."""
        transport = self._connection.transport
        used = self._numbers if transport is None else self._numbers | transport.connection.channels.keys()
        return next(number for number in count(1) if number not in used)

    async def underlay(self, channel: AbstractChannel) -> UnderlayChannel:
        return await channel.get_underlay_channel()

    async def answer(self, call: Awaitable[T], *, seconds: float | None = None) -> T:
        """Await the library. What is wrong with a channel is the caller's to translate (AMQPChannelError)."""
        limit = self._timings.answer if seconds is None else seconds
        try:
            async with asyncio.timeout(limit):
                return await call
        except TimeoutError as error:
            raise self._unavailable(f"did not answer within {limit:g} s") from error
        except asyncio.CancelledError:
            # The library ends whoever waits on a closing connection with this error, too.
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            raise self._unavailable("closed the connection") from None
        except (AMQPChannelError, DalsegnoError):
            raise
        except Exception as error:
            # On a closing connection the library raises anything, down to a bare Exception.
            raise self._unavailable(f"closed the connection ({text_of(error)})") from error

    async def shut(self, channel: AbstractChannel) -> None:
        """Close a channel; one that is closed already, or whose connection is gone, is ordinary."""
        await self._farewell(channel.close())

    async def _farewell(self, goodbye: Awaitable[object]) -> None:
        """Await a goodbye for a while, whatever becomes of it: what it says goodbye to is not used again.

        In a task of its own, since the library ends those who wait on a closing connection with CancelledError.
        """
        saying = asyncio.ensure_future(goodbye)
        await asyncio.wait({saying}, timeout=self._timings.close)
        if not saying.done():
            saying.cancel()
        elif not saying.cancelled():
            saying.exception()

    def _unavailable(self, what: str) -> BrokerUnavailableError:
        return BrokerUnavailableError(f"RabbitMQ at {self._address} {what}")

    async def _probe(self, control: UnderlayChannel) -> None:
        """Ask for an exchange, again and again; two missed answers, or one in full silence, are the end.

        The question is not cancelled when it is late: that would close the channel, and after a pause of this
        process the answer may be waiting right behind the alarm. The answers also show the library that the
        link is alive, for it sees nothing of what the tap takes.
        """
        while True:
            await asyncio.sleep(self._timings.probe_interval)
            question = asyncio.ensure_future(control.exchange_declare(PROBED_EXCHANGE, passive=True))
            for last_chance in (False, True):
                self.tap.received = False
                await asyncio.wait({question}, timeout=self._timings.probe_answer)
                if question.done() or self.tap.is_blocked:
                    break
                if last_chance or not self.tap.received:
                    question.cancel()
                    self._lose("it no longer answers")
                    return
            # An alarm: the broker reads nothing until it is over, however long that takes.
            await asyncio.wait({question})
            if question.cancelled() or question.exception() is not None:
                return  # the library has noticed by itself, and says so

    def _library_closed(self, _sender: object, error: BaseException | None) -> None:
        self._lose(self.tap.close_reason or text_of(error))

    def _lose(self, why: str) -> None:
        if self._on_lost is not None:
            on_lost, self._on_lost = self._on_lost, None
            on_lost(f"the connection to RabbitMQ at {self._address} was lost: {why}")

    async def close(self) -> None:
        """Say goodbye if the broker listens; gone in any case when this returns."""
        self._on_lost = None
        if self._watch is not None:
            self._watch.cancel()
        await self._farewell(self._connection.close())
        self.tap.abort()

    async def discard(self) -> None:
        """Drop a connection that is lost: no goodbye to wait for."""
        self.tap.abort()
        await self.close()


def _no_tap() -> str:
    found = f"aio-pika {version('aio-pika')}, aiormq {version('aiormq')}"
    return (
        f"the installed AMQP library ({found}) does not take the transport that dalsegno gives it: "
        "install the versions that dalsegno asks for (pip install --upgrade dalsegno)"
    )
