"""Late tasks that came back again and again: they run alone, so that it is known whose doing a death is."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from dalsegno import activity
from dalsegno.broker.protocol import codec
from dalsegno.broker.protocol.messages import ActivityCanceled, ActivityStarted, ActivityTask
from dalsegno.workers.suspects import RETURNS_MIN
from tests.broker.witness import eventually
from tests.workers.conftest import QUICK, running
from tests.workers.engine import Engine, new_task
from tests.workers.fake_broker import FakeBroker

TASKS = "dalsegno.tasks.default"
PATIENT = replace(QUICK, alone_patience=600, alone_for=600, alone_for_max=600)
"""Nothing comes about by time but the asking itself."""
AT_ONCE = replace(PATIENT, suspect_after=0.0)
QUICKLY_PROVEN = replace(AT_ONCE, alone_for=0.05, alone_for_max=0.05)


class Gated:
    def __init__(self) -> None:
        self.begun: list[str] = []
        self.gate = asyncio.Event()

    @activity.defn
    async def work(self, name: str) -> str:
        self.begun.append(name)
        await self.gate.wait()
        return name


def come_back(fake: FakeBroker, name: str, returns: int = RETURNS_MIN, **fields: str) -> ActivityTask:
    """A task that other workers had before."""
    task = new_task("work", name, **fields)
    fake.put(TASKS, codec.encode(task, message_id=f"task-{task.run_id}"), returns=returns)
    return task


async def test_a_task_that_came_back_twice_begins_when_the_engine_was_told_that_it_runs_alone(
    fake: FakeBroker, fake_engine: Engine
) -> None:
    gated = Gated()
    async with running(fake, gated.work, timing=AT_ONCE):
        task = come_back(fake, "suspect")
        asked = await fake_engine.expect(task, ActivityStarted)
        assert asked.alone
        assert gated.begun == []
        gated.gate.set()
        await fake_engine.grant(asked)
        assert await fake_engine.result(task) == "suspect"
        await eventually(lambda: fake.idle(TASKS), "the acknowledgement")


@pytest.mark.parametrize("returns", range(RETURNS_MIN))
async def test_a_task_that_came_back_once_begins_like_any_other(
    fake: FakeBroker, fake_engine: Engine, returns: int
) -> None:
    gated = Gated()
    gated.gate.set()
    async with running(fake, gated.work, timing=replace(AT_ONCE, started_after=600)):
        task = come_back(fake, "ordinary", returns)
        assert await fake_engine.result(task) == "ordinary"
    assert fake_engine.messages(task, ActivityStarted) == []


async def test_early_work_asks_as_ever_however_often_it_came_back(
    fake: FakeBroker, fake_engine: Engine
) -> None:
    gated = Gated()
    gated.gate.set()
    async with running(fake, gated.work, timing=PATIENT):
        task = come_back(fake, "early", 10, acknowledge="early")
        asked = await fake_engine.expect(task, ActivityStarted)
        assert not asked.alone
        await fake_engine.grant(asked)
        assert await fake_engine.result(task) == "early"


async def test_work_that_is_refused_because_others_died_of_it_is_acknowledged_and_not_begun(
    fake: FakeBroker, fake_engine: Engine
) -> None:
    gated = Gated()
    async with running(fake, gated.work, timing=AT_ONCE):
        task = come_back(fake, "suspect")
        await fake_engine.grant(await fake_engine.expect(task, ActivityStarted), granted=False)
        await eventually(lambda: fake.idle(TASKS), "the acknowledgement")
        gated.gate.set()
        after = await fake_engine.schedule("work", "after")
        assert await fake_engine.result(after) == "after"
    assert gated.begun == ["after"]


async def test_work_that_is_cancelled_while_it_asks_never_begins(fake: FakeBroker, fake_engine: Engine) -> None:
    gated = Gated()
    async with running(fake, gated.work, timing=AT_ONCE):
        task = come_back(fake, "suspect")
        await fake_engine.cancel(await fake_engine.expect(task, ActivityStarted))
        assert isinstance(await fake_engine.ended(task), ActivityCanceled)
    assert gated.begun == []


async def test_a_suspect_that_nobody_answers_begins_all_the_same(fake: FakeBroker, fake_engine: Engine) -> None:
    """The host of its workflow is away, or older than this worker."""
    gated = Gated()
    gated.gate.set()
    async with running(fake, gated.work, timing=replace(AT_ONCE, alone_patience=0.05)):
        task = come_back(fake, "suspect")
        assert await fake_engine.result(task) == "suspect"


async def test_nothing_begins_beside_what_runs_alone_until_it_has_lived_on_for_a_while(
    fake: FakeBroker, fake_engine: Engine
) -> None:
    gated = Gated()
    async with running(fake, gated.work, timing=QUICKLY_PROVEN):
        first, second = come_back(fake, "first"), come_back(fake, "second")
        asked = await fake_engine.expect(first, ActivityStarted)
        other = await fake_engine.schedule("work", "other")
        await fake_engine.expect(first, ActivityStarted, 3)
        assert fake_engine.messages(second, ActivityStarted) == []
        assert gated.begun == []
        await fake_engine.grant(asked)
        await fake_engine.grant(await fake_engine.expect(second, ActivityStarted))
        assert not fake_engine.messages(first, ActivityStarted)[-1].alone
        gated.gate.set()
        for task in (first, second, other):
            await fake_engine.ended(task)
    assert gated.begun == ["first", "second", "other"]


async def test_what_runs_alone_says_so_again_and_again(fake: FakeBroker, fake_engine: Engine) -> None:
    gated = Gated()
    async with running(fake, gated.work, timing=replace(AT_ONCE, started_after=600)):
        task = come_back(fake, "suspect")
        await fake_engine.grant(await fake_engine.expect(task, ActivityStarted))
        await eventually(lambda: gated.begun == ["suspect"], "it runs")
        said = len(fake_engine.messages(task, ActivityStarted))
        assert (await fake_engine.expect(task, ActivityStarted, said + 3)).alone
        gated.gate.set()
        await fake_engine.ended(task)


async def test_others_begin_as_soon_as_what_ran_alone_has_ended(fake: FakeBroker, fake_engine: Engine) -> None:
    gated = Gated()
    gated.gate.set()
    async with running(fake, gated.work, timing=AT_ONCE):
        suspects = [come_back(fake, str(number)) for number in range(5)]
        other = await fake_engine.schedule("work", "other")
        for suspect in suspects:
            await fake_engine.grant(await fake_engine.expect(suspect, ActivityStarted))
        assert await fake_engine.result(other) == "other"
    assert gated.begun == ["0", "1", "2", "3", "4", "other"]


async def test_a_suspect_waits_until_what_runs_already_has_lived_for_a_while(
    fake: FakeBroker, fake_engine: Engine
) -> None:
    gated = Gated()
    async with running(fake, gated.work, timing=AT_ONCE):
        running_on = await fake_engine.schedule("work", "running on")
        await eventually(lambda: len(gated.begun) == 1, "it runs")
        suspect = come_back(fake, "suspect")
        other = await fake_engine.schedule("work", "other")
        await fake_engine.expect(running_on, ActivityStarted)
        assert gated.begun == ["running on"]
        assert fake_engine.messages(suspect, ActivityStarted) == []
        gated.gate.set()
        await fake_engine.grant(await fake_engine.expect(suspect, ActivityStarted))
        for task in (running_on, suspect, other):
            await fake_engine.ended(task)
    assert gated.begun == ["running on", "suspect", "other"]


async def test_a_suspect_begins_beside_what_has_lived_for_a_while(
    fake: FakeBroker, fake_engine: Engine
) -> None:
    gated = Gated()
    async with running(fake, gated.work, timing=QUICKLY_PROVEN):
        await fake_engine.schedule("work", "running on")
        await eventually(lambda: len(gated.begun) == 1, "it runs")
        suspect = come_back(fake, "suspect")
        await fake_engine.grant(await fake_engine.expect(suspect, ActivityStarted))
        await eventually(lambda: gated.begun == ["running on", "suspect"], "both run")
        gated.gate.set()


async def test_a_suspect_that_was_not_begun_when_the_session_broke_is_given_back(
    fake: FakeBroker, fake_engine: Engine
) -> None:
    gated = Gated()
    async with running(fake, gated.work, timing=AT_ONCE):
        first, second = come_back(fake, "first"), come_back(fake, "second")
        await fake_engine.expect(first, ActivityStarted)
        fake.available = False
        fake.break_sessions()
        assert [returns for _, returns in fake.queues[TASKS].ready] == [RETURNS_MIN + 1] * 2
        for message, _ in fake.queues[TASKS].ready:
            assert codec.decode(message) in (first, second)
        fake.queues[TASKS].ready.clear()
        fake.available = True
        gated.gate.set()
        assert await fake_engine.result(await fake_engine.schedule("work", "other")) == "other"
    assert gated.begun == ["other"]


async def test_a_task_that_a_flapping_network_brings_back_is_begun_once(
    fake: FakeBroker, fake_engine: Engine
) -> None:
    gated = Gated()
    async with running(fake, gated.work, timing=PATIENT):
        task = await fake_engine.schedule("work", "long")
        for flaps in range(25):
            await fake_engine.expect(task, ActivityStarted, flaps + 1)
            await eventually(lambda: not fake.queues[TASKS].ready, "it is delivered again")
            fake.break_sessions()
        gated.gate.set()
        assert await fake_engine.result(task) == "long"
        await eventually(lambda: fake.idle(TASKS), "the acknowledgement")
    assert gated.begun == ["long"]


async def test_a_task_that_is_sent_again_after_it_was_settled_here_asks_whether_it_is_over(
    fake: FakeBroker, fake_engine: Engine
) -> None:
    gated = Gated()
    gated.gate.set()
    async with running(fake, gated.work, timing=AT_ONCE):
        task = await fake_engine.schedule("work", "done")
        assert await fake_engine.result(task) == "done"
        await eventually(lambda: fake.idle(TASKS), "the acknowledgement")
        await fake_engine.send(task)
        await fake_engine.grant(await fake_engine.expect(task, ActivityStarted), granted=False)
        await eventually(lambda: fake.idle(TASKS), "the acknowledgement")
    assert gated.begun == ["done"]


async def test_suspects_that_wait_are_given_back_at_the_worker_s_end(
    fake: FakeBroker, fake_engine: Engine
) -> None:
    gated = Gated()
    async with running(fake, gated.work, timing=AT_ONCE, drain_timeout=0):
        first, _ = come_back(fake, "first"), come_back(fake, "second")
        await fake_engine.expect(first, ActivityStarted)
    assert await fake_engine.depth() == 2
    assert gated.begun == []
