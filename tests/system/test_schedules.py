"""Schedules by the client, on both stacks: what they start, and what is asked of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from dalsegno import Client, Payload, WorkflowStatus
from dalsegno.client import (
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleBackfill,
    ScheduleCalendarSpec,
    ScheduleHandle,
    ScheduleIntervalSpec,
    ScheduleListDescription,
    ScheduleNotFoundError,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleRange,
    ScheduleSpec,
    ScheduleState,
    ScheduleUpdate,
    ScheduleUpdateInput,
)
from tests.system.conftest import EMBEDDED, SERVERS, StackFactory
from tests.system.reports import Report
from tests.system.stack import Stack, until

NEVER = ScheduleSpec(calendars=[ScheduleCalendarSpec(year=[ScheduleRange(2150)])])
Overlap = ScheduleOverlapPolicy


@pytest.fixture(
    scope="module",
    params=[EMBEDDED, pytest.param(SERVERS, marks=[pytest.mark.rabbitmq, pytest.mark.postgres])],
)
def stack(request: pytest.FixtureRequest, stack_on: StackFactory) -> Iterator[Stack]:
    with stack_on(request.param, modules=["tests.system.reports"], workers=0) as stack:
        yield stack


@pytest.fixture
async def client(stack: Stack) -> AsyncIterator[Client]:
    async with stack.client() as client:
        yield client


@pytest.fixture
def name() -> str:
    return f"report-{uuid4()}"


def schedule(
    name: str, what: str = "at once", spec: ScheduleSpec = NEVER, overlap: Overlap = Overlap.SKIP, **state: Any
) -> Schedule:
    return Schedule(
        action=ScheduleActionStartWorkflow(Report.run, what, id=name),
        spec=spec,
        policy=SchedulePolicy(overlap=overlap),
        state=ScheduleState(**state),
    )


async def started(handle: ScheduleHandle, count: int) -> list[str]:
    """The workflows that it has started, when there are so many."""

    async def so_many() -> bool:
        return (await handle.describe()).info.num_actions >= count

    await until(so_many, f"{handle} has started {count} workflows")
    recent = (await handle.describe()).info.recent_actions
    return [one.action.workflow_id for one in recent]


async def test_it_starts_workflows_whenever_it_is_time(client: Client, name: str) -> None:
    every_second = ScheduleSpec(intervals=[ScheduleIntervalSpec(every=timedelta(seconds=1))])
    handle = await client.create_schedule(name, schedule(name, spec=every_second))
    await started(handle, 2)
    first, second, *_ = (await handle.describe()).info.recent_actions
    assert first.scheduled_at < second.scheduled_at
    for one in (first, second):
        assert one.scheduled_at.microsecond == 0
        assert one.scheduled_at <= one.started_at
        workflow_id = one.action.workflow_id
        assert workflow_id == f"{name}-{one.scheduled_at:%Y-%m-%dT%H:%M:%SZ}"
        assert await client.get_workflow_handle(workflow_id).result() == f"at once of {workflow_id}"
    await handle.delete()
    with pytest.raises(ScheduleNotFoundError, match=f"no schedule '{name}'"):
        await handle.describe()


async def test_what_is_written_of_it_is_described(client: Client, name: str) -> None:
    spec = ScheduleSpec(
        cron_expressions=["30 8 * * MON-FRI"], time_zone_name="Europe/Berlin", jitter=timedelta(minutes=1)
    )
    given = schedule(name, "monthly", spec, Overlap.BUFFER_ONE, note="for Ann", paused=True)
    handle = await client.create_schedule(name, given)
    described = await client.get_schedule_handle(name).describe()
    assert described.id == name
    assert described.schedule.spec == spec
    assert described.schedule.policy == given.policy
    assert described.schedule.state == given.state
    action = described.schedule.action
    assert (action.workflow, action.id, action.args) == ("Report", name, [Payload("json/plain", b'"monthly"')])
    assert len(described.info.next_action_times) == 10
    assert all(time > datetime.now(UTC) for time in described.info.next_action_times)
    assert (described.info.num_actions, described.info.running_actions) == (0, [])
    with pytest.raises(ScheduleAlreadyRunningError, match=f"a schedule '{name}' already"):
        await client.create_schedule(name, given)
    await handle.delete()


async def test_it_is_triggered_paused_and_gone_on_with(client: Client, name: str) -> None:
    handle = await client.create_schedule(name, schedule(name), trigger_immediately=True)
    (first,) = await started(handle, 1)
    await client.get_workflow_handle(first).result()
    await handle.pause(note="too many")
    state = (await handle.describe()).schedule.state
    assert (state.paused, state.note) == (True, "too many")
    await handle.trigger(overlap=Overlap.ALLOW_ALL)
    assert len(await started(handle, 2)) == 2
    await handle.unpause()
    assert not (await handle.describe()).schedule.state.paused
    await handle.delete()


async def test_a_backfill_starts_what_was_missed(client: Client, name: str) -> None:
    hourly = ScheduleSpec(cron_expressions=["0 * * * *"])
    day = datetime(2026, 5, 1, tzinfo=UTC)
    handle = await client.create_schedule(name, schedule(name, spec=hourly, paused=True))
    await handle.backfill(
        ScheduleBackfill(day, day + timedelta(hours=3), Overlap.ALLOW_ALL),
        ScheduleBackfill(day + timedelta(hours=9), day + timedelta(hours=10), Overlap.BUFFER_ALL),
    )
    ids = await started(handle, 4)
    assert sorted(ids) == [f"{name}-2026-05-01T{hour:02}:00:00Z" for hour in (1, 2, 3, 10)]
    for one in ids:
        assert await client.get_workflow_handle(one).result() == f"at once of {one}"
    await handle.delete()


async def test_one_at_a_time_is_waited_for_and_its_failure_pauses(client: Client, name: str) -> None:
    written = schedule(name, "wait", overlap=Overlap.BUFFER_ALL)
    written.policy.pause_on_failure = True
    handle = await client.create_schedule(name, written)
    for _ in range(3):
        await handle.trigger()
    (first,) = await started(handle, 1)
    running = (await handle.describe()).info.running_actions
    assert [one.workflow_id for one in running] == [first]
    await client.get_workflow_handle(first).signal("end", "well")
    second = (await started(handle, 2))[1]
    await client.get_workflow_handle(second).signal("end", "fail")
    third = (await started(handle, 3))[2]
    state = (await handle.describe()).schedule.state
    assert (state.paused, state.note) == (True, f"paused due to workflow failure: {second}: no paper")
    assert (await client.get_workflow_handle(third).describe()).status is WorkflowStatus.RUNNING
    await handle.delete()
    assert (await client.get_workflow_handle(third).describe()).status is WorkflowStatus.RUNNING


@pytest.mark.parametrize(
    ("overlap", "status"),
    [(Overlap.CANCEL_OTHER, WorkflowStatus.CANCELED), (Overlap.TERMINATE_OTHER, WorkflowStatus.TERMINATED)],
)
@pytest.mark.parametrize("what", ["wait", "go on"])
async def test_the_other_is_stopped_where_the_policy_says_so_whichever_run_it_has_gone_on_as(
    client: Client, name: str, overlap: Overlap, status: WorkflowStatus, what: str
) -> None:
    handle = await client.create_schedule(name, schedule(name, what, overlap=overlap))
    await handle.trigger()
    (first,) = await started(handle, 1)
    other = client.get_workflow_handle(first)

    async def waits() -> bool:
        runs = [run async for run in client.list_workflows(f'WorkflowId = "{first}"')]
        return len(runs) == (1 if what == "wait" else 2)

    await until(waits, f"{first} has gone on")
    await handle.trigger()
    _, second = await started(handle, 2)
    assert (await other.describe()).status is status
    assert (await client.get_workflow_handle(second).describe()).status is WorkflowStatus.RUNNING
    await handle.delete()


async def test_each_knows_what_the_one_before_has_given(client: Client, name: str) -> None:
    handle = await client.create_schedule(name, schedule(name, "last", overlap=Overlap.BUFFER_ALL))
    for _ in range(2):
        await handle.trigger()
    first, second = await started(handle, 2)
    assert await client.get_workflow_handle(second).result() == f"after last of {first}"
    await handle.delete()


async def test_it_is_changed_by_a_function_of_what_it_is(client: Client, name: str) -> None:
    handle = await client.create_schedule(name, schedule(name))

    def other(seen: ScheduleUpdateInput) -> ScheduleUpdate:
        changed = seen.description.schedule
        changed.action.args = ["changed"]
        changed.state.limited_actions, changed.state.remaining_actions = True, 1
        changed.spec = ScheduleSpec(intervals=[ScheduleIntervalSpec(every=1)])
        return ScheduleUpdate(changed)

    await handle.update(other)
    (only,) = await started(handle, 1)
    assert await client.get_workflow_handle(only).result() == f"changed of {only}"

    async def unchanged(seen: ScheduleUpdateInput) -> None:
        assert seen.description.schedule.state.remaining_actions == 0

    await handle.update(unchanged)
    assert (await handle.describe()).info.next_action_times == []
    await handle.delete()


async def test_an_update_is_made_anew_when_somebody_else_was_faster(client: Client, name: str) -> None:
    handle = await client.create_schedule(name, schedule(name))
    seen: list[str | None] = []

    async def slow(update: ScheduleUpdateInput) -> ScheduleUpdate:
        if not seen:
            await handle.pause(note="first")
        seen.append(update.description.schedule.state.note)
        update.description.schedule.state.paused = False
        return ScheduleUpdate(update.description.schedule)

    await handle.update(slow)
    assert seen == [None, "first"]
    assert not (await handle.describe()).schedule.state.paused
    await handle.delete()


async def test_it_hears_of_the_end_of_what_runs_when_it_was_changed_and_its_host_has_died_meanwhile(
    stack: Stack, client: Client, name: str
) -> None:
    handle = await client.create_schedule(name, schedule(name, "wait", overlap=Overlap.BUFFER_ALL))
    await handle.trigger()
    (first,) = await started(handle, 1)
    await handle.update(lambda seen: ScheduleUpdate(seen.description.schedule))  # which sets a sign
    await handle.trigger()
    (host,) = stack.hosts
    host.kill_child()
    await host.until_ready()
    assert (await handle.describe(timeout=60)).info.num_actions == 1
    await client.get_workflow_handle(first).signal("end", "well", timeout=60)
    _, second = await started(handle, 2)
    await client.get_workflow_handle(second).signal("end", "well")
    assert await client.get_workflow_handle(second).result() == f"wait of {second}"
    await handle.delete()


async def test_all_are_listed(client: Client, name: str) -> None:
    handles = [await client.create_schedule(f"{name}-{n}", schedule(name, note=str(n))) for n in range(3)]
    await handles[1].delete()

    async def found() -> dict[str, ScheduleListDescription]:
        return {one.id: one async for one in await client.list_schedules() if one.id.startswith(name)}

    listed = await found()
    assert listed.keys() == {f"{name}-0", f"{name}-2"}
    shown = listed[f"{name}-2"].schedule
    assert shown is not None
    assert (shown.state.note, shown.action.workflow) == ("2", "Report")
    none = [one async for one in await client.list_schedules('WorkflowID = "dalsegno.schedule.none"')]
    assert none == []


async def test_what_is_not_there_is_said(client: Client, name: str) -> None:
    handle = client.get_schedule_handle(name)
    for asked in (handle.describe, handle.pause, handle.unpause, handle.trigger, handle.delete):
        with pytest.raises(ScheduleNotFoundError, match=f"no schedule '{name}'"):
            await asked()


async def test_nonsense_is_refused_where_it_is_written(client: Client, name: str) -> None:
    with pytest.raises(ValueError, match=r"cron_expressions\[0\] 'whenever' has 1 fields"):
        await client.create_schedule(name, schedule(name, spec=ScheduleSpec(cron_expressions=["whenever"])))
    with pytest.raises(ValueError, match=r"state\.remaining_actions is 3, but"):
        await client.create_schedule(name, schedule(name, remaining_actions=3))
    with pytest.raises(TypeError, match="The schedule must be a Schedule"):
        await client.create_schedule(name, NEVER)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"takes 1 argument, but is given 2"):
        await client.create_schedule(
            name, Schedule(ScheduleActionStartWorkflow(Report.run, 1, 2, id=name), NEVER)
        )
    with pytest.raises(ValueError, match="ID of a schedule"):
        client.get_schedule_handle("")
    with pytest.raises(ScheduleNotFoundError):
        await client.get_schedule_handle(name).describe()
