"""One run's history, checked row by row as its pages come. Pure: it reads nothing by itself."""

from __future__ import annotations

from collections.abc import Iterable

from dalsegno.actors.workflow_actor.run.events import Record
from dalsegno.actors.workflow_actor.stored.codec import CODEC
from dalsegno.actors.workflow_actor.stored.formats import NewerBlobError, UnreadableError
from dalsegno.persistence.port import JournalRow, Namespace, SnapshotRow
from dalsegno.verification.activities import Resolutions
from dalsegno.verification.attributes import attributes
from dalsegno.verification.causes import Causes
from dalsegno.verification.continuity import Continuity
from dalsegno.verification.endings import Endings
from dalsegno.verification.finding import Invariant, Violation, Violations
from dalsegno.verification.identity import Identity
from dalsegno.verification.kinship import Kinship
from dalsegno.verification.leadership import Leadership
from dalsegno.verification.ownership import Ownership
from dalsegno.verification.recovery import Recovery
from dalsegno.verification.replay import Replay
from dalsegno.verification.rows import Head, Page
from dalsegno.verification.timers import Timers, wakes_in_time
from dalsegno.verification.used_ids import UsedIDs
from dalsegno.verification.visibility import visibility


class TrimmedMeanwhile(Exception):  # noqa: N818 - no error: the run has to be read anew
    """A host has trimmed the journal between two pages."""


class History:
    """Give it the run's pages in order, up to the one that is the last; then `violations` are all there are.

    `leadership` and `used` are of the whole namespace.
    """

    def __init__(self, head: Head, namespace: Namespace, leadership: Leadership, used: UsedIDs) -> None:
        self._violations = Violations()
        self._workflow_id = workflow_id = head.workflow_id
        self._leadership = leadership
        self._before: JournalRow | None = None
        self._continuity = Continuity()
        self._ownership = Ownership(workflow_id, namespace)
        self._recovery = Recovery()
        self._endings = Endings()
        self._causes = Causes(workflow_id, used)
        self._identity = Identity(workflow_id, used)
        self._kinship = Kinship(used)
        self._replay = Replay(workflow_id, head.run_id)
        self._activities = Resolutions(from_start=False)
        self._timers = Timers(from_start=False)
        self.rows = 0
        self.met_newer = False
        """Something in it is of a format above those that this version knows."""
        self.known_snapshot: int | None = None

    @property
    def position(self) -> int:
        """The sequence of the last row, -1 before the first."""
        return -1 if self._continuity.last is None else self._continuity.last

    @property
    def violations(self) -> list[Violation]:
        return self._violations.all()

    def add(self, page: Page) -> None:
        """Raises TrimmedMeanwhile, after which this history is of no use."""
        self._refuse_trimmed(page)
        snapshot = page.snapshot
        for row in page.rows:
            if snapshot is not None and snapshot.sequence < row.sequence:
                self._on_snapshot(snapshot)
                snapshot = None
            self._on_row(row)
        if snapshot is not None:
            self._on_snapshot(snapshot)
        if page.is_last:
            self._on_end(page.head)

    def _refuse_trimmed(self, page: Page) -> None:
        """What lies between two pages is missing: trimmed, when all before it is gone as well."""
        if not page.rows or self._before is None or self._continuity.follows(page.rows[0]):
            return
        if page.head.first_kept == page.rows[0].sequence:
            raise TrimmedMeanwhile

    def _found(self, violations: Iterable[Violation]) -> None:
        for violation in violations:
            self.met_newer = self.met_newer or violation.is_newer
            self._violations.add(violation)

    def _on_row(self, row: JournalRow) -> None:
        self.rows += 1
        if self._before is None:
            self._past(is_known=row.sequence == 1)
        elif not self._continuity.follows(row):
            self._past(is_known=False)
        self._found(self._continuity.on_row(row))
        self._found(self._ownership.on_row(row))
        self._found(self._leadership.on_row(row, self._before, workflow_id=self._workflow_id))
        self._recovery.on_row(row)
        self._before = row
        record = self._decoded(row)
        if record is None:
            self._past(is_known=False)
            self._replay.lost()
            return
        for check in (
            self._endings,
            self._causes,
            self._identity,
            self._kinship,
            self._activities,
            self._timers,
            self._replay,
        ):
            self._found(check.on_record(row, record))

    def _past(self, *, is_known: bool) -> None:
        """What activities and timers there are is known from here on, or all of it."""
        self._activities = Resolutions(from_start=is_known)
        self._timers = Timers(from_start=is_known)

    def _decoded(self, row: JournalRow) -> Record | None:
        try:
            record = CODEC.decode_record(row.events)
        except UnreadableError as error:
            text, is_newer = f"its events cannot be read: {error}", isinstance(error, NewerBlobError)
            self._found([Violation(Invariant.READABLE, row.sequence, text, is_newer)])
            return None
        if (record.sequence, record.time) != (row.sequence, row.time):
            text = f"its events are of sequence {record.sequence}, time {record.time}, the row's is {row.time}"
            self._found([Violation(Invariant.READABLE, row.sequence, text)])
            return None
        return record

    def _on_snapshot(self, snapshot: SnapshotRow) -> None:
        self.known_snapshot = snapshot.sequence
        self._found(self._replay.on_snapshot(snapshot, position=self.position))
        self._recovery.on_snapshot()

    def _on_end(self, head: Head) -> None:
        self._found(self._continuity.on_end(head))
        self._found(self._ownership.on_end(head))
        self._found(self._recovery.on_end(head))
        state = self._replay.state
        self._found(visibility(head, state))
        if state is not None:
            self._found(wakes_in_time(head, state))
            self._found(attributes(head, state))
