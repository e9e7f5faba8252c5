"""Code of users that is run here has a time. Code that never yields cannot be left by an error, which it might
catch: the process ends."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn


@contextmanager
def bounded(
    seconds: float, loops: Callable[[str], NoReturn], interrupted: Callable[[], NoReturn]
) -> Iterator[None]:
    """On the main thread. After `seconds` `loops` is called with where the code is (", at FILE:LINE", or "");
    with Ctrl-C `interrupted`, for that would be taken for a bug of the code. Both end the process."""

    def on_alarm(_signal: int, frame: FrameType | None) -> None:
        loops("" if frame is None else f", at {frame.f_code.co_filename}:{frame.f_lineno}")

    def on_interrupt(_signal: int, _frame: FrameType | None) -> None:
        interrupted()

    before = signal.signal(signal.SIGALRM, on_alarm), signal.signal(signal.SIGINT, on_interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before[0])
        signal.signal(signal.SIGINT, before[1])
