"""I18: what recovery has to read behind the newest snapshot stays short.

A snapshot is due when the journal behind the last one has 64 rows and is as large as that one. It can be left
out once (a run that ends as its successor begins, in one round), so that only twice that is too much.
"""

from __future__ import annotations

from collections.abc import Iterator

from dalsegno.actors.workflow_actor.stored.snapshots import ACTIVATIONS_MIN
from dalsegno.persistence.port import JournalRow
from dalsegno.verification.finding import Invariant, Violation
from dalsegno.verification.rows import Head

ROWS = 2 * ACTIVATIONS_MIN


class Recovery:
    def __init__(self) -> None:
        self._rows = 0
        self._bytes = 0

    def on_row(self, row: JournalRow) -> None:
        self._rows += 1
        self._bytes += len(row.events)

    def on_snapshot(self) -> None:
        """What comes now lies behind it."""
        self._rows = self._bytes = 0

    def on_end(self, head: Head) -> Iterator[Violation]:
        size = head.snapshot_bytes or 0
        if self._rows >= ROWS and self._bytes >= 2 * size:
            behind = "no snapshot" if head.snapshot_sequence is None else f"the snapshot of {size} bytes"
            text = (
                f"behind {behind} lie {self._rows} journal rows of {self._bytes} bytes: a snapshot is overdue"
            )
            yield Violation(Invariant.RECOVERY, None, text)
