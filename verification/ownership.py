"""I5: a workflow is written by the partition that its slot belongs to, and by no other."""

from __future__ import annotations

from collections.abc import Iterator

from dalsegno.broker.topology import slot_of
from dalsegno.persistence.port import JournalRow, Namespace
from dalsegno.verification.finding import Invariant, Violation
from dalsegno.verification.rows import Head


class Ownership:
    def __init__(self, workflow_id: str, namespace: Namespace) -> None:
        self._slot = slot_of(workflow_id)
        self._partition = namespace.partition_of(self._slot)

    def on_row(self, row: JournalRow) -> Iterator[Violation]:
        if row.partition != self._partition:
            own = self._partition.number
            text = f"it was written by partition {row.partition.number}; the workflow belongs to {own}"
            yield Violation(Invariant.OWNERSHIP, row.sequence, text)

    def on_end(self, head: Head) -> Iterator[Violation]:
        if head.current is not None and head.is_current and head.current.slot != self._slot:
            text = f"its instance has slot {head.current.slot}; the workflow ID gives {self._slot}"
            yield Violation(Invariant.OWNERSHIP, None, text)
