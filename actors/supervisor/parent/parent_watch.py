"""A child whose parent is gone ends, whatever its loop does: others are started elsewhere, with newer code."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import NoReturn

from dalsegno._log import get_logger
from dalsegno._outlet import exit_now

log = get_logger("dalsegno.host")

LOOK_SECONDS = 1.0
GRACE_SECONDS = 15.0
"""For the child to end by itself: its loop looks at its parent, too, and closes what it has open."""
ORPHANED = 71
"""The exit code of a child that did not end by itself."""


def _end() -> NoReturn:
    log.error("orphan_ends", exit_code=ORPHANED)
    exit_now(ORPHANED)


def watch(
    parent_pid: int,
    *,
    look_seconds: float = LOOK_SECONDS,
    grace_seconds: float = GRACE_SECONDS,
    end: Callable[[], object] = _end,
) -> None:
    """From now on, by a thread of its own: while modules are imported, while the database is waited for, while
    user code keeps the loop. Not while code keeps the interpreter itself."""
    never = threading.Event()

    def look() -> None:
        while os.getppid() == parent_pid:
            never.wait(look_seconds)
        never.wait(grace_seconds)
        end()

    threading.Thread(target=look, name="parent-watch", daemon=True).start()
