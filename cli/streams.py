"""Standard output and error of processes that outlive whoever reads them.

A terminal is closed, a pipe's reader goes or stands still, a disk is full: that is no reason for a host or a
worker to end or to wait, nor for the user code in it that prints. So what is written to either stream is handed
over to a thread, and dropped if the stream does not take it.
"""

from __future__ import annotations

import atexit
import io
import os
import select
import sys
from functools import partial

from dalsegno import _log
from dalsegno._outlet import Outlet, flush_all

STANDARD_OUTPUT, STANDARD_ERROR = 1, 2


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of it, however long that takes. For threads that have nothing else to do."""
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(descriptor, rest) :]
        except BlockingIOError:  # somebody who shares the stream has made it non-blocking
            select.select([], [descriptor], [])


class _HandedOver(io.RawIOBase):
    """A stream whose writes are an outlet's jobs."""

    def __init__(self, descriptor: int, outlet: Outlet) -> None:
        self._descriptor = descriptor
        self._outlet = outlet

    def writable(self) -> bool:
        return True

    def write(self, data: object, /) -> int:
        copy = bytes(data)  # type: ignore[call-overload]  # whatever has a buffer
        self._outlet.offer(partial(write_all, self._descriptor, copy))
        return len(copy)

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)


def outlive() -> None:
    """From now on no stream can end or hold up this process. What was printed is written before it ends, if the
    stream takes it."""
    output = Outlet(_log.say_dropped)
    sys.stdout = _text(_HandedOver(STANDARD_OUTPUT, output), sys.stdout)
    # The same outlet as the log's, which goes there too: lines keep their order.
    sys.stderr = _text(_HandedOver(STANDARD_ERROR, _log.outlet), sys.stderr)
    atexit.register(_flush_texts)


def _text(raw: io.RawIOBase, like: object) -> io.TextIOWrapper:
    encoding = getattr(like, "encoding", None) or "utf-8"
    # Line by line, so that no line is torn.
    return io.TextIOWrapper(raw, encoding, errors="backslashreplace", line_buffering=True)  # type: ignore[arg-type]


def _flush_texts() -> None:
    """What was printed without the end of its line, and then all that waits: a process that was forked from one
    with outlets has not registered that they are to be flushed."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    flush_all()
