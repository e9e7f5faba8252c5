"""Sync activities whose thread is interrupted when they are asked to stop, and those that shield themselves."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from dalsegno import activity
from dalsegno.activity import current_context
from dalsegno.activity_code.context import AttemptContext
from dalsegno.activity_code.interruption import Interruption
from dalsegno.broker.port import Broker
from dalsegno.broker.protocol.messages import ActivityCanceled, ActivityHeartbeat, ActivityStarted
from dalsegno.data_converter import DataConverter
from dalsegno.errors import CanceledError, DefinitionError
from dalsegno.payload import DefaultPayloadConverter, Payload
from tests.broker.witness import eventually
from tests.workers.conftest import running
from tests.workers.engine import Engine, new_task

interrupted = activity.defn(no_thread_cancel_exception=False)


def busy(until: Callable[[], bool] = lambda: False) -> None:
    """Python code that does not look whether it is to stop."""
    while not until():
        time.sleep(0.001)


@interrupted
def never_looks() -> None:
    activity.heartbeat("at work")
    busy()


@interrupted
def cleans_up() -> str:
    try:
        activity.heartbeat("at work")
        busy()
    except CanceledError:
        activity.heartbeat("cleaning up")
        return "cleaned up"
    return "nothing came"


@interrupted
def shields_itself() -> list[str]:
    seen = []
    try:
        with activity.shield_thread_cancel_exception():
            activity.heartbeat("at work")
            busy(activity.is_cancelled)
            seen.append("whole")
        seen.append("never here")
    except CanceledError:
        seen.append("then stopped")
    return seen


@activity.defn
def is_left_alone() -> str:
    activity.heartbeat("at work")
    with activity.shield_thread_cancel_exception():
        busy(activity.is_cancelled)
    return "no exception"


@pytest.mark.parametrize(
    ("function", "result"),
    [
        (cleans_up, "cleaned up"),
        (shields_itself, ["whole", "then stopped"]),
        (is_left_alone, "no exception"),
    ],
)
async def test_a_request_to_stop_is_raised_where_the_activity_stands_if_it_wants_it_so(
    broker: Broker, engine: Engine, function: Any, result: Any
) -> None:
    async with running(broker, function):
        task = await engine.schedule(function.__name__, acknowledge="early")
        await engine.expect(task, ActivityHeartbeat)
        await engine.cancel(await engine.expect(task, ActivityStarted))
        assert await engine.result(task) == result


async def test_one_that_lets_it_pass_was_cancelled(broker: Broker, engine: Engine) -> None:
    async with running(broker, never_looks):
        task = await engine.schedule("never_looks", acknowledge="early")
        await engine.expect(task, ActivityHeartbeat)
        await engine.cancel(await engine.expect(task, ActivityStarted))
        assert isinstance(await engine.ended(task), ActivityCanceled)


async def test_one_that_overruns_its_time_gives_its_thread_back(broker: Broker, engine: Engine) -> None:
    async with running(broker, never_looks) as worker:
        task = await engine.schedule("never_looks", start_to_close=50_000)
        assert (await engine.failure(task)).failure.timeout_type == "start_to_close"
        await eventually(lambda: worker.abandoned == [], "its code has ended")


def test_what_was_asked_for_before_or_after_the_code_runs_is_raised_in_it_or_nowhere() -> None:
    early, late = Interruption(), Interruption()
    early.ask()
    with pytest.raises(CanceledError), early.reaches():
        busy()
    with late.reaches():
        pass
    late.ask()
    for _ in range(1_000):  # no step of it is reached
        time.monotonic()


AFTERWARDS = """
import sys
from dalsegno.activity_code.interruption import Interruption

for asked in (False, True):
    interruption = Interruption()
    with interruption.reaches():
        pass
    if asked:
        interruption.ask()
sys.setprofile(lambda *_: None)
print(sorted([2, 1]))
"""


def test_a_process_in_which_code_might_have_been_interrupted_can_be_profiled() -> None:
    """What was taken back unraised was looked for at each step of each thread, and CPython 3.11 stood still."""
    ended = subprocess.run(
        [sys.executable, "-c", AFTERWARDS], capture_output=True, text=True, timeout=60, check=True
    )
    assert ended.stdout == "[1, 2]\n"


def test_a_heartbeat_is_whole_before_the_activity_is_interrupted() -> None:
    """Broken off between two of its steps, it would have noted that it wakes the loop, and never do so."""
    recorded: list[str] = []

    def record(_: object) -> None:
        context.cancel("asked to stop meanwhile")
        for step in ("noted", "woken"):
            time.monotonic()
            recorded.append(step)

    context = AttemptContext(new_task("works"), record, DataConverter.default, threaded=True)
    context.interruption = Interruption()
    with pytest.raises(CanceledError), context.interruption.reaches():
        context.heartbeat("at work")
    assert recorded == ["noted", "woken"]


def test_neither_a_line_of_the_log_nor_what_encodes_details_swallows_the_interruption() -> None:
    """Both take whatever is raised in them for an error of the values."""

    def meddled() -> None:
        context.cancel("asked to stop meanwhile")
        time.monotonic()

    class Meddling(DefaultPayloadConverter):
        def to_payload(self, value: Any, type_hint: Any = Any) -> Payload:
            meddled()
            return super().to_payload(value, type_hint)

    class Shown:
        def __str__(self) -> str:
            meddled()
            return "shown"

    for speaks in (
        lambda: activity.logger.info("%s", Shown()),
        lambda: activity.logger.bind(order=5).info("%s", Shown()),
        lambda: activity.heartbeat("at work"),
    ):
        context = AttemptContext(new_task("works"), lambda _: None, DataConverter(Meddling), threaded=True)
        context.interruption = Interruption()
        token = current_context.set(context)
        try:
            with pytest.raises(CanceledError), context.interruption.reaches():
                speaks()
        finally:
            current_context.reset(token)


def test_what_is_no_flag_is_refused() -> None:
    with pytest.raises(DefinitionError, match="no_thread_cancel_exception"):
        activity.defn(no_thread_cancel_exception="no")  # type: ignore[call-overload]
