"""Files that hold what workflows carry are for their owner alone, whatever the umask is.

SQLite gives the files that it makes beside a database the mode of the database.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path

from dalsegno._log import get_logger

log = get_logger()

BESIDE = ("", "-wal", "-shm", "-journal")
"""What SQLite may have beside a file, by the ends of the names."""
OF_OTHERS = 0o077


def make_private(path: Path) -> None:
    """See to it that the file is there, and that only its owner may use it and what SQLite keeps beside it.

    Files that others may use, as earlier versions made them, are mended; those that belong to somebody else are
    named in the log. OSError if it cannot be made.
    """
    try:
        # Never opened if it is there: closing it would give up the locks that SQLite has on it in this process.
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        withdraw(path)
        return
    try:
        os.fchmod(descriptor, 0o600)  # the umask may have taken more than the rights of others
    finally:
        os.close(descriptor)


def withdraw(path: Path) -> None:
    """As `make_private`, for a file that may be missing."""
    for end in BESIDE:
        _withdraw(path.with_name(f"{path.name}{end}"))


def make_private_folder(folder: Path, ours: Iterable[str]) -> None:
    """Make `folder`, with those above it, so that only its owner may enter it.

    One that is there is mended if it has only files whose names begin like one of `ours`: others may have their
    own reasons to enter a folder that was not made for us. OSError if it cannot be made.
    """
    try:
        if not folder.parent.exists():
            folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700)
    except FileExistsError:
        if not folder.is_dir():
            raise
        beginnings = tuple(ours)
        names = [entry.name for entry in folder.iterdir()] if os.access(folder, os.R_OK) else [""]
        if names and all(name.startswith(beginnings) for name in names):
            _withdraw(folder)
    else:
        folder.chmod(0o700)


def _withdraw(path: Path) -> None:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & OF_OTHERS:
            path.chmod(mode & ~OF_OTHERS)
    except FileNotFoundError:
        return
    except PermissionError:
        log.warning("file_not_private", path=str(path), hint="its owner should say: chmod go= on it")
