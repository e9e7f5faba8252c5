"""Sessions for tests of the embedded broker."""

from __future__ import annotations

from pathlib import Path

from dalsegno.broker.embedded import EmbeddedBroker
from dalsegno.broker.port import Queue, Session, Topology
from tests.broker.witness import Ends

QUEUE = Topology(queues=[Queue("q")])


async def open_session(path: Path, ends: Ends | None = None) -> Session:
    """A session with the broker in that file, where there is a queue `q`."""
    opened = await EmbeddedBroker(path).connect(on_closed=ends or Ends())
    await opened.declare(QUEUE)
    return opened
