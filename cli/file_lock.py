"""Files whose lock says that somebody is at work, and waiting for whoever has it."""

from __future__ import annotations

import fcntl
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from dalsegno.cli.output import plain
from dalsegno.private_files import make_private


def take(path: Path, *, what: str) -> int:
    """Lock the file, which is made if it is missing, for this process; the descriptor, to be kept or closed.

    While another process has it, that is said, as of `what`, and waited for. The owner's process ID stands in
    the file, since it took it. OSError if the file cannot be used.
    """
    make_private(path)
    descriptor = os.open(path, os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print(f"{what}{_owner(descriptor)}: waiting until it ends ...", file=sys.stderr, flush=True)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    return descriptor


def sign(descriptor: int) -> None:
    """Write into a file that we have locked who we are."""
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)


def _owner(descriptor: int) -> str:
    pid = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
    since = datetime.fromtimestamp(os.fstat(descriptor).st_mtime, UTC).strftime("%Y-%m-%d %H:%M:%S")
    return f" (process {plain(pid)}, since {since} UTC)" if pid else ""
