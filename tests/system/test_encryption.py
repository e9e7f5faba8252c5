"""A secret is nowhere in the clear, neither in the files of broker and database nor in logs; and who lacks the
key waits for it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dalsegno import (
    ApplicationError,
    Client,
    PayloadCodecError,
    QueryFailedError,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleSpec,
    WorkflowFailedError,
    WorkflowHandle,
    WorkflowStatus,
    WorkflowUpdateFailedError,
)
from dalsegno.testing import stored_histories
from tests.encrypted import (
    MINUTE,
    SECRET,
    Broken,
    Courier,
    Echo,
    Failing,
    Letter,
    Listener,
    Parent,
    Reporter,
    encrypted,
    recall,
    without,
)
from tests.system.conftest import EMBEDDED, SERVERS, StackFactory
from tests.system.releases import ROOT
from tests.system.stack import Program, Stack, until

WORDS = SECRET.split(maxsplit=1)[1]
"""As JSON has them, too."""
CONVERTER = ["--data-converter", "tests.encrypted:encrypted"]


def worker(stack: Stack) -> Program:
    where = ["--broker", stack.broker, "--log-format", "json"]
    return stack.start("worker", ["worker", "tests.encrypted", *where, *CONVERTER])


@pytest.fixture(
    scope="module",
    params=[
        EMBEDDED,
        pytest.param(SERVERS, marks=[pytest.mark.slow, pytest.mark.rabbitmq, pytest.mark.postgres]),
    ],
)
def stack(request: pytest.FixtureRequest, stack_on: StackFactory) -> Iterator[Stack]:
    options = {"modules": ["tests.encrypted"], "workers": 0, "host_flags": CONVERTER}
    with stack_on(request.param, **options) as stack:
        worker(stack).wait_ready()
        yield stack


def stores(stack: Stack, request: pytest.FixtureRequest) -> list[list[Path]]:
    """The files of the broker, and those of the database."""
    if stack.broker.startswith("embedded"):
        return [list(stack.folder.glob("broker.db*")), list(stack.folder.glob("dalsegno.db*"))]
    servers = [request.getfixturevalue(name) for name in ("rabbitmq_server", "postgres_server")]
    return [[path for path in server.folder.rglob("*") if path.is_file()] for server in servers]


def holding(files: list[Path], what: str) -> list[str]:
    """Those in which that stands."""
    return [path.name for path in files if path.is_file() and what.encode() in path.read_bytes()]


async def by_every_way(client: Client) -> None:
    listener: WorkflowHandle[str] = await client.start(Listener.run, SECRET, id="listener")
    courier = await client.start(Courier.run, Letter(SECRET), id="courier", memo={"text": SECRET})
    assert await courier.query(Courier.look, SECRET) == [SECRET]
    with pytest.raises(QueryFailedError) as refused:
        await courier.query(Courier.refuse, SECRET)
    assert SECRET not in str(refused.value)
    assert isinstance(refused.value.cause, ApplicationError)
    assert refused.value.cause.details == (SECRET,)

    async def is_outside() -> bool:
        pending = (await courier.describe()).pending_activities
        return any(one.activity_id == "outside" for one in pending)

    await until(is_outside, "the activity is outside")
    outside = client.get_async_activity_handle(workflow_id="courier", run_id=None, activity_id="outside")
    await outside.heartbeat(SECRET)
    await outside.complete(SECRET)
    with pytest.raises(WorkflowUpdateFailedError, match=SECRET):
        await courier.execute_update(Courier.ask, "")
    await courier.signal(Courier.say, SECRET)
    assert await courier.execute_update(Courier.ask, SECRET) == SECRET
    assert await courier.result(timeout=60) == SECRET
    assert await listener.result(timeout=60) == SECRET
    assert await client.execute(Parent.run, SECRET, id="parent") == SECRET
    assert await client.execute_activity(recall, SECRET, id="alone", start_to_close_timeout=MINUTE) == SECRET

    with pytest.raises(WorkflowFailedError) as failed:
        await client.execute(Failing.run, SECRET, id="failing")
    cause = failed.value.__cause__
    assert isinstance(cause, ApplicationError)
    assert (cause.message, cause.details, cause.type) == (SECRET, (SECRET,), "Returned")
    broken = await client.start(Broken.run, SECRET, id="broken")
    assert broken.suspended_reason is not None
    assert "KeyError: its message is not shown here" in broken.suspended_reason


async def by_schedule(client: Client) -> None:
    action = ScheduleActionStartWorkflow(Reporter.run, SECRET, id="report", memo={"text": SECRET})
    schedule = await client.create_schedule("reports", Schedule(action, ScheduleSpec()), memo={"text": SECRET})
    for number in (1, 2):
        await schedule.trigger()

        async def has_ended(number: int = number) -> bool:
            runs = [run async for run in client.list_workflows(workflow_type="Reporter")]
            return sum(run.status is WorkflowStatus.COMPLETED for run in runs) == number

        await until(has_ended, f"report {number} is there")
    described = await schedule.describe()
    assert [payload.data for payload in described.schedule.action.args] == [f'"{SECRET}"'.encode()]
    await schedule.delete()


async def test_a_secret_comes_whole_by_every_way_and_is_nowhere_in_the_clear(
    stack: Stack, request: pytest.FixtureRequest
) -> None:
    async with Client.connect(stack.broker, data_converter=encrypted, timeout=60) as client:
        waiting: WorkflowHandle[str] = await client.start(Listener.run, SECRET, id="waiting")
        await by_every_way(client)
        await by_schedule(client)
        for kept in stores(stack, request):
            assert holding(kept, "nobody-reads"), "it looks where things are kept"
            assert holding(kept, WORDS) == []
        assert holding(list(stack.folder.glob("*.log")), WORDS) == []
        exported = [history async for history in stored_histories(stack.database, closed=True)]
        assert {"courier", "parent", "echo", "failing", "waiting"} <= {one.workflow_id for one in exported}
        assert not any(WORDS.encode() in row.events for one in exported for row in one.journal)
        await waiting.signal(Listener.say, SECRET)
        assert await waiting.result(timeout=60) == SECRET
    async with Client.connect(stack.broker, data_converter=without, timeout=30) as stranger:
        with pytest.raises(PayloadCodecError, match=r"with the key 'first' of .*, which is not here"):
            await stranger.get_workflow_handle("waiting").result(timeout=30)


def test_the_command_line_shows_it_to_who_has_the_key_and_otherwise_its_size(stack: Stack) -> None:
    asyncio.run(_echoes(stack))
    where = ["--broker", stack.broker, "--json"]
    commands = [["workflow", "history", "shown"], ["workflow", "describe", "shown"]]
    shown = [said(*command, *where, *CONVERTER) for command in commands]
    assert [SECRET in told for told in shown] == [True, True]
    hidden = [said(*command, *where) for command in commands]
    assert [(WORDS in told, '"encrypted, ' in told) for told in hidden] == [(False, True)] * 2


async def _echoes(stack: Stack) -> None:
    async with Client.connect(stack.broker, data_converter=encrypted, timeout=60) as client:
        echoed = await client.execute(Echo.run, args=[SECRET, False], id="shown", memo={"text": SECRET})
    assert echoed == SECRET


def said(*arguments: str) -> str:
    command = [sys.executable, "-m", "dalsegno.cli", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True).stdout


def test_what_a_host_has_no_key_for_waits_until_one_has_it(stack_on: StackFactory) -> None:
    options = {"modules": ["tests.encrypted"], "workers": 0, "hosts": 0}
    with stack_on(EMBEDDED, **options) as stack:
        lacking = stack.host(flags=["--data-converter", "tests.encrypted:without"])
        lacking.wait_ready()
        asyncio.run(_waits(stack))
        lacking.kill()
        stack.host(flags=CONVERTER).wait_ready()
        asyncio.run(_goes_on(stack))


async def _waits(stack: Stack) -> None:
    async with Client.connect(stack.broker, data_converter=encrypted, timeout=60) as client:
        handle = await client.start(Echo.run, SECRET, id="echo")
    assert handle.status is WorkflowStatus.SUSPENDED
    assert "with the key 'first' of" in str(handle.suspended_reason)


async def _goes_on(stack: Stack) -> None:
    async with Client.connect(stack.broker, data_converter=encrypted, timeout=60) as client:
        assert await client.get_workflow_handle("echo").result(timeout=60) == SECRET
