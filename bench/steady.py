"""Commands that arrive steadily: a probe workflow for each partition, and a signal to each at a fixed pace.

A bare client of the wire protocol. It wants no answers: what became of the signals is read from the journal.
"""

from __future__ import annotations

import asyncio
from itertools import count
from uuid import uuid4

from dalsegno.broker import topology
from dalsegno.broker.port import Outcome, Outgoing
from dalsegno.broker.protocol import messages as wire
from dalsegno.broker.protocol.codec import encode
from dalsegno.broker.rabbitmq import RabbitMQBroker
from dalsegno.broker.rabbitmq.link import Timings
from dalsegno.errors import DalsegnoError
from dalsegno.payload import JSON_PLAIN, Payload

PACE_SECONDS = 0.05
RECONNECT_SECONDS = 0.05
QUICK = Timings(connect=1.0, answer=1.0)
"""A broker that has opened its port and serves nobody yet must not keep this client for longer than a host."""


def probe_ids(name: str, partitions: int) -> list[str]:
    """A workflow ID for each partition, in their order; all begin with `name`."""
    found: dict[int, str] = {}
    for number in count():
        if len(found) == partitions:
            return [found[partition] for partition in range(partitions)]
        workflow_id = f"{name}-{number}"
        found.setdefault(topology.slot_of(workflow_id) % partitions, workflow_id)
    raise AssertionError("count() has no end")


class Steady:
    """Signals every probe once per PACE_SECONDS while `run` runs, over whatever happens to the broker."""

    def __init__(self, broker: str, probes: list[str]) -> None:
        self._broker = RabbitMQBroker(broker, timings=QUICK)
        self._probes = probes
        self._lost = asyncio.Event()

    async def start_probes(self, workflow_type: str) -> None:
        """Asks for them; whether they run is seen in the journal."""
        start = [
            wire.StartWorkflow(
                workflow_id=name, workflow_type=workflow_type, args=(Payload(JSON_PLAIN, b"{}"),)
            )
            for name in self._probes
        ]
        session = await self._broker.connect(on_closed=lambda _: None, name="bench")
        publisher = await session.open_publisher(on_closed=lambda _: None)
        confirmed: asyncio.Queue[Outcome] = asyncio.Queue()
        publisher.publish(
            [self._outgoing(message.workflow_id, message, confirmed.put_nowait) for message in start]
        )
        for _ in start:
            outcome = await confirmed.get()
            assert outcome is Outcome.CONFIRMED, f"a start was {outcome.value}"
        await session.close()

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            try:
                await self._signal_until_lost()
            except DalsegnoError:
                # The broker is away, and this client exists to be there when it is back.
                await asyncio.sleep(RECONNECT_SECONDS)

    async def _signal_until_lost(self) -> None:
        self._lost.clear()
        session = await self._broker.connect(on_closed=self._on_lost, name="bench")
        try:
            publisher = await session.open_publisher(on_closed=self._on_lost)
            while not self._lost.is_set():
                publisher.publish([self._beat(name) for name in self._probes])
                await asyncio.sleep(PACE_SECONDS)
        finally:
            await session.close()

    def _on_lost(self, _: str) -> None:
        self._lost.set()

    def _beat(self, name: str) -> Outgoing:
        return self._outgoing(name, wire.SignalWorkflow(workflow_id=name, name="beat"), lambda _: None)

    @staticmethod
    def _outgoing(name: str, body: wire.WireMessage, on_outcome: object) -> Outgoing:
        message = encode(body, message_id=uuid4().hex)
        return Outgoing(topology.COMMANDS_EXCHANGE, topology.routing_key_of(name), message, on_outcome)  # type: ignore[arg-type]
