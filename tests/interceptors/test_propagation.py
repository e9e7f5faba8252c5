"""A context variable travels with all that is called, by way of headers, which codecs seal as any payload."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextvars import ContextVar, copy_context
from datetime import UTC, datetime, timedelta

import pytest

from dalsegno import (
    Payload,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleIntervalSpec,
    ScheduleSpec,
    WithStartWorkflowOperation,
    WorkflowIDConflictPolicy,
    activity,
    workflow,
)
from dalsegno.data_converter import DataConverter
from dalsegno.errors import ApplicationError
from dalsegno.interceptors import ContextPropagationInterceptor
from dalsegno.payload_codec import PayloadContext
from dalsegno.testing import Replayer, WorkflowEnvironment

customer: ContextVar[str] = ContextVar("customer", default="nobody")
limit: ContextVar[timedelta] = ContextVar("limit")
PROPAGATED = ContextPropagationInterceptor(customer, limit, types={limit: timedelta})


@activity.defn
async def ask(what: str) -> str:
    return f"{what} {customer.get()}"


@activity.defn
def ask_in_a_thread(what: str) -> str:
    return f"{what} {customer.get()} {limit.get(None)}"


@activity.defn
async def undo(what: str) -> None:
    UNDONE.append(f"{what} {customer.get()}")


@activity.defn
async def fail(what: str) -> str:
    raise ApplicationError("no", non_retryable=True)


UNDONE: list[str] = []


@workflow.defn
class Child:
    def __init__(self) -> None:
        self.heard = ""

    @workflow.run
    async def run(self) -> str:
        await workflow.wait_condition(lambda: bool(self.heard))
        return f"child {customer.get()}, {self.heard}, {await workflow.execute_activity(ask, 'its activity')}"

    @workflow.signal
    def hear(self) -> None:
        self.heard = f"heard {customer.get()}"


@workflow.defn
class Caller:
    def __init__(self) -> None:
        self.heard: list[str] = []

    @workflow.run
    async def run(self, rounds: int = 0) -> list[str]:
        if rounds:
            workflow.continue_as_new(rounds - 1)
        said = [f"run {customer.get()}"]
        said.append(await workflow.execute_activity(ask, "activity"))
        said.append(await workflow.execute_activity(ask_in_a_thread, "thread"))
        said.append(await workflow.execute_local_activity(ask, "local"))
        said.append(await workflow.execute_activity(fail, "x", on_exhausted=workflow.fallback(ask, "instead")))
        child = await workflow.start_child_workflow(Child.run)
        await child.signal(Child.hear)
        said.append(await child)
        await workflow.wait_condition(lambda: len(self.heard) >= 3)
        await workflow.wait_condition(workflow.all_handlers_finished)
        try:
            async with workflow.saga() as saga:
                await saga.do(ask, "step", undo=(undo, ["undone"]))
                raise ApplicationError("back")
        except ApplicationError:
            pass
        return [*said, *sorted(self.heard)]

    @workflow.signal
    async def hear(self) -> None:
        self.heard.append(await workflow.execute_activity(ask, "signal"))

    @workflow.signal
    def hear_at_once(self) -> None:
        self.heard.append(f"at once {customer.get()}")

    @workflow.query
    def who(self) -> str:
        return customer.get()

    @workflow.update
    async def update(self) -> str:
        self.heard.append(f"update {customer.get()}")
        return customer.get()

    @update.validator
    def only_known(self) -> None:
        if customer.get() == "nobody":
            raise ApplicationError("who are you?")


@workflow.defn
class Signing:
    @workflow.run
    async def run(self, times: int) -> str:
        await workflow.sleep(1)
        if times:
            workflow.checkpoint(times - 1)
        return f"{customer.get()} {await workflow.execute_activity(ask, 'behind')}"


class Spelled:
    """A codec: payloads are bound to their workflow, and nobody else reads them."""

    def encode(self, payload: Payload, context: PayloadContext) -> Payload:
        return Payload(f"spelled/{payload.encoding}", context.workflow_id.encode() + b"!" + payload.data[::-1])

    def decode(self, payload: Payload, context: PayloadContext) -> Payload:
        whose, _, data = payload.data.partition(b"!")
        if whose.decode() not in (context.workflow_id, "report"):
            raise ValueError(f"of {whose!r}, not of {context.workflow_id!r}")
        return Payload(payload.encoding.removeprefix("spelled/"), data[::-1])


@pytest.fixture(params=[DataConverter.default, DataConverter(payload_codec=Spelled())], ids=["plain", "codec"])
async def env(request: pytest.FixtureRequest) -> AsyncIterator[WorkflowEnvironment]:
    UNDONE.clear()
    async with (
        await WorkflowEnvironment.start_time_skipping(
            data_converter=request.param, interceptors=[PROPAGATED]
        ) as env,
        env.worker(
            workflows=[Caller, Child, Signing], activities=[ask, ask_in_a_thread, undo, fail], drain_timeout=5
        ),
    ):
        yield env


async def test_all_that_is_called_sees_the_values_of_its_caller(env: WorkflowEnvironment) -> None:
    customer.set("anna")
    limit.set(timedelta(minutes=5))
    handle = await env.client.start_workflow(Caller.run, 2, id="w")
    customer.set("ben")
    await handle.signal(Caller.hear)
    await handle.signal(Caller.hear_at_once)
    assert await handle.query(Caller.who) == "ben"
    customer.set("cleo")
    assert await handle.execute_update(Caller.update) == "cleo"
    assert await handle.result() == [
        "run anna",
        "activity anna",
        "thread anna 0:05:00",
        "local anna",
        "instead anna",
        "child anna, heard anna, its activity anna",
        "at once ben",
        "signal ben",
        "update cleo",
    ]
    assert UNDONE == ["undone anna"]


async def test_a_validator_reads_what_its_update_has_and_refuses_by_it(env: WorkflowEnvironment) -> None:
    handle = await env.client.start_workflow(Caller.run, id="w")
    with pytest.raises(Exception, match="who are you"):
        await copy_context().run(asyncio.create_task, handle.execute_update(Caller.update))


async def test_an_update_and_a_signal_that_come_with_a_start_have_headers_of_their_own(
    env: WorkflowEnvironment,
) -> None:
    customer.set("anna")
    start: WithStartWorkflowOperation[list[str]] = WithStartWorkflowOperation(
        Caller.run, id="w", id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING
    )
    said = await env.client.execute_update_with_start_workflow(Caller.update, start_workflow_operation=start)
    assert said == "anna"
    customer.set("ben")
    handle = await env.client.start_workflow(Caller.run, id="w", start_signal=Caller.hear_at_once)
    assert await handle.query(Caller.who) == "ben"
    await handle.signal(Caller.hear_at_once)
    assert (await handle.result())[-3:] == ["at once ben", "at once ben", "update anna"]


async def test_a_run_has_its_headers_behind_each_sign(env: WorkflowEnvironment) -> None:
    customer.set("anna")
    assert await env.client.execute_workflow(Signing.run, 3, id="w") == "anna behind anna"


async def test_what_a_schedule_starts_has_those_that_it_was_made_with(env: WorkflowEnvironment) -> None:
    customer.set("anna")
    now = datetime.now(UTC)
    action = ScheduleActionStartWorkflow(Signing.run, 0, id="report")
    spec = ScheduleSpec(intervals=[ScheduleIntervalSpec(every=timedelta(hours=1))])
    schedule = await env.client.create_schedule("daily", Schedule(action=action, spec=spec))
    customer.set("ben")
    await schedule.trigger()
    await env.sleep(60)
    [recent] = (await schedule.describe()).info.recent_actions
    assert recent.scheduled_at >= now - timedelta(days=1)
    found = env.client.get_workflow_handle(recent.action.workflow_id)
    assert await found.result() == "anna behind anna"
    described = (await schedule.describe()).schedule
    assert isinstance(described.action, ScheduleActionStartWorkflow)
    assert described.action.headers == {"customer": Payload("json/plain", b'"anna"')}


async def test_a_standalone_activity_has_those_of_its_client(env: WorkflowEnvironment) -> None:
    customer.set("anna")
    assert await env.client.execute_activity(ask, "alone", id="a-1") == "alone anna"


async def test_code_that_runs_again_is_given_the_headers_that_were_recorded(env: WorkflowEnvironment) -> None:
    customer.set("anna")
    handle = await env.client.start_workflow(Caller.run, id="w")
    customer.set("ben")
    await handle.signal(Caller.hear)
    await handle.execute_update(Caller.update)
    await handle.signal(Caller.hear_at_once)
    await handle.result()
    history = await env.fetch_history("w")
    converter = env.client._engine.converter
    customer.set("nobody")
    replayer = Replayer(workflows=[Caller, Child], data_converter=converter, interceptors=[PROPAGATED])
    assert (await replayer.replay_workflow(history)).fits


@pytest.mark.parametrize(
    ("variables", "error"),
    [(["customer"], "must be a ContextVar, not 'customer'"), ([customer, customer], "are called 'customer'")],
)
def test_what_cannot_be_propagated_is_refused(variables: list[ContextVar[str]], error: str) -> None:
    with pytest.raises((TypeError, ValueError), match=error):
        ContextPropagationInterceptor(*variables)
