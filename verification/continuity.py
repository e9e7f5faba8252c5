"""I4 and I19: no gap and no double, from the beginning or from behind a snapshot, up to the instance's row."""

from __future__ import annotations

from collections.abc import Iterator

from dalsegno.persistence.port import JournalRow
from dalsegno.verification.finding import Invariant, Violation
from dalsegno.verification.rows import Head


class Continuity:
    def __init__(self) -> None:
        self.first: int | None = None
        self.last: int | None = None
        self._time = 0

    def follows(self, row: JournalRow) -> bool:
        """Whether `row` is the next one; to be asked before `on_row`."""
        return self.last is None or row.sequence == self.last + 1

    def on_row(self, row: JournalRow) -> Iterator[Violation]:
        if self.first is None or self.last is None:
            self.first = row.sequence
            if row.sequence < 1:
                yield Violation(Invariant.SEQUENCE, row.sequence, "sequences begin with 1")
        elif row.sequence != self.last + 1:
            missing = f"{self.last + 1}" + (f" to {row.sequence - 1}" if row.sequence > self.last + 2 else "")
            yield Violation(Invariant.SEQUENCE, row.sequence, f"the journal lacks {missing} before it")
        if row.time < self._time:
            yield Violation(Invariant.SEQUENCE, row.sequence, "it has an earlier time than the row before it")
        self.last, self._time = row.sequence, row.time

    def on_end(self, head: Head) -> Iterator[Violation]:
        yield from self._trimming(head.snapshot_sequence)
        end = head.snapshot_sequence if self.last is None else self.last
        current = head.current
        if current is not None and head.is_current and end is not None and current.sequence != end:
            text = f"the instance stands at {current.sequence}, what is stored of its run ends with {end}"
            yield Violation(Invariant.SEQUENCE, None, text)

    def _trimming(self, snapshot: int | None) -> Iterator[Violation]:
        if self.first is None or self.last is None:
            if snapshot is None:
                yield Violation(Invariant.TRIMMING, None, "there is neither a journal nor a snapshot")
            return
        if self.first > 1 and (snapshot is None or snapshot < self.first - 1):
            covers = "there is no snapshot" if snapshot is None else f"the snapshot ends with {snapshot}"
            text = f"the journal begins here, and {covers}: what lies between is lost"
            yield Violation(Invariant.TRIMMING, self.first, text)
        if snapshot is not None and snapshot > self.last:
            text = f"the journal ends here, before its snapshot at {snapshot}"
            yield Violation(Invariant.TRIMMING, self.last, text)
