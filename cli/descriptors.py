"""The descriptors that every process begins with, whoever started it. Looked at before anything is loaded."""

from __future__ import annotations

import os


def open_missing() -> None:
    """Descriptors 0 to 2 that were closed when we were started would be given to the next file or socket, and a
    line meant for people would be written into a database."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
