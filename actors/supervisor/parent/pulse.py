"""The pulse: what a child's loop shows its parent process through a page of shared memory.

The child's loop counts beats, and marks whose user code it is about to step; the parent reads both, also after
the child has died. The parent makes the page (a file without a name, so that nothing is left behind whoever is
killed) and lets the child inherit it; the child opens it by the path that it is given.

Exactly one thread writes: that of the child's loop. Counters and flags are single machine words. Texts are
written under a sequence number that is odd meanwhile, and a reader that meets an odd or changed number reads
again (a seqlock). No write blocks or fails, and entering and leaving user code together cost well below 1 µs.
"""

from __future__ import annotations

import mmap
import os
import struct
import sys
import tempfile
from pathlib import Path
from typing import Self

from msgspec import Struct

from dalsegno.errors import ConfigurationError

SIZE = 4096

_WORDS = 64
"""The first bytes are machine words: [0] the sequence of the texts, [1] beats, [2] not 0 while in user code."""
_SEQUENCE, _BEATS, _IN_USER_CODE = range(3)
_MARK = struct.Struct("=II256s1024s")
"""Lengths and texts. A text that is longer than its field is cut by the field, and so by its reader."""
_MARK_AT = _WORDS
_HOST = struct.Struct("=I256s")
_HOST_AT = _MARK_AT + _MARK.size
_CODE = struct.Struct("=I256s")
_CODE_AT = _HOST_AT + _HOST.size
_TEXTS_END = _CODE_AT + _CODE.size

_READS = 1000
"""A writer needs less than a microsecond, so this only runs out if it was stopped or killed in between."""


class Pulse(Struct, frozen=True):
    """One reading. `run_id` and `cause` are those of the user code that is, or was last, being stepped."""

    beats: int
    in_user_code: bool
    run_id: str = ""
    cause: str = ""
    host_id: str = ""
    code: str = ""
    """The fingerprint of its definition."""


class PulseWriter:
    """The child's side; it is a `Watch` for workflow actors. All methods are for the loop's thread."""

    __slots__ = ("_code", "_page", "_view", "_words")

    def __init__(self, page: mmap.mmap) -> None:
        self._code = ""
        self._page = page
        self._view = memoryview(page)
        self._words = self._view[:_WORDS].cast("Q")

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """Open the page that the parent made. ConfigurationError if there is none at `path`."""
        try:
            with Path(path).open("r+b") as file:
                return cls(mmap.mmap(file.fileno(), SIZE))
        except (OSError, ValueError) as error:
            raise ConfigurationError(
                f"{path} is not the pulse file of a parent process: {error}. Start hosts with `dalsegno host`."
            ) from error

    @classmethod
    def unread(cls) -> Self:
        """A page that nobody reads, for a host without a parent."""
        return cls(mmap.mmap(-1, SIZE))

    def beat(self) -> None:
        """The loop is alive: called by a timer of the loop about four times a second, and at each round."""
        self._words[_BEATS] += 1

    def enter(self, run_id: str, cause: str, code: str) -> None:
        """User code of this run is about to be stepped for `cause`; a strike counts against `code`. Of longer
        texts the beginning is kept: 256, 1,024 and 256 bytes of UTF-8."""
        run, why = run_id.encode(), cause.encode()
        words = self._words
        words[_SEQUENCE] += 1
        _MARK.pack_into(self._view, _MARK_AT, len(run), len(why), run, why)
        if code != self._code:
            self._code, fingerprint = code, code.encode()
            _CODE.pack_into(self._view, _CODE_AT, len(fingerprint), fingerprint)
        words[_IN_USER_CODE] = 1
        words[_SEQUENCE] += 1

    def leave(self) -> None:
        """User code has yielded."""
        self._words[_IN_USER_CODE] = 0

    def name(self, host_id: str) -> None:
        """Under which ID this host has joined: the parent expires that one when it finds the child dead."""
        host = host_id.encode()
        self._words[_SEQUENCE] += 1
        _HOST.pack_into(self._view, _HOST_AT, len(host), host)
        self._words[_SEQUENCE] += 1

    def close(self) -> None:
        self._words.release()
        self._view.release()
        self._page.close()


class PulseReader:
    """The parent's side: makes the page and reads it. `path` is for the child, which has to inherit `fd`."""

    def __init__(self, host_id: str = "") -> None:
        self.fd = _nameless_file()
        self.path = f"/dev/fd/{self.fd}"
        os.ftruncate(self.fd, SIZE)
        self._page = mmap.mmap(self.fd, SIZE)
        writer = PulseWriter(mmap.mmap(self.fd, SIZE))
        writer.name(host_id)
        writer.close()

    def read(self) -> Pulse:
        """What the child shows now. If it was stopped while it wrote, the texts are empty and no user code is
        said to run; the beats hold in any case."""
        for _ in range(_READS):
            words = memoryview(self._page[:_WORDS]).cast("Q")
            texts = self._page[_MARK_AT:_TEXTS_END]
            sequence = memoryview(self._page[:_WORDS]).cast("Q")[_SEQUENCE]
            if words[_SEQUENCE] == sequence and sequence % 2 == 0:
                return _pulse(words[_BEATS], bool(words[_IN_USER_CODE]), texts)
        return Pulse(words[_BEATS], in_user_code=False)

    def close(self) -> None:
        """Let go of the page; the child's own mapping stays. Closing twice is safe."""
        if not self._page.closed:
            self._page.close()
            os.close(self.fd)


def _pulse(beats: int, in_user_code: bool, texts: bytes) -> Pulse:
    run_length, cause_length, run, cause = _MARK.unpack_from(texts)
    host_length, host = _HOST.unpack_from(texts, _HOST_AT - _MARK_AT)
    code_length, code = _CODE.unpack_from(texts, _CODE_AT - _MARK_AT)
    return Pulse(
        beats,
        in_user_code=in_user_code,
        run_id=_text(run[:run_length]),
        cause=_text(cause[:cause_length]),
        host_id=_text(host[:host_length]),
        code=_text(code[:code_length]),
    )


def _text(raw: bytes) -> str:
    """What was cut in the middle of a character loses that character."""
    return raw.decode(errors="ignore")


def _nameless_file() -> int:
    """Memory rather than a disk where there is the choice: the loop must never wait for a write-back."""
    if sys.platform == "linux":
        return os.memfd_create("dalsegno-pulse")
    else:  # noqa: RET505 - mypy knows platforms by their branches
        with tempfile.TemporaryFile() as file:
            return os.dup(file.fileno())
