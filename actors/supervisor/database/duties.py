"""What a namespace needs done now and then: old answers are trimmed.

The first of the live hosts does it for all, by its own settings, on a thread with a connection of its own: it
may take long, and neither a lease nor a commit nor a question waits for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from dalsegno._log import get_logger
from dalsegno.actors.supervisor.database.own_threads import NewThread, own_thread
from dalsegno.actors.supervisor.database.reading_thread import ToLoop
from dalsegno.errors import DalsegnoError
from dalsegno.persistence.port import Membership

log = get_logger()

MICROSECONDS = 1_000_000
TRIM_SECONDS = 60.0
TRIM_LIMIT = 2_000
"""Rows in one statement. SQLite lets nobody else write meanwhile: some 20 ms."""


class Duties:
    """`now` is the database's time, in microseconds; `is_mine` whether this host is the one."""

    def __init__(
        self,
        membership: Membership,
        to_loop: ToLoop,
        *,
        seen_retention_seconds: float,
        is_mine: Callable[[], bool],
        now: Callable[[], int],
        monotonic: Callable[[], float] = time.monotonic,
        new_thread: NewThread = own_thread,
    ) -> None:
        self._membership = membership
        self._seen_retention = int(seen_retention_seconds * MICROSECONDS)
        self._is_mine = is_mine
        self._now = now
        self._monotonic = monotonic
        self._to_loop = to_loop
        self._thread = new_thread("duties")
        self._is_under_way = False
        self._trim_at = monotonic() + TRIM_SECONDS

    def look(self) -> None:
        """To be called twice a second or so."""
        if self._is_under_way or self._monotonic() < self._trim_at or not self._is_mine():
            return
        self._is_under_way = True
        trim = partial(
            self._membership.trim_seen, older_than=self._now() - self._seen_retention, limit=TRIM_LIMIT
        )
        self._thread.submit(trim).add_done_callback(
            lambda future: self._to_loop.bring(future, self._trimmed, self._not_trimmed)
        )

    def _trimmed(self, count: int) -> None:
        self._is_under_way = False
        # If there is more of it, it goes on at the next look.
        self._trim_at = self._monotonic() + (0.0 if count == TRIM_LIMIT else TRIM_SECONDS)

    def _not_trimmed(self, error: Exception) -> None:
        self._is_under_way = False
        self._trim_at = self._monotonic() + TRIM_SECONDS
        if isinstance(error, DalsegnoError):
            log.warning("seen_not_trimmed", reason=str(error))
        else:
            log.error("seen_not_trimmed", reason=repr(error), exc_info=error)

    def close(self) -> None:
        self._thread.shutdown(wait=True, cancel_futures=True)
        self._membership.close()
