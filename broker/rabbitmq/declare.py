"""Exchanges, queues and bindings as RabbitMQ wants them said.

Each request has a channel of its own: the broker answers a refusal by closing the channel, and the session is
to live on.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

from aio_pika.abc import AbstractChannel as AbstractAioChannel
from aiormq.abc import AbstractChannel
from aiormq.exceptions import AMQPChannelError, ChannelNotFoundEntity
from pamqp import commands as spec

from dalsegno.broker.port import Binding, Queue, Topology
from dalsegno.broker.rabbitmq.failures import topology_failure
from dalsegno.broker.rabbitmq.link import PROBED_EXCHANGE, Link

T = TypeVar("T")

NO_DELIVERY_LIMIT = 2**31 - 1
"""RabbitMQ 3.10 to 3.13 have no limit by default, 4.x has 20, and -1 is 4.x's alone."""


def queue_arguments(queue: Queue) -> dict[str, str | int | bool]:
    """The optional arguments of a declaration. RabbitMQ compares them all with those of an existing queue."""
    arguments: dict[str, str | int | bool] = {}
    if queue.single_active_consumer:
        arguments["x-single-active-consumer"] = True
    if queue.durable:
        limit = NO_DELIVERY_LIMIT if queue.delivery_limit is None else queue.delivery_limit
        arguments |= {"x-queue-type": "quorum", "x-delivery-limit": limit}
    if queue.dead_letter_exchange is not None:
        arguments["x-dead-letter-exchange"] = queue.dead_letter_exchange
        if queue.dead_letter_routing_key is not None:
            arguments["x-dead-letter-routing-key"] = queue.dead_letter_routing_key
        if queue.durable:
            # The default loses dead letters on a crash; this one needs the other to take effect.
            arguments |= {"x-dead-letter-strategy": "at-least-once", "x-overflow": "reject-publish"}
    return arguments


class Declarations:
    """Topology requests over one link."""

    def __init__(self, link: Link, *, seconds: float) -> None:
        self._link = link
        self._seconds = seconds
        self._asking = asyncio.Lock()
        self._questions: AbstractAioChannel | None = None

    async def declare(self, topology: Topology) -> None:
        async with self._channel() as channel:
            for exchange in topology.exchanges:
                declaring = channel.exchange_declare(exchange.name, exchange_type="direct", durable=True)
                await self._ask(declaring, f"exchange {exchange.name!r}")
            for queue in topology.queues:
                await self._ask(
                    channel.queue_declare(
                        queue.name,
                        durable=queue.durable,
                        exclusive=not queue.durable,
                        arguments=dict(queue_arguments(queue)),
                    ),
                    f"queue {queue.name!r}",
                )
            if topology.bindings:
                await self._ask(self._bind(channel, topology.bindings), "a binding")

    async def _bind(self, channel: AbstractChannel, bindings: Sequence[Binding]) -> None:
        """All without waiting for answers; the one that is awaited comes behind them.

        A binding that fails closes the channel, and the broker's reason with it is raised.
        """
        closing = channel.closing
        try:
            for binding in bindings:
                await channel.queue_bind(binding.queue, binding.exchange, binding.routing_key, nowait=True)
            await channel.exchange_declare(PROBED_EXCHANGE, passive=True)
        except RuntimeError:
            # The channel closed while there was more to send. Its own end says why.
            await closing
            raise

    async def unbind(self, bindings: Sequence[Binding]) -> None:
        async with self._channel() as channel:
            for binding in bindings:
                await self._ask(
                    channel.queue_unbind(binding.queue, binding.exchange, binding.routing_key),
                    f"the binding of queue {binding.queue!r} to exchange {binding.exchange!r}",
                )

    async def delete_queue(self, name: str) -> None:
        async with self._channel() as channel:
            await self._ask(channel.queue_delete(name), f"queue {name!r}")

    async def purge_queue(self, name: str) -> int:
        async with self._channel() as channel:
            answer = await self._ask(channel.queue_purge(name), f"queue {name!r}")
            return answer.message_count or 0

    async def queue_depth(self, name: str) -> int | None:
        answer = await self._queue(name)
        return None if answer is None else answer.message_count or 0

    async def has_consumers(self, name: str) -> bool:
        answer = await self._queue(name)
        return answer is not None and bool(answer.consumer_count)

    async def _queue(self, name: str) -> spec.Queue.DeclareOk | None:
        def question(channel: AbstractChannel) -> Awaitable[spec.Queue.DeclareOk]:
            return channel.queue_declare(name, passive=True)

        return await self._answer_to(question, f"queue {name!r}")

    async def mark_queue(self, name: str) -> None:
        """The mark is an exchange of the same name that has the queue alone, and that the broker deletes as
        soon as it has none. Nothing is published to it."""
        async with self._channel() as channel:
            marking = channel.exchange_declare(name, exchange_type="fanout", durable=True, auto_delete=True)
            await self._ask(marking, f"exchange {name!r}")
            await self._ask(channel.queue_bind(name, name), f"queue {name!r}")

    async def has_mark(self, name: str) -> bool:
        def question(channel: AbstractChannel) -> Awaitable[spec.Exchange.DeclareOk]:
            return channel.exchange_declare(name, passive=True)

        return await self._answer_to(question, f"exchange {name!r}") is not None

    async def _answer_to(self, question: Callable[[AbstractChannel], Awaitable[T]], subject: str) -> T | None:
        """None if what it asks for does not exist. Questions share a channel, one after the other. A refusal
        costs it, and the next opens another."""
        async with self._asking:
            try:
                if self._questions is None:
                    self._questions = await self._link.channel(confirms=False)
                underlay = await self._link.underlay(self._questions)
                return await self._link.answer(question(underlay))
            except ChannelNotFoundEntity:
                await self._close_questions()
                return None
            except AMQPChannelError as error:
                await self._close_questions()
                raise topology_failure(subject, error) from error
            except BaseException:
                await self._close_questions()
                raise

    async def _close_questions(self) -> None:
        questions, self._questions = self._questions, None
        if questions is not None:
            await self._link.shut(questions)

    async def _ask(self, call: Awaitable[T], subject: str) -> T:
        try:
            return await self._link.answer(call, seconds=self._seconds)
        except AMQPChannelError as error:
            raise topology_failure(subject, error) from error

    @asynccontextmanager
    async def _channel(self) -> AsyncIterator[AbstractChannel]:
        channel = await self._link.channel(confirms=False)
        try:
            yield await self._link.underlay(channel)
        finally:
            await self._link.shut(channel)
