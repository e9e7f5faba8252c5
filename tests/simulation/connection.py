"""A process's connection to the broker: two pairs of pipes, as production has two connections, one that
publishes and one that consumes. What is sent through a pipe arrives in order, later; or never, when an end is
gone."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from dalsegno.broker.held_bytes import HeldBytes
from tests.simulation.scheduler import SECOND, Process

if TYPE_CHECKING:
    from tests.simulation.broker_model import BrokerModel
    from tests.simulation.consumers import ModelConsumer
    from tests.simulation.publishers import ModelPublisher

HEARTBEAT = 10 * SECOND
"""A peer that was silent for this long is given up, by both ends."""


class Pipe:
    """One direction. `silent_until`: nothing arrives before."""

    __slots__ = ("_arrival", "_broker", "silent_until")

    def __init__(self, broker: BrokerModel) -> None:
        self._broker = broker
        self._arrival = 0
        self.silent_until = 0

    def carry(self, callback: Callable[[], None], receiver: Process | None) -> None:
        broker = self._broker
        scheduler = broker.scheduler
        at = max(self._arrival, self.silent_until, scheduler.now + broker.latency())
        self._arrival = at
        scheduler.after(at - scheduler.now, callback, receiver)


class Connection:
    """`is_open` is what the process knows, `is_live` what the broker knows. `on_closed` is called once,
    unless the process closed it itself."""

    def __init__(
        self,
        broker: BrokerModel,
        process: Process,
        on_closed: Callable[[str], None],
        *,
        held_bytes: int | None,
    ) -> None:
        self.broker = broker
        self.process = process
        self.is_open = True
        self.is_live = True
        self.publishing = (Pipe(broker), Pipe(broker))
        self.consuming = (Pipe(broker), Pipe(broker))
        self.publishers: list[ModelPublisher] = []
        self.consumers: list[ModelConsumer] = []
        self.own_queues: list[str] = []
        self.held = HeldBytes(held_bytes)
        """Of what its consumers hold, all of them together."""
        self.blocked_until = 0
        self._on_closed = on_closed
        self._life = process.life

    def to_broker(self, callback: Callable[[], None], *, publishing: bool = False) -> None:
        if self.is_open:
            pipe = self.publishing[0] if publishing else self.consuming[0]
            pipe.carry(lambda: callback() if self.is_live else None, None)

    def to_process(self, callback: Callable[[], None], *, publishing: bool = False) -> None:
        pipe = self.publishing[1] if publishing else self.consuming[1]
        pipe.carry(lambda: callback() if self._is_heard else None, self.process)

    @property
    def _is_heard(self) -> bool:
        """The process that opened it is still the one there, and has not given it up."""
        return self.is_open and self.process.life == self._life

    def ask(self, what: Callable[[], object], answered: Callable[[object], None]) -> None:
        """A request with an answer; none comes if the connection breaks meanwhile."""

        def arrive() -> None:
            answer = what()
            self.to_process(lambda: answered(answer))

        self.to_broker(arrive)

    @property
    def is_blocked(self) -> bool:
        """The broker has said so: it does not read what is published."""
        return self.broker.scheduler.now < self.blocked_until

    def gives_back(self, size: int) -> None:
        """That many bytes are held no more: there may be room for what lies in any of its queues."""
        self.held.give_back(size)
        if self.held.is_short:
            self.held.is_short = False
            for consumer in list(self.consumers):
                consumer.queue.pump()

    # --- ends ------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """By the process, which lives on."""
        self._closed_here(None)
        self.abandon(cut=False)

    def abandon(self, *, cut: bool) -> None:
        """The process died. The broker hears of it at once; with `cut`, before what was sent last."""
        self.is_open = False
        if cut:
            self.drop()
        else:
            for pipe in (self.publishing[0], self.consuming[0]):
                pipe.carry(lambda: None, None)
            self.consuming[0].carry(lambda: self.publishing[0].carry(self.drop, None), None)

    def drop(self) -> None:
        """At the broker: channels end, what they held returns to its queues."""
        if not self.is_live:
            return
        self.is_live = False
        for publisher in self.publishers:
            publisher.is_live = False
        for consumer in list(self.consumers):
            consumer.end()
        self.broker.forget(self)

    def break_down(self, reason: str) -> None:
        """Both ends: the broker at once, the process when it hears of it."""
        self.drop()
        self.process.after(self.broker.latency(), lambda: self._closed_here(reason))

    def fall_silent(self, microseconds: int) -> None:
        """Nothing comes through for a while; if that is long, both ends give up."""
        scheduler = self.broker.scheduler
        for pipe in (*self.publishing, *self.consuming):
            pipe.silent_until = max(pipe.silent_until, scheduler.now + microseconds)
        if microseconds > HEARTBEAT:
            scheduler.after(HEARTBEAT, self.drop)
            self.process.after(HEARTBEAT, lambda: self._closed_here("missed heartbeats"))

    def unread_for(self, microseconds: int) -> None:
        """The process stands still: the broker hears nothing of it, and gives it up after a while. What it
        sent before still arrives."""
        if microseconds > HEARTBEAT:
            self.broker.scheduler.after(HEARTBEAT, lambda: self.break_down("missed heartbeats"))

    def _closed_here(self, reason: str | None) -> None:
        if not self._is_heard:
            return
        self.is_open = False
        for publisher in self.publishers:
            publisher.closed_here(None)
        for consumer in list(self.consumers):
            consumer.is_open = False
        if reason is not None:
            self.process.trace(f"loses its connection: {reason}")
            self._on_closed(reason)
