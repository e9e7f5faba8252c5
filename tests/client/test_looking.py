"""What a client asks of the namespace as a whole."""

from __future__ import annotations

import pytest
from msgspec import structs

from dalsegno.broker.protocol.messages import (
    ControlReply,
    CountWorkflows,
    DescribeWorkflow,
    Description,
    FindWorkflows,
    GetHistory,
    HistoryEntry,
    HostInfo,
    ListDeadlines,
    ListedDeadline,
    ListHosts,
    ListPartitions,
    ListWorkflows,
    OpenIncident,
    PartitionInfo,
    Reply,
    ResolveIncident,
    RunGroup,
    WorkflowSummary,
)
from dalsegno.broker.topology import CONTROL_QUEUE
from dalsegno.client import Client, Pong, WorkflowCount, WorkflowGroup
from dalsegno.policies import WorkflowStatus
from tests.client.fake_host import FakeHost, Request, refused


def summary(number: int) -> WorkflowSummary:
    return WorkflowSummary(
        workflow_id=f"w-{number}",
        run_id=f"r-{number}",
        workflow_type="Order",
        task_queue="default",
        status=WorkflowStatus.RUNNING,
        started_at=number,
    )


def entry(sequence: int) -> HistoryEntry:
    return HistoryEntry(sequence=sequence, time=sequence, cause="c", events=({"type": "e"},))


async def test_a_ping_says_who_is_there(client: Client, host: FakeHost) -> None:
    assert await client.ping() == Pong(host_id="host-a", version="1.2.3")
    assert host.requests[0].queue == CONTROL_QUEUE


async def test_hosts_and_partitions_are_listed(client: Client, host: FakeHost) -> None:
    hosts = (HostInfo(host_id="host-a", expires_at=1, partitions=(0, 1), version="1.2.3"),)
    partitions = (PartitionInfo(partition=0, owner="host-a", epoch=2), PartitionInfo(partition=1))
    host.scripts[ListHosts] = lambda request: [ControlReply(hosts=hosts)]
    host.scripts[ListPartitions] = lambda request: [ControlReply(partitions=partitions)]
    assert await client.hosts() == hosts
    assert await client.partitions() == partitions


async def test_incidents_are_listed_though_a_run_that_had_one_is_gone_by_then(
    client: Client, host: FakeHost
) -> None:
    def described(request: Request) -> list[Reply]:
        assert isinstance(request.body, DescribeWorkflow)
        workflow_id = request.body.workflow_id
        if workflow_id == "w-1":
            return [refused("not_found")]
        open_one = OpenIncident(
            number=3, activity_id="1", activity_type="charge", task_queue="default", attempts=1, opened_at=1
        )
        description = Description(
            workflow_id=workflow_id,
            run_id="r-2",
            workflow_type="Order",
            task_queue="default",
            status=WorkflowStatus.RUNNING,
            sequence=1,
            started_at=1,
            incidents=(open_one,),
        )
        return [Reply(kind="answer", workflow_id=workflow_id, description=description)]

    host.scripts[FindWorkflows] = lambda request: [ControlReply(workflows=(summary(1), summary(2)))]
    host.scripts[DescribeWorkflow] = described
    found = [(one.workflow_id, one.incident.number) async for one in client.list_incidents()]
    assert found == [("w-2", 3)]
    host.scripts[ResolveIncident] = lambda _: [refused("rejected", "it is not open any more")]
    (late,) = [one async for one in client.retry_incidents('Type = "Order"')]
    assert late.refused is not None
    assert "not open any more" in late.refused
    # First as it was written, so that an error in it names a place that its writer knows.
    assert [find.filter for find in host.of(FindWorkflows)][-2:] == [
        'Type = "Order"',
        'Incidents > 0 and (Type = "Order")',
    ]


async def test_deadlines_are_listed_page_by_page(client: Client, host: FakeHost) -> None:
    def listed(number: int) -> ListedDeadline:
        return ListedDeadline(
            workflow_id="w",
            run_id="r",
            workflow_type="Order",
            workflow_status=WorkflowStatus.RUNNING,
            number=number,
            name="shipped",
            status="overdue",
            due_at=1,
            risk_at=1,
        )

    pages = {
        None: ControlReply(deadlines=(listed(1), listed(2)), cursor="c-2"),
        "c-2": ControlReply(deadlines=(listed(3),)),
    }

    def answer(request: Request) -> list[ControlReply]:
        assert isinstance(request.body, ListDeadlines)
        return [pages[request.body.before]]

    host.scripts[ListDeadlines] = answer
    assert [one.number async for one in client.deadlines(at_risk=True, page_size=2)] == [1, 2, 3]
    assert [request.body.at_risk for request in host.requests if isinstance(request.body, ListDeadlines)] == [
        True,
        True,
    ]
    with pytest.raises(TypeError, match="at_risk must be True or False"):
        [one async for one in client.deadlines(at_risk="yes")]  # type: ignore[arg-type]


async def test_workflows_are_listed_page_by_page(client: Client, host: FakeHost) -> None:
    pages = {
        None: ControlReply(workflows=(summary(5), summary(4)), cursor="c-4"),
        "c-4": ControlReply(workflows=(summary(3), summary(2)), cursor="c-2"),
        "c-2": ControlReply(workflows=(summary(1),)),
    }

    def page(request: Request) -> list[ControlReply]:
        assert isinstance(request.body, ListWorkflows)
        return [pages[request.body.before]]

    host.scripts[ListWorkflows] = page
    listed = client.list(status=WorkflowStatus.RUNNING, workflow_type="Order", page_size=2)
    assert [workflow.workflow_id async for workflow in listed] == ["w-5", "w-4", "w-3", "w-2", "w-1"]
    assert host.of(ListWorkflows)[1] == ListWorkflows(
        status=WorkflowStatus.RUNNING, workflow_type="Order", limit=2, before="c-4"
    )


async def test_of_several_statuses_and_types_a_run_has_one_also_where_a_host_knows_of_one_only(
    client: Client, host: FakeHost
) -> None:
    runs = summary(3), structs.replace(summary(2), status=WorkflowStatus.FAILED), summary(1)
    host.scripts[ListWorkflows] = lambda request: [ControlReply(workflows=runs)]
    wanted = [WorkflowStatus.FAILED, WorkflowStatus.CANCELED]

    listed = [run.workflow_id async for run in client.list(status=wanted, workflow_type=["Order", "Invoice"])]

    assert listed == ["w-2"]
    (request,) = host.of(ListWorkflows)
    assert (request.statuses, request.workflow_types) == (tuple(wanted), ("Order", "Invoice"))


async def test_runs_that_fit_a_filter_are_found_page_by_page(client: Client, host: FakeHost) -> None:
    pages = {
        None: ControlReply(workflows=(summary(5),), cursor="5.r-5"),
        "5.r-5": ControlReply(workflows=(summary(4),)),
    }

    def page(request: Request) -> list[ControlReply]:
        assert isinstance(request.body, FindWorkflows)
        return [pages[request.body.before]]

    host.scripts[FindWorkflows] = page
    listed = client.list_workflows("Status = running", page_size=1)
    assert [workflow.workflow_id async for workflow in listed] == ["w-5", "w-4"]
    assert host.of(FindWorkflows)[0] == FindWorkflows(filter="Status = running", limit=1)
    with pytest.raises(ValueError, match="Say in the query what narrows the list"):
        await anext(client.list_workflows("Status = running", workflow_type="Order"))
    with pytest.raises(TypeError, match="query"):
        await anext(client.list_workflows(7))  # type: ignore[arg-type]


async def test_incidents_come_in_the_order_that_a_filter_names(client: Client, host: FakeHost) -> None:
    host.scripts[FindWorkflows] = lambda request: [ControlReply()]
    for query, asked in (
        ("", "Incidents > 0"),
        ("order by StartTime", "Incidents > 0 order by StartTime"),
        (
            """Type = 'a \\' order by' or `order by` = 1 ORDER  by StartTime desc""",
            """Incidents > 0 and (Type = 'a \\' order by' or `order by` = 1 ) ORDER  by StartTime desc""",
        ),
    ):
        assert [one async for one in client.list_incidents(query)] == []
        assert host.of(FindWorkflows)[-1].filter == asked


async def test_runs_are_counted_also_in_groups(client: Client, host: FakeHost) -> None:
    groups = RunGroup(values=("Order",), count=2), RunGroup(values=("Invoice",), count=1)
    host.scripts[CountWorkflows] = lambda request: [ControlReply(count=3, groups=groups)]
    assert await client.count_workflows("group by Type") == WorkflowCount(
        3, (WorkflowGroup(("Order",), 2), WorkflowGroup(("Invoice",), 1))
    )
    assert host.of(CountWorkflows) == [CountWorkflows(filter="group by Type")]


async def test_no_page_is_fetched_that_nobody_looks_at(client: Client, host: FakeHost) -> None:
    host.scripts[ListWorkflows] = lambda request: [ControlReply(workflows=(summary(5),), cursor="c-5")]
    async for _ in client.list_workflows():
        break
    assert len(host.requests) == 1


async def test_a_history_is_read_to_its_end(client: Client, host: FakeHost) -> None:
    journal = [entry(sequence) for sequence in (1, 2, 5, 6, 9)]

    def page(request: Request) -> list[ControlReply]:
        assert isinstance(request.body, GetHistory)
        after, limit = request.body.after, request.body.limit
        rows = tuple([row for row in journal if row.sequence > after][:limit])
        return [ControlReply(history=rows, cursor=str(rows[-1].sequence) if len(rows) == limit else None)]

    host.scripts[GetHistory] = page
    assert [row async for row in client.history("w-1", "r-1", page_size=2)] == journal
    assert {(question.workflow_id, question.run_id) for question in host.of(GetHistory)} == {("w-1", "r-1")}


async def test_a_history_whose_last_page_is_full_ends_with_an_empty_one(client: Client, host: FakeHost) -> None:
    first = ControlReply(history=(entry(1), entry(2)), cursor="2")
    host.scripts[GetHistory] = lambda request: [ControlReply() if len(host.requests) == 2 else first]
    assert [row.sequence async for row in client.history("w-1", page_size=2)] == [1, 2]


async def test_behind_a_page_whose_rows_are_damaged_the_list_goes_on(client: Client, host: FakeHost) -> None:
    pages = {
        None: ControlReply(workflows=(summary(5),), cursor="c-5"),
        "c-5": ControlReply(cursor="c-4"),
        "c-4": ControlReply(workflows=(summary(3),), cursor="c-3"),
        "c-3": ControlReply(cursor="c-3"),
    }

    def page(request: Request) -> list[ControlReply]:
        assert isinstance(request.body, ListWorkflows | FindWorkflows)
        return [pages[request.body.before]]

    host.scripts[ListWorkflows] = host.scripts[FindWorkflows] = page
    for listed in (client.list(), client.list("Type = 'Order'")):
        assert [workflow.workflow_id async for workflow in listed] == ["w-5", "w-3"]
