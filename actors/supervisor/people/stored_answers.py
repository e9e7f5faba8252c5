"""What can be answered from rows alone, by a host or by whoever may read the database. Nothing is written, and
no code of workflows is run."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Literal

from msgspec.structs import replace

from dalsegno.actors.supervisor.partition.stored import instance_of
from dalsegno.actors.supervisor.wire import replies
from dalsegno.actors.workflow_actor.instance import Instance
from dalsegno.actors.workflow_actor.program.registry import WorkflowRegistry
from dalsegno.actors.workflow_actor.stored.codec import (
    CODEC,
    CorruptStateError,
    NewerStateError,
    UnloadableStateError,
)
from dalsegno.actors.workflow_actor.stored.formats import NewerBlobError, UnreadableError
from dalsegno.actors.workflow_actor.stored.history import events_for_people, first_events, items_in
from dalsegno.broker import topology
from dalsegno.broker.protocol import messages as wire
from dalsegno.broker.protocol.messages import CountWorkflows, FindWorkflows
from dalsegno.errors import (
    CommandRejectedError,
    UnreadableRowError,
    UnsupportedError,
    WorkflowNotFoundError,
)
from dalsegno.persistence.deadlines_port import FoundDeadline
from dalsegno.persistence.filters.grammar import parse
from dalsegno.persistence.port import Cluster, JournalRow, ListedRun
from dalsegno.persistence.reader_port import PeopleReader
from dalsegno.policies import WorkflowStatus

NO_CODE = WorkflowRegistry([])

ROWS_MAX = 250
PAGE_ITEMS_MAX = 5_000
ROW_ITEMS_MAX = 20_000
"""Rows of one page, values in one page of a history, and in one row that is a page by itself. To put them into
a message takes some milliseconds, in which nothing else of this process runs."""

DESCRIPTIONS_MAX = 50
"""Of one page: each is a load of an instance."""

BREAK_SECONDS = 0.0002
"""After each row, so that others have the interpreter. They would get it, but not before Python's switch
interval had passed, and a cold load needs it a dozen times."""

Shown = Callable[[bytes], list[dict[str, Any]]]
"""What is shown of the events of one journal row."""


def runs_page(reader: PeopleReader, question: wire.ListWorkflows) -> wire.ControlReply:
    """Raises CommandRejectedError for a cursor that is none."""
    rows, cursor = reader.runs(
        statuses=[*question.statuses, *([question.status] if question.status else [])],
        workflow_types=[
            *question.workflow_types,
            *([question.workflow_type] if question.workflow_type is not None else []),
        ],
        workflow_id=question.workflow_id,
        limit=min(question.limit, ROWS_MAX),
        before=question.before,
    )
    return wire.ControlReply(workflows=tuple(_summary(row) for row in rows), cursor=cursor)


def found_page(reader: PeopleReader, question: FindWorkflows) -> wire.ControlReply:
    """Raises CommandRejectedError for a filter that cannot be read, or that counts, and for a cursor that is
    none."""
    wanted = parse(question.filter, now=_now(), declared=reader.fields())
    if wanted.group_by:
        raise CommandRejectedError("A filter with 'group by' counts runs; it lists none: ask for the count.")
    limit = min(question.limit, ROWS_MAX)
    rows, cursor = reader.find_runs(wanted, limit=limit, before=question.before)
    return wire.ControlReply(workflows=tuple(_summary(row) for row in rows), cursor=cursor)


def descriptions_page(reader: PeopleReader, question: wire.DescribeWorkflows) -> wire.ControlReply:
    """Raises as found_page. Each takes as long as to load its instance."""
    wanted = parse(question.filter, now=_now(), declared=reader.fields())
    if wanted.group_by:
        raise CommandRejectedError("A filter with 'group by' counts runs; it describes none.")
    limit = min(question.limit, DESCRIPTIONS_MAX)
    rows, cursor = reader.find_runs(wanted, limit=limit, before=question.before)
    told = []
    for row in rows:
        try:
            one = _described(reader, row)
        except UnreadableRowError as error:  # a row that cannot be read does not hide all others
            one = _of_row(row, str(error))
        told.append(replace(replies.spare(one), described_at=_now()))
        time.sleep(BREAK_SECONDS)
    return wire.ControlReply(descriptions=tuple(told), cursor=cursor)


def counted(reader: PeopleReader, question: CountWorkflows) -> wire.ControlReply:
    """Raises CommandRejectedError for a filter that cannot be read."""
    found = reader.count_runs(parse(question.filter, now=_now(), declared=reader.fields()))
    groups = tuple(wire.RunGroup(values=values, count=count) for values, count in found.groups)
    return wire.ControlReply(count=found.count, groups=groups)


def deadlines_page(reader: PeopleReader, question: wire.ListDeadlines) -> wire.ControlReply:
    """Raises CommandRejectedError for a cursor that is none."""
    limit = min(question.limit, ROWS_MAX)
    found, cursor = reader.deadlines(at_risk=question.at_risk, limit=limit, before=question.before)
    return wire.ControlReply(deadlines=tuple(map(_deadline, found)), cursor=cursor)


def _deadline(found: FoundDeadline) -> wire.ListedDeadline:
    """How it stands by the database's clock: its run may not have been told yet."""
    status: Literal["on_time", "at_risk", "overdue"] = "on_time"
    if found.risk_at <= found.now:
        status = "overdue" if found.due_at <= found.now else "at_risk"
    return wire.ListedDeadline(
        workflow_id=found.workflow_id,
        run_id=found.run_id,
        workflow_type=found.workflow_type,
        workflow_status=found.status,
        number=found.number,
        name=found.name,
        status=status,
        due_at=found.due_at,
        risk_at=found.risk_at,
    )


def _now() -> int:
    return time.time_ns() // 1_000


def history_page(
    reader: PeopleReader, question: wire.GetHistory, *, in_part: bool = False
) -> wire.ControlReply:
    """As many entries as are asked for, or as one answer may hold; an entry that has more is shown in part, as
    all are with `in_part`. Raises WorkflowNotFoundError."""
    run = _run(reader, question.workflow_id, question.run_id)
    limit = min(question.limit, ROWS_MAX)
    rows, behind = reader.history(run.run_id, after=question.after, limit=limit)
    entries: list[wire.HistoryEntry] = []
    items = 0
    for row in rows:
        events = _events(reader, row, first_events if in_part else _all_or_first_events)
        items += items_in(events)
        if items > PAGE_ITEMS_MAX and entries:
            behind = entries[-1].sequence
            break
        entries.append(_entry(row, events))
        time.sleep(BREAK_SECONDS)
    return wire.ControlReply(history=tuple(entries), cursor=None if behind is None else str(behind))


def hosts_of(cluster: Cluster) -> wire.ControlReply:
    return wire.ControlReply(
        hosts=tuple(
            wire.HostInfo(
                host_id=host.host_id,
                expires_at=host.expires_at,
                version=host.version,
                format_read=host.format_read,
                tables=host.head,
                partitions=tuple(
                    lease.partition.number for lease in cluster.leases if lease.owner == host.host_id
                ),
            )
            for host in cluster.hosts
        )
    )


def partitions_of(cluster: Cluster) -> wire.ControlReply:
    return wire.ControlReply(
        partitions=tuple(
            wire.PartitionInfo(partition=lease.partition.number, owner=lease.owner, epoch=lease.epoch)
            for lease in cluster.leases
        )
    )


def _hosts(reader: PeopleReader, _: wire.ListHosts) -> wire.ControlReply:
    return hosts_of(reader.cluster())


def _partitions(reader: PeopleReader, _: wire.ListPartitions) -> wire.ControlReply:
    return partitions_of(reader.cluster())


def _attributes(reader: PeopleReader, _: wire.ListSearchAttributes) -> wire.ControlReply:
    return wire.ControlReply(search_attributes=dict(reader.declared()))


ANSWERS: dict[type[wire.WireMessage], Callable[[PeopleReader, Any], wire.ControlReply]] = {
    wire.ListWorkflows: runs_page,
    FindWorkflows: found_page,
    CountWorkflows: counted,
    wire.ListDeadlines: deadlines_page,
    wire.DescribeWorkflows: descriptions_page,
    wire.GetHistory: history_page,
    wire.ListHosts: _hosts,
    wire.ListPartitions: _partitions,
    wire.ListSearchAttributes: _attributes,
}
"""By its type, what answers a question of the control queue from rows alone."""


def control_answer(reader: PeopleReader, question: wire.WireMessage) -> wire.ControlReply:
    """Raises CommandRejectedError for what is wrong with the question; UnsupportedError for others."""
    answer = ANSWERS.get(type(question))
    if answer is None:
        raise UnsupportedError(f"Only a host can answer {question.TYPE!r}.")
    return answer(reader, question)


def description(reader: PeopleReader, workflow_id: str, run_id: str | None) -> wire.Description:
    """As far as rows tell: not what code waits for beside activities and timers, and of heartbeats what was
    kept. Raises WorkflowNotFoundError."""
    run = _run(reader, workflow_id, run_id)
    told = replace(_described(reader, run), described_at=_now())
    cluster = reader.cluster()
    if not cluster.leases:
        return told
    partition = topology.slot_of(workflow_id) % len(cluster.leases)
    owners = {lease.owner for lease in cluster.leases if lease.partition.number == partition}
    host = next((host.host_id for host in cluster.hosts if host.host_id in owners), None)
    return replace(told, partition=partition, host_id=host)


def outcome(
    reader: PeopleReader, workflow_id: str, run_id: str | None, *, follow_runs: bool = True
) -> wire.Reply | None:
    """How the run ended, or with `follow_runs` the last of those that follow it by themselves; None while it is
    open. Raises WorkflowNotFoundError, CorruptStateError and
    NewerStateError."""
    run = _run(reader, workflow_id, run_id)
    if not run.status.closed:
        return None
    state = _instance(reader, run).state
    ended = None if state is None else state.outcome
    if state is None or ended is None:
        return None
    if follow_runs and state.next_run_id is not None:
        return outcome(reader, workflow_id, state.next_run_id)
    told = replies.ended(workflow_id, run.run_id, ended.status, ended.result, ended.failure, reason=run.reason)
    return replace(told, next_run_id=state.next_run_id)


def _entry(row: JournalRow, events: tuple[dict[str, Any], ...]) -> wire.HistoryEntry:
    """What is of another type than ours, which SQLite lets in, is not shown, and said to be so."""
    time_, cause = row.time, row.cause
    if type(time_) is not int or type(cause) is not str:
        damage = {"type": "Unreadable", "reason": "the time or the cause of its row is damaged"}
        time_, cause, events = 0, "", (damage, *events)
    return wire.HistoryEntry(sequence=row.sequence, time=time_, cause=cause, events=events)


def _all_or_first_events(blob: bytes) -> list[dict[str, Any]]:
    events = events_for_people(blob, items_max=ROW_ITEMS_MAX)
    return first_events(blob) if events is None else events


def _events(reader: PeopleReader, row: JournalRow, shown: Shown) -> tuple[dict[str, Any], ...]:
    """One row that cannot be read does not hide all others. Of one that may be newer that is said."""
    try:
        return tuple(shown(row.events))
    except NewerBlobError as error:
        is_newer = reader.format_written() > CODEC.newest
        return ({"type": "Unreadable", "reason": str(error), **({"newer": True} if is_newer else {})},)
    except UnreadableError as error:
        return ({"type": "Unreadable", "reason": str(error)},)


def _run(reader: PeopleReader, workflow_id: str, run_id: str | None) -> ListedRun:
    run = reader.run(workflow_id, run_id)
    if run is None and run_id is None:
        raise WorkflowNotFoundError(f"no workflow has the ID {workflow_id!r}")
    if run is None:
        raise WorkflowNotFoundError(f"workflow {workflow_id!r} has no run {run_id!r}")
    return run


def _instance(reader: PeopleReader, run: ListedRun) -> Instance:
    row = reader.load_run(run.run_id)
    if row is None:
        raise CorruptStateError(run.run_id, 0, "no instance names its workflow")
    return instance_of(row, NO_CODE, history_limit=0)


def _described(reader: PeopleReader, run: ListedRun) -> wire.Description:
    try:
        told = replies.description_of(_instance(reader, run).describe())
    except UnloadableStateError as error:
        # It runs all the same, where hosts are newer.
        reason = run.reason or (None if isinstance(error, NewerStateError) else str(error))
        left_out = () if reason == str(error) else (f"all that its journal holds: {error}",)
        return replace(_of_row(run, reason), sequence=error.sequence, left_out=left_out)
    if run.status is WorkflowStatus.SUSPENDED and told.suspended_reason is None:
        # It could not be run when a host tried.
        return replace(told, status=run.status, suspended_reason=run.reason)
    return told


def _of_row(run: ListedRun, reason: str | None) -> wire.Description:
    """What the list of runs has of it."""
    return wire.Description(
        workflow_id=run.workflow_id,
        run_id=run.run_id,
        workflow_type=run.workflow_type,
        task_queue=run.task_queue,
        status=run.status,
        sequence=0,
        started_at=run.started_at,
        closed_at=run.closed_at,
        suspended_reason=reason,
    )


def _summary(row: ListedRun) -> wire.WorkflowSummary:
    return wire.WorkflowSummary(
        workflow_id=row.workflow_id,
        run_id=row.run_id,
        workflow_type=row.workflow_type,
        task_queue=row.task_queue,
        status=row.status,
        started_at=row.started_at,
        closed_at=row.closed_at,
        reason=row.reason,
        search_attributes=dict(row.attributes),
    )
