"""All open runs of a database, one after the other, beside the hosts that go on with them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from dalsegno.errors import UnreadableRowError
from dalsegno.persistence.port import ListedRun, LoadedInstance
from dalsegno.persistence.reader_port import MailReader, PeopleReader
from dalsegno.policies import WorkflowStatus

PAGE = 500
LOAD_BYTES = 4 * 1024 * 1024
"""Of runs that are read at once: beyond it no other is read with them."""

OPEN = tuple(status for status in WorkflowStatus if not status.closed)


def open_runs(
    lists: PeopleReader, loads: MailReader, *, workflow_types: Collection[str] = (), sample: int | None = None
) -> Iterator[tuple[ListedRun, LoadedInstance | UnreadableRowError]]:
    """The newest first; with `sample` so many of each type. A run that has gone meanwhile is left out. Raises
    what the readers raise."""
    seen: dict[str, int] = {}
    cursor: str | None = None
    while True:
        page, cursor = lists.runs(statuses=OPEN, workflow_types=workflow_types, limit=PAGE, before=cursor)
        wanted: dict[str, ListedRun] = {}
        for run in page:
            count = seen[run.workflow_type] = seen.get(run.workflow_type, 0) + 1
            if sample is None or count <= sample:
                wanted[run.workflow_id] = run
        for workflow_id, instance in _loaded(loads, list(wanted)):
            if instance is not None:
                yield wanted[workflow_id], instance
        if cursor is None:
            return


def _loaded(
    loads: MailReader, workflow_ids: Sequence[str]
) -> Iterator[tuple[str, LoadedInstance | UnreadableRowError | None]]:
    while workflow_ids:
        try:
            rows = loads.load(workflow_ids, seen_limit=0, bytes_max=LOAD_BYTES)
        except UnreadableRowError as error:
            if len(workflow_ids) == 1:
                yield workflow_ids[0], error
                return
            middle = len(workflow_ids) // 2
            yield from _loaded(loads, workflow_ids[:middle])
            yield from _loaded(loads, workflow_ids[middle:])
            return
        for row in rows:
            yield row.workflow_id, row.instance
        workflow_ids = workflow_ids[len(rows) :]
