"""An outcome that the broker never takes is found among others, and told as a failure; nothing loops."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from dalsegno import activity
from dalsegno.broker.port import Outcome, Outgoing
from dalsegno.broker.protocol.messages import ActivityFailed
from dalsegno.broker.rabbitmq import RabbitMQBroker
from tests.broker.witness import eventually
from tests.servers import RabbitMQServer
from tests.workers.conftest import QUICK, running
from tests.workers.engine import Engine
from tests.workers.fake_broker import FakeBroker

TAKES_BYTES = 4_000
TASKS = "dalsegno.tasks.default"
SMALLER = f"application:set_env(rabbit, max_message_size, {TAKES_BYTES})"
USUAL = "application:set_env(rabbit, max_message_size, 134217728)"


@activity.defn
async def give(size: int) -> str:
    await asyncio.sleep(0)
    return "x" * size


@pytest.fixture(params=[False, True], ids=["a channel", "a session"])
def small(fake: FakeBroker, request: pytest.FixtureRequest) -> FakeBroker:
    """A broker that takes less than a message may be, and what it costs to try."""
    fake.takes_bytes = TAKES_BYTES
    fake.costs_session = request.param
    return fake


async def test_an_outcome_that_the_broker_never_takes_fails_its_attempt_and_no_other(
    small: FakeBroker, fake_engine: Engine
) -> None:
    async with running(small, give, timing=QUICK):
        tasks = [await fake_engine.schedule("give", size) for size in (10, 50_000, 20, 60_000, 30)]
        results = [await fake_engine.result(tasks[index]) for index in (0, 2, 4)]
        failures = [(await fake_engine.expect(tasks[index], ActivityFailed)).failure for index in (1, 3)]
        await eventually(lambda: small.idle(TASKS), "the acknowledgements")
    assert [len(result) for result in results] == [10, 20, 30]
    for failure in failures:
        assert failure.type == "PayloadError"
        assert failure.non_retryable
        assert "max_message_size" in failure.message


async def test_it_is_tried_twice_and_not_for_ever(small: FakeBroker, fake_engine: Engine) -> None:
    async with running(small, give, timing=QUICK):
        task = await fake_engine.schedule("give", 50_000)
        await fake_engine.expect(task, ActivityFailed)
    sizes = Counter(len(sent.message.body) > TAKES_BYTES for sent in small.published)
    assert sizes[True] == 2


async def test_a_connection_that_breaks_meanwhile_accuses_nobody(
    small: FakeBroker, fake_engine: Engine
) -> None:
    """While the second of two suspects is looked for, the session is lost."""
    broken = False

    def verdict(outgoing: Outgoing) -> Outcome:
        nonlocal broken
        if outgoing.exchange and not broken and len(small.published) > 2:
            broken = True
            asyncio.get_running_loop().call_soon(small.break_sessions)
        return Outcome.CONFIRMED

    small.verdict = verdict
    async with running(small, give, timing=QUICK):
        tasks = [await fake_engine.schedule("give", size) for size in (50_000, 10)]
        assert len(await fake_engine.result(tasks[1])) == 10
        await fake_engine.expect(tasks[0], ActivityFailed)
        await eventually(lambda: small.idle(TASKS), "the acknowledgements")
    assert broken


async def test_what_no_broker_can_carry_is_told_at_once(fake: FakeBroker, fake_engine: Engine) -> None:
    def verdict(outgoing: Outgoing) -> Outcome:
        return Outcome.IMPOSSIBLE if len(outgoing.message.body) > TAKES_BYTES else Outcome.CONFIRMED

    fake.verdict = verdict
    async with running(fake, give, timing=QUICK):
        task = await fake_engine.schedule("give", 50_000)
        failed = await fake_engine.expect(task, ActivityFailed)
    assert failed.failure.type == "PayloadError"


@pytest.mark.rabbitmq
async def test_so_it_is_on_rabbitmq(
    rabbitmq_server: RabbitMQServer, rabbitmq_url: str, no_loose_ends: None
) -> None:
    broker = RabbitMQBroker(rabbitmq_url)
    engine = Engine(broker)
    await engine.start()
    await asyncio.to_thread(rabbitmq_server.evaluate, SMALLER)  # for channels that are opened from now on
    try:
        async with running(broker, give, timing=QUICK):
            tasks = [await engine.schedule("give", size) for size in (10, 50_000, 20)]
            assert [len(await engine.result(tasks[index])) for index in (0, 2)] == [10, 20]
            failure = (await engine.expect(tasks[1], ActivityFailed)).failure
    finally:
        await asyncio.to_thread(rabbitmq_server.evaluate, USUAL)
    await engine.stop()
    assert "max_message_size" in failure.message
