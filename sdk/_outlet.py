"""Where text leaves the process without ever holding it up.

A stream is somebody else's: a disk that is full, a pipe that nobody reads, a terminal that was closed. Writing
to it raises, or blocks for ever. So nobody who has work to do writes: what is to be written is handed over, and
a thread of its own writes it. What does not fit into the queue meanwhile, or cannot be written, is dropped and
counted, and how many were dropped is said as soon as something can be written again.
"""

from __future__ import annotations

import atexit
import os
import queue
import sys
import threading
import time
from collections.abc import Callable
from typing import NoReturn
from weakref import WeakSet

CAPACITY = 10_000
"""Lines that may wait. A host that stumbles says some hundreds a second."""
FLUSH_SECONDS = 2.0
"""How long the end of a process waits for a stream that is slow, or takes nothing at all."""
FORK_SECONDS = 0.5
"""How long a fork waits for a line that is being written."""
_LAST = -100
"""multiprocessing's own are at -5 and above."""

_outlets: WeakSet[Outlet] = WeakSet()


class Outlet:
    """Jobs that write, done one after the other by a daemon thread, which begins with the first.

    `on_recovered` is called by that thread when a job was done after some had been dropped, with their number.
    Nothing here raises or blocks, but for `flush`. Safe from any thread, and from signal handlers.
    """

    def __init__(self, on_recovered: Callable[[int], None], *, capacity: int = CAPACITY) -> None:
        self._on_recovered = on_recovered
        self._capacity = capacity
        self._begin()
        _outlets.add(self)

    def _begin(self) -> None:
        self._jobs: queue.SimpleQueue[Callable[[], object] | threading.Event] = queue.SimpleQueue()
        self._lock = threading.RLock()  # a signal handler may log while its own thread is in here
        self._thread: threading.Thread | None = None
        self._writing = threading.RLock()  # (a job may fork, too)
        self._dropped = 0

    @property
    def dropped(self) -> int:
        """How many were dropped since that was said last."""
        return self._dropped

    def offer(self, job: Callable[[], object]) -> None:
        """Have `job` done soon, or dropped."""
        if self._jobs.qsize() >= self._capacity or not self._is_running():
            self.drop()
        else:
            self._jobs.put(job)

    def flush(self, seconds: float = FLUSH_SECONDS) -> bool:
        """Wait until all that was offered is done, at most that long; whether it is."""
        if self._thread is None:
            return True
        done = threading.Event()
        self._jobs.put(done)
        return done.wait(seconds)

    def _is_running(self) -> bool:
        if self._thread is not None:
            return True
        with self._lock:
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="dalsegno-log", daemon=True)
                try:
                    thread.start()
                except RuntimeError:  # no more threads, or the interpreter is ending
                    return False
                self._thread = thread
                _flush_with_multiprocessing()
        return True

    def _run(self) -> None:
        while True:
            job = self._jobs.get()
            if isinstance(job, threading.Event):
                job.set()
                continue
            try:
                with self._writing:
                    job()
                if self._dropped:
                    with self._lock:
                        dropped, self._dropped = self._dropped, 0
                    self._on_recovered(dropped)
            except BaseException:  # noqa: BLE001 - whatever a stream has to say, nobody can be told
                self.drop()

    def hold(self, seconds: float) -> Callable[[], None] | None:
        """Let no job begin until what this gives is called; None if one has not ended in that time."""
        writing = self._writing
        return writing.release if writing.acquire(timeout=seconds) else None

    def drop(self) -> None:
        """Count what could not even be offered."""
        with self._lock:
            self._dropped += 1


def flush_all(seconds: float = FLUSH_SECONDS) -> None:
    """Before the end: what waits is written if its stream takes it. `seconds` are for all together."""
    deadline = time.monotonic() + seconds
    for outlet in list(_outlets):
        outlet.flush(max(0.0, deadline - time.monotonic()))


def exit_now(code: int) -> NoReturn:
    """End the process as it stands, within `FLUSH_SECONDS`, whatever its threads and streams do."""
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
        flush_all()
    finally:
        os._exit(code)


def _flush_with_multiprocessing() -> None:
    """A process that multiprocessing has forked ends without what is registered with atexit. What is
    registered with multiprocessing itself is done, if that was after the fork; ours last, because others may
    have words to say."""
    process = sys.modules.get("multiprocessing.process")
    if process is not None and process.parent_process() is not None:
        sys.modules["multiprocessing.util"].Finalize(None, flush_all, exitpriority=_LAST)


_held = threading.local()
"""What the thread that forks lets go when it has."""


def _hold_still() -> None:
    """A lock of a stream or a logger that is held while a line is written is held in the child for ever."""
    deadline = time.monotonic() + FORK_SECONDS
    releases = [outlet.hold(max(0.0, deadline - time.monotonic())) for outlet in list(_outlets)]
    _held.releases = [release for release in releases if release is not None]


def _go_on() -> None:
    for release in _held.releases:
        release()
    _held.releases = []


def _begin_anew() -> None:
    """The child of a fork has none of the threads, and must not write a second time what its parent will."""
    _held.releases = []
    for outlet in list(_outlets):
        outlet._begin()


atexit.register(flush_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_hold_still, after_in_parent=_go_on, after_in_child=_begin_anew)
