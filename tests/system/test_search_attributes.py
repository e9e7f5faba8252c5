"""Search attributes from the start of a workflow to who finds it, on both stacks."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import pytest

from dalsegno import (
    Client,
    CommandRejectedError,
    SearchAttributeKey,
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowStatus,
)
from dalsegno.client import (
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleCalendarSpec,
    ScheduleRange,
    ScheduleSpec,
)
from dalsegno.persistence import open_store
from dalsegno.search_attributes import SearchAttributeIndexedValueType as Type
from tests.system.conftest import EMBEDDED, SERVERS, StackFactory
from tests.system.sought import EACH, NOON, NOTE, PAID, TOTAL, Sought, all_of
from tests.system.stack import Stack, until


@pytest.fixture(
    scope="module",
    params=[EMBEDDED, pytest.param(SERVERS, marks=[pytest.mark.rabbitmq, pytest.mark.postgres])],
)
def stack(request: pytest.FixtureRequest, stack_on: StackFactory) -> Iterator[Stack]:
    with stack_on(request.param, modules=["tests.system.sought"], workers=0) as stack:
        declare(stack, **{key.name: key.indexed_value_type for key in EACH})
        yield stack


def declare(stack: Stack, **attributes: Type) -> None:
    store = open_store(stack.database)
    known = store.search_attributes()
    for name, type_ in attributes.items():
        known.add(name, type_)
    store.close()


@pytest.fixture
async def client(stack: Stack) -> AsyncIterator[Client]:
    async with stack.client() as client:
        yield client


async def ids(client: Client, query: str) -> list[str]:
    return [run.workflow_id async for run in client.list_workflows(query)]


async def test_a_workflow_is_found_by_what_it_was_started_with_and_by_what_it_sets(client: Client) -> None:
    customer = f"c-{uuid4()}"
    handle = await client.start(
        Sought.run, id=f"sought-{uuid4()}", search_attributes=all_of(customer), task_queue="nowhere"
    )
    mine = f'Customer = "{customer}"'
    day = NOON.date().isoformat()
    for condition in (
        "Total = 7",
        "Price < 1",
        "Paid = false",
        f"Due > {day}",
        'Tags = "big"',
        'Note = "a note"',
    ):
        assert await ids(client, f"{mine} and {condition}") == [handle.id]
        assert await ids(client, f"{mine} and not {condition}") == []

    (found,) = [run async for run in client.list_workflows(mine)]
    assert found.typed_search_attributes == all_of(customer)
    assert (await handle.describe()).typed_search_attributes == all_of(customer)
    assert await handle.query(Sought.known) == sorted(key.name for key in EACH)

    await handle.signal(Sought.pay, 9)
    assert "Note" not in await handle.query(Sought.known)
    assert await ids(client, f"{mine} and Total > 8 and Paid = true and Note is null") == [handle.id]
    assert (await client.count_workflows(f"{mine} group by Paid")).groups[0].group_values == ("true",)
    await handle.signal(Sought.end)
    assert await handle.result() == 9
    told = (await handle.describe()).typed_search_attributes
    assert (told[TOTAL], told[PAID], told.get(NOTE)) == (9, True, None)
    assert await ids(client, f"{mine} and Total = 9 and Status = completed order by Total desc") == [handle.id]


async def test_a_schedule_is_found_by_its_own_attributes_and_what_it_starts_by_those_of_its_action(
    client: Client,
) -> None:
    name, owner, customer = f"sought-{uuid4()}", f"o-{uuid4()}", f"c-{uuid4()}"
    key = SearchAttributeKey.for_keyword("Customer")
    action = ScheduleActionStartWorkflow(
        Sought.run,
        id=name,
        task_queue="nowhere",
        typed_search_attributes=TypedSearchAttributes([SearchAttributePair(key, customer)]),
    )
    never = ScheduleSpec(calendars=[ScheduleCalendarSpec(year=[ScheduleRange(2150)])])
    of_its_own = TypedSearchAttributes([SearchAttributePair(key, owner)])
    handle = await client.create_schedule(
        name, Schedule(action=action, spec=never), trigger_immediately=True, search_attributes=of_its_own
    )

    listed = await client.list_schedules(f'Customer = "{owner}"')
    assert [one.id async for one in listed] == [name]
    assert await ids(client, f'Customer = "{owner}"') == [f"dalsegno.schedule.{name}"]
    (started,) = await until(lambda: ids(client, f'Customer = "{customer}"'), "what it starts is found")
    assert started.startswith(name)
    await handle.delete()

    wrong = TypedSearchAttributes([SearchAttributePair(SearchAttributeKey.for_int("Nowhere"), 1)])
    with pytest.raises(CommandRejectedError, match="'Nowhere' is not declared in this namespace"):
        await client.create_schedule(name, Schedule(action=action, spec=never), search_attributes=wrong)


async def test_a_start_with_an_attribute_that_is_not_declared_is_refused_and_starts_nothing(
    client: Client,
) -> None:
    workflow_id = f"sought-{uuid4()}"
    wrong = TypedSearchAttributes([SearchAttributePair(SearchAttributeKey.for_int("Nowhere"), 1)])
    with pytest.raises(CommandRejectedError, match="'Nowhere' is not declared in this namespace, which has"):
        await client.start(Sought.run, id=workflow_id, search_attributes=wrong)
    other = TypedSearchAttributes([SearchAttributePair(SearchAttributeKey.for_int("Customer"), 1)])
    with pytest.raises(CommandRejectedError, match="'Customer' is declared as keyword, and this is int"):
        await client.start(Sought.run, id=workflow_id, search_attributes=other)
    assert await ids(client, f'WorkflowID = "{workflow_id}"') == []
    with pytest.raises(CommandRejectedError, match="character 1: there is no field 'Nowhere'"):
        await ids(client, "Nowhere = 1")


async def test_an_attribute_is_known_to_the_first_start_after_it_was_declared(
    stack: Stack, client: Client
) -> None:
    name = f"Declared{uuid4().hex}"
    key = SearchAttributeKey.for_keyword(name)
    declare(stack, **{name: Type.KEYWORD})
    handle = await client.start(
        Sought.run,
        id=f"sought-{uuid4()}",
        search_attributes=TypedSearchAttributes([SearchAttributePair(key, "x")]),
    )
    assert await ids(client, f'{name} = "x"') == [handle.id]
    assert (await client.search_attributes())[name] is Type.KEYWORD
    await handle.terminate()


async def test_code_that_sets_what_is_not_declared_goes_on_once_it_is(stack: Stack, client: Client) -> None:
    handle = await client.start(Sought.run, id=f"sought-{uuid4()}")
    await handle.signal(Sought.label, "blue")
    told = await handle.describe()
    assert told.status is WorkflowStatus.SUSPENDED
    assert "sought.py:" in (told.suspended_reason or "")
    assert "'DeclaredLate' is not declared" in (told.suspended_reason or "")
    declare(stack, DeclaredLate=Type.KEYWORD)

    async def runs() -> bool:
        return (await handle.describe()).status is WorkflowStatus.RUNNING

    await until(runs, "the workflow to go on")
    assert await ids(client, 'DeclaredLate = "blue"') == [handle.id]
    await handle.terminate()


async def test_a_moved_workflow_has_its_attributes_and_a_killed_host_loses_none(
    stack: Stack, client: Client
) -> None:
    customer = f"c-{uuid4()}"
    handle = await client.start(Sought.run, id=f"sought-{uuid4()}", search_attributes=all_of(customer))
    await handle.signal(Sought.pay, 11)
    stack.hosts[0].kill_child()
    await handle.signal(Sought.pay, 12)
    assert await ids(client, f'Customer = "{customer}" and Total = 12') == [handle.id]
    assert "Note" not in await handle.query(Sought.known)
    await handle.signal(Sought.end)
    assert await handle.result() == 12


def test_the_shell_starts_and_shows_with_attributes(stack: Stack) -> None:
    def shell(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "dalsegno.cli", *words]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    customer, workflow_id = f"c-{uuid4()}", f"sought-{uuid4()}"
    attributes = [f"Customer={customer}", "Total=3", f"Due={NOON.isoformat()}", "Tags=a,b", "Paid=true"]
    options = [word for text in attributes for word in ("--search-attribute", text)]
    started = shell("workflow", "start", "Sought", "--id", workflow_id, "--broker", stack.broker, *options)
    assert started.returncode == 0, started.stderr
    listed = shell("workflow", "list", "--json", "--broker", stack.broker, "-q", f'Customer = "{customer}"')
    (run,) = map(json.loads, listed.stdout.splitlines())
    assert run["search_attributes"] == {
        "Customer": customer,
        "Due": "2026-11-30T12:00:00+00:00",
        "Paid": True,
        "Tags": ["a", "b"],
        "Total": 3,
    }
    told = shell("workflow", "describe", workflow_id, "--broker", stack.broker)
    assert "Total = 3" in told.stdout
    for wrong, said in (
        ("Total=x", "--search-attribute 'Total=x' is not a int"),
        ("Total", "is not NAME=VALUE"),
        ("Nowhere=1", "There is no search attribute 'Nowhere' in this namespace; there are"),
        ("Due=soon", "is not a datetime"),
    ):
        refused = shell(
            *("workflow", "start", "Sought", "--id", "x", "--broker", stack.broker, "--search-attribute", wrong)
        )
        assert refused.returncode == 2
        assert said in refused.stderr


async def test_a_client_declares_them_and_takes_that_back(client: Client) -> None:
    key, name = SearchAttributeKey.for_keyword("FromClient"), f"declared-{uuid4()}"
    assert await client.declare_search_attributes(TOTAL, key) == (key,)
    assert await client.declare_search_attributes(key) == ()
    assert (await client.search_attributes())["FromClient"] is Type.KEYWORD
    with pytest.raises(CommandRejectedError, match="'FromClient' of the type keyword"):
        await client.declare_search_attributes(SearchAttributeKey.for_int("FromClient"))
    with pytest.raises(CommandRejectedError, match="No search attribute can have the name 'Status'"):
        await client.declare_search_attributes(SearchAttributeKey.for_int("Status"))
    with pytest.raises(TypeError, match="key must be a SearchAttributeKey"):
        await client.declare_search_attributes("FromClient")  # type: ignore[arg-type]

    theirs = TypedSearchAttributes([SearchAttributePair(key, "yes")])
    await client.start(Sought.run, id=name, search_attributes=theirs, task_queue="nowhere")
    with pytest.raises(CommandRejectedError, match="Runs have the search attribute 'FromClient'"):
        await client.remove_search_attribute("FromClient")
    assert await client.remove_search_attribute("FromClient", force=True) is True
    assert await client.remove_search_attribute("FromClient") is False
    assert "FromClient" not in await client.search_attributes()
