"""Fail-stop: what nobody expected ends the process.

An error that comes out of a callback of the engine, a thread of the supervisor or of the store, or a call to
the world may have left anything half done, and whoever goes on with that writes it down. A process that ends
has half done nothing: its messages return to their queues, its leases run out or are deleted by its parent, and
its successor begins with what is durable. Nothing is written, sent or acknowledged on the way out.

Contained, on purpose, is what harms one instance alone: user code, and an actor's own defect (see `crashes`).
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, NoReturn, TypeVarTuple

from dalsegno._log import get_logger
from dalsegno._outlet import exit_now

Ts = TypeVarTuple("Ts")

log = get_logger("dalsegno.host")

DEFECT = 70
"""The exit code of a process that met a defect of its own machinery: EX_SOFTWARE of sysexits."""

Escaped = Callable[[BaseException], object]
"""Told of an error that nobody contains; does not return, but in tests. Safe from any thread."""


def end_process(error: BaseException) -> NoReturn:
    """The reason is said if the log takes it; the end comes all the same."""
    try:
        log.critical("process_ends_by_defect", reason=repr(error), exit_code=DEFECT, exc_info=error)
        exit_now(DEFECT)
    finally:
        os._exit(DEFECT)


def contained(escaped: Escaped, callback: Callable[[*Ts], object], *args: *Ts) -> None:
    """Call it, where the caller would go on whatever it raises."""
    try:
        callback(*args)
    except BaseException as error:
        escaped(error)
        raise


def guarded(escaped: Escaped, callback: Callable[[*Ts], object]) -> Callable[[*Ts], None]:
    """A callback for such a caller."""

    def call(*args: *Ts) -> None:
        try:  # as `contained`, without one call more for each message
            callback(*args)
        except BaseException as error:
            escaped(error)
            raise

    return call


def watch_loop(loop: asyncio.AbstractEventLoop, escaped: Escaped) -> None:
    """Errors that a loop only tells of: those of ours escape. Those in which no code of ours took part are the
    library's own, on the ruins of a connection whose end we hear of in another way; and what the tasks of a
    user's activity come to is its own affair."""

    def on_error(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if error is not None and _is_ours(error):
            escaped(error)
        else:
            log.debug("loop_error", reason=context.get("message"), error=repr(error))

    loop.set_exception_handler(on_error)


_CALLERS = frozenset(("asyncio", "uvloop", "aio_pika", "aiormq", "concurrent", "threading"))
"""Who calls us back."""


def _is_ours(error: BaseException) -> bool:
    """From the outside inwards, code of ours comes before any of a user's. Memory that has run out need not
    have reached it."""
    packages = _packages(error.__traceback__)
    package = next((name for name in packages if name not in _CALLERS), None)
    return package == "dalsegno" or (package is None and isinstance(error, MemoryError))


def _packages(trace: TracebackType | None) -> Iterator[str]:
    while trace is not None:
        yield str(trace.tb_frame.f_globals.get("__name__", "")).partition(".")[0]
        trace = trace.tb_next
