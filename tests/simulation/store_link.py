"""A simulated host's connections to the database: what actors.supervisor.store_threads does, in events."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TypeVar

from dalsegno.errors import StoreUnavailableError
from dalsegno.persistence.port import Round, RoundOutcome
from tests.simulation.faults import Faults
from tests.simulation.scheduler import SECOND, Process
from tests.simulation.store_model import StoreModel, Transaction

T = TypeVar("T")

READ_RETRY = SECOND // 10
LATE = 20 * SECOND
STATEMENT_TIMEOUT = 4 * SECOND
"""Until what was sent to a database that does not answer is given up."""


class StoreLink:
    """`idle_timeout` microseconds: after these the server ends a transaction whose client says nothing more."""

    def __init__(
        self, store: StoreModel, process: Process, random: Random, faults: Faults, *, idle_timeout: int
    ) -> None:
        self._store = store
        self._process = process
        self._random = random
        self._faults = faults
        self._idle_timeout = idle_timeout
        self._silent_until = 0
        self._slow_until = 0
        self._transaction: Transaction | None = None

    def cut(self, microseconds: int) -> None:
        self._silent_until = self._process.scheduler.now + microseconds

    def is_reachable(self) -> bool:
        return self._process.scheduler.now >= self._silent_until

    def slow_down(self, microseconds: int) -> None:
        self._slow_until = self._process.scheduler.now + microseconds

    @property
    def is_slow(self) -> bool:
        """Statements take seconds."""
        return self._process.scheduler.now < self._slow_until

    def answers_in_time(self) -> bool:
        """What is small and asked often gets its answer, or times out."""
        return self.is_reachable() and (not self.is_slow or self._random.random() < 0.3)

    def abandon(self) -> None:
        """The process died; the server rolls back what it had begun."""
        if self._transaction is not None:
            self._store.abort(self._transaction)

    # --- rounds ----------------------------------------------------------------------------------------------

    def commit(
        self,
        round_: Round,
        *,
        written: Callable[[], None],
        done: Callable[[RoundOutcome], None],
        failed: Callable[[Exception], None],
    ) -> None:
        """`written` is called when it is durable; then `done` or `failed`, which may lie, when that is
        known."""

        def fail() -> None:
            failed(StoreUnavailableError("the database does not answer"))

        def begin() -> None:
            if self._faults.happens("commit fails"):
                self._process.after(self._latency(), fail)
                return
            if not self.is_reachable():
                self._process.after(STATEMENT_TIMEOUT, fail)
                return
            transaction = self._transaction = self._store.begin(round_)
            self._process.step("transaction open")
            self._process.scheduler.after(self._idle_timeout, lambda: self._store.abort(transaction))
            self._process.after(self._latency(), lambda: end(transaction))

        def end(transaction: Transaction) -> None:
            self._transaction = None
            if not self.is_reachable():
                self._process.after(STATEMENT_TIMEOUT, fail)
                return
            try:
                outcome = self._store.commit(transaction)
            except StoreUnavailableError:
                fail()
                return
            written()
            self._process.step("committed")
            lies = self._faults.happens("commit done but reported failed")
            self._process.after(self._latency(), fail if lies else lambda: done(outcome))

        self._process.after(self._latency(), begin)

    def _latency(self) -> int:
        if self.is_slow or self._faults.happens("commit slow"):
            return self._random.randrange(6 * SECOND)
        return self._random.randrange(200, 2_000)

    # --- reads -----------------------------------------------------------------------------------------------

    def read(self, query: Callable[[], T], done: Callable[[T], None]) -> None:
        """Until it works; what is read is as of one moment, and known a little later; or much later, when the
        partition may have been another's and be ours again."""

        def ask() -> None:
            if not self.is_reachable() or self._faults.happens("read fails"):
                self._process.after(READ_RETRY, lambda: self.read(query, done))
                return
            answer = query()
            late = self._faults.happens("read answered late")
            delay = self._random.randrange(LATE) if late else self._random.randrange(100, 1_000)
            self._process.after(delay, lambda: done(answer))

        slow = self._faults.happens("read slow")
        self._process.after(self._random.randrange(3 * SECOND) if slow else self._latency(), ask)
