"""Where workflow code is stuck: the child writes its Python stack behind its pulse when its parent asks for it
by a signal, even while code holds the interpreter, and the parent reads it before it kills the child."""

from __future__ import annotations

import faulthandler
import os
import re
import signal
import sysconfig
import time
from pathlib import Path

from dalsegno.actors.supervisor.parent.pulse import SIZE

ASK = signal.SIGUSR1
WAIT_SECONDS = 0.3
"""A stack is written within a millisecond by a process that gets any CPU."""
_LOOK_SECONDS = 0.01
_LIMIT = 65_536

_FRAME = re.compile(r'^  File "(?P<file>.+)", line (?P<line>\d+) in (?P<function>.+)$', re.MULTILINE)
_STDLIB = sysconfig.get_path("stdlib")


def answer_on(pulse_path: str) -> None:
    """The child's side, for the rest of its life. The signal's handler runs no Python."""
    fd = os.open(pulse_path, os.O_RDWR | os.O_CLOEXEC)
    os.lseek(fd, SIZE, os.SEEK_SET)
    faulthandler.register(ASK, file=fd, all_threads=False)


def ask(pid: int, fd: int) -> str:
    """The parent's side: the stack of the child's main thread, innermost frame first; "" if none came in time.
    A child that does not answer to the signal dies of it: this is only for one that is about to be killed."""
    before = os.fstat(fd).st_size
    os.kill(pid, ASK)
    until = time.monotonic() + WAIT_SECONDS
    size = before
    while time.monotonic() < until:
        time.sleep(_LOOK_SECONDS)
        last, size = size, os.fstat(fd).st_size
        if size == last > before:
            break
    return os.pread(fd, _LIMIT, before).decode(errors="replace")


def innermost(stack: str) -> str | None:
    """The innermost frame that is neither Python's nor ours, for people; else the innermost of all."""
    frames = list(_FRAME.finditer(stack))
    users = (frame for frame in frames if not _is_foreign(frame["file"]))
    frame = next(users, frames[0] if frames else None)
    return None if frame is None else f"{frame['file']}:{frame['line']} in {frame['function']}"


def _is_foreign(file: str) -> bool:
    if file.startswith("<"):
        return True
    parts = Path(file).parts
    return "dalsegno" in parts or (file.startswith(_STDLIB) and "site-packages" not in parts)
