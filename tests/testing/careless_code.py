"""Careless code of workflows, and how it is right: pairs of scenarios for `crash_everywhere`."""

from __future__ import annotations

import asyncio

from dalsegno import activity, workflow
from dalsegno.testing import WorkflowEnvironment
from tests.testing.careless_sales import Bank, Scenario

# --- state in a module's globals -----------------------------------------------------------------------------

KNOWN: set[str] = set()


@workflow.defn
class KnownToTheModule:
    @workflow.run
    async def run(self, order: str) -> str:
        if order in KNOWN:
            return "double"
        KNOWN.add(order)
        return await workflow.execute_activity("charge", order, start_to_close_timeout=10, result_type=str)


@workflow.defn
class KnownToItself:
    def __init__(self) -> None:
        self.known: set[str] = set()

    @workflow.run
    async def run(self, order: str) -> str:
        if order in self.known:
            return "double"
        self.known.add(order)
        return await workflow.execute_activity("charge", order, start_to_close_timeout=10, result_type=str)


async def remembered_in_globals(env: WorkflowEnvironment) -> None:
    KNOWN.clear()
    async with env.worker(workflows=[KnownToTheModule], activities=[Bank().charge]):
        assert await env.client.execute_workflow(KnownToTheModule.run, "o-1", id="o-1") == "receipt"


async def remembered_in_itself(env: WorkflowEnvironment) -> None:
    async with env.worker(workflows=[KnownToItself], activities=[Bank().charge]):
        assert await env.client.execute_workflow(KnownToItself.run, "o-1", id="o-1") == "receipt"


# --- reading something outside -------------------------------------------------------------------------------


class Shelf:
    def __init__(self) -> None:
        self.pens = 1

    @activity.defn
    async def look(self) -> int:
        return self.pens

    @activity.defn
    async def take(self) -> None:
        self.pens = 0


shelf = Shelf()


@workflow.defn
class SeenByItself:
    @workflow.run
    async def run(self) -> str:
        if not shelf.pens:
            return "sold out"
        await workflow.execute_activity("take", start_to_close_timeout=10)
        return "sold"


@workflow.defn
class SeenByAnActivity:
    @workflow.run
    async def run(self) -> str:
        if not await workflow.execute_activity("look", start_to_close_timeout=10):
            return "sold out"
        await workflow.execute_activity("take", start_to_close_timeout=10)
        return "sold"


async def read_outside(env: WorkflowEnvironment) -> None:
    shelf.pens = 1
    async with env.worker(workflows=[SeenByItself], activities=[shelf.take]):
        assert await env.client.execute_workflow(SeenByItself.run, id="s-1") == "sold"


async def read_by_an_activity(env: WorkflowEnvironment) -> None:
    shelf.pens = 1
    async with env.worker(workflows=[SeenByAnActivity], activities=[shelf.look, shelf.take]):
        assert await env.client.execute_workflow(SeenByAnActivity.run, id="s-1") == "sold"


# --- what is done by the workflow's own code -----------------------------------------------------------------


class Post:
    def __init__(self) -> None:
        self.sent: list[str] = []

    @activity.defn
    async def send(self, key: str) -> None:
        if key not in self.sent:
            self.sent.append(key)


post = Post()


@workflow.defn
class SentByItself:
    @workflow.run
    async def run(self) -> None:
        post.sent.append(workflow.info().workflow_id)
        await workflow.sleep(60)


@workflow.defn
class SentByAnActivity:
    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity("send", workflow.info().workflow_id, start_to_close_timeout=10)
        await workflow.sleep(60)


async def done_by_workflow_code(env: WorkflowEnvironment) -> None:
    post.sent.clear()
    async with env.worker(workflows=[SentByItself]):
        await env.client.execute_workflow(SentByItself.run, id="m-1")
    assert post.sent == ["m-1"]


async def done_by_an_activity(env: WorkflowEnvironment) -> None:
    post.sent.clear()
    async with env.worker(workflows=[SentByAnActivity], activities=[post.send]):
        await env.client.execute_workflow(SentByAnActivity.run, id="m-1")
    assert post.sent == ["m-1"]


# --- an order of messages that nobody has promised -----------------------------------------------------------


@activity.defn
async def pay() -> None:
    await asyncio.sleep(0)


@activity.defn
async def pack() -> None:
    await asyncio.sleep(0)


@workflow.defn
class PaidThenPacked:
    """By workers of two task queues."""

    @workflow.run
    async def run(self) -> list[str]:
        steps: list[str] = []

        async def step(name: str) -> None:
            await workflow.execute_activity(name, task_queue=name, start_to_close_timeout=10)
            steps.append(name)

        await asyncio.gather(step("pay"), step("pack"))
        return steps


async def _sold(env: WorkflowEnvironment) -> list[str]:
    async with (
        env.worker(workflows=[PaidThenPacked]),
        env.worker(task_queue="pay", activities=[pay]),
        env.worker(task_queue="pack", activities=[pack]),
    ):
        return await env.client.execute_workflow(PaidThenPacked.run, id="w-1")


async def in_an_order_not_promised(env: WorkflowEnvironment) -> None:
    assert await _sold(env) == ["pay", "pack"]


async def in_any_order(env: WorkflowEnvironment) -> None:
    assert sorted(await _sold(env)) == ["pack", "pay"]


PAIRS: dict[Scenario, Scenario] = {
    remembered_in_globals: remembered_in_itself,
    read_outside: read_by_an_activity,
    done_by_workflow_code: done_by_an_activity,
    in_an_order_not_promised: in_any_order,
}
