"""What can be asked about a namespace without changing anything in it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from msgspec import structs

from dalsegno import given
from dalsegno.broker.protocol.messages import (
    CountWorkflows,
    FindWorkflows,
    GetHistory,
    HistoryEntry,
    HostInfo,
    ListDeadlines,
    ListedDeadline,
    ListHosts,
    ListPartitions,
    ListSearchAttributes,
    ListWorkflows,
    PartitionInfo,
    Ping,
    WorkflowSummary,
)
from dalsegno.client.decoding import children_in, decoded_events, is_end_of_child
from dalsegno.client.engine import EnginePort
from dalsegno.client.explaining import why_each
from dalsegno.client.handle import WorkflowHandle
from dalsegno.client.incidents import ListedIncident
from dalsegno.converter import result_hint
from dalsegno.errors import CommandRejectedError, WorkflowNotFoundError
from dalsegno.interceptors.client import CountWorkflowsInput, ListWorkflowsInput
from dalsegno.policies import WorkflowStatus
from dalsegno.reasons.reason import Why
from dalsegno.search_attributes import SearchAttributeIndexedValueType
from dalsegno.targets import Target, result_type_of

INCIDENTS = "Incidents"
"""The field of filters that counts those that are open."""

OPEN = "Status in (running, suspended, compensating)"

PAGE_SIZE_MAX = 1000
"""What one answer may hold."""


class Pong(NamedTuple):
    """Which host answered a ping, and its version of dalsegno."""

    host_id: str
    version: str


@dataclass(frozen=True, slots=True)
class WorkflowGroup:
    """How many runs have these values, in the order of the fields that they are grouped by."""

    group_values: tuple[str, ...]
    count: int


@dataclass(frozen=True, slots=True)
class WorkflowCount:
    """How many runs fit; `groups`, the largest first, where the filter has `group by`."""

    count: int
    groups: tuple[WorkflowGroup, ...]


class Looking:
    """The part of a client that looks, whoever it is that answers."""

    def __init__(self, answers: EnginePort) -> None:
        self._answers = answers

    def get_workflow_handle(
        self,
        workflow_id: str,
        run_id: str | None = None,
        *,
        workflow: Target | None = None,
        result_type: Any = None,
    ) -> WorkflowHandle[Any]:
        """A handle to a workflow that may or may not exist: nothing is asked yet.

        Without `run_id` it means the current run, whichever that is at the time. `workflow` (its class or run
        method) tells the type of the result, or `result_type` does.
        """
        known = Any if workflow is None else result_type_of(workflow)
        return WorkflowHandle(
            self._answers,
            given.plain("workflow_id", workflow_id),
            run_id=None if run_id is None else given.plain("run_id", run_id),
            pinned=True,
            result_type=known if result_type is None else result_hint(result_type, self._answers.converter),
        )

    def get_workflow_handle_for(
        self, workflow: Target, workflow_id: str, *, run_id: str | None = None
    ) -> WorkflowHandle[Any]:
        """As `get_workflow_handle`, of a workflow that is known by its class or run method."""
        return self.get_workflow_handle(workflow_id, run_id, workflow=workflow)

    def list_workflows(
        self,
        query: str | None = None,
        *,
        status: WorkflowStatus | Collection[WorkflowStatus] | None = None,
        workflow_type: str | Collection[str] | None = None,
        workflow_id: str | None = None,
        page_size: int = 100,
    ) -> AsyncIterator[WorkflowSummary]:
        """Runs, newest first, all or those that match: of several statuses or types one. They are fetched page
        by page as they are looked at.

        `query` is a filter (docs/filters.md), like `Status = failed and StartTime > -1d`, in whose order they
        come; what else narrows the list is said in it, too. Raises CommandRejectedError for one that cannot be
        read, with the place.
        """

        def send(said: ListWorkflowsInput) -> AsyncIterator[WorkflowSummary]:
            narrowed = said.status, said.workflow_type, said.workflow_id
            return self._runs(said.query, *narrowed, page_size=said.page_size)

        said = ListWorkflowsInput(query, status, workflow_type, workflow_id, page_size, send)
        return self._answers.outbound.list_workflows(said)

    async def _runs(
        self,
        query: str | None,
        status: WorkflowStatus | Collection[WorkflowStatus] | None = None,
        workflow_type: str | Collection[str] | None = None,
        workflow_id: str | None = None,
        *,
        page_size: int,
    ) -> AsyncIterator[WorkflowSummary]:
        """As `list_workflows`, by no interceptor."""
        if query is not None:
            if status is not None or workflow_type is not None or workflow_id is not None:
                raise ValueError("Say in the query what narrows the list: it is given a query, and more.")
            limit = given.whole("page_size", page_size, least=1, most=PAGE_SIZE_MAX)
            find = FindWorkflows(filter=given.text("query", query), limit=limit)
            async for run in self._pages(find):
                yield run
            return
        statuses = tuple(given.choice("status", one, WorkflowStatus) for one in _several("status", status))
        types = tuple(given.name("workflow_type", one) for one in _several("workflow_type", workflow_type))
        limit = given.whole("page_size", page_size, least=1, most=PAGE_SIZE_MAX)
        cursor: str | None = None
        while True:
            page = await self._answers.control(
                ListWorkflows(
                    status=statuses[0] if len(statuses) == 1 else None,
                    workflow_type=types[0] if len(types) == 1 else None,
                    workflow_id=workflow_id,
                    limit=limit,
                    before=cursor,
                    statuses=statuses if len(statuses) > 1 else (),
                    workflow_types=types if len(types) > 1 else (),
                )
            )
            for summary in page.workflows:
                # Hosts of earlier versions do not look at several.
                has_status = not statuses or summary.status in statuses
                if has_status and (not types or summary.workflow_type in types):
                    yield summary
            if page.cursor in (None, cursor):  # a page without runs may be one whose rows are damaged
                return
            cursor = page.cursor

    list = list_workflows

    async def list_incidents(self, query: str = "", *, page_size: int = 100) -> AsyncIterator[ListedIncident]:
        """Activities that have failed and wait for a person, of all workflows, or of those that fit a filter
        (docs/filters.md), in whose order the workflows come: of each the first 100. A list finds the runs,
        newest first if no order is named, page by page; each is then asked for its own. One that is gone by
        then has none. Raises CommandRejectedError for a filter that cannot be read."""
        query = given.text("query", query)
        if query.strip():
            async for _ in self._runs(query, page_size=1):
                break  # it is refused, if it is, with the place in what was written
        async for run in self._runs(_with_incidents(query), page_size=page_size):
            try:
                found = await self.get_workflow_handle(run.workflow_id, run.run_id).incidents()
            except WorkflowNotFoundError:
                continue
            for incident in found:
                yield ListedIncident(run.workflow_id, run.run_id, run.workflow_type, incident)

    async def retry_incidents(
        self, query: str, *, page_size: int = 100, timeout: float | None = None
    ) -> AsyncIterator[ListedIncident]:
        """Have the activities tried again that have failed and wait for a person, of the workflows that fit a
        filter ("" are all), such as when a service is back that all of them need: one after the other, as you
        go through what is yielded. `refused` says of one why it is not tried again: somebody was faster, say.
        Of a workflow with more than 100 the first are, so call it again. Raises as `list_incidents`."""
        async for one in self.list_incidents(query, page_size=page_size):
            handle = self.get_workflow_handle(one.workflow_id, one.run_id)
            try:
                await handle.retry_incident(one.incident.number, timeout=timeout)
            except CommandRejectedError as error:
                yield replace(one, refused=str(error))
            else:
                yield one

    async def _pages(self, find: FindWorkflows) -> AsyncIterator[WorkflowSummary]:
        while True:
            page = await self._answers.control(find)
            for summary in page.workflows:
                yield summary
            if page.cursor in (None, find.before):
                return
            find = structs.replace(find, before=page.cursor)

    async def why(self, workflow_id: str, run_id: str | None = None, *, timeout: float | None = None) -> Why:
        """The reason why the workflow does not move: as `why` of its handle."""
        return await self.get_workflow_handle(workflow_id, run_id).why(timeout=timeout)

    async def why_all(self, query: str = "") -> AsyncIterator[Why]:
        """The same of each open workflow, newest first, or of those that fit a filter (docs/filters.md), as far
        as rows and the broker tell: what else code waits for than is pending is not asked. Each is loaded from
        the database on the way, by a thread of a host that no workflow waits for; they are fetched page by page
        as they are looked at. Raises CommandRejectedError for a filter that cannot be read."""
        query = given.text("query", query)
        if query.strip():
            async for _ in self._runs(query, page_size=1):
                break  # it is refused, if it is, with the place in what was written
        async for told in why_each(self._answers, _narrowed(query, OPEN)):
            yield told

    async def count_workflows(self, query: str = "") -> WorkflowCount:
        """How many runs fit a filter (docs/filters.md); with `group by` in it also how many of each group: of
        the thousand largest. Raises CommandRejectedError for one that cannot be read, with the place."""

        async def send(said: CountWorkflowsInput) -> WorkflowCount:
            answer = await self._answers.control(CountWorkflows(filter=given.text("query", said.query)))
            groups = tuple(WorkflowGroup(group.values, group.count) for group in answer.groups)
            return WorkflowCount(answer.count or 0, groups)

        counted: WorkflowCount = await self._answers.outbound.count_workflows(CountWorkflowsInput(query, send))
        return counted

    async def deadlines(self, *, at_risk: bool = False, page_size: int = 100) -> AsyncIterator[ListedDeadline]:
        """Deadlines of workflows that are open, in the order in which they are at risk; with `at_risk` those
        alone that are so, or overdue. They are fetched page by page as they are looked at."""
        at_risk = given.flag("at_risk", at_risk)
        limit = given.whole("page_size", page_size, least=1, most=PAGE_SIZE_MAX)
        cursor: str | None = None
        while True:
            page = await self._answers.control(ListDeadlines(at_risk=at_risk, limit=limit, before=cursor))
            for one in page.deadlines:
                yield one
            if page.cursor in (None, cursor):
                return
            cursor = page.cursor

    async def history(
        self, workflow_id: str, run_id: str | None = None, *, after: int = 0, page_size: int = 200
    ) -> AsyncIterator[HistoryEntry]:
        """A run's journal, oldest first, as far as the namespace keeps it; of the current run by default.

        Entries up to the sequence `after` are left out: to follow a run, ask again behind the last one seen.
        """
        after = given.whole("after", after, least=0, most=given.MICROSECONDS_MAX)
        limit = given.whole("page_size", page_size, least=1, most=PAGE_SIZE_MAX)
        children: dict[int, str] | None = None if after and self._answers.converter.is_bound else {}
        async for entry in self._entries(workflow_id, run_id, after, limit):
            if children is None and any(map(is_end_of_child, entry.events)):
                # Who it was has been said before.
                children = {}
                async for before in self._entries(workflow_id, run_id, 0, PAGE_SIZE_MAX):
                    if before.sequence >= entry.sequence:
                        break
                    children |= children_in(before.events)
            known = {} if children is None else children
            known |= children_in(entry.events)
            events = decoded_events(entry.events, self._answers.converter, workflow_id, known)
            yield structs.replace(entry, events=events)

    async def _entries(
        self, workflow_id: str, run_id: str | None, after: int, limit: int
    ) -> AsyncIterator[HistoryEntry]:
        """As they are told."""
        while True:
            question = GetHistory(workflow_id=workflow_id, run_id=run_id, after=after, limit=limit)
            page = await self._answers.control(question)
            for entry in page.history:
                yield entry
            if page.cursor is None or not page.history:
                return
            after = page.history[-1].sequence

    async def ping(self) -> Pong:
        """Whether a host is there."""
        answer = await self._answers.control(Ping())
        return Pong(answer.host_id, answer.version)

    async def hosts(self) -> tuple[HostInfo, ...]:
        """The hosts whose leases are valid."""
        return (await self._answers.control(ListHosts())).hosts

    async def search_attributes(self) -> Mapping[str, SearchAttributeIndexedValueType]:
        """Those that the namespace has declared, by their names."""
        return (await self._answers.control(ListSearchAttributes())).search_attributes

    async def partitions(self) -> tuple[PartitionInfo, ...]:
        """Who owns which partition."""
        return (await self._answers.control(ListPartitions())).partitions


_CONDITION = re.compile(
    r"""(?: "(?:\\.|[^"\\])*" | '(?:\\.|[^'\\])*' | `[^`]*` | (?!\border\s+by\b). )*""",
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
"""What of a filter stands before its order; a text in quotes may hold anything."""


def _with_incidents(query: str) -> str:
    """The same filter, of those among its runs that have any. It is one that can be read."""
    return _narrowed(query, f"{INCIDENTS} > 0")


def _narrowed(query: str, by: str) -> str:
    """The same filter, of those among its runs that fit another condition, too."""
    found = _CONDITION.match(query)
    condition = query if found is None else found[0]
    order = query[len(condition) :]
    narrowed = f"{by} and ({condition})" if condition.strip() else by
    return f"{narrowed} {order}".rstrip()


def _several(what: str, values: Any) -> tuple[Any, ...]:
    if values is None:
        return ()
    if isinstance(values, str):
        return (values,)
    if not isinstance(values, Collection):
        raise given.wrong_type(what, values, "one, or several in a list")
    return tuple(dict.fromkeys(values))
