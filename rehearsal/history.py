"""A run as one file: all that is stored of it, so that it can be looked at, and its code run again, elsewhere.

The file is JSON. `dalsegno_history` is the number of its format, and `checksum` that of what is in `history`,
however that is laid out: its row among the runs, the newest snapshot, and the journal that was kept, as blobs
of the stored format. Payloads are as they were stored, or replaced (`redaction`).
"""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path
from typing import Any, Self

import msgspec
from msgspec import Struct

from dalsegno.actors.workflow_actor.run.state import WorkflowState
from dalsegno.actors.workflow_actor.stored.codec import NewerStateError, UnloadableStateError
from dalsegno.actors.workflow_actor.stored.loading import load_state
from dalsegno.errors import ConfigurationError
from dalsegno.policies import WorkflowStatus

FORMAT = 1
MARK = b'"dalsegno_history"'
MARK_WITHIN = 200
"""Bytes from the beginning: what has the mark there is meant to be a history."""
UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What a file raises that is none any more."""


class UnusableHistoryError(ConfigurationError):
    """What was given is no history of a workflow, or is damaged, or was cut off."""


class NewerHistoryError(UnusableHistoryError):
    """A newer version of dalsegno has written it."""


class HistoryRow(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One activation. `events` is a blob of the stored format."""

    sequence: int
    time: int
    cause: str
    events: bytes


class HistorySnapshot(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The state after activation `sequence`."""

    sequence: int
    format: int
    checksum: bytes
    body: bytes


class _File(Struct):
    dalsegno_history: int
    checksum: str = ""
    history: msgspec.Raw = msgspec.Raw(b"")


class WorkflowHistory(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One run, open or closed, as it was when it was read; times are microseconds since 1970.

    `hash_seed` is that by which the sets of its hosts iterate; None: as in this process. `redacted`: what was
    replaced of its payloads. `is_whole`: its journal begins with the start; otherwise the snapshot
    stands for what was trimmed.
    """

    workflow_id: str
    run_id: str
    workflow_type: str
    task_queue: str
    status: WorkflowStatus
    reason: str | None
    started_at: int
    closed_at: int | None
    exported_at: int
    written_by: str
    hash_seed: int | None
    redacted: tuple[str, ...] = ()
    snapshot: HistorySnapshot | None
    journal: tuple[HistoryRow, ...]

    @property
    def is_whole(self) -> bool:
        return bool(self.journal) and self.journal[0].sequence == 1

    @classmethod
    def from_file(cls, path: str | Path) -> Self:
        """Raises UnusableHistoryError, NewerHistoryError, and OSError."""
        return cls.from_json(Path(path).read_bytes(), str(path))

    @classmethod
    def from_json(cls, text: str | bytes, name: str = "This") -> Self:
        """`name` is what errors call it. Raises UnusableHistoryError and NewerHistoryError."""
        data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
        if MARK not in data[:MARK_WITHIN]:
            raise UnusableHistoryError(
                f"{name} is no history of a workflow: give a file that `dalsegno workflow export` has written."
            )
        try:
            file = msgspec.json.decode(data, type=_File)
        except UNREADABLE as error:
            raise _damaged(name) from error
        if file.dalsegno_history > FORMAT:
            raise NewerHistoryError(
                f"{name} is a history of format {file.dalsegno_history}, and this version of dalsegno reads "
                f"them up to format {FORMAT}: use the version that has exported it, or a later one."
            )
        try:
            history = msgspec.json.decode(file.history, type=cls)
        except UNREADABLE as error:
            raise _damaged(name) from error
        if _checksum(history) != file.checksum:
            raise _damaged(name)
        return history

    def to_json(self) -> str:
        file = {"dalsegno_history": FORMAT, "checksum": _checksum(self), "history": self}
        return msgspec.json.format(msgspec.json.encode(file), indent=1).decode() + "\n"

    def to_file(self, path: str | Path) -> None:
        """Raises OSError."""
        Path(path).write_text(self.to_json(), encoding="utf-8")

    def state(self) -> WorkflowState:
        """Raises UnusableHistoryError and NewerHistoryError."""
        at = self.snapshot
        after = 0 if at is None else at.sequence
        try:
            return load_state(
                self.workflow_id,
                self.run_id,
                None if at is None else (at.sequence, at.format, at.checksum, at.body),
                [(self.run_id, r.sequence, r.time, r.events) for r in self.journal if r.sequence > after],
            )
        except NewerStateError as error:
            raise NewerHistoryError(
                f"The history of workflow {self.workflow_id!r} is newer: {error}."
            ) from error
        except UnloadableStateError as error:
            text = f"The history of workflow {self.workflow_id!r} leads to no state: {error}."
            raise UnusableHistoryError(text) from error


def _damaged(name: str) -> UnusableHistoryError:
    return UnusableHistoryError(
        f"{name} is a history that was cut off or changed: its checksum does not fit; export it again."
    )


def _checksum(history: Any) -> str:
    return blake2b(msgspec.json.encode(history), digest_size=16).hexdigest()
