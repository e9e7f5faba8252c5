"""I16 and I20: what is stored can be read and applied, as recovery does it, and the snapshot is what the
journal before it leads to."""

from __future__ import annotations

from collections.abc import Iterator

from dalsegno.actors.workflow_actor.run.apply import IllegalEventError, fold
from dalsegno.actors.workflow_actor.run.events import Record
from dalsegno.actors.workflow_actor.run.state import WorkflowState
from dalsegno.actors.workflow_actor.stored.codec import CODEC, NewerStateError, UnloadableStateError
from dalsegno.actors.workflow_actor.stored.loading import load_state
from dalsegno.persistence.port import JournalRow, SnapshotRow
from dalsegno.verification.finding import Invariant, Violation


class Replay:
    """`state` is that after the last row; None as long as it cannot be known: before the snapshot of a journal
    that was trimmed, and behind a row that cannot be applied until there is a snapshot again."""

    def __init__(self, workflow_id: str, run_id: str) -> None:
        self._workflow_id = workflow_id
        self._run_id = run_id
        self._begun = False
        self.state: WorkflowState | None = None

    def on_record(self, row: JournalRow, record: Record) -> Iterator[Violation]:
        if self._begun and self.state is not None and row.sequence != self.state.sequence + 1:
            self.state = None  # rows are missing, which others name
        begins = not self._begun and row.sequence == 1
        self._begun = True
        if self.state is None and not begins:
            return
        try:
            self.state = fold(self.state, record)
        except Exception as error:  # noqa: BLE001 - whatever a broken row does to the fold is a fault of the row
            self.state = None
            yield Violation(Invariant.REPLAY, row.sequence, f"the row cannot be applied: {_reason(error)}")

    def lost(self) -> None:
        """A row cannot be read."""
        self._begun = True
        self.state = None

    def on_snapshot(self, row: SnapshotRow, *, position: int) -> Iterator[Violation]:
        """`position` is the sequence of the last row. From here on the snapshot's state counts, as it does for
        recovery; one of an earlier time is only read."""
        try:
            stored = load_state(
                self._workflow_id, self._run_id, (row.sequence, row.format, row.checksum, row.body), ()
            )
        except UnloadableStateError as error:
            is_newer = isinstance(error, NewerStateError)
            yield Violation(Invariant.READABLE, row.sequence, error.reason, is_newer)
            return
        except Exception as error:  # noqa: BLE001 - as above
            yield Violation(Invariant.READABLE, row.sequence, f"the snapshot cannot be read: {_reason(error)}")
            return
        if row.sequence < position:
            return
        # As bytes: both are written by this version, and a float that does not equal itself harms nothing.
        folded = self.state if row.sequence == position else None
        if folded is not None and CODEC.encode_state(folded) != CODEC.encode_state(stored):
            yield Violation(Invariant.REPLAY, row.sequence, "the snapshot is not what the journal leads to")
        self.state = stored
        self._begun = True


def _reason(error: Exception) -> str:
    """Without payloads: texts of ours, and names of what is not."""
    if isinstance(error, IllegalEventError):
        return str(error)
    if isinstance(error, KeyError) and error.args and isinstance(error.args[0], int):
        return f"there is no {error.args[0]} that it speaks of"
    return type(error).__name__
