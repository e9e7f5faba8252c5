"""A workflow may go on for ever: what lies before its last sign is needed no more."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from dalsegno import Client, QueryFailedError
from dalsegno.client import WorkflowHandle
from tests.system.audit import Rows
from tests.system.conftest import EMBEDDED, SERVERS, StackFactory
from tests.system.signs import DalSegno, Score
from tests.system.stack import Stack, until

HISTORY_LIMIT = 50
MANY = 100_000
FEW = 10


@pytest.fixture(
    params=[EMBEDDED, pytest.param(SERVERS, marks=[pytest.mark.rabbitmq, pytest.mark.postgres])],
)
def stack(request: pytest.FixtureRequest, stack_on: StackFactory) -> Iterator[Stack]:
    flags = ["--history-limit", str(HISTORY_LIMIT), "--idle-seconds", "0.2", "--log-level", "debug"]
    with stack_on(request.param, modules=["tests.system.signs"], workers=0, host_flags=flags) as stack:
        yield stack


async def played_through(client: Client, stack: Stack, wanted: int) -> WorkflowHandle[int]:
    """A workflow that has set its signs, and sleeps outside of memory."""
    handle = await client.start(DalSegno.run, Score(wanted), id=f"{wanted}-signs")

    async def is_done() -> bool:
        try:
            return await handle.query(DalSegno.played) == wanted
        except QueryFailedError:
            return False  # it stands on a sign, and is about to begin again from there

    await until(is_done, f"{wanted} signs are set", seconds=90)
    await until_put_away(stack, handle.id)
    return handle


async def until_put_away(stack: Stack, workflow_id: str) -> None:
    before = stack.times_put_away(workflow_id)
    await until(lambda: stack.times_put_away(workflow_id) > before, f"{workflow_id} is put away")


async def seconds_to_wake(stack: Stack, handle: WorkflowHandle[int]) -> float:
    """The best of three: from outside of memory to the answer of its code."""
    taken = []
    for _ in range(3):
        begin = time.perf_counter()
        await handle.query(DalSegno.played)
        taken.append(time.perf_counter() - begin)
        await until_put_away(stack, handle.id)
    return min(taken)


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_a_workflow_of_a_hundred_thousand_signs_is_as_small_as_one_of_ten(stack: Stack) -> None:
    async with stack.client() as client:
        begin = time.perf_counter()
        many = await played_through(client, stack, MANY)
        played = time.perf_counter() - begin
        few = await played_through(client, stack, FEW)
        slow, quick = await seconds_to_wake(stack, many), await seconds_to_wake(stack, few)
        print(f"{MANY} signs in {played:.1f} s; it wakes in {slow * 1e3:.1f} ms")
        print(f"one of {FEW} wakes in {quick * 1e3:.1f} ms")
        rows = Rows(stack.database)
        assert len(rows.journal_of(many.run_id or "")) <= HISTORY_LIMIT + 5
        snapshots = {handle.id: rows.snapshots[handle.run_id or ""] for handle in (many, few)}
        assert len(rows.snapshots) == 2
        assert len(snapshots[many.id].body) < 2 * len(snapshots[few.id].body)
        await many.signal(DalSegno.fine)
        assert await many.result(timeout=30) == MANY
