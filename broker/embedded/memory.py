"""The embedded broker without file, lock, socket and thread: for one loop, and gone with it.

The model, the sessions and what they say to each other are those of the broker in a file.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from dalsegno._log import get_logger
from dalsegno.broker.embedded.journal import Job, JournalListener, OnPage, merged_steps, read_page
from dalsegno.broker.embedded.link import LinkEnd
from dalsegno.broker.embedded.local_link import LocalLine
from dalsegno.broker.embedded.ready_line import PageRequest
from dalsegno.broker.embedded.session import EmbeddedSession
from dalsegno.broker.embedded.steps import Barrier, DropQueue, PurgeRange, Step, Write
from dalsegno.broker.embedded.store import QueueStore, StoredTopology
from dalsegno.broker.embedded.switchboard import Switchboard
from dalsegno.broker.embedded.wire import ClientOperation
from dalsegno.broker.port import OnClosed
from dalsegno.errors import BrokerUnavailableError

log = get_logger("dalsegno.broker.embedded")

SHOWN = Path("(in memory)")
"""In the place of a file, in errors."""


Through = Callable[[EmbeddedSession, LinkEnd[ClientOperation]], LinkEnd[ClientOperation]]
"""Given a session and its end of the line: the end that it is to have."""


class InlineJournal:
    """A journal that writes within the call, into memory, and tells of it in the loop's next turn. What queues
    there are the model knows: nobody will ask the store."""

    def __init__(self, listener: JournalListener) -> None:
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        self._store = QueueStore.in_memory()

    async def open(self) -> StoredTopology:
        return self._store.load_topology()

    async def close(self) -> None:
        await asyncio.sleep(0)  # what was written is told of
        self._store.close()

    def submit(self, steps: Sequence[Step]) -> None:
        merged = merged_steps(steps)
        writes = [step for step in merged if isinstance(step, Write)]
        publications = [publication for write in writes for publication in write.publications]
        size = sum(write.insert_bytes for write in writes)
        self._store.commit([step for step in merged if isinstance(step, Write | DropQueue | PurgeRange)])
        self._loop.call_soon(partial(self._listener.committed, publications, bytes_written=size))
        for step in merged:
            if isinstance(step, Barrier):
                self._loop.call_soon(step.done)

    def run(self, job: Job) -> None:
        job(self._store)

    def load_page(self, number: int, request: PageRequest, on_page: OnPage) -> None:
        self._loop.call_soon(on_page, read_page(self._store, number, request))


class MemoryBroker:
    """Sessions with a broker of this loop alone. `start` before the first, `close` after the last."""

    def __init__(self, *, held_bytes: int | None = None) -> None:
        self._held_bytes = held_bytes
        self._switchboard: Switchboard | None = None

    async def start(self) -> None:
        self._switchboard = Switchboard(InlineJournal, lambda: None)
        await self._switchboard.start()

    async def close(self) -> None:
        """End every session. Closing twice is ordinary."""
        switchboard, self._switchboard = self._switchboard, None
        if switchboard is not None:
            await switchboard.close()
            await asyncio.sleep(0)  # sessions hear of it in the loop's next turn

    async def connect(
        self, *, on_closed: OnClosed, name: str = "dalsegno", through: Through | None = None
    ) -> EmbeddedSession:
        """Raises BrokerUnavailableError when it is not started, or closed. What the session sends goes
        `through` what is given."""
        if self._switchboard is None:
            raise BrokerUnavailableError("The broker in memory is closed.")
        session = EmbeddedSession(SHOWN, on_closed)
        peer = self._switchboard.open_session(is_local=True)
        line = LocalLine(session, peer)
        peer.attach(line.server)
        end = line.client if through is None else through(session, line.client)
        await session.greet(end, name, self._held_bytes)
        return session

    @property
    def is_at_rest(self) -> bool:
        """No consumer has a message, or is about to be given one."""
        return self._switchboard is None or self._switchboard.model.is_at_rest
