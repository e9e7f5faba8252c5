"""Whether this host is cut off from the broker, although its connection lives.

A node that was split from its cluster keeps its connections and answers what is asked of it, but what is
published there is never confirmed, nor delivered: a quorum queue needs a majority. A host on it would keep its
leases for ever, and its partitions would stand still. So it sends a marker through the exchanges to one
partition's queue after the other, whoever owns it, and while none is taken it knows that it is cut off. What it
learns beside: that an exchange or a binding is missing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import cycle
from uuid import uuid4

from dalsegno._log import get_logger
from dalsegno.broker import topology
from dalsegno.broker.port import Fault, Outcome, Outgoing, Publisher, Session
from dalsegno.broker.protocol import messages as wire
from dalsegno.broker.protocol.codec import encode
from dalsegno.errors import BrokerUnavailableError
from dalsegno.partition_id import PartitionID

log = get_logger()

PROBE_SECONDS = 5.0
PROOF_SECONDS = 10.0
"""How long a new session may take to show that it takes messages."""
LOOK_SECONDS = 0.05
CUT_OFF_SECONDS = 30.0
"""Nothing was taken for so long: the session is dropped, and the leases are given up if there are other hosts.
A busy broker confirms within seconds, and one that has an alarm says so."""


class Hearing:
    """`mend` is called when something of the namespace is missing."""

    def __init__(
        self,
        *,
        partitions: Sequence[PartitionID],
        name: str,
        mend: Callable[[], object],
    ) -> None:
        self._partitions: Iterator[PartitionID] = cycle(partitions)
        self._name = name
        self._mend = mend
        self.taken: Callable[[float], object] = lambda _: None
        """Called when a marker was confirmed, with the seconds that it took."""
        self._heard_at = asyncio.get_running_loop().time()
        self._heard = asyncio.Event()
        self._publisher: Publisher | None = None

    @property
    def silent_seconds(self) -> float:
        """Since the broker last took something, with a session or without one."""
        return asyncio.get_running_loop().time() - self._heard_at

    def _hear(self) -> None:
        self._heard_at = asyncio.get_running_loop().time()
        self._heard.set()

    async def prove(self, session: Session) -> None:
        """Of a new session. Raises BrokerUnavailableError if it takes nothing, or is lost meanwhile."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        await self._probe(session)
        while self._heard_at < begun:
            if session.is_blocked:
                self._hear()  # an alarm: it is there, and says so
            elif not session.is_open:
                raise BrokerUnavailableError("the connection was lost before the broker had taken a message")
            elif loop.time() - begun > PROOF_SECONDS:
                raise BrokerUnavailableError(
                    f"the broker answers, but has taken no message within {PROOF_SECONDS:g} s: its node may be "
                    "cut off from its cluster, or a majority of the cluster is down"
                )
            else:
                self._heard.clear()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._heard.wait(), LOOK_SECONDS)

    async def keep_proving(self, session: Session) -> None:
        """Return when nothing was taken for too long, or the session is gone."""
        while session.is_open and self.silent_seconds < CUT_OFF_SECONDS:
            await asyncio.sleep(PROBE_SECONDS)
            if session.is_blocked:
                self._hear()
            await self._probe(session)

    async def _probe(self, session: Session) -> None:
        publisher = self._publisher
        if publisher is None or not publisher.is_open:
            self._publisher = publisher = await session.open_publisher(on_closed=self._on_closed)
        partition = next(self._partitions)
        slot = topology.slot_key(partition.number)
        targets = [
            (topology.COMMANDS_EXCHANGE, slot),
            (topology.RESULTS_EXCHANGE, slot),
            (topology.DEAD_EXCHANGE, _NO_KEY),
        ]
        publisher.publish([self._outgoing(partition, *target) for target in targets])

    def _outgoing(self, partition: PartitionID, exchange: str, routing_key: str) -> Outgoing:
        nonce = str(uuid4())
        marker = wire.Marker(partition=partition.number, host_id=self._name, nonce=nonce)
        sent_at = asyncio.get_running_loop().time()

        def settled(outcome: Outcome) -> None:
            if routing_key == _NO_KEY:
                return  # any node says by itself that nothing is bound with it
            if outcome in (Outcome.CONFIRMED, Outcome.REFUSED):
                self._hear()
                if outcome is Outcome.CONFIRMED:
                    self.taken(self._heard_at - sent_at)
            elif outcome is Outcome.RETURNED:
                self._hear()
                self._mend()

        return Outgoing(exchange, routing_key, encode(marker, message_id=nonce), settled)

    def _on_closed(self, reason: str) -> None:
        """Over an exchange: the broker is there, and has said no."""
        publisher = self._publisher
        if publisher is not None and publisher.fault is Fault.TARGET:
            self._hear()
            log.debug("probe_refused", reason=reason)
            self._mend()


_NO_KEY = "nobody"
"""Nothing is bound with it: a message with it comes back if its exchange is there."""
