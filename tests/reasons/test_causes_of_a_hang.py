"""Each cause of a hang is told by one question, of a real host and worker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from dalsegno import activity, workflow
from dalsegno.client import Client
from dalsegno.errors import CommandRejectedError, WorkflowNotFoundError
from dalsegno.policies import ParentClosePolicy
from dalsegno.reasons.reason import Why
from dalsegno.testing import WorkflowEnvironment


@activity.defn
async def charge(item: str) -> str:
    return item


@activity.defn
async def render(item: str) -> str:
    activity.heartbeat()
    await asyncio.Event().wait()
    return item


@workflow.defn
class Approved:
    def __init__(self) -> None:
        self.by = ""

    @workflow.run
    async def run(self) -> str:
        await workflow.wait_condition(lambda: bool(self.by))
        return self.by

    @workflow.signal
    def approve(self, by: str) -> None:
        self.by = by


@workflow.defn
class Calls:
    @workflow.run
    async def run(self, name: str, task_queue: str) -> str:
        day = timedelta(days=1)
        silence = timedelta(seconds=30) if name == "render" else None
        told: str = await workflow.execute_activity(
            name, "book", task_queue=task_queue, start_to_close_timeout=day, heartbeat_timeout=silence
        )
        return told


@workflow.defn
class Buggy:
    @workflow.run
    async def run(self) -> str:
        raise KeyError("item")


@workflow.defn
class Sleeps:
    @workflow.run
    async def run(self) -> None:
        await workflow.sleep(timedelta(days=90))


@workflow.defn
class Forgotten:
    """It waits for what nobody can tell it."""

    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: False)


@workflow.defn
class Parent:
    @workflow.run
    async def run(self, child: str) -> str:
        told: str = await workflow.execute_child_workflow(
            Approved.run, id=child, parent_close_policy=ParentClosePolicy.ABANDON
        )
        return told


WORKFLOWS = [Approved, Calls, Buggy, Sleeps, Forgotten, Parent]


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with (
        await WorkflowEnvironment.start_local(on_suspended=lambda *_: None) as env,
        env.worker(workflows=WORKFLOWS, activities=[charge, render]),
    ):
        yield env.client


async def told(client: Client, workflow_id: str, kind: str) -> Why:
    """As soon as it is so."""
    until = asyncio.get_running_loop().time() + 20
    why = await client.why(workflow_id)
    while why.reason.kind != kind:
        assert asyncio.get_running_loop().time() < until, why
        await asyncio.sleep(0.01)
        why = await client.why(workflow_id)
    return why


Start = Callable[[Client], Awaitable[Any]]

CAUSES: dict[str, tuple[Start, str, str, str]] = {
    "no worker, or a wrong name of its queue": (
        lambda client: client.start(Calls.run, args=["charge", "gpu"], id="no worker"),
        "no_worker",
        "Task queue 'gpu' has no consumer, and activity charge (ID 1) waits there since",
        "dalsegno worker MODULES --task-queue gpu",
    ),
    "an activity that its workers do not know": (
        lambda client: client.start(Calls.run, args=["chrage", "default"], id="unknown"),
        "activity_unknown",
        "no activity 'chrage'; it has: charge, render.",
        "dalsegno worker MODULES --task-queue default",
    ),
    "a signal that was never sent": (
        lambda client: client.start(Approved.run, id="unsigned"),
        "message",
        "It waits for signal approve; nothing was recorded of it since",
        "dalsegno workflow signal unsigned approve",
    ),
    "code that nothing can wake": (
        lambda client: client.start(Forgotten.run, id="forgotten"),
        "nothing_awaited",
        "Its code waits for: condition at test_causes_of_a_hang.py:",
        "dalsegno workflow terminate forgotten",
    ),
    "a bug": (
        lambda client: client.start(Buggy.run, id="buggy"),
        "suspended",
        "KeyError: 'item' (test_causes_of_a_hang.py:",
        "dalsegno workflow testcase buggy",
    ),
    "a worker that works on and on": (
        lambda client: client.start(Calls.run, args=["render", "default"], id="renders"),
        "attempt_runs",
        "took activity render (ID 1), attempt 1, ",
        "dalsegno workflow describe renders",
    ),
}


@pytest.mark.parametrize("cause", CAUSES)
async def test_it_is_told_with_the_command_that_helps(client: Client, cause: str) -> None:
    start, kind, sentence, helps = CAUSES[cause]
    handle = await start(client)

    why = await told(client, handle.id, kind)

    assert sentence in why.sentence
    assert why.helps == helps
    assert why.workflow_type is not None
    assert why.is_stuck is (kind not in ("message", "attempt_runs"))


async def test_a_task_queue_beside_the_workflows_own_may_be_a_mistake(client: Client) -> None:
    await client.start(Calls.run, args=["charge", "defualt"], id="mistaken")
    assert "Task queue 'default' has workers" in (await told(client, "mistaken", "no_worker")).sentence


async def test_what_a_child_waits_for_is_what_its_parent_waits_for(client: Client) -> None:
    handle = await client.start(Parent.run, "kid", id="parent")
    await told(client, "kid", "message")

    why = await handle.why()

    assert why.reason.kind == "child"
    assert [one.reason.kind for one in why.chain()] == ["child", "message"]
    assert why.helps == "dalsegno workflow signal kid approve"


async def test_of_a_timer_its_line_is_told_and_of_one_that_has_ended_how(client: Client) -> None:
    handle = await client.start(Sleeps.run, id="sleeps")
    why = await told(client, "sleeps", "timer")
    assert "It waits for timer 1 (test_causes_of_a_hang.py:" in why.sentence
    assert "(in 89 d)" in why.sentence

    await handle.terminate("enough")
    assert (await handle.why()).sentence.endswith("terminated: enough.")
    with pytest.raises(WorkflowNotFoundError):
        await client.why("nobody")


async def test_a_signal_whose_name_was_mistaken_is_told(client: Client) -> None:
    handle = await client.start(Approved.run, id="mistyped")
    await handle.signal("aprove", "alice")

    why = await told(client, "mistyped", "signal_unhandled")

    assert why.sentence.startswith(
        "It was sent 'aprove', for which its code has no handler. It handles: approve."
    )
    assert why.helps == "dalsegno workflow signal mistyped approve"


async def test_all_that_are_open_are_explained_page_by_page_and_a_filter_narrows_them(client: Client) -> None:
    for number in range(3):
        await client.start(Sleeps.run, id=f"all-{number}")

    found = [why async for why in client.why_all('WorkflowID starts_with "all-"')]

    assert [why.workflow_id for why in found] == ["all-2", "all-1", "all-0"]
    assert {why.reason.group for why in found} == {"timer: type Sleeps"}
    with pytest.raises(CommandRejectedError, match="1"):
        await anext(client.why_all("Stauts = running"))
