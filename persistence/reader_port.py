"""The port's reading half, by who waits for it: a message, a clock, or a person.

Each has a connection of its own, so that none waits for another: a host's cold loads do not stand behind a
list, and what somebody asks can take no longer than a person may wait.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from dalsegno.persistence.deadlines_port import FoundDeadline
from dalsegno.persistence.filters.conditions import ListFilter
from dalsegno.persistence.port import (
    Cluster,
    Due,
    JournalRow,
    ListedRun,
    Loaded,
    LoadedInstance,
    Mail,
    Remains,
    RunCount,
    Watermark,
)
from dalsegno.policies import WorkflowStatus
from dalsegno.search_attributes import Declared

HISTORY_BYTES_MAX = 64 * 1024
"""Of events, in one page of a history. What is shown of them is some times as large."""

LIST_BYTES_MAX = 256 * 1024
"""Of one page of a list: a thousand runs without long reasons."""


class MailReader(Protocol):
    """What a message waits for. A connection of its own, so that cold loads don't wait for commits."""

    def load(
        self, workflow_ids: Sequence[str], *, seen_limit: int = 500, bytes_max: int | None = None
    ) -> list[Loaded]:
        """Load many in a few statements, in the order asked for: up to the one with which `bytes_max` is
        reached, which is known before any is read. Every read is of one snapshot in time."""

    def strikes(self, run_ids: Sequence[str]) -> Mapping[tuple[str, str], int]:
        """By run ID and cause."""

    def format_written(self) -> int:
        """The newest stored format that may be written."""

    def remains(self, workflow_id: str) -> Remains:
        """For an instance that cannot be loaded. Of a run whose row cannot be read either, the mail alone."""

    def mail(self, workflow_id: str, *, after: int, limit: int, bytes_max: int | None = None) -> list[Mail]:
        """What waits for it, behind that number, in order: up to the one with which `bytes_max` is reached,
        which is known before any is read."""

    def close(self) -> None: ...


class ClockReader(Protocol):
    """What is looked for from time to time."""

    def declared(self) -> Declared:
        """The search attributes of the namespace."""

    def due(self, slots: Sequence[int], *, before: int, limit: int) -> list[Due]:
        """Instances of these slots whose wake_at is at most `before`, earliest first. Closed ones too: what a
        run that ended still has to send has a wake-up."""

    def suspended(self, slots: Sequence[int], *, after: str, limit: int) -> list[str]:
        """Workflow IDs of suspended instances of these slots, and of those that have mail, in one order and
        those behind `after` in it (all, if it is ""): a host with other code tries them again. Fewer than
        `limit` are the last."""

    def waiting(self, slots: Sequence[int], *, after: str, limit: int) -> list[str]:
        """Workflow IDs of open instances of these slots that have a wake-up, as all have that wait for more
        than messages from clients; in one order and those behind `after` in it (all, if it is ""). Fewer than
        `limit` are the last."""

    def watermark(self) -> Watermark:
        """The namespace's, see `Writer.raise_watermark`."""

    def close(self) -> None: ...


class PeopleReader(Protocol):
    """What people ask. Nothing here is without a bound, in rows or in bytes; what takes the database longer
    than a person may wait raises TooSlowError, which says how to ask for less."""

    def run(self, workflow_id: str, run_id: str | None) -> ListedRun | None:
        """The run named, or the workflow's newest."""

    def declared(self) -> Declared:
        """The search attributes of the namespace."""

    def fields(self) -> Declared:
        """Those that a filter may name: these, and what the engine itself sets of a run (`INCIDENTS`)."""

    def runs(
        self,
        *,
        statuses: Collection[WorkflowStatus] = (),
        workflow_types: Collection[str] = (),
        workflow_id: str | None = None,
        limit: int = 100,
        before: str | None = None,
        bytes_max: int = LIST_BYTES_MAX,
    ) -> tuple[list[ListedRun], str | None]:
        """Newest first, and a cursor for the next page (None at the end). `before` is such a cursor; one
        that is not raises CommandRejectedError. Of several statuses or types a run has one; none do not
        filter. More types than one statement can look for raise CommandRejectedError. A page is cut when it has
        more than some `bytes_max`, though not before the first run."""

    def find_runs(
        self,
        wanted: ListFilter,
        *,
        limit: int = 100,
        before: str | None = None,
        bytes_max: int = LIST_BYTES_MAX,
    ) -> tuple[list[ListedRun], str | None]:
        """As `runs`, of those that fit a filter, in its order. `before` is a cursor of the same filter."""

    def count_runs(self, wanted: ListFilter) -> RunCount:
        """How many fit a filter, and of each group how many: of the thousand largest."""

    def deadlines(
        self, *, at_risk: bool = False, limit: int = 100, before: str | None = None
    ) -> tuple[list[FoundDeadline], str | None]:
        """Open ones of open runs, in the order in which they are at risk, and a cursor for the next page (None
        at the end); with `at_risk` those that are so by the database's clock. `before` is such a cursor; one
        that is not raises CommandRejectedError."""

    def history(
        self, run_id: str, *, after: int = 0, limit: int = 200, bytes_max: int = HISTORY_BYTES_MAX
    ) -> tuple[list[JournalRow], int | None]:
        """Rows behind the sequence `after`, oldest first, and the sequence behind which to go on (None at the
        end). It is cut when the events are more than `bytes_max`, though not before the first row."""

    def load_run(self, run_id: str) -> LoadedInstance | None:
        """A run by its ID, current or not (`wake_at` None for one that is not current)."""

    def strikes(self, run_ids: Sequence[str]) -> Mapping[tuple[str, str], int]:
        """By run ID and cause."""

    def format_written(self) -> int:
        """As MailReader's."""

    def cluster(self) -> Cluster:
        """As `Membership.cluster`, for those who have no part in it."""

    def watermark(self) -> Watermark:
        """The namespace's, see `Writer.raise_watermark`."""

    def close(self) -> None: ...


class Reader(MailReader, ClockReader, PeopleReader, Protocol):
    """All of it, on one connection."""
