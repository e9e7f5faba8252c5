"""A payload store of files, for one machine, or a file system that all share."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from dalsegno import given

_KEY = re.compile(r"[0-9a-f]{64}")
ASIDE = ".aside"
"""Behind the key of what is about to be deleted, if it is not put again at that moment."""


class FolderPayloadStore:
    """`path` is there, or is made, and belongs to one namespace. A file has its key for its name, in one of 256
    folders, and its time of change is when it was last put."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        if not isinstance(path, str | os.PathLike) or not os.fspath(path):
            raise given.wrong_type("path", path, "the path of a folder")
        self._path = Path(path).absolute()

    def put(self, key: str, data: bytes, /) -> None:
        file = self._file(key)
        with suppress(FileNotFoundError):
            if file.read_bytes() == data:
                os.utime(file)
                return
        is_first = not file.parent.is_dir()
        file.parent.mkdir(parents=True, exist_ok=True)
        # Whole and durable before it has its name: whoever finds it finds all of it, also after a power cut.
        part = file.with_name(f"{key}.{uuid4().hex}.part")
        try:
            with part.open("xb") as writing:
                writing.write(data)
                writing.flush()
                os.fsync(writing.fileno())
            part.replace(file)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        _make_durable(file.parent)
        if is_first:
            _make_durable(self._path)

    def get(self, key: str, /) -> bytes | None:
        file = self._file(key)
        for place in (file, _aside(file), file):  # it may come back while we look
            with suppress(FileNotFoundError):
                return place.read_bytes()
        if not self._path.is_dir():  # not mounted, more likely than lost
            raise FileNotFoundError(f"There is no folder {self._path}.")
        return None

    def delete(self, keys: Sequence[str], before: float, /) -> None:
        for key in keys:
            file = self._file(key)
            with suppress(FileNotFoundError):
                if file.stat().st_mtime >= before:
                    continue
                # Whoever puts the same just now has made it new before it is aside, which is seen there, or
                # does not find it any more, and writes it.
                aside = file.replace(_aside(file))
                if aside.stat().st_mtime < before:
                    aside.unlink()
                else:
                    aside.replace(file)

    def keys(self, before: float, /) -> Iterator[str]:
        """What somebody died of writing is removed on the way, and what he died of deleting is brought back."""
        for folder in sorted(self._path.iterdir()) if self._path.is_dir() else ():
            if not re.fullmatch("[0-9a-f]{2}", folder.name):
                continue
            for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
                with suppress(FileNotFoundError):
                    if entry.stat().st_mtime >= before:
                        continue
                    if _KEY.fullmatch(entry.name):
                        yield entry.name
                    elif entry.name.endswith(".part"):
                        Path(entry.path).unlink()
                    elif entry.name.endswith(ASIDE):
                        os.utime(entry.path)  # somebody may put the same: it is not to become old by this
                        Path(entry.path).replace(entry.path.removesuffix(ASIDE))

    def _file(self, key: str) -> Path:
        if not _KEY.fullmatch(key):
            raise ValueError(f"A key of a payload store has 64 hexadecimal digits, unlike {given.shown(key)}.")
        return self._path / key[:2] / key

    def __repr__(self) -> str:
        return f"FolderPayloadStore({str(self._path)!r})"


def _aside(file: Path) -> Path:
    return file.with_name(file.name + ASIDE)


def _make_durable(folder: Path) -> None:
    """That the file has its name there."""
    if os.name != "posix":
        return
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
