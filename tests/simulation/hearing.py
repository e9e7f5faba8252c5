"""A simulated host's hearing (see supervisor.connection.hearing), in callbacks: a new session proves that the
broker takes messages before its publisher is open, and goes on proving it beside it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from dalsegno.actors.supervisor.connection.hearing import LOOK_SECONDS, PROBE_SECONDS, PROOF_SECONDS
from dalsegno.broker import topology
from dalsegno.broker.port import Outcome, Outgoing
from dalsegno.broker.protocol import messages as wire
from dalsegno.broker.protocol.codec import encode
from tests.simulation.broker_model import BrokerModel
from tests.simulation.connection import Connection
from tests.simulation.publishers import ModelPublisher
from tests.simulation.scheduler import SECOND, Process

LOOK = round(LOOK_SECONDS * SECOND)
PROBE = round(PROBE_SECONDS * SECOND)
PROOF = round(PROOF_SECONDS * SECOND)


class Hearing:
    """`taken` is called with the seconds that a marker took to be confirmed."""

    def __init__(
        self, broker: BrokerModel, process: Process, *, partitions: int, taken: Callable[[float], object]
    ) -> None:
        self._broker = broker
        self._process = process
        self._partitions = partitions
        self._taken = taken
        self._publisher: ModelPublisher | None = None
        self._heard_at = -1
        self._sent = 0

    def prove(self, connection: Connection, *, proved: Callable[[], None], failed: Callable[[], None]) -> None:
        """One of both is called, unless the connection is lost first."""
        begun = self._broker.scheduler.now

        def look() -> None:
            now = self._broker.scheduler.now
            if connection.is_blocked:
                self._heard_at = now
            if not connection.is_open:
                return
            if self._heard_at >= begun:
                proved()
                self._process.after(PROBE, partial(self._keep_proving, connection))
            elif now - begun > PROOF:
                failed()
            else:
                self._process.after(LOOK, look)

        self._probe(connection)
        look()

    def _keep_proving(self, connection: Connection) -> None:
        if connection.is_open:
            self._probe(connection)
            self._process.after(PROBE, partial(self._keep_proving, connection))

    def _probe(self, connection: Connection) -> None:
        publisher = self._publisher
        if publisher is not None and publisher.is_open:
            self._mark(publisher)
            return

        def opened(publisher: ModelPublisher) -> None:
            self._publisher = publisher
            self._mark(publisher)

        self._broker.open_publisher(connection, opened=opened, on_closed=lambda _: None)

    def _mark(self, publisher: ModelPublisher) -> None:
        partition = self._sent % self._partitions
        exchanges = (topology.COMMANDS_EXCHANGE, topology.RESULTS_EXCHANGE)
        publisher.publish([self._marker(exchange, partition) for exchange in exchanges])

    def _marker(self, exchange: str, partition: int) -> Outgoing:
        self._sent += 1
        name, sent_at = self._process.name, self._broker.scheduler.now
        nonce = f"{name} {self._process.life} {self._sent}"
        marker = wire.Marker(partition=partition, host_id=name, nonce=nonce)

        def settled(outcome: Outcome) -> None:
            if outcome in (Outcome.CONFIRMED, Outcome.REFUSED):
                self._heard_at = self._broker.scheduler.now
            if outcome is Outcome.CONFIRMED:
                self._taken((self._heard_at - sent_at) / SECOND)

        return Outgoing(exchange, topology.slot_key(partition), encode(marker, message_id=nonce), settled)
