"""What nobody can read goes to the dead letters, with a reason, and out of the way."""

from __future__ import annotations

import pytest

from dalsegno import activity
from dalsegno.broker.port import Broker, Message, Outcome, Outgoing
from dalsegno.broker.protocol import codec
from dalsegno.broker.protocol.messages import ActivityTask, Ping
from dalsegno.broker.topology import COMMANDS_EXCHANGE, DEAD_EXCHANGE
from tests.broker.witness import eventually
from tests.workers.conftest import running
from tests.workers.engine import Engine
from tests.workers.fake_broker import FakeBroker

TASKS = "dalsegno.tasks.default"
REASON = "x-dalsegno-reason"


@activity.defn
async def quick() -> str:
    return "done"


BAD = {
    "no CBOR": Message(body=b"\xff\x00", message_id="bad", type=ActivityTask.TYPE),
    "no task": codec.encode(Ping(), message_id="bad"),
    "unknown type": Message(body=b"\xa0", message_id="bad", type="activity.unheard-of"),
    "fields missing": Message(body=b"\xa0", message_id="bad", type=ActivityTask.TYPE),
    "no properties": Message(body=b""),
    "large headers": Message(body=b"", message_id="bad", headers={"x": "x" * 131_000, "b": True}),
}


@pytest.mark.parametrize("message", BAD.values(), ids=BAD.keys())
async def test_a_task_that_cannot_be_read_is_dead_lettered_and_the_next_one_runs(
    broker: Broker, engine: Engine, message: Message
) -> None:
    async with running(broker, quick, max_concurrent_activities=1):
        await engine.publish(TASKS, message)
        assert await engine.result(await engine.schedule("quick")) == "done"
        await eventually(lambda: bool(engine.dead), "the dead letter")
    (letter,) = engine.dead
    assert (letter.body, letter.message_id, letter.type) == (message.body, message.message_id, message.type)
    assert letter.headers[REASON]
    assert sum(len(str(value)) for value in letter.headers.values()) < 1000
    assert await engine.depth() == 0


async def test_a_task_whose_answers_would_go_elsewhere_is_dead_lettered(
    fake: FakeBroker, fake_engine: Engine
) -> None:
    async with running(fake, quick):
        await fake_engine.schedule("quick", exchange=COMMANDS_EXCHANGE)
        await eventually(lambda: bool(fake_engine.dead), "the dead letter")
    assert "dalsegno.results" in str(fake_engine.dead[0].headers[REASON])
    assert not fake_engine.received


@pytest.mark.parametrize(
    "key", ["", "nowhere", "slot.", "slot.1024", "slot.-1", "slot.07", "slot.7 ", "slot.\u0667"]
)
async def test_a_task_whose_answers_would_go_nowhere_is_dead_lettered(
    fake: FakeBroker, fake_engine: Engine, key: str
) -> None:
    async with running(fake, quick):
        await fake_engine.schedule("quick", routing_key=key)
        await eventually(lambda: bool(fake_engine.dead), "the dead letter")
        assert await fake_engine.result(await fake_engine.schedule("quick")) == "done"
    assert fake_engine.dead[0].headers[REASON]


async def test_a_bad_task_is_acknowledged_only_when_its_dead_letter_is_confirmed(
    fake: FakeBroker, fake_engine: Engine
) -> None:
    answers = iter([Outcome.RETURNED, None])

    def verdict(outgoing: Outgoing) -> Outcome | None:
        return next(answers, Outcome.CONFIRMED) if outgoing.exchange == DEAD_EXCHANGE else Outcome.CONFIRMED

    fake.verdict = verdict
    async with running(fake, quick):
        await fake_engine.publish(TASKS, BAD["no CBOR"])
        await eventually(lambda: dead_letters(fake) == 2, "a second try")
        assert not fake.idle(TASKS)
        fake.break_sessions()
        await eventually(lambda: fake.idle(TASKS), "the acknowledgement")
    assert len(fake_engine.dead) == 1


async def test_nonsense_in_the_workers_own_queue_is_dropped(fake: FakeBroker, fake_engine: Engine) -> None:
    async with running(fake, quick) as worker:
        queue = f"dalsegno.worker.{worker.identity}"
        for message in BAD.values():
            await fake_engine.publish(queue, message)
        await eventually(lambda: fake.idle(queue), "the acknowledgements")
        assert await fake_engine.result(await fake_engine.schedule("quick")) == "done"


def dead_letters(fake: FakeBroker) -> int:
    """How many were published, whatever became of them."""
    return sum(outgoing.exchange == DEAD_EXCHANGE for outgoing in fake.published)
