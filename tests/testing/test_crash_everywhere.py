"""`crash_everywhere`: what users get wrong is found, and what is right passes everywhere."""

from __future__ import annotations

import asyncio
import threading

import pytest

from dalsegno import activity, workflow
from dalsegno.errors import ConfigurationError
from dalsegno.testing import (
    BrokenByCrashError,
    CrashCoverageError,
    StuckError,
    UnrepeatableScenarioError,
    WorkflowEnvironment,
    crash_everywhere,
)
from tests.testing import careless_code, careless_sales
from tests.testing.careless_sales import Bank, Charged, Scenario, charged_once, charged_twice

PAIRS = careless_sales.PAIRS | careless_code.PAIRS


@pytest.mark.parametrize("careless", PAIRS, ids=lambda scenario: scenario.__name__)
async def test_what_is_careless_is_found(careless: Scenario) -> None:
    with pytest.raises(BrokenByCrashError) as found:
        await crash_everywhere(careless)
    assert len(found.value.faults) == 1


@pytest.mark.parametrize("careful", PAIRS.values(), ids=lambda scenario: scenario.__name__)
async def test_what_is_careful_passes_at_every_point(careful: Scenario) -> None:
    report = await crash_everywhere(careful, storms=0, minimum_coverage=1.0)
    assert report.crossed == report.crashed


async def test_the_report_says_what_was_done_where_and_how_to_see_it_again() -> None:
    with pytest.raises(BrokenByCrashError) as found:
        await crash_everywhere(charged_twice, seed=7)
    text = str(found.value)
    assert "worker lost amid: attempt 1 at charge 1 of 'o-1'" in text and "seed=7" in text
    assert isinstance(found.value.__cause__, AssertionError)
    with pytest.raises(BrokenByCrashError) as again:
        await crash_everywhere(charged_twice, only=found.value.faults)
    assert again.value.faults == found.value.faults


@workflow.defn
class Signaled:
    def __init__(self) -> None:
        self.told = False

    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: self.told)

    @workflow.signal
    def tell(self) -> None:
        self.told = True


@workflow.defn
class Undecided:
    """It bears one worker's loss, but not two."""

    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity("first", start_to_close_timeout=10)
        await workflow.execute_activity("second", start_to_close_timeout=10)


async def twice_unlucky(env: WorkflowEnvironment) -> None:
    begun: list[str] = []

    @activity.defn
    async def first() -> None:
        begun.append("first")

    @activity.defn
    async def second() -> None:
        begun.append("second")

    async with env.worker(workflows=[Undecided], activities=[first, second]):
        await env.client.execute_workflow(Undecided.run, id="u-1")
    assert begun.count("first") + begun.count("second") < 4


async def test_of_many_faults_those_are_told_that_it_takes() -> None:
    with pytest.raises(BrokenByCrashError) as found:
        await crash_everywhere(twice_unlucky)
    assert len(found.value.faults) == 2
    assert all("activity" in fault for fault in found.value.faults)


async def test_a_run_that_takes_too_long_is_broken() -> None:
    async def scenario(env: WorkflowEnvironment) -> None:
        told = asyncio.Event()

        @activity.defn
        async def tell() -> None:
            if told.is_set():
                await asyncio.get_running_loop().create_future()
            told.set()
            await asyncio.sleep(0)

        @workflow.defn
        class Told:
            @workflow.run
            async def run(self) -> None:
                await workflow.execute_activity(tell, start_to_close_timeout=10)

        async with env.worker(workflows=[Told], activities=[tell]):
            await env.client.execute_workflow(Told.run, id="t-1")

    with pytest.raises(BrokenByCrashError, match=r"longer than 0\.5 s"):
        await crash_everywhere(scenario, timeout=0.5)


async def test_who_waits_for_what_never_comes_is_told_so() -> None:
    async def scenario(env: WorkflowEnvironment) -> None:
        async with env.worker(workflows=[Signaled]):
            await env.client.execute_workflow(Signaled.run, id="s-1")

    with pytest.raises(StuckError, match="it would wait for ever"):
        await crash_everywhere(scenario)


async def test_what_fails_undisturbed_fails_as_it_is() -> None:
    async def scenario(env: WorkflowEnvironment) -> None:
        raise LookupError("of the test's own")

    with pytest.raises(LookupError, match="of the test's own"):
        await crash_everywhere(scenario)


async def test_what_does_not_bear_to_be_run_again_is_refused() -> None:
    bank = Bank()

    async def scenario(env: WorkflowEnvironment) -> None:
        async with env.worker(workflows=[Charged], activities=[bank.charge]):
            await env.client.execute_workflow(Charged.run, "o-1", id="o-1")
        assert bank.booked["o-1"] == 1

    with pytest.raises(UnrepeatableScenarioError, match="passes, and then fails with AssertionError"):
        await crash_everywhere(scenario)


async def test_too_few_points_fail_the_test_and_bad_options_are_refused() -> None:
    with pytest.raises(CrashCoverageError, match="less than the minimum coverage of 90%"):
        await crash_everywhere(charged_once, runs_max=1, storms=0, minimum_coverage=0.9)
    with pytest.raises(ConfigurationError, match="from 0 to 1"):
        await crash_everywhere(charged_once, minimum_coverage=90)
    with pytest.raises(ConfigurationError, match="no fault 'lightning'"):
        await crash_everywhere(charged_once, only=["lightning"])


async def test_what_an_activity_waits_for_is_not_withheld_for_ever() -> None:
    async def scenario(env: WorkflowEnvironment) -> None:
        told, begun = asyncio.Event(), asyncio.Event()

        @activity.defn
        async def wait() -> None:
            begun.set()
            await told.wait()

        @workflow.defn
        class Waits(Signaled):
            @workflow.run
            async def run(self) -> None:
                await workflow.execute_activity(wait, start_to_close_timeout=10)
                await workflow.wait_condition(lambda: self.told)

        async with env.worker(workflows=[Waits], activities=[wait]):
            handle = await env.client.start(Waits, id="w-1")
            await begun.wait()
            await handle.signal("tell")
            told.set()
            await handle.result()

    fault = "delivered late: message workflow.signal tell to 'w-1'"
    assert (await crash_everywhere(scenario, only=[fault])).crashed == (fault.removeprefix("delivered late: "),)


@activity.defn
def counted(number: int) -> int:
    return number + 1


@workflow.defn
class Parent:
    @workflow.run
    async def run(self) -> int:
        await workflow.sleep(3600)
        return await workflow.execute_child_workflow(Child.run, 1)


@workflow.defn
class Child:
    @workflow.run
    async def run(self, number: int) -> int:
        local = await workflow.execute_local_activity(counted, number, start_to_close_timeout=10)
        return await workflow.execute_activity(counted, local, start_to_close_timeout=10)


async def test_children_timers_threads_and_local_activities_bear_it_and_nothing_is_left() -> None:
    async def scenario(env: WorkflowEnvironment) -> None:
        async with env.worker(workflows=[Parent, Child], activities=[counted]):
            assert await env.client.execute_workflow(Parent.run, id="p-1") == 3

    before = asyncio.all_tasks(), set(threading.enumerate())
    report = await crash_everywhere(scenario, storms=2, minimum_coverage=1.0)
    assert any("workflow.ended" in point for point in report.crossed)
    assert asyncio.all_tasks() <= before[0]
    assert {thread for thread in threading.enumerate() if "asyncio" not in thread.name} <= before[1]
