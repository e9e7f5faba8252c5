"""The same inputs give the same intents: in the same process, in another, and after a sign."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dalsegno import workflow
from dalsegno.actors.workflow_actor.program.port import WorkflowCodeError
from tests.workflow_actor.program.play import Play, played
from tests.workflow_actor.program.random_programs import RandomProgram, RandomSigns, drive, make_tree
from tests.workflow_actor.program.things import work

ROOT = Path(__file__).parents[3]


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32))
def test_any_program_replayed_with_the_same_inputs_wants_the_same(seed: int) -> None:
    source = random.Random(seed)
    play = Play(RandomProgram)
    drive(play, make_tree(source), source)
    ballast = [object() for _ in range(seed % 1_000)]
    again = play.replayed()
    assert again.program.waiting_for() == play.program.waiting_for()
    again.program.drop()
    play.program.drop()
    del ballast


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32))
def test_any_program_recovered_from_its_last_sign_wants_the_same(seed: int) -> None:
    source = random.Random(seed)
    play = Play(RandomSigns)
    tree = make_tree(source, depth=2)
    try:
        drive(play, [3, tree], source)
    except WorkflowCodeError as error:
        assert "while these were outstanding" in error.reason
    play.replayed()


def test_processes_with_other_hash_seeds_and_addresses_want_the_same() -> None:
    outputs = {
        subprocess.run(
            [sys.executable, "-m", "tests.workflow_actor.program.random_programs", "60"],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "4711")
    }
    assert len(outputs) == 1
    assert outputs.pop().count("\n") == 60


@workflow.defn
class SetOrder:
    @workflow.run
    async def run(self, kind: str) -> list[int]:
        loop = asyncio.get_running_loop()
        make: dict[str, Callable[[], asyncio.Future[Any]]] = {
            "task": lambda: asyncio.create_task(asyncio.sleep(0)),
            "future": loop.create_future,
            "gather": lambda: asyncio.gather(asyncio.sleep(0)),
            "handle": lambda: workflow.start_activity(work, 1),
        }
        made, ballast = [], []
        for number in range(30):
            made.append(make[kind]())
            with workflow.unsafe.sandbox_unrestricted():
                ballast.append(bytearray(random.SystemRandom().randrange(2_000)))  # shifts addresses
            if number == 15:
                await workflow.sleep(1)
        return [made.index(one) for one in set(made)]


@pytest.mark.parametrize("kind", ["task", "future", "gather", "handle"])
def test_sets_of_awaitable_things_are_iterated_alike_every_time(kind: str) -> None:
    results = []
    for _ in range(20):
        play = Play(SetOrder)
        play.begin(kind)
        play.fire(1)
        results.append(play.result)
    assert all(result == results[0] for result in results)
    assert sorted(results[0]) == list(range(30))


@workflow.defn
class Draws:
    @workflow.run
    async def run(self, rounds: int) -> list[str]:
        drawn = []
        for _ in range(rounds):
            drawn += [str(workflow.uuid4()), str(workflow.random().getrandbits(64)), workflow.now().isoformat()]
            await workflow.execute_activity(work, 1)
        return drawn


def test_random_numbers_and_uuids_follow_from_the_run_id_alone() -> None:
    first, same, other = played(Draws, 3), played(Draws, 3), played(Draws, 3, run_id="run-2")
    assert first.result == same.result
    assert len({*first.result[:2], *first.result[3:5], *other.result[:2], *other.result[3:5]}) == 8


def test_uuids_are_of_version_4() -> None:
    drawn = UUID(played(Draws, 1).result[0])
    assert (drawn.version, drawn.variant) == (4, "specified in RFC 4122")
