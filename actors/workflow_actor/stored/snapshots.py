"""When a snapshot is due: at a sign, and otherwise when the journal behind the last one has grown as large as
that one is (and not before 64 activations), so that what is written stays linear."""

from __future__ import annotations

from hashlib import blake2b

from dalsegno.actors.workflow_actor.run.state import WorkflowState
from dalsegno.actors.workflow_actor.stored.codec import StoredCodec
from dalsegno.persistence.port import SnapshotRow

ACTIVATIONS_MIN = 64


class SnapshotSchedule:
    """Counts the journal rows of one run since its last snapshot. `history_limit`: rows a run keeps."""

    __slots__ = ("_bytes", "_history_limit", "_rows", "_size")

    def __init__(self, history_limit: int, *, size: int = 0) -> None:
        self._history_limit = history_limit
        self._rows = 0
        self._bytes = 0
        self._size = size

    def row_written(self, size: int) -> None:
        self._rows += 1
        self._bytes += size

    def snapshot_if_due(self, state: WorkflowState, codec: StoredCodec, *, signed: bool) -> SnapshotRow | None:
        """To be asked after each row; a snapshot that is returned counts as written."""
        grown = self._rows >= ACTIVATIONS_MIN and self._bytes >= self._size
        if not (signed or grown):
            return None
        # The newest row stays: it tells the time and the number of what can no longer be read.
        due = snapshot_of(state, codec, trim_to=max(0, state.sequence - max(1, self._history_limit)))
        self._rows = self._bytes = 0
        self._size = len(due.body)
        return due


def snapshot_of(state: WorkflowState, codec: StoredCodec, *, trim_to: int) -> SnapshotRow:
    body = codec.encode_state(state)
    run_id, sequence = state.info.run_id, state.sequence
    return SnapshotRow(
        run_id=run_id,
        sequence=sequence,
        format=codec.writes,
        checksum=checksum(body, run_id, sequence),
        body=body,
        trim_to=trim_to,
    )


def checksum(body: bytes, run_id: str, sequence: int) -> bytes:
    """Of a snapshot; bound to its place, so that a row in the wrong place is found out, too."""
    digest = blake2b(b"%s\0%d\0" % (run_id.encode(), sequence), digest_size=16)
    digest.update(body)
    return digest.digest()
