"""I5: a workflow is written by the partition that its slot belongs to, and by no other."""

from __future__ import annotations

from collections.abc import Iterator

from dalsegno.broker.topology import slot_of
from dalsegno.persistence.port import JournalRow
from dalsegno.verification.finding import Invariant, Violation
from dalsegno.verification.rows import Head


class Ownership:
    def __init__(self, workflow_id: str, *, partitions: int) -> None:
        self._slot = slot_of(workflow_id)
        self._partition = self._slot % partitions

    def on_row(self, row: JournalRow) -> Iterator[Violation]:
        if row.partition != self._partition:
            text = f"it was written by partition {row.partition}; the workflow belongs to {self._partition}"
            yield Violation(Invariant.OWNERSHIP, row.sequence, text)

    def on_end(self, head: Head) -> Iterator[Violation]:
        if head.current is not None and head.is_current and head.current.slot != self._slot:
            text = f"its instance has slot {head.current.slot}; the workflow ID gives {self._slot}"
            yield Violation(Invariant.OWNERSHIP, None, text)
