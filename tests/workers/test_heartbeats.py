"""Heartbeats: throttled, the newest details win, automatic where asked for, remembered by the next attempt."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from dalsegno import activity
from dalsegno.broker.port import Broker
from dalsegno.broker.protocol.messages import ActivityFailed, ActivityHeartbeat, ActivityStarted
from dalsegno.errors import PayloadError
from dalsegno.payload import Payload
from dalsegno.workers.heartbeat import HeartbeatSender, interval_seconds
from tests.broker.witness import eventually
from tests.default_converter import from_payload, to_payload
from tests.encrypted import encrypted, without
from tests.hand_clock import START, HandClock
from tests.workers.conftest import running
from tests.workers.engine import Engine, new_task
from tests.workers.fake_broker import FakeBroker

SECOND = 1_000_000


class HandLoop(HandClock):
    """As much of an event loop as a heartbeat uses, with the time in the test's hand."""

    def call_soon_threadsafe(self, callback: Callable[..., Any], *args: Any) -> None:
        callback(*args)


class Beats:
    """A heartbeat on a clock, and what it sent: (seconds since the start, details)."""

    def __init__(self, **fields: Any) -> None:
        self.clock = HandLoop()
        self.sent: list[tuple[float, Any]] = []
        self.broker_is_stuck = False
        self.in_the_air: list[Callable[[bool], None]] = []
        loop: Any = self.clock
        self.heartbeat = HeartbeatSender(new_task("work", **fields), loop, self.clock, self._send)

    def _send(self, details: Payload | None, number: int, on_settled: Callable[[bool], None]) -> None:
        self.sent.append((self.clock.now - START, None if details is None else from_payload(details)))
        self.in_the_air.append(on_settled)
        if not self.broker_is_stuck:
            self.settle()

    def settle(self) -> None:
        while self.in_the_air:
            self.in_the_air.pop()(True)

    def record(self, details: Any) -> None:
        self.heartbeat.record(to_payload(details))


@pytest.mark.parametrize("automatic", [True, False])
async def test_while_the_broker_takes_nothing_one_heartbeat_waits_for_it_and_then_the_newest_leaves(
    automatic: bool,
) -> None:
    beats = Beats(heartbeat_timeout=30 * SECOND, auto_heartbeat=automatic)
    beats.heartbeat.start()
    beats.broker_is_stuck = True
    for progress in range(100):
        beats.record(progress)
        beats.clock.advance(60)
    assert [details for _, details in beats.sent] == [0]
    beats.broker_is_stuck = False
    beats.settle()
    assert [details for _, details in beats.sent] == [0, 99]
    beats.record(100)
    beats.clock.advance(10)
    assert beats.sent[-1][1] == 100


async def test_the_last_details_before_a_failure_leave_though_a_heartbeat_is_on_its_way() -> None:
    beats = Beats(heartbeat_timeout=30 * SECOND)
    beats.broker_is_stuck = True
    beats.record(1)
    beats.record(2)
    beats.heartbeat.flush()
    beats.heartbeat.stop()
    assert [details for _, details in beats.sent] == [1, 2]
    beats.settle()
    assert len(beats.sent) == 2


async def test_the_first_heartbeat_leaves_at_once_and_the_newest_of_an_interval_at_its_end() -> None:
    beats = Beats(heartbeat_timeout=30 * SECOND)
    for progress in range(5):
        beats.record(progress)
        beats.clock.advance(1)
    assert beats.sent == [(0, 0)]
    beats.clock.advance(60)
    assert beats.sent == [(0, 0), (10, 4)]
    beats.record(5)
    assert beats.sent[2:] == [(65, 5)]


async def test_automatic_heartbeats_come_at_a_third_of_the_timeout_with_the_newest_details() -> None:
    beats = Beats(heartbeat_timeout=30 * SECOND, auto_heartbeat=True)
    beats.heartbeat.start()
    beats.clock.advance(15)
    beats.record("half")
    beats.clock.advance(15)
    beats.heartbeat.stop()
    beats.clock.advance(60)
    assert beats.sent == [(10, None), (20, "half"), (30, "half")]


async def test_a_flush_sends_what_was_throttled_and_nothing_twice() -> None:
    beats = Beats(heartbeat_timeout=30 * SECOND)
    beats.record(1)
    beats.heartbeat.flush()
    beats.record(2)
    beats.heartbeat.flush()
    beats.heartbeat.stop()
    beats.clock.advance(60)
    assert beats.sent == [(0, 1), (0, 2)]


@pytest.mark.parametrize(("timeout", "seconds"), [(None, 30), (3 * SECOND, 1), (3600 * SECOND, 60)])
def test_the_interval_is_a_third_of_the_timeout_within_bounds(timeout: int | None, seconds: float) -> None:
    assert interval_seconds(timeout) == pytest.approx(seconds)


@pytest.mark.parametrize("sync", [False, True])
async def test_heartbeats_reach_the_engine_and_the_last_details_precede_the_failure(
    broker: Broker, engine: Engine, sync: bool
) -> None:
    def beat() -> None:
        for progress in range(100):
            activity.heartbeat(progress, "of 100")
        raise ValueError("at the last")

    @activity.defn(name="work")
    async def work_async() -> None:
        beat()

    @activity.defn(name="work")
    def work_sync() -> None:
        beat()

    async with running(broker, work_sync if sync else work_async):
        task = await engine.schedule("work", heartbeat_timeout=600 * SECOND)
        await engine.expect(task, ActivityFailed)
    beats = engine.messages(task, ActivityHeartbeat)
    assert len(beats) <= 2
    assert beats[-1].details is not None
    assert from_payload(beats[-1].details) == [99, "of 100"]


async def test_an_automatic_heartbeat_comes_from_a_blocked_thread_too(
    fake: FakeBroker, fake_engine: Engine
) -> None:
    gate = threading.Event()

    @activity.defn
    def block() -> None:
        gate.wait(20)

    async with running(fake, block):
        task = await fake_engine.schedule("block", heartbeat_timeout=30_000, auto_heartbeat=True)
        await fake_engine.expect(task, ActivityHeartbeat, 3)
        gate.set()
        await fake_engine.result(task)


@pytest.mark.parametrize("auto_heartbeat", [True, False])
async def test_early_work_that_was_granted_late_and_waits_for_a_thread_says_that_it_is_here(
    fake: FakeBroker, fake_engine: Engine, auto_heartbeat: bool
) -> None:
    """It is granted and acknowledged: the engine would try it again if it were silent."""
    fake_engine.granting = None
    free, begun = threading.Event(), list[int]()

    @activity.defn
    def holds(number: int) -> int:
        begun.append(number)
        free.wait()
        return number

    fields = {"acknowledge": "early", "heartbeat_timeout": 90_000, "auto_heartbeat": auto_heartbeat}
    async with running(fake, holds, max_sync_threads=1):
        try:
            first, second = [await fake_engine.schedule("holds", number, **fields) for number in (1, 2)]
            asked = [await fake_engine.expect(task, ActivityStarted) for task in (first, second)]
            for started in asked:  # the first has made room for the second in the waiting room
                await fake_engine.grant(started)
            await eventually(lambda: bool(begun), "one of them has the thread")
            await fake_engine.expect(second if begun == [1] else first, ActivityHeartbeat, 2)
        finally:
            free.set()
        assert [await fake_engine.result(task) for task in (first, second)] == [1, 2]


async def test_the_next_attempt_finds_the_details_of_the_last_heartbeat(
    fake: FakeBroker, fake_engine: Engine
) -> None:
    @activity.defn
    async def resume() -> list[Any]:
        return list(activity.info().heartbeat_details)

    async with running(fake, resume):
        ours = await fake_engine.schedule("resume", attempt=2, heartbeat_details=to_payload([40, "of 100"]))
        assert await fake_engine.result(ours) == [40, "of 100"]
        foreign = await fake_engine.schedule("resume", attempt=2, heartbeat_details=to_payload("page 3"))
        assert await fake_engine.result(foreign) == ["page 3"]


@activity.defn(name="resume")
def resume_in_thread() -> str:
    return "begun anew"


@activity.defn(name="resume")
async def resume_on_loop() -> str:
    return "begun anew"


@pytest.mark.parametrize("code", [resume_in_thread, resume_on_loop])
async def test_an_attempt_that_has_no_key_for_those_details_fails_before_its_code_runs(
    fake: FakeBroker, fake_engine: Engine, code: Callable[..., Any]
) -> None:
    details = encrypted.of_workflow("order").to_payload([40])
    async with running(fake, code, data_converter=without):
        task = await fake_engine.schedule("resume", workflow_id="order", attempt=2, heartbeat_details=details)
        failure = (await fake_engine.failure(task)).failure
    assert (failure.type, failure.non_retryable) == ("PayloadCodecError", False)


async def test_details_that_no_message_can_carry_are_the_activitys_error(
    fake: FakeBroker, fake_engine: Engine
) -> None:
    @activity.defn
    async def exaggerate() -> str:
        for details in ("x" * 1024 * 1024, threading.Lock()):
            with pytest.raises(PayloadError):
                activity.heartbeat(details)
        return "still here"

    async with running(fake, exaggerate):
        task = await fake_engine.schedule("exaggerate")
        assert await fake_engine.result(task) == "still here"
    assert not fake_engine.messages(task, ActivityHeartbeat)
