"""When a snapshot is due: at a sign, behind what not all can read, and otherwise when the journal behind the
last one has grown as large as that is (and not before 64 activations), so that what is written stays linear.

One of a large state is made over several activations, a portion by each, so that none takes long. It is
written with the last of them, and is of the state after the first: the journal behind that is still needed."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b

from dalsegno.actors.workflow_actor.run.state import WorkflowState
from dalsegno.actors.workflow_actor.stored.codec import StoredCodec
from dalsegno.persistence.port import SnapshotRow

ACTIVATIONS_MIN = 64

LARGE = 1_000
"""Entries of a state's maps and of its log: one that has more is large."""

PORTION_BYTES = 128 * 1024
"""Some 6 ms."""


class SnapshotSchedule:
    """Counts the journal rows of one run since its last snapshot. `history_limit`: rows a run keeps."""

    __slots__ = ("_begun", "_bytes", "_history_limit", "_rows", "_size")

    def __init__(self, history_limit: int, *, size: int = 0) -> None:
        self._history_limit = history_limit
        self._rows = 0
        self._bytes = 0
        self._size = size
        self._begun: _Begun | None = None

    def row_written(self, size: int) -> None:
        self._rows += 1
        self._bytes += size

    def snapshot_if_due(self, state: WorkflowState, codec: StoredCodec, *, at_once: bool) -> SnapshotRow | None:
        """To be asked after each row; a snapshot that is returned counts as written. `at_once`: whatever the
        journal, and whole."""
        begun = None if at_once else self._begun
        if begun is None:
            grown = self._rows >= ACTIVATIONS_MIN and self._bytes >= self._size
            if not (at_once or grown):
                return None
            # The newest row stays: it tells the time and the number of what can no longer be read.
            trim_to = max(0, state.sequence - max(1, self._history_limit))
            self._begun = begun = _Begun(state, codec, trim_to=trim_to)
            self._rows = self._bytes = 0
        due = begun.go_on(whole=at_once or not _is_large(begun.state))
        if due is not None:
            self._begun = None
            self._size = len(due.body)
        return due


class _Begun:
    """A snapshot in the making."""

    __slots__ = ("_codec", "_made", "_pieces", "_trim_to", "state")

    def __init__(self, state: WorkflowState, codec: StoredCodec, *, trim_to: int) -> None:
        self.state = state
        self._codec = codec
        self._trim_to = trim_to
        self._pieces: Iterator[bytes] | None = None
        self._made: list[bytes] = []

    def go_on(self, *, whole: bool) -> SnapshotRow | None:
        """By a portion, or to the end; None before that."""
        if whole:
            return snapshot_of(self.state, self._codec, trim_to=self._trim_to)
        if self._pieces is None:
            self._pieces = self._codec.state_in_pieces(self.state)
        size = 0
        for piece in self._pieces:
            self._made.append(piece)
            size += len(piece)
            if size >= PORTION_BYTES:
                return None
        return _row(self.state, b"".join(self._made), self._codec.writes, trim_to=self._trim_to)


def _is_large(state: WorkflowState) -> bool:
    """So that it takes long to be made bytes of."""
    size = len(state.activities) + len(state.timers) + len(state.outstanding) + len(state.earlier)
    return size + len(state.local_activities) + len(state.log) > LARGE


def snapshot_of(state: WorkflowState, codec: StoredCodec, *, trim_to: int) -> SnapshotRow:
    return _row(state, codec.encode_state(state), codec.writes, trim_to=trim_to)


def _row(state: WorkflowState, body: bytes, format_: int, *, trim_to: int) -> SnapshotRow:
    run_id, sequence = state.info.run_id, state.sequence
    return SnapshotRow(
        run_id=run_id,
        sequence=sequence,
        format=format_,
        checksum=checksum(body, run_id, sequence),
        body=body,
        trim_to=trim_to,
    )


def checksum(body: bytes, run_id: str, sequence: int) -> bytes:
    """Of a snapshot; bound to its place, so that a row in the wrong place is found out, too."""
    digest = blake2b(b"%s\0%d\0" % (run_id.encode(), sequence), digest_size=16)
    digest.update(body)
    return digest.digest()
