"""Many tasks, a broker that loses, refuses and returns at random, and sessions that break again and again."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

import pytest

from dalsegno import activity
from dalsegno.broker.port import Outcome, Outgoing
from dalsegno.broker.protocol import codec
from dalsegno.broker.protocol.messages import (
    ActivityCompleted,
    ActivityFailed,
    ActivityTask,
    WireMessage,
)
from tests.broker.witness import eventually
from tests.workers.conftest import running
from tests.workers.engine import Engine
from tests.workers.fake_broker import FakeBroker

TASKS = "dalsegno.tasks.default"
FAULTS = [Outcome.REFUSED, Outcome.RETURNED, None]


class Work:
    """Counts what runs at one time for one task."""

    def __init__(self) -> None:
        self.running: Counter[str] = Counter()
        self.most = 0

    @activity.defn
    async def work(self, milliseconds: float) -> str:
        name = activity.info().run_id
        self.running[name] += 1
        self.most = max(self.most, self.running[name])
        await asyncio.sleep(milliseconds / 1000)
        self.running[name] -= 1
        if milliseconds > 9:
            raise ValueError("unlucky")
        return name


@pytest.mark.parametrize("seed", range(6))
async def test_every_task_ends_once_at_a_time_and_is_acknowledged_after_its_outcome(
    fake: FakeBroker, fake_engine: Engine, seed: int
) -> None:
    dice = random.Random(seed)
    work = Work()

    def verdict(outgoing: Outgoing) -> Outcome | None:
        return dice.choice(FAULTS) if outgoing.exchange and dice.random() < 0.2 else Outcome.CONFIRMED

    fake.verdict = verdict
    async with running(fake, work.work, max_concurrent_activities=15):
        tasks = [
            await fake_engine.schedule(
                "work", dice.uniform(0, 10), acknowledge=dice.choice(["late", "late", "early"])
            )
            for _ in range(150)
        ]
        for _ in range(12):
            await asyncio.sleep(dice.uniform(0, 0.02))
            if dice.random() < 0.5:
                fake.break_sessions()
            else:
                fake.close_publishers("NOT_FOUND - no exchange")
        fake.verdict = lambda outgoing: Outcome.CONFIRMED
        fake.break_sessions()
        for task in tasks:
            await fake_engine.ended(task)
        await eventually(lambda: fake.idle(TASKS), "the acknowledgements")
    assert work.most == 1
    assert_acknowledged_after_the_outcome(fake)


def assert_acknowledged_after_the_outcome(fake: FakeBroker) -> None:
    reported: set[bytes] = set()
    acknowledged: set[bytes] = set()
    for what, message in fake.journal:
        body: WireMessage = codec.decode(message)
        if what == "confirmed" and isinstance(body, ActivityCompleted | ActivityFailed):
            reported.add(body.token)
        elif what == "acknowledged" and isinstance(body, ActivityTask) and body.acknowledge == "late":
            assert body.token in reported
            acknowledged.add(body.token)
    assert acknowledged
