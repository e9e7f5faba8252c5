"""A stored namespace, checked from end to end while its hosts go on.

    runs       in the order of workflow IDs, each with its journal, snapshot, and the row of its instance
    instances  each names a run of its own workflow ID
    journal, snapshots    none is of a run that has no row
    leases     at last: no row is of an epoch that a lease has not reached

Whatever looks wrong is read again before it is reported.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing

from msgspec import Struct

from dalsegno.actors.supervisor.settings import SEEN_RETENTION_SECONDS
from dalsegno.actors.workflow_actor.stored.codec import CODEC
from dalsegno.broker.topology import slot_of
from dalsegno.errors import ConfigurationError
from dalsegno.persistence.port import Namespace
from dalsegno.verification.finding import Finding, Invariant, Violation
from dalsegno.verification.history import History, TrimmedMeanwhile
from dalsegno.verification.leadership import Leadership
from dalsegno.verification.reader import AuditReader, InstanceLink, Place
from dalsegno.verification.rows import Head, Page
from dalsegno.verification.used_ids import UsedIDs

READINGS = 3
"""How often a run is begun anew whose journal is trimmed while it is read."""


class Scope(Struct, frozen=True, kw_only=True):
    """What to check; all of it by default. `since`: runs that were open then or later, in microseconds."""

    since: int | None = None
    workflow_id: str | None = None
    run_id: str | None = None
    seen_retention_seconds: float = SEEN_RETENTION_SECONDS
    """As the hosts have it: after this time a client may use a message ID anew."""

    @property
    def is_everything(self) -> bool:
        return self.workflow_id is None and self.run_id is None

    def has(self, head: Head) -> bool:
        return self.since is None or head.closed_at is None or head.closed_at >= self.since


class Progress(Struct):
    """How far it is. `at`: the workflow or run ID that was reached in `part`."""

    part: str = "runs"
    at: str = ""
    runs: int = 0
    rows: int = 0


class Summary(Struct, frozen=True, kw_only=True):
    """`unread`: runs whose journals were trimmed faster than they could be read. `newer`: runs in which a newer
    version has written, which this one does not read."""

    runs: int
    rows: int
    findings: dict[str, int]
    unread: int
    newer: int
    seconds: float

    @property
    def is_sound(self) -> bool:
        return not self.findings


def verify(
    reader: AuditReader,
    scope: Scope,
    *,
    on_finding: Callable[[Finding], None],
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> Summary:
    """Findings are told as they are made. Raises what `reader` raises, and ConfigurationError when the run or
    workflow that `scope` names is not there."""
    began = time.monotonic()
    counts: Counter[str] = Counter()
    with closing(UsedIDs(remembered=int(scope.seen_retention_seconds * 1_000_000))) as used:
        checking = _Checking(reader, scope, used, on_progress)
        for finding in checking.everything():
            counts[finding.invariant] += 1
            on_finding(finding)
    return Summary(
        runs=checking.progress.runs,
        rows=checking.progress.rows,
        findings=dict(sorted(counts.items(), key=lambda count: int(count[0][1:]))),
        unread=checking.unread,
        newer=checking.newer,
        seconds=time.monotonic() - began,
    )


class _Checking:
    def __init__(
        self, reader: AuditReader, scope: Scope, used: UsedIDs, on_progress: Callable[[Progress], None]
    ) -> None:
        self.progress = Progress()
        self.unread = 0
        self.newer = 0
        self._reader = reader
        self._scope = scope
        self._used = used
        self._on_progress = on_progress
        self._leadership = Leadership()
        self._namespace: Namespace = reader.namespace()

    def everything(self) -> Iterator[Finding]:
        scope = self._scope
        if scope.run_id is not None:
            yield from self._one_run(scope.run_id)
        else:
            yield from self._runs()
            yield from self._instances()
        if scope.is_everything:
            for table in ("journal", "snapshots"):
                yield from self._orphans(table)
        yield from self._leadership.on_end(self._reader.leases())

    def _reached(self, part: str, at: str) -> None:
        self.progress.part, self.progress.at = part, at
        self._on_progress(self.progress)

    # --- runs ------------------------------------------------------------------------------------------------

    def _one_run(self, run_id: str) -> Iterator[Finding]:
        page = self._reader.page(run_id)
        if page is None or self._scope.workflow_id not in (None, page.head.workflow_id):
            raise ConfigurationError(f"There is no run {run_id} here; see `dalsegno workflow list`.")
        yield from self._run(page)

    def _runs(self) -> Iterator[Finding]:
        place: Place | None = Place()
        while place is not None:
            pages, place = self._reader.runs(place, workflow_id=self._scope.workflow_id)
            for page in pages:
                if self._scope.has(page.head):
                    yield from self._run(page)
            if place is not None:
                self._reached("runs", place.workflow_id)

    def _run(self, page: Page) -> Iterator[Finding]:
        history = self._read(page)
        self.progress.runs += 1
        if history is None:
            return
        self.progress.rows += history.rows
        if self._is_newer(history):
            return
        if history.violations:
            yield from self._confirmed(page.head, history.violations)

    def _is_newer(self, history: History) -> bool:
        """Whether a newer version may have written in it; then it is counted. While nobody may write such a
        format, it is damage."""
        if not history.met_newer:
            return False
        if self._namespace.format_written <= CODEC.newest:
            self._namespace = self._reader.namespace()  # hosts are replaced meanwhile
        is_newer = self._namespace.format_written > CODEC.newest
        self.newer += is_newer
        return is_newer

    def _confirmed(self, head: Head, violations: list[Violation]) -> Iterator[Finding]:
        """Those that are still there when the run is read again."""
        page = self._reader.page(head.run_id)
        history = None if page is None else self._read(page)
        if history is not None and self._is_newer(history):
            return
        suspected = {(violation.invariant, violation.sequence) for violation in violations}
        for violation in history.violations if history is not None else ():
            if (violation.invariant, violation.sequence) in suspected:
                yield Finding(
                    violation.invariant, violation.text, head.workflow_id, head.run_id, violation.sequence
                )

    def _read(self, page: Page) -> History | None:
        """The whole of a run; None when it is gone, or cannot be kept up with."""
        run_id = page.head.run_id
        for _ in range(READINGS):
            history = History(page.head, self._namespace, self._leadership, self._used)
            try:
                if self._read_on(history, page):
                    return history
                return None
            except TrimmedMeanwhile:
                anew = self._reader.page(run_id)
            if anew is None:
                return None
            page = anew
        self.unread += 1
        return None

    def _read_on(self, history: History, page: Page) -> bool:
        """To its end; False when the run is gone."""
        history.add(page)
        while not page.is_last:
            after = self._reader.page(
                page.head.run_id, after=history.position, known_snapshot=history.known_snapshot
            )
            if after is None:
                return False
            page = after
            history.add(page)
            self._reached("runs", page.head.workflow_id)
        return True

    # --- what belongs to no run ------------------------------------------------------------------------------

    def _instances(self) -> Iterator[Finding]:
        only = self._scope.workflow_id
        links = self._reader.instances(workflow_id=only)
        if only is not None and not links and not self.progress.runs:
            raise ConfigurationError(f"There is no workflow {only!r} here; see `dalsegno workflow list`.")
        while links:
            for link in links:
                if link.run_of != link.workflow_id:
                    yield from self._instance_again(link)
            self._reached("instances", links[-1].workflow_id)
            links = [] if only is not None else self._reader.instances(links[-1].workflow_id)

    def _instance_again(self, suspected: InstanceLink) -> Iterator[Finding]:
        for link in self._reader.instances(workflow_id=suspected.workflow_id):
            if link.run_of is None:
                text = f"its instance names run {link.run_id}, which has no row"
                yield Finding(Invariant.VISIBILITY, text, link.workflow_id)
            elif link.run_of != link.workflow_id:
                text = f"its instance names run {link.run_id}, which is of workflow {link.run_of}"
                yield Finding(Invariant.IDENTITY, text, link.workflow_id)
            if link.run_of != link.workflow_id and link.slot != slot_of(link.workflow_id):
                text = f"its instance has slot {link.slot}; the ID gives {slot_of(link.workflow_id)}"
                yield Finding(Invariant.OWNERSHIP, text, link.workflow_id)

    def _orphans(self, table: str) -> Iterator[Finding]:
        after = ""
        while ids := self._reader.run_ids(table, after):
            for run_id, is_known in ids:
                if not is_known and self._reader.page(run_id) is None:
                    yield Finding(
                        Invariant.VISIBILITY, f"it has a {table.rstrip('s')} and no row", None, run_id
                    )
            after = ids[-1][0]
            self._reached(table, after)
