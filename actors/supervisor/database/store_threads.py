"""The store's synchronous code on threads of its own, each with a connection of its own: one that writes
rounds, and three that read, for the mail, for the clock, and for people. None waits for another: a list that
takes long delays no cold load, and neither does a scan of all timers.

A failed commit is not tried again: its outcome is unknown, and the engine must begin anew.

A defect in writing, and whatever interrupts a thread, escapes: what the connection is in the middle of then,
nobody knows.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import TypeVar

from dalsegno.actors.supervisor.database.own_threads import NewThread, own_thread
from dalsegno.actors.supervisor.database.reading_thread import R, ReadingThread, Tally, ToLoop
from dalsegno.actors.supervisor.failing.fail_stop import Escaped
from dalsegno.errors import DalsegnoError
from dalsegno.persistence.attributes_port import SearchAttributes
from dalsegno.persistence.port import Round, RoundOutcome, Store, Writer
from dalsegno.persistence.reader_port import ClockReader, MailReader, PeopleReader

T = TypeVar("T")

SWITCH_SECONDS = 0.0005
"""How long the loop may keep the interpreter from a thread of the store that has its answer. Python's default
of 5 ms, several times a commit, would be most of what a commit takes on a busy loop."""


class StoreThreads:
    """Callbacks run on the loop that was running when this was built. It sets the process's switch interval.
    `escaped` is told of what nobody contains, on whatever thread it is met."""

    def __init__(self, store: Store, escaped: Escaped, new_thread: NewThread = own_thread) -> None:
        sys.setswitchinterval(SWITCH_SECONDS)
        self._escaped = escaped
        self.to_loop = ToLoop(escaped)
        self._tally = Tally()
        self._writer: Writer = store.writer()
        self._new_thread = new_thread
        self._writing = new_thread("writer")
        self._is_settled = True
        """No commit of unknown outcome could be read that may still be lost."""
        self._store = store
        self._attributes: SearchAttributes | None = None
        """Seldom asked for."""
        self._declaring = new_thread("declaring")
        mail: MailReader = store.reader()
        clock: ClockReader = store.reader()
        self.mail = self._reading("mail", mail)
        """Cold loads, and what else a message waits for."""
        self.clock = self._reading("clock", clock)
        """What is due, and other scans."""
        self.people: ReadingThread[PeopleReader] = self._reading("people", store.people_reader())
        """What is asked beside the path of a command."""

    def _reading(self, name: str, reader: R) -> ReadingThread[R]:
        return ReadingThread(
            reader,
            self._new_thread(name),
            to_loop=self.to_loop,
            tally=self._tally,
            settle=self._settled,
        )

    def commit(
        self, round_: Round, done: Callable[[RoundOutcome], None], failed: Callable[[Exception], None]
    ) -> None:
        """Write one round; exactly one of the callbacks is called, on the loop, unless `close` comes first."""
        future = self._writing.submit(self._write, round_)
        future.add_done_callback(lambda f: self.to_loop.bring(f, done, failed))

    def _write(self, round_: Round) -> RoundOutcome:
        try:
            return self._writer.commit(round_)
        except DalsegnoError:
            self._is_settled = False
            raise
        except BaseException as error:
            self._escaped(error)
            raise

    async def write(self, statement: Callable[[Writer], T]) -> T:
        """Write something beside the rounds, once."""
        return await asyncio.wrap_future(self._writing.submit(statement, self._writer))

    async def declare(self, statement: Callable[[SearchAttributes], T]) -> T:
        """Change which search attributes are declared. It may take long: what runs have of one goes with it."""
        return await asyncio.wrap_future(self._declaring.submit(self._declare, statement))

    def _declare(self, statement: Callable[[SearchAttributes], T]) -> T:
        if self._attributes is None:
            self._attributes = self._store.search_attributes()
        return statement(self._attributes)

    def _settled(self) -> None:
        if not self._is_settled:
            self._writing.submit(self._settle).result()

    def _settle(self) -> None:
        if not self._is_settled:
            self._writer.settle()
            self._is_settled = True

    def close(self) -> None:
        """Wait for what is being written and read, then close the connections."""
        self.to_loop.is_closed = True
        self._writing.shutdown(wait=True, cancel_futures=True)
        self._declaring.shutdown(wait=True, cancel_futures=True)
        if self._attributes is not None:
            self._attributes.close()
        for reading in (self.mail, self.clock, self.people):
            reading.close()
        self._writer.close()
