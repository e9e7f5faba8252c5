"""Signals for a plain blocking loop: requests to stop are counted, and waiting is cut short by any signal."""

from __future__ import annotations

import os
import select
import signal
from types import FrameType
from typing import Any, Self

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Signals:
    """Handles signals while it is entered; for the main thread. `stop_requests` counts what asked to stop."""

    def __init__(self) -> None:
        self.stop_requests = 0
        self._previous: dict[signal.Signals, Any] = {}
        self._waker = -1

    def __enter__(self) -> Self:
        self._readable, self._writable = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._waker = signal.set_wakeup_fd(self._writable, warn_on_full_buffer=False)
        for number in (*STOP_SIGNALS, signal.SIGCHLD):
            if signal.getsignal(number) is not signal.SIG_IGN:  # nohup asks to ignore SIGHUP
                self._previous[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._waker)
        os.close(self._readable)
        os.close(self._writable)

    def wait(self, seconds: float) -> None:
        """Until a signal comes (a child's death is one too), at most that long."""
        if select.select([self._readable], [], [], max(0.0, seconds))[0]:
            os.read(self._readable, 4096)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if number in STOP_SIGNALS:
            self.stop_requests += 1
