"""A deployment is rehearsed beside the hosts that run."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from dalsegno.client import WorkflowHandle
from dalsegno.testing import Replayer, stored_histories
from tests.system import packing_after
from tests.system.conftest import EMBEDDED, SERVERS, StackFactory
from tests.system.packing_before import Parcel
from tests.system.stack import ROOT, Stack, until


@pytest.fixture(
    scope="module",
    params=[EMBEDDED, pytest.param(SERVERS, marks=[pytest.mark.rabbitmq, pytest.mark.postgres])],
)
def stack(request: pytest.FixtureRequest, stack_on: StackFactory) -> Iterator[Stack]:
    with stack_on(request.param, modules=["tests.system.packing_before"]) as stack:
        yield stack


def check(stack: Stack, *arguments: str) -> subprocess.CompletedProcess[str]:
    database = () if "--database" in arguments else ("--database", stack.database)
    command = [sys.executable, "-m", "dalsegno.cli", "upgrade", "check", *arguments, *database]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)


async def packed(handle: WorkflowHandle[Any]) -> None:
    async def waits() -> bool:
        return any("condition" in what for what in (await handle.describe()).waiting_for)

    await until(waits, f"{handle.id} waits to be released")


async def test_what_would_become_of_open_workflows_is_told_and_nothing_is_touched(stack: Stack) -> None:
    async with stack.client() as client:
        parcels = [await client.start(Parcel.run, 1, id=f"parcel-{number}") for number in range(3)]
        for parcel in parcels:
            await packed(parcel)
        await parcels[0].signal("release")
        await parcels[0].result()

        fits = await asyncio.to_thread(check, stack, "tests.system.packing_after")
        assert (fits.returncode, fits.stderr) == (0, "")
        assert fits.stdout.split() == ["type", "open", "fit", "others", "Parcel", "2", "2"]

        changed = await asyncio.to_thread(check, stack, "tests.system.packing_changed")
        assert (changed.returncode, changed.stderr) == (1, "")
        assert "2 differs" in changed.stdout
        assert "wants 'activity 1 weigh'" in changed.stdout
        assert "its history shows 'activity 1 pack'" in changed.stdout

        one = await asyncio.to_thread(check, stack, "tests.system.packing_changed", "--sample", "1", "--json")
        differs, summary = map(json.loads, one.stdout.splitlines())
        assert (differs["outlook"], differs["workflow_id"]) == ("differs", "parcel-2")
        assert summary == {"open": 1, "fit": 0}

        stored = stored_histories(stack.database, workflow_types=["Parcel"], closed=True)
        histories = [history async for history in stored]
        assert {history.status.value for history in histories} == {"running", "completed"}
        fitting = await Replayer(workflows=[packing_after.ParcelToday]).replay_workflows(histories)
        assert (fitting.replayed, fitting.replay_failures) == (3, {})

        for parcel in parcels[1:]:
            await parcel.signal("release")
            assert await parcel.result() == ["packed plain"]
        none = await asyncio.to_thread(check, stack, "tests.system.packing_changed")
        assert (none.returncode, none.stdout) == (0, "No workflow is open.\n")


async def test_code_that_loops_for_ever_ends_the_rehearsal_in_a_sentence(stack: Stack) -> None:
    async with stack.client() as client:
        lost = await client.start("Looping", id="lost")  # which nobody here has
        done = await asyncio.to_thread(
            check, stack, "tests.system.packing_changed", "--type", "Looping", "--run-seconds", "1"
        )
        assert done.returncode == 1
        assert "the code of workflow lost (Looping) has run for 1 s without an end, at " in done.stderr
        gone = await asyncio.to_thread(check, stack, "tests.system.packing_after", "--type", "Looping")
        assert "no workflow 'Looping' for the task queue 'default'" in gone.stdout
        await lost.terminate()


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["tests.system.nothing"], "There is no module 'tests.system.nothing'"),
        (["tests.system.packing_after", "--database", "sqlite:////nowhere/at/all.db"], "There is no database"),
        (["tests.system.packing_after", "--sample", "0"], "--sample"),
        ([], "MODULE"),
    ],
)
def test_what_cannot_be_rehearsed_is_told(stack: Stack, arguments: list[str], why: str) -> None:
    done = check(stack, *arguments)
    assert done.returncode == 2
    assert why in done.stderr
