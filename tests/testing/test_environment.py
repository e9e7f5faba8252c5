"""`WorkflowEnvironment`: time that is skipped, workers that come and go, and what is left behind."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from dalsegno import (
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleIntervalSpec,
    ScheduleSpec,
    SearchAttributeKey,
    activity,
    workflow,
)
from dalsegno.actors.supervisor.off_loop.local_worker import LocalWorker
from dalsegno.errors import ConfigurationError, DefinitionError, UnsupportedError, WorkflowFailedError
from dalsegno.policies import RetryPolicy
from dalsegno.testing import (
    EnvironmentBrokenError,
    EnvironmentClosedError,
    TimeBackwardsError,
    WorkflowEnvironment,
    WorkflowSuspendedError,
)
from dalsegno.testing.skipping import Skippable

DAYS_90 = timedelta(days=90)


@activity.defn
async def charge(order: str) -> str:
    return f"charged {order}"


@workflow.defn
class Reminded:
    @workflow.run
    async def run(self, order: str) -> str:
        await workflow.sleep(DAYS_90)
        return await workflow.execute_activity(charge, order, start_to_close_timeout=10)


@workflow.defn
class Approved:
    def __init__(self) -> None:
        self.by: str | None = None

    @workflow.run
    async def run(self) -> str:
        try:
            await workflow.wait_condition(lambda: self.by is not None, timeout=timedelta(days=2))
        except TimeoutError:
            return "nobody"
        return self.by or ""

    @workflow.signal
    def approve(self, by: str) -> None:
        self.by = by

    @workflow.query
    def whose(self) -> str | None:
        return self.by


@pytest.fixture
async def env() -> AsyncIterator[WorkflowEnvironment]:
    async with await WorkflowEnvironment.start_time_skipping() as environment:
        yield environment


async def test_ninety_days_pass_while_a_result_is_awaited(env: WorkflowEnvironment) -> None:
    begun = await env.get_current_time()
    async with env.worker(workflows=[Reminded], activities=[charge]):
        assert await env.client.execute_workflow(Reminded.run, "o-1", id="o-1") == "charged o-1"
    assert DAYS_90 <= await env.get_current_time() - begun < DAYS_90 + timedelta(hours=1)


async def test_time_stands_where_nobody_waits_and_sleep_moves_it_to_where_it_says(
    env: WorkflowEnvironment,
) -> None:
    begun = await env.get_current_time()
    async with env.worker(workflows=[Approved]):
        handle = await env.client.start(Approved.run, id="a-1")
        await env.sleep(timedelta(days=1, hours=23))
        assert await handle.query(Approved.whose) is None
        await handle.signal(Approved.approve, "alice")
        assert await handle.result() == "alice"
    assert await env.get_current_time() - begun < timedelta(days=2)


async def test_what_is_due_within_a_sleep_is_done_before_it_is_over(env: WorkflowEnvironment) -> None:
    async with env.worker(workflows=[Approved]):
        handle = await env.client.start(Approved.run, id="a-1")
        await env.sleep(timedelta(days=3))
        assert (await handle.describe()).status == "completed"
        assert await handle.result() == "nobody"


async def test_two_sleepers_wake_in_order_and_act_at_their_times(env: WorkflowEnvironment) -> None:
    async def approve_after(days: int, by: str) -> None:
        await env.sleep(timedelta(days=days))
        await handle.signal(Approved.approve, by)

    async with env.worker(workflows=[Approved]):
        handle = await env.client.start(Approved.run, id="a-1")
        result, *_ = await asyncio.gather(handle.result(), approve_after(1, "alice"))
        assert result == "alice"


async def test_an_activity_that_runs_holds_the_clock(env: WorkflowEnvironment) -> None:
    release = threading.Event()
    asked = threading.Event()

    @activity.defn
    def slow() -> str:
        asked.set()
        release.wait(10)
        return "done"

    @workflow.defn
    class Raced:
        @workflow.run
        async def run(self) -> str:
            work = asyncio.ensure_future(workflow.execute_activity(slow, start_to_close_timeout=3600))
            late = asyncio.ensure_future(asyncio.sleep(1800))
            done, _ = await workflow.wait([work, late], return_when=asyncio.FIRST_COMPLETED)
            return "in time" if work in done else "late"

    async with env.worker(workflows=[Raced], activities=[slow]):
        begun = await env.get_current_time()
        result = asyncio.create_task(env.client.execute_workflow(Raced.run, id="r-1"))
        await asyncio.to_thread(asked.wait)
        assert await env.get_current_time() - begun < timedelta(seconds=1800)
        release.set()
        assert await result == "in time"


async def test_retries_and_timeouts_are_skipped_to(env: WorkflowEnvironment) -> None:
    @activity.defn
    async def flaky() -> int:
        if activity.info().attempt < 4:
            raise RuntimeError("not yet")
        return activity.info().attempt

    @workflow.defn
    class Retried:
        @workflow.run
        async def run(self, local: bool) -> int:
            execute = workflow.execute_local_activity if local else workflow.execute_activity
            policy = RetryPolicy(initial_interval=30.0, backoff_coefficient=2.0)
            return await execute(flaky, start_to_close_timeout=10, retry_policy=policy)

    async with env.worker(workflows=[Retried], activities=[flaky]):
        for local in (False, True):
            begun = await env.get_current_time()
            assert await env.client.execute_workflow(Retried.run, local, id=f"local {local}") == 4
            assert await env.get_current_time() - begun >= timedelta(seconds=200)


async def test_an_activity_without_a_worker_times_out(env: WorkflowEnvironment) -> None:
    async with env.worker(workflows=[Reminded]):
        with pytest.raises(WorkflowFailedError):
            await env.client.execute_workflow(
                Reminded.run, "o-1", id="o-1", execution_timeout=timedelta(days=100)
            )


async def test_skipping_can_be_switched_off(env: WorkflowEnvironment) -> None:
    async with env.worker(workflows=[Approved]):
        handle = await env.client.start(Approved.run, id="a-1")
        with env.auto_time_skipping_disabled():
            begun = await env.get_current_time()
            waiting = asyncio.create_task(handle.result())
            await asyncio.sleep(0.05)
            assert await env.get_current_time() - begun < timedelta(minutes=1)
            assert not waiting.done()
        assert await waiting == "nobody"


async def test_instances_outlive_their_worker(env: WorkflowEnvironment) -> None:
    async with env.worker(workflows=[Approved]):
        handle = await env.client.start(Approved.run, id="a-1")
    await handle.signal(Approved.approve, "bob")
    async with env.worker(workflows=[Approved]):
        assert await handle.result() == "bob"


async def test_one_type_has_other_code_on_another_task_queue(env: WorkflowEnvironment) -> None:
    def of(answer: str) -> type:
        @workflow.defn(name="Answer")
        class Answer:
            @workflow.run
            async def run(self) -> str:
                return answer

        return Answer

    async with env.worker(workflows=[of("old")]), env.worker(task_queue="new", workflows=[of("new")]):
        assert await env.client.execute_workflow("Answer", id="1", result_type=str) == "old"
        assert await env.client.execute_workflow("Answer", id="2", task_queue="new", result_type=str) == "new"


async def test_a_failed_assertion_fails_the_run_and_a_bug_fails_who_waits(env: WorkflowEnvironment) -> None:
    @workflow.defn
    class Asserts:
        @workflow.run
        async def run(self, kind: str) -> None:
            assert kind != "assert", "as it should be"
            raise KeyError(kind)

    async with env.worker(workflows=[Asserts]):
        with pytest.raises(WorkflowFailedError) as failed:
            await env.client.execute_workflow(Asserts.run, "assert", id="1")
        assert "as it should be" in str(failed.value.__cause__)
        with pytest.raises(WorkflowSuspendedError, match="KeyError"):
            await env.client.execute_workflow(Asserts.run, "bug", id="2")


async def test_a_local_activity_and_a_child_run_on_what_workers_brought(env: WorkflowEnvironment) -> None:
    @workflow.defn
    class Child:
        @workflow.run
        async def run(self) -> str:
            await workflow.sleep(3600)
            return await workflow.execute_local_activity(charge, "child", start_to_close_timeout=5)

    @workflow.defn
    class Parent:
        @workflow.run
        async def run(self) -> str:
            return await workflow.execute_child_workflow(Child.run, id="child")

    async with env.worker(workflows=[Parent, Child], activities=[charge]):
        assert await env.client.execute_workflow(Parent.run, id="parent") == "charged child"


async def test_a_month_of_a_schedule(env: WorkflowEnvironment) -> None:
    begun: list[str] = []

    @workflow.defn
    class Daily:
        @workflow.run
        async def run(self) -> None:
            begun.append(workflow.info().workflow_id)

    every_day = ScheduleSpec(intervals=[ScheduleIntervalSpec(every=timedelta(days=1))])
    async with env.worker(workflows=[Daily]):
        action = ScheduleActionStartWorkflow(Daily.run, id="daily")
        await env.client.create_schedule("s-1", Schedule(action=action, spec=every_day))
        await env.sleep(timedelta(days=30))
    assert len(set(begun)) == 30


async def test_search_attributes_that_a_client_declares_are_there_at_once(env: WorkflowEnvironment) -> None:
    customer = SearchAttributeKey.for_keyword("Customer")

    @workflow.defn
    class Noted:
        @workflow.run
        async def run(self, name: str) -> None:
            workflow.upsert_search_attributes([customer.value_set(name)])

    async with env.worker(workflows=[Noted]):
        await env.client.declare_search_attributes(customer)
        await env.client.execute_workflow(Noted.run, "alice", id="n-1")
        assert [run.id async for run in env.client.list_workflows("Customer = 'alice'")] == ["n-1"]


async def test_two_environments_on_one_loop_each_have_their_time(env: WorkflowEnvironment) -> None:
    async with (
        await WorkflowEnvironment.start_time_skipping() as other,
        env.worker(workflows=[Approved]),
        other.worker(workflows=[Reminded], activities=[charge]),
    ):
        results = await asyncio.gather(
            env.client.execute_workflow(Approved.run, id="1"),
            other.client.execute_workflow(Reminded.run, "o-1", id="1"),
        )
        assert results == ["nobody", "charged o-1"]
        assert await other.get_current_time() - await env.get_current_time() > timedelta(days=80)


async def test_a_local_activity_holds_the_clock_also_once_its_turn_is_over(
    env: WorkflowEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(env, Skippable)
    assert env.is_at_rest
    monkeypatch.setattr(LocalWorker, "is_at_work", True)
    assert not env.is_at_rest


async def test_in_real_time(env: WorkflowEnvironment) -> None:
    @workflow.defn
    class Short:
        @workflow.run
        async def run(self) -> str:
            await workflow.sleep(0.01)
            return "done"

    async with await WorkflowEnvironment.start_local() as local:
        assert not local.supports_time_skipping
        async with local.worker(workflows=[Short]):
            assert await local.client.execute_workflow(Short.run, id="s-1") == "done"
        await local.sleep(0)


async def test_around_another_client_only_activities_are_brought(env: WorkflowEnvironment) -> None:
    around = WorkflowEnvironment.from_client(env.client)
    assert not around.supports_time_skipping
    with pytest.raises(UnsupportedError, match="hosts have the workflows"):
        around.worker(workflows=[Reminded])
    async with env.worker(workflows=[Reminded]), around.worker(activities=[charge]):
        assert await around.client.execute_workflow(Reminded.run, "o-1", id="o-1") == "charged o-1"


def test_a_loop_that_does_not_say_what_it_is_about_to_run_is_refused() -> None:
    async def begun_on_uvloop() -> None:
        with pytest.raises(ConfigurationError, match=r"start_local\(\)"):
            await WorkflowEnvironment.start_time_skipping()
        async with await WorkflowEnvironment.start_local() as env, env.worker(activities=[charge]):
            options = {"id": "c-1", "start_to_close_timeout": 10}
            assert await env.client.execute_activity(charge, "o-1", **options) == "charged o-1"

    pytest.importorskip("uvloop").run(begun_on_uvloop())


async def test_what_cannot_be_is_refused(env: WorkflowEnvironment) -> None:
    worker = env.worker(workflows=[Reminded])
    async with worker:
        pass
    with pytest.raises(RuntimeError, match="runs once"):
        await worker.__aenter__()
    with pytest.raises((TypeError, ValueError), match="duration"):
        await env.sleep("soon")  # type: ignore[arg-type]
    with pytest.raises(DefinitionError):
        await env.worker(workflows=[Reminded, int]).__aenter__()
    with pytest.raises(TimeBackwardsError, match="-5 s"):
        await env.sleep(timedelta(seconds=-5))
    with pytest.raises(ConfigurationError, match="workflows"):
        env.worker()
    await env.shutdown()
    await env.shutdown()
    for use in (env.get_current_time, lambda: env.sleep(1)):
        with pytest.raises(EnvironmentClosedError):
            await use()
    with pytest.raises(EnvironmentClosedError):
        env.worker(workflows=[Reminded])


async def test_nothing_is_left_behind() -> None:
    loop = asyncio.get_running_loop()
    handler = loop.get_exception_handler()
    tasks = asyncio.all_tasks()
    async with (
        await WorkflowEnvironment.start_time_skipping() as env,
        env.worker(workflows=[Reminded], activities=[charge]),
    ):
        await env.client.execute_workflow(Reminded.run, "o-1", id="o-1")
        await env.client.start(Reminded.run, "o-2", id="o-2")
    assert asyncio.all_tasks() == tasks
    assert loop.get_exception_handler() is handler
    until = time.monotonic() + 5
    while left := [t.name for t in threading.enumerate() if t.name.startswith(("HostSupervisor", "ticker"))]:
        assert time.monotonic() < until, left
        await asyncio.sleep(0)


async def test_who_waits_hears_of_a_defect_of_the_host(env: WorkflowEnvironment) -> None:
    async with env.worker(workflows=[Approved]):
        handle = await env.client.start(Approved.run, id="a-1")
        with env.auto_time_skipping_disabled():
            waiting = asyncio.create_task(handle.result())
            await asyncio.sleep(0)
            env._stage._escaped(ZeroDivisionError("a defect"))  # type: ignore[attr-defined]
            with pytest.raises(EnvironmentBrokenError, match="a defect"):
                await waiting
    with pytest.raises(EnvironmentBrokenError):
        await env.get_current_time()
