"""Interceptors of a client see lists and counts, all about schedules, and activities completed from outside."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dalsegno import (
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleBackfill,
    ScheduleIntervalSpec,
    ScheduleSpec,
    ScheduleUpdate,
    activity,
    workflow,
)
from dalsegno.client import ScheduleNotFoundError, ScheduleUpdateInput
from dalsegno.errors import ActivityNotFoundError, CommandRejectedError, WorkflowClosedError
from dalsegno.interceptors import (
    AsyncActivityIDReference,
    ClientInterceptor,
    CompleteAsyncActivityInput,
    CountWorkflowsInput,
    ListWorkflowsInput,
    OutboundInterceptor,
    PauseScheduleInput,
)
from dalsegno.testing import WorkflowEnvironment

CALLS = (
    "list_workflows",
    "count_workflows",
    "create_schedule",
    "list_schedules",
    "describe_schedule",
    "pause_schedule",
    "unpause_schedule",
    "trigger_schedule",
    "backfill_schedule",
    "update_schedule",
    "delete_schedule",
    "heartbeat_async_activity",
    "complete_async_activity",
    "fail_async_activity",
    "report_cancellation_async_activity",
)


class Noting(ClientInterceptor):
    """Notes the names of calls, and of the inputs."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
        noting = OutboundInterceptor(next)
        for name in CALLS:
            setattr(noting, name, self._noted(name, getattr(next, name)))
        return noting

    def _noted(self, name: str, call: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def noted(input: Any) -> Any:
            assert type(input).__name__ == "".join(word.capitalize() for word in name.split("_")) + "Input"
            self.seen.append(name)
            return call(input)

        return noted


class Altering(ClientInterceptor):
    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
        return AlteringClient(next)


class AlteringClient(OutboundInterceptor):
    """Narrows lists, and means others than were named."""

    def list_workflows(self, input: ListWorkflowsInput) -> AsyncIterator[Any]:
        input.query = 'WorkflowId = "seen"'
        return self.next.list_workflows(input)

    async def count_workflows(self, input: CountWorkflowsInput) -> Any:
        input.query = 'WorkflowId = "seen"'
        return await self.next.count_workflows(input)

    async def pause_schedule(self, input: PauseScheduleInput) -> None:
        input.id, input.note = "other", "of us"
        await self.next.pause_schedule(input)

    async def complete_async_activity(self, input: CompleteAsyncActivityInput) -> None:
        assert isinstance(input.id_or_token, AsyncActivityIDReference)
        input.id_or_token = replace(input.id_or_token, workflow_id="seen")
        input.result = f"{input.result}, altered"
        await self.next.complete_async_activity(input)


@activity.defn
async def ask_a_person() -> str:
    activity.raise_complete_async()


@workflow.defn
class Asking:
    @workflow.run
    async def run(self) -> str:
        return await workflow.execute_activity(ask_a_person, activity_id="asks", start_to_close_timeout=3600)


def daily(workflow_id: str) -> Schedule:
    return Schedule(
        action=ScheduleActionStartWorkflow(Asking.run, id=workflow_id),
        spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=timedelta(days=1))]),
    )


async def until_taken(call: Callable[[], Awaitable[None]]) -> None:
    """The attempt may not have begun yet."""
    while True:
        try:
            return await call()
        except ActivityNotFoundError:
            await asyncio.sleep(0)


async def test_each_call_passes_once_and_does_what_it_does_without() -> None:
    noting = Noting()
    async with (
        await WorkflowEnvironment.start_local(interceptors=[noting]) as env,
        env.worker(workflows=[Asking], activities=[ask_a_person]),
    ):
        client = env.client
        running = await client.start_workflow(Asking.run, id="w")
        asked = client.get_async_activity_handle(workflow_id="w", activity_id="asks")
        await until_taken(lambda: asked.heartbeat("half"))
        with pytest.raises(CommandRejectedError):
            await asked.report_cancellation("nobody has asked")
        await asked.complete("yes")
        assert await running.result() == "yes"
        with pytest.raises(WorkflowClosedError):
            await asked.fail(ValueError("too late"))

        assert [run.workflow_id async for run in client.list_workflows()] == ["w"]
        assert (await client.count_workflows()).count == 1

        handle = await client.create_schedule("s", daily("of-s"))
        assert [one.id async for one in await client.list_schedules()] == ["s"]
        await handle.pause(note="a")
        assert (await handle.describe()).schedule.state.paused
        await handle.unpause()

        def noted(input: ScheduleUpdateInput) -> ScheduleUpdate:
            schedule = input.description.schedule
            schedule.state.note = "updated"
            return ScheduleUpdate(schedule)

        await handle.update(noted)
        assert (await handle.describe()).schedule.state.note == "updated"
        await handle.trigger()
        day = datetime(2020, 1, 1, tzinfo=UTC)
        await handle.backfill(ScheduleBackfill(start_at=day, end_at=day + timedelta(days=1)))
        await handle.delete()
        with pytest.raises(ScheduleNotFoundError, match="no schedule 's'"):
            await handle.describe()
    once = [name for name in noting.seen if name not in ("heartbeat_async_activity", "describe_schedule")]
    assert sorted(once) == sorted(set(CALLS) - {"heartbeat_async_activity", "describe_schedule"})
    assert noting.seen.count("describe_schedule") == 3
    assert "heartbeat_async_activity" in noting.seen


async def test_what_an_interceptor_changes_is_what_is_asked() -> None:
    async with (
        await WorkflowEnvironment.start_local(interceptors=[Altering()]) as env,
        env.worker(workflows=[Asking], activities=[ask_a_person]),
    ):
        client = env.client
        seen = await client.start_workflow(Asking.run, id="seen")
        await client.start_workflow(Asking.run, id="unseen")
        assert [run.workflow_id async for run in client.list_workflows()] == ["seen"]
        assert (await client.count_workflows("anything")).count == 1
        other = client.get_async_activity_handle(workflow_id="unseen", activity_id="asks")
        await until_taken(lambda: other.complete("yes"))
        assert await seen.result() == "yes, altered"

        one = await client.create_schedule("one", daily("a"))
        other_schedule = await client.create_schedule("other", daily("b"))
        await one.pause(note="mine")
        assert not (await one.describe()).schedule.state.paused
        state = (await other_schedule.describe()).schedule.state
        assert (state.paused, state.note) == (True, "of us")
