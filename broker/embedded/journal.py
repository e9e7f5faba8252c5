"""The writer thread: takes what has gathered, commits it in one transaction, and says so on the owner's loop.

While one group is being synced the next gathers, so syncs do not grow in number with the messages. When a
commit fails its publishes are refused; removals, marks and topology stay due, in front of the next group.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import sys
import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Protocol

from dalsegno._log import get_logger
from dalsegno.broker.embedded.ready_line import Item, PageRequest
from dalsegno.broker.embedded.steps import Barrier, Burial, Publication, Step, Write
from dalsegno.broker.embedded.store import QueueStore, StoredTopology

log = get_logger("dalsegno.broker.embedded")

RETRY_SECONDS = 1.0
"""How soon a failed group's remains are tried again when nothing new comes."""
SWITCH_SECONDS = 0.0005
"""The longest that a thread may wait before it demands the interpreter's lock.

A loop that is never idle gives the lock up for an instant at each turn, too short for a waiting thread to wake
and take it; and each such instant begins the waiting anew. With Python's 5 ms and turns of 0.1 to 0.3 ms the
thread starved for seconds (measured); with this it waits for about a turn.
"""

OnPage = Callable[[list[Item] | None], None]
"""The page, or None when it could not be read."""
Job = Callable[[QueueStore], object]


class _End:
    """The last entry: close."""


class JournalListener(Protocol):
    """All called on the owner's loop, in the order of the commits."""

    def committed(self, publications: Sequence[Publication | Burial], *, bytes_written: int) -> None: ...

    def refused(self, publications: Sequence[Publication | Burial], *, bytes_refused: int) -> None: ...

    def recovered(self) -> None:
        """The first commit after a failed one."""

    def crashed(self, error: BaseException) -> None:
        """The thread ended by a bug; nothing will be written any more."""


class WritesSteps(Protocol):
    """What a switchboard needs of a journal."""

    async def open(self) -> StoredTopology:
        """Raises ConfigurationError when the file cannot be used."""

    async def close(self) -> None:
        """What was submitted is written first."""

    def submit(self, steps: Sequence[Step]) -> None:
        """To be written together; the listener is told of it later, never from within."""

    def run(self, job: Job) -> None:
        """Call `job` behind all that was submitted."""

    def load_page(self, number: int, request: PageRequest, on_page: OnPage) -> None:
        """Read a page, behind all that was submitted; `on_page` is called on the loop, never from within."""


class Journal:
    def __init__(self, path: Path, listener: JournalListener) -> None:
        self._path = path
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        self._jobs: queue.SimpleQueue[Sequence[Step] | Job | _End] = queue.SimpleQueue()
        self._opened: asyncio.Future[StoredTopology] = self._loop.create_future()
        self._ended: asyncio.Future[None] = self._loop.create_future()
        # A daemon: an owner that forgets to close must not hang at exit. The file bears it, as it bears a kill.
        self._thread = threading.Thread(target=self._run, name="dalsegno-embedded-writer", daemon=True)
        self._remains: list[Step] = []
        self._failing = False

    async def open(self) -> StoredTopology:
        """Raises ConfigurationError when the file cannot be used."""
        if sys.getswitchinterval() > SWITCH_SECONDS:
            sys.setswitchinterval(SWITCH_SECONDS)
        self._thread.start()
        return await self._opened

    async def close(self) -> None:
        """Write what was submitted, then end. Everything is told to the listener before this returns.

        To be called once after every `open`, also after one that failed.
        """
        self._jobs.put(_End())
        await self._ended

    def submit(self, steps: Sequence[Step]) -> None:
        self._jobs.put(steps)

    def run(self, job: Job) -> None:
        """Call `job` on the thread, behind all that was submitted."""
        self._jobs.put(job)

    def load_page(self, number: int, request: PageRequest, on_page: OnPage) -> None:
        """Read a page, behind all that was submitted; `on_page` is called on the loop."""
        self.run(lambda store: self._tell(on_page, read_page(store, number, request)))

    # -- on the thread -----------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            store = QueueStore.open(self._path)
            try:
                self._tell(self._open_with, store.load_topology())
                self._work(store)
            finally:
                store.close()
        except BaseException as error:  # noqa: BLE001 - the thread's border: a bug here must reach the owner
            self._tell(self._crash, error)
        else:
            self._tell(self._ended.set_result, None)

    def _work(self, store: QueueStore) -> None:
        entry: Job | _End | None = None
        while not isinstance(entry, _End):
            steps, entry = self._gather()
            if steps:
                self._commit(store, steps)
            if callable(entry):
                entry(store)

    def _gather(self) -> tuple[list[Step], Job | _End | None]:
        """All steps that wait, and the entry that ends the group, if there is one already."""
        steps, self._remains = self._remains, []
        try:
            entry = self._jobs.get(timeout=RETRY_SECONDS if steps else None)
            while isinstance(entry, Sequence):
                steps.extend(entry)
                entry = self._jobs.get_nowait()
        except queue.Empty:
            return steps, None
        return steps, entry

    def _commit(self, store: QueueStore, steps: Sequence[Step]) -> None:
        merged = merged_steps(steps)
        writes = [step for step in merged if isinstance(step, Write)]
        publications = [publication for write in writes for publication in write.publications]
        size = sum(write.insert_bytes for write in writes)
        try:
            store.commit(merged)
        except sqlite3.Error as error:
            if not self._failing:  # Once, not for each of a thousand groups a second.
                log.error("embedded_commit_failed", error=str(error))
            self._remains = [step.without_publishes() if isinstance(step, Write) else step for step in merged]
            self._failing = True
            self._tell(partial(self._listener.refused, publications, bytes_refused=size))
            return
        self._tell(partial(self._listener.committed, publications, bytes_written=size))
        for step in merged:
            if isinstance(step, Barrier):
                self._tell(step.done)
        if self._failing:
            self._failing = False
            self._tell(self._listener.recovered)

    def _tell(self, call: Callable[..., object], *arguments: object) -> None:
        try:
            self._loop.call_soon_threadsafe(call, *arguments)
        except RuntimeError:
            # Its loop was closed without closing us: nobody is left to tell.
            log.warning("embedded_owner_gone")

    # -- on the loop -------------------------------------------------------------------------------

    def _open_with(self, topology: StoredTopology) -> None:
        if not self._opened.done():  # Whoever waited may have been cancelled.
            self._opened.set_result(topology)

    def _crash(self, error: BaseException) -> None:
        self._ended.set_result(None)
        if not self._opened.done():
            self._opened.set_exception(error)
        else:
            self._listener.crashed(error)


def read_page(store: QueueStore, number: int, request: PageRequest) -> list[Item] | None:
    try:
        return store.load_page(number, request.after, request.up_to)
    except sqlite3.Error as error:
        log.error("embedded_read_failed", error=str(error))
        return None


def merged_steps(steps: Sequence[Step]) -> list[Step]:
    """Neighbouring writes become one: fewer statements."""
    merged: list[Step] = []
    for step in steps:
        last = merged[-1] if merged else None
        if isinstance(step, Write) and isinstance(last, Write):
            last.merge(step)
        else:
            merged.append(step)
    return merged
