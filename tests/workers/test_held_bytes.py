"""What a worker has here is bounded in bytes, by its own account: tasks, waiting or not, and outcomes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Literal
from unittest.mock import patch

import pytest
from structlog.testing import capture_logs

from dalsegno import activity
from dalsegno.broker.held_bytes import HELD_BYTES, HELD_BYTES_MIN
from dalsegno.broker.port import Broker, Outcome, Outgoing
from dalsegno.broker.protocol.limits import MAX_BODY_BYTES
from dalsegno.broker.protocol.messages import ActivityCompleted, ActivityStarted, ActivityTask
from dalsegno.errors import ConfigurationError
from dalsegno.workers import run as run_module
from dalsegno.workers.dispatcher import TaskDispatcher
from dalsegno.workers.settings import WorkerSettings
from tests.broker.witness import eventually
from tests.workers.conftest import running
from tests.workers.engine import Engine
from tests.workers.fake_broker import FakeBroker

LARGE = 400_000
HEAD = 2_000
"""More than a message has beside its value."""


@activity.defn
async def size_of(text: str) -> int:
    return len(text)


@activity.defn
async def make(size: int) -> str:
    return "x" * size


@contextmanager
def account() -> Iterator[Callable[[], TaskDispatcher]]:
    """The dispatcher of the worker that is started within."""
    made: list[TaskDispatcher] = []

    class Noted(TaskDispatcher):
        def __init__(self, *args: object, **options: object) -> None:
            super().__init__(*args, **options)  # type: ignore[arg-type]
            made.append(self)

    with patch.object(run_module, "TaskDispatcher", Noted):
        yield lambda: made[-1]


def asked(engine: Engine, tasks: Sequence[ActivityTask]) -> list[ActivityTask]:
    return [task for task in tasks if engine.messages(task, ActivityStarted)]


async def test_tasks_that_wait_for_a_grant_are_no_more_than_their_bytes_and_the_rest_stays_in_the_queue(
    broker: Broker, engine: Engine
) -> None:
    engine.granting = None
    tasks = [
        await engine.schedule("size_of", "x" * LARGE, acknowledge="early", workflow_id=f"w{number}")
        for number in range(9)
    ]
    with account() as of_worker, capture_logs() as logs:
        async with running(
            broker, size_of, max_concurrent_activities=1, drain_timeout=0, held_bytes=HELD_BYTES_MIN
        ):
            await eventually(
                lambda: any(line["event"] == "waiting_room_full" for line in logs), "the waiting room is full"
            )
            dispatcher = of_worker()
            assert HELD_BYTES_MIN <= dispatcher.bytes_unanswered <= HELD_BYTES_MIN + LARGE + HEAD
            # Three are in the waiting room, and one is in the slot.
            await eventually(lambda: len(asked(engine, tasks)) == 4, "four are asked for")
            for task in asked(engine, tasks):
                await engine.grant(engine.messages(task, ActivityStarted)[-1])
            engine.granting = True
            for task in tasks:
                assert await engine.result(task) == LARGE
            await eventually(lambda: dispatcher.idle, "nothing is left")
            assert dispatcher.bytes == dispatcher.bytes_unanswered == 0


async def test_nothing_begins_beside_outcomes_that_wait_for_their_confirms_beyond_the_bound(
    fake: FakeBroker, fake_engine: Engine
) -> None:
    """Early tasks are acknowledged before they run, so that the prefetch does not hold them back."""
    unconfirmed: list[Outgoing] = []

    def verdict(outgoing: Outgoing) -> Outcome | None:
        if outgoing.message.type != ActivityCompleted.TYPE or not holding:
            return Outcome.CONFIRMED
        unconfirmed.append(outgoing)
        return None

    holding = True
    fake.verdict = verdict
    slots = 5
    with account() as of_worker:
        async with running(
            fake, make, max_concurrent_activities=slots, drain_timeout=0, held_bytes=HELD_BYTES_MIN
        ):
            tasks = [await fake_engine.schedule("make", LARGE, acknowledge="early") for _ in range(3 * slots)]
            await eventually(lambda: len(unconfirmed) >= 3, "what fits is done")
            for _ in range(100):
                await asyncio.sleep(0)
            dispatcher = of_worker()
            assert dispatcher.bytes <= HELD_BYTES_MIN + slots * (LARGE + HEAD)
            assert len(unconfirmed) <= 2 + slots
            holding = False
            fake.break_sessions()  # what was not confirmed is sent again
            for task in tasks:
                assert len(await fake_engine.result(task)) == LARGE
            await eventually(lambda: dispatcher.idle, "nothing is left")
            assert dispatcher.bytes == 0


@pytest.mark.parametrize("acknowledge", ["late", "early"])
async def test_nothing_that_was_fetched_stands_still_beside_what_fills_the_bytes(
    broker: Broker, engine: Engine, acknowledge: Literal["late", "early"]
) -> None:
    gate = asyncio.Event()
    begun: list[str] = []

    @activity.defn
    async def hold(text: str) -> int:
        begun.append(text)
        await gate.wait()
        return len(text)

    def done(tasks: Sequence[ActivityTask]) -> list[ActivityTask]:
        return [task for task in tasks if engine.messages(task, ActivityCompleted)]

    async with running(broker, hold, make, max_concurrent_activities=10, held_bytes=HELD_BYTES_MIN):
        held = [await engine.schedule("hold", "x" * LARGE, acknowledge=acknowledge) for _ in range(3)]
        small = [await engine.schedule("make", 1, acknowledge=acknowledge) for _ in range(8)]
        await eventually(lambda: len(begun) == 3, "three are at work")
        async with running(broker, make, max_concurrent_activities=10):
            await eventually(lambda: done(small) == small, "the small ones are done")
            assert not done(held)
            gate.set()
            await eventually(lambda: done(held) == held, "the large ones are done")


async def test_one_task_larger_than_the_bound_passes_alone(broker: Broker, engine: Engine) -> None:
    with account() as of_worker:
        async with running(broker, size_of, max_concurrent_activities=4):
            of_worker().bytes_max = 10
            tasks = [await engine.schedule("size_of", "x" * LARGE) for _ in range(5)]
            for task in tasks:
                assert await engine.result(task) == LARGE


@pytest.mark.parametrize("held_bytes", [0, HELD_BYTES_MIN - 1, 1.5])
def test_a_bound_that_no_message_fits_is_refused(held_bytes: float) -> None:
    with pytest.raises(ConfigurationError, match="held_bytes"):
        WorkerSettings(held_bytes=held_bytes)  # type: ignore[arg-type]


def test_up_to_233_slots_all_tasks_that_are_fetched_are_no_more_than_the_bound() -> None:
    """On RabbitMQ there is no other, as docs/workers.md says."""

    def fetched(slots: int) -> int:
        return slots + WorkerSettings(max_concurrent_activities=slots).spare

    assert fetched(233) * MAX_BODY_BYTES <= HELD_BYTES < fetched(234) * MAX_BODY_BYTES
