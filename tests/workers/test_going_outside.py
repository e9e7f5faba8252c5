"""Activities that a worker hands over: it is done with them, and somebody else says how they end."""

from __future__ import annotations

from typing import Any

import pytest

from dalsegno import activity
from dalsegno.activity_code.context import info_of
from dalsegno.broker.port import Broker
from dalsegno.broker.protocol.messages import ActivityDetached, ActivityHeartbeat
from dalsegno.broker.protocol.task_token import TaskToken, unpack
from dalsegno.data_converter import DataConverter
from tests.default_converter import from_payload
from tests.workers.conftest import running
from tests.workers.engine import Ended, Engine, new_task


@activity.defn
async def hand_over() -> None:
    activity.heartbeat("half")
    activity.heartbeat("most")
    activity.raise_complete_async()


@activity.defn
def hand_over_sync() -> None:
    try:
        activity.raise_complete_async()
    except Exception:  # noqa: BLE001 - it is no failure, and none of the activity's to handle
        raise AssertionError from None


@pytest.mark.parametrize("function", [hand_over, hand_over_sync])
@pytest.mark.parametrize("acknowledge", ["late", "early"])
async def test_a_worker_is_done_with_what_goes_on_outside_and_tells_no_outcome(
    broker: Broker, engine: Engine, function: Any, acknowledge: str
) -> None:
    async with running(broker, hand_over, hand_over_sync):
        task = await engine.schedule(function.__name__, acknowledge=acknowledge)
        said = await engine.expect(task, ActivityDetached)
        assert (said.run_id, said.activity_id, said.attempt) == (task.run_id, task.activity_id, task.attempt)
    # Stopped in order: what it has not acknowledged is back in the queue now.
    assert await engine.depth() == 0
    assert not any(isinstance(message, Ended) for _, message in engine.received)


async def test_what_it_knows_of_progress_leaves_before_it_is_done(broker: Broker, engine: Engine) -> None:
    async with running(broker, hand_over):
        task = await engine.schedule("hand_over")
        await engine.expect(task, ActivityDetached)
    told = [from_payload(beat.details) for beat in engine.messages(task, ActivityHeartbeat) if beat.details]
    assert told[-1] == ["most"]


def test_the_token_names_the_attempt_and_nothing_else_is_one() -> None:
    task = new_task("hand_over")
    packed = info_of(task, DataConverter.default).task_token
    assert unpack(packed) == TaskToken(task.workflow_id, task.run_id, task.activity_id, task.token)
    for wrong in (b"", b"\xc1", packed[:-1], packed + b"x", b"\x91\xa1w", b"\x94\xc0\xc0\xc0\xc0"):
        with pytest.raises(ValueError, match="no task token"):
            unpack(wrong)


def test_outside_of_an_activity_nothing_goes_on() -> None:
    with pytest.raises(RuntimeError, match="inside a running activity only"):
        activity.raise_complete_async()
