"""What a worker publishes: collected for one turn of the loop, sent in one write, kept until confirmed.

A *kept* letter (an outcome) is published again, with its ID, until the broker has confirmed it, through any
number of channels and sessions. A letter that is not kept (a heartbeat) has one chance.

A message that the broker will never take costs the channel or the whole session, and the broker does not say
which it was: what was on its way is then sent one by one. In the place of the one over which that happens again
goes what its letter has `instead` (a failure that says so); without that it is given up.

An outbox has a channel of its own. The broker closes the channel of a publish to an exchange that does not
exist; if that broke the whole session, every task in progress would be delivered again, and counted against its
limit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from dalsegno._log import get_logger
from dalsegno.backoff import Backoff
from dalsegno.broker.port import Fault, Message, Outcome, Outgoing, Publisher, Session
from dalsegno.errors import BrokerUnavailableError
from dalsegno.loop_clock import LoopClock, sleep
from dalsegno.workers.settings import WorkerTiming

log = get_logger("dalsegno.worker")

OnSettled = Callable[[bool], None]
"""Called once: whether the letter was confirmed. For a kept one that is always true."""

NOT_THERE = "the namespace is not there (a host creates it when it starts), or it belongs to other partitions"


class Letter:
    """One message on its way."""

    __slots__ = ("_outbox", "again", "exchange", "instead", "keep", "message", "on_settled", "routing_key")

    def __init__(
        self,
        exchange: str,
        routing_key: str,
        message: Message,
        *,
        keep: bool,
        on_settled: OnSettled | None,
        instead: Callable[[], Message] | None = None,
    ) -> None:
        self.exchange = exchange
        self.routing_key = routing_key
        self.message = message
        self.keep = keep
        self.on_settled = on_settled
        self.instead = instead
        """What is sent in the place of a message that the broker never takes."""
        self.again: Backoff | None = None


class WorkerOutbox:
    """Runs on the loop. `post` works at any time, `open` and `close` go with the sessions."""

    def __init__(
        self, name: str, loop: asyncio.AbstractEventLoop, clock: LoopClock, timing: WorkerTiming
    ) -> None:
        self._name = name
        self._loop = loop
        self._clock = clock
        self._timing = timing
        self._publisher: Publisher | None = None
        self._closed: asyncio.Future[str] | None = None
        self._waiting: list[Letter] = []
        self._suspects: list[Letter] = []
        """One of them closes the channel. Nothing else is sent meanwhile."""
        self._tried: Letter | None = None
        """The suspect that is on its way."""
        self._ended_over = Fault.NONE
        """What the last session took its channel along for."""
        self._flush_due = False
        self._kept = 0
        self._empty = asyncio.Event()
        self._empty.set()
        self._complained = False
        self._reopen = Backoff(timing.reconnect_after, timing.reconnect_after_max)

    @property
    def unconfirmed(self) -> int:
        """Kept letters that are not confirmed yet."""
        return self._kept

    def post(self, letter: Letter) -> None:
        """Send with the others of this turn. Without a channel a kept letter waits and any other is dropped."""
        if letter.keep:
            self._kept += 1
            self._empty.clear()
        elif not self._can_publish:
            self._loop.call_soon(_settle, letter, False)
            return
        self._enqueue(letter)

    async def wait_until_empty(self) -> None:
        """Return when everything kept is confirmed."""
        await self._empty.wait()

    async def open(self, session: Session) -> None:
        """Open the channel. Raises BrokerUnavailableError."""
        self._judge(self._ended_over if self._publisher is None else self._publisher.fault)
        self._ended_over = Fault.NONE
        closed: asyncio.Future[str] = self._loop.create_future()
        self._publisher = await session.open_publisher(on_closed=partial(_resolve, closed))
        self._closed = closed
        self._schedule_flush()

    async def keep_open(self, session: Session) -> None:
        """Open it again whenever the broker closes it, until the session itself closes."""
        while self._closed is not None:
            reason = await self._closed
            while session.is_open:
                self._complain("channel_closed", reason)
                await sleep(self._clock, self._reopen.next_seconds())
                try:
                    await self.open(session)
                except BrokerUnavailableError as error:
                    reason = str(error)
                else:
                    break
            else:
                return

    def close(self) -> None:
        """The session is closed, or about to be. What is kept waits for the next one."""
        if self._publisher is not None:
            self._ended_over = self._publisher.fault
        self._publisher = None
        self._closed = None

    def _judge(self, fault: Fault) -> None:
        """The last channel is gone, and what was on its way has been given back."""
        tried, self._tried = self._tried, None
        if tried is not None and fault is Fault.MESSAGE:
            self._replace(tried)
        elif tried is not None:
            self._suspects.insert(0, tried)
        elif fault is Fault.MESSAGE:
            self._suspects, self._waiting = self._suspects + self._waiting, []

    def _replace(self, letter: Letter) -> None:
        """The broker will never take it."""
        log.error(
            "message_never_taken",
            outbox=self._name,
            type=letter.message.type,
            bytes=len(letter.message.body),
            reason="the broker closes the channel over it: it is too large for this broker (max_message_size)",
        )
        if letter.instead is None:
            self._settled(letter)
            return
        letter.message, letter.instead = letter.instead(), None
        self._enqueue(letter)

    @property
    def _can_publish(self) -> bool:
        return self._publisher is not None and self._publisher.is_open

    def _enqueue(self, letter: Letter) -> None:
        self._waiting.append(letter)
        self._schedule_flush()

    def _schedule_flush(self) -> None:
        if not self._flush_due and (self._waiting or self._suspects) and self._can_publish:
            self._flush_due = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_due = False
        if self._publisher is None or not self._publisher.is_open:
            return
        if self._tried is not None:
            return
        if self._suspects:
            self._tried = self._suspects.pop(0)
            letters = [self._tried]
        else:
            letters, self._waiting = self._waiting, []
        self._publisher.publish(
            [
                Outgoing(
                    letter.exchange,
                    letter.routing_key,
                    letter.message,
                    partial(self._on_outcome, letter),
                )
                for letter in letters
            ]
        )

    def _on_outcome(self, letter: Letter, outcome: Outcome) -> None:
        if letter is self._tried:
            if outcome is Outcome.LOST:
                return  # it is judged when the channel is opened again
            self._tried = None
            self._schedule_flush()
        if outcome is Outcome.CONFIRMED:
            if self._complained:
                self._complained = False
                self._reopen.reset()
            self._settled(letter)
        elif not letter.keep:
            _settle(letter, False)
        elif outcome is Outcome.LOST:
            self._enqueue(letter)
        elif outcome is Outcome.IMPOSSIBLE:
            self._replace(letter)
        else:
            self._retry(letter, outcome)

    def _settled(self, letter: Letter) -> None:
        if letter.keep:
            self._kept -= 1
            if not self._kept:
                self._empty.set()
        _settle(letter, True)

    def _retry(self, letter: Letter, outcome: Outcome) -> None:
        reason = NOT_THERE if outcome is Outcome.RETURNED else "the broker refuses more messages for now"
        self._complain(outcome.value, reason)
        if letter.again is None:
            letter.again = Backoff(self._timing.publish_again_after, self._timing.publish_again_after_max)
        self._clock.call_later(letter.again.next_seconds(), partial(self._enqueue, letter))

    def _complain(self, what: str, reason: str) -> None:
        """One line per trouble, not one per message."""
        if not self._complained:
            self._complained = True
            log.error("publish_failed", outbox=self._name, outcome=what, reason=reason, retrying=True)


def _settle(letter: Letter, confirmed: bool) -> None:
    if letter.on_settled is not None:
        letter.on_settled(confirmed)


def _resolve(future: asyncio.Future[str], reason: str) -> None:
    if not future.done():
        future.set_result(reason)
