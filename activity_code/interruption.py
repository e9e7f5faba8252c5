"""CanceledError, raised in the thread of a sync activity that wants it so, wherever its code stands."""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from dalsegno.errors import CanceledError

_raise_in = ctypes.pythonapi.PyThreadState_SetAsyncExc


class Interruption:
    """Of one attempt. Once, while its code runs, and not inside `shielded`.

    The interpreter raises it between two steps of Python code: what waits in C (a socket, a lock, `time.sleep`)
    comes back first.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread: int | None = None
        self._shields = 0
        self._is_asked = False
        self._is_raised = False

    @contextmanager
    def reaches(self) -> Iterator[None]:
        """In the activity's thread, around its code."""
        with self._lock:
            self._thread = threading.get_ident()
            self._maybe_raise()
        try:
            yield
        finally:
            self._ends()

    def _ends(self) -> None:
        """What was not raised by now must not reach whatever the thread does next. It is let out here, not
        taken back: CPython goes on looking for one that was, at each step of each thread, for as long as the
        process lives, and 3.11 comes to a standstill where it is traced or profiled meanwhile."""
        try:
            with self._lock:
                self._thread = None
            if self._is_raised:
                for _ in range(2):
                    time.monotonic()  # the interpreter raises it after a call
        except CanceledError:
            return

    @contextmanager
    def shielded(self) -> Iterator[None]:
        """In the activity's thread: it is raised at the end, if it was asked for meanwhile."""
        with self._lock:
            self._shields += 1
        try:
            yield
        finally:
            with self._lock:
                self._shields -= 1
                self._maybe_raise()

    def ask(self) -> None:
        """In any thread. Twice is ordinary."""
        with self._lock:
            self._is_asked = True
            self._maybe_raise()

    def _maybe_raise(self) -> None:
        if self._is_asked and not self._is_raised and not self._shields and self._thread is not None:
            self._is_raised = True
            _raise_in(ctypes.c_ulong(self._thread), ctypes.py_object(CanceledError))
