"""Broken sessions, lost confirms, refused and returned outcomes: nothing is lost, nothing runs twice here."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from dalsegno import activity
from dalsegno.broker.port import Outcome, Outgoing
from dalsegno.broker.protocol.messages import ActivityCanceled, ActivityStarted
from dalsegno.broker.topology import RESULTS_EXCHANGE
from dalsegno.errors import ConfigurationError
from dalsegno.workers import Worker
from tests.broker.witness import eventually
from tests.servers import RabbitMQServer
from tests.workers.conftest import QUICK, running
from tests.workers.engine import RESULTS_KEY, Engine
from tests.workers.fake_broker import FakeBroker

TASKS = "dalsegno.tasks.default"


class Counted:
    def __init__(self) -> None:
        self.runs = 0
        self.ended = 0
        self.gate = asyncio.Event()

    @activity.defn
    async def work(self) -> int:
        self.runs += 1
        await self.gate.wait()
        self.ended += 1
        return self.runs


def first_results(fake: FakeBroker, outcomes: Iterator[Outcome | None]) -> None:
    """Give the first publishes of workers these outcomes; later ones are confirmed."""

    def verdict(outgoing: Outgoing) -> Outcome | None:
        return next(outcomes, Outcome.CONFIRMED) if outgoing.exchange else Outcome.CONFIRMED

    fake.verdict = verdict


async def test_a_task_delivered_again_while_it_runs_joins_the_running_attempt(
    fake: FakeBroker, fake_engine: Engine
) -> None:
    counted = Counted()
    async with running(fake, counted.work):
        task = await fake_engine.schedule("work")
        await fake_engine.expect(task, ActivityStarted)
        fake.break_sessions()
        await fake_engine.expect(task, ActivityStarted, 2)
        await eventually(lambda: not fake.queues[TASKS].ready, "the second delivery")
        counted.gate.set()
        assert await fake_engine.result(task) == 1
        await eventually(lambda: fake.idle(TASKS), "the acknowledgement")
    assert counted.runs == 1
    assert len(fake_engine.message_ids(task)) == 1


async def test_the_outcome_of_work_that_ended_without_a_session_is_published_with_the_next(
    fake: FakeBroker, fake_engine: Engine
) -> None:
    counted = Counted()
    async with running(fake, counted.work):
        task = await fake_engine.schedule("work")
        await eventually(lambda: counted.runs == 1, "the work")
        fake.available = False
        fake.break_sessions()
        counted.gate.set()
        await eventually(lambda: counted.ended == 1, "the end of the work")
        assert not published(fake)
        fake.available = True
        assert await fake_engine.result(task) == 1
        await eventually(lambda: fake.idle(TASKS), "the acknowledgement")
    assert counted.runs == 1


async def test_a_lost_confirm_means_the_same_outcome_again_and_one_acknowledgement(
    fake: FakeBroker, fake_engine: Engine
) -> None:
    counted = Counted()
    counted.gate.set()
    first_results(fake, iter([None]))
    async with running(fake, counted.work):
        task = await fake_engine.schedule("work")
        await eventually(lambda: bool(published(fake)), "the first publish")
        assert not fake.idle(TASKS)
        fake.break_sessions()
        assert await fake_engine.result(task) == 1
        await eventually(lambda: fake.idle(TASKS), "the acknowledgement of the second delivery")
    assert counted.runs == 1
    assert len(published(fake)) == 2
    assert len({outgoing.message.message_id for outgoing in published(fake)}) == 1


async def test_a_task_whose_acknowledgement_was_lost_is_acknowledged_again_and_not_run(
    fake: FakeBroker, fake_engine: Engine
) -> None:
    counted = Counted()
    counted.gate.set()
    async with running(fake, counted.work):
        task = await fake_engine.schedule("work")
        await fake_engine.result(task)
        await eventually(lambda: fake.idle(TASKS), "the acknowledgement")
        message = next(outgoing.message for outgoing in fake.published if outgoing.routing_key == TASKS)
        fake.put(TASKS, message, returns=1)
        await eventually(lambda: not fake.queues[TASKS].ready and fake.idle(TASKS), "the acknowledgement")
    assert counted.runs == 1


@pytest.mark.parametrize("outcome", [Outcome.REFUSED, Outcome.RETURNED])
async def test_a_refused_or_returned_outcome_is_published_again_with_one_complaint(
    fake: FakeBroker, fake_engine: Engine, outcome: Outcome
) -> None:
    counted = Counted()
    counted.gate.set()
    first_results(fake, iter([outcome] * 6))
    with capture_logs() as logs:
        async with running(fake, counted.work):
            tasks = [await fake_engine.schedule("work") for _ in range(3)]
            for task in tasks:
                await fake_engine.result(task)
            await eventually(lambda: fake.idle(TASKS), "the acknowledgements")
    assert counted.runs == 3
    assert len(published(fake)) == 9
    complaints = [line["outcome"] for line in logs if line["event"] == "publish_failed"]
    assert complaints == [outcome.value]


async def test_nothing_is_acknowledged_before_its_outcome_is_confirmed(
    fake: FakeBroker, fake_engine: Engine
) -> None:
    counted = Counted()
    counted.gate.set()
    first_results(fake, iter([None] * 3))
    async with running(fake, counted.work, timing=QUICK, drain_timeout=0):
        for _ in range(3):
            await fake_engine.schedule("work")
        await eventually(lambda: len(published(fake)) == 3, "three publishes")
        (consumer,) = fake.queues[TASKS].consumers
        assert len(consumer.unacknowledged) == 3
        fake.break_sessions()
        await eventually(lambda: fake.idle(TASKS), "the acknowledgements")
    assert len(published(fake)) == 6


async def test_a_publish_that_closes_its_channel_does_not_give_the_tasks_back(
    fake: FakeBroker, fake_engine: Engine
) -> None:
    counted = Counted()
    async with running(fake, counted.work):
        running_on = await fake_engine.schedule("work")
        await fake_engine.expect(running_on, ActivityStarted)
        (consumer,) = fake.queues[TASKS].consumers
        fake.close_publishers("NOT_FOUND - no exchange 'dalsegno.results'")
        counted.gate.set()
        assert await fake_engine.result(running_on) == 1
        assert consumer.is_open


async def test_a_worker_waits_for_a_broker_that_is_away(fake: FakeBroker, fake_engine: Engine) -> None:
    counted = Counted()
    counted.gate.set()
    task = await fake_engine.schedule("work")
    fake.available = False
    worker = Worker(fake, activities=[counted.work], timing=QUICK)
    with capture_logs() as logs:
        run = asyncio.create_task(worker.run())
        await eventually(lambda: len(logs) >= 3, "three tries")
    assert {line["event"] for line in logs} == {"broker_session_lost"}
    fake.available = True
    assert await fake_engine.result(task) == 1
    await worker.shutdown()
    await run


async def test_a_wrong_url_ends_the_run_at_its_start_with_a_clear_error() -> None:
    with pytest.raises(ConfigurationError, match="must begin with amqp"):
        Worker("http://localhost", activities=[Counted().work])


async def test_what_a_person_must_mend_ends_the_run_at_its_start_and_is_waited_for_later(
    fake: FakeBroker, fake_engine: Engine
) -> None:
    counted = Counted()
    counted.gate.set()
    fake.misconfigured = True
    with pytest.raises(ConfigurationError, match="the password is wrong"):
        await Worker(fake, activities=[counted.work], timing=QUICK).run()
    fake.misconfigured = False
    with capture_logs() as logs:
        async with running(fake, counted.work):
            fake.misconfigured = True
            fake.break_sessions()
            await eventually(
                lambda: any(line.get("reason") == "the password is wrong" for line in logs),
                "a try with the wrong password",
            )
            fake.misconfigured = False
            assert await fake_engine.result(await fake_engine.schedule("work")) == 1


async def test_a_worker_whose_queue_is_still_held_by_its_old_connection_takes_another_name(
    fake: FakeBroker, fake_engine: Engine
) -> None:
    counted = Counted()
    async with running(fake, counted.work) as worker:
        task = await fake_engine.schedule("work")
        before = await fake_engine.expect(task, ActivityStarted)
        fake.locked.add(before.worker)
        fake.break_sessions()
        after = await fake_engine.expect(task, ActivityStarted, 2)
        assert after.worker.startswith(f"dalsegno.worker.{worker.identity}")
        assert after.worker != before.worker
        await fake_engine.cancel(after)
        assert isinstance(await fake_engine.ended(task), ActivityCanceled)


async def test_an_idle_worker_that_the_broker_forgot_connects_again(
    fake: FakeBroker, fake_engine: Engine
) -> None:
    counted = Counted()
    counted.gate.set()
    async with running(fake, counted.work):
        fake.queues[TASKS].consumers.clear()
        task = await fake_engine.schedule("work")
        assert await fake_engine.result(task) == 1


@pytest.mark.slow
@pytest.mark.rabbitmq
async def test_activities_live_through_a_restart_of_rabbitmq(private_rabbitmq: RabbitMQServer) -> None:
    from dalsegno.broker.rabbitmq import RabbitMQBroker

    broker = RabbitMQBroker(private_rabbitmq.url)
    before = Engine(broker)
    await before.start()
    counted = Counted()
    async with running(broker, counted.work):
        task = await before.schedule("work")
        await before.expect(task, ActivityStarted)
        await asyncio.to_thread(private_rabbitmq.stop_app)
        counted.gate.set()
        await asyncio.to_thread(private_rabbitmq.start_app)
        after = Engine(broker)
        await after.start()
        assert await after.result(task) == 1
        assert await after.result(await after.schedule("work")) == 2
    assert await after.depth() == 0
    await before.stop()
    await after.stop()


def published(fake: FakeBroker) -> list[Outgoing]:
    """The outcomes that were published."""
    return [
        outgoing
        for outgoing in fake.published
        if (outgoing.exchange, outgoing.routing_key) == (RESULTS_EXCHANGE, RESULTS_KEY)
        and outgoing.message.type != ActivityStarted.TYPE
    ]
