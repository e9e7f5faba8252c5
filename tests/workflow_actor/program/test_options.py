"""Whatever workflow code may ask for can be stored, read again, and sent to whoever receives it; all else is
refused at the call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dalsegno import RetryPolicy, workflow
from dalsegno.actors.workflow_actor.activities.activity import task_token
from dalsegno.actors.workflow_actor.activities.intents import ScheduleActivity
from dalsegno.actors.workflow_actor.interface.intent import Intent
from dalsegno.actors.workflow_actor.interface.retries import RetrySchedule
from dalsegno.actors.workflow_actor.program.port import WorkflowCodeError
from dalsegno.actors.workflow_actor.program.storable import require_storable
from dalsegno.actors.workflow_actor.run.events import Record
from dalsegno.actors.workflow_actor.run.intents import CompleteRun, FailRun
from dalsegno.actors.workflow_actor.run.interpret import interpret
from dalsegno.actors.workflow_actor.stored.codec import CODEC
from dalsegno.broker.protocol import codec
from dalsegno.broker.protocol.messages import ActivityTask
from dalsegno.failure import Failure
from dalsegno.payload import Payload
from tests.sdk.odd_values import ODD, odd_values
from tests.workflow_actor.program.play import Play
from tests.workflow_actor.program.things import add, echo

OPTIONS = (
    "task_queue",
    "start_to_close_timeout",
    "schedule_to_close_timeout",
    "schedule_to_start_timeout",
    "heartbeat_timeout",
    "retry_policy",
    "cancellation_type",
    "activity_id",
)

asked: dict[str, Any] = {}
"""The call that the workflow makes next."""


@workflow.defn
class Asking:
    @workflow.run
    async def run(self, how: str) -> str:
        try:
            if how == "execute":
                await workflow.execute_activity(**asked)
            else:
                await workflow.start_activity(**asked)
        except (TypeError, ValueError) as error:
            return f"refused: {error}"
        return ""


def require_readable(intents: list[Intent]) -> None:
    """As the journal keeps them, and as the task's receiver wants it."""
    events = interpret(intents, entropy=b"e" * 32, python="3.11")
    record = Record(1, 1, False, (), events)
    assert CODEC.decode_record(CODEC.encode_record(record)) == record
    for intent in intents:
        if isinstance(intent, ScheduleActivity):
            task = task_of(intent)
            codec.check(task)
            for content_type in (codec.CBOR, codec.JSON):
                message = codec.encode(task, message_id=str(uuid4()), content_type=content_type)
                assert codec.decode(message) == task


def task_of(intent: ScheduleActivity) -> ActivityTask:
    run_id = str(uuid4())
    return ActivityTask(
        workflow_id="w",
        run_id=run_id,
        workflow_type="Asking",
        activity_id=intent.activity_id,
        activity_type=intent.activity_type,
        task_queue=intent.task_queue,
        attempt=1,
        token=task_token(b"e" * 32, 1, 1),
        fence=1,
        idempotency_key=f"{run_id}/{intent.activity_id}",
        exchange="dalsegno.results",
        routing_key="slot.1",
        args=intent.args,
        scheduled_at=1,
        start_to_close=intent.start_to_close,
        schedule_to_close=intent.schedule_to_close,
        heartbeat_timeout=intent.heartbeat_timeout,
    )


def ask(how: str = "execute", **call: Any) -> str | None:
    """The refusal, or None: then what was asked for was looked at as its readers do."""
    asked.clear()
    asked.update(call)
    play = Play(Asking)
    intents = play.begin(how)
    require_readable(intents)
    return None if not play.closed else str(play.result)


@pytest.mark.parametrize("option", OPTIONS)
def test_an_odd_option_is_refused_by_name_or_is_one_that_all_can_read(option: str) -> None:
    for value in ODD:
        for how in ("execute", "start"):
            refusal = ask(how, activity=echo, arg="x", **{option: value})
            assert refusal is None or option in refusal, value


@given(option=st.sampled_from(OPTIONS), value=odd_values)
def test_any_option_is_refused_by_name_or_is_one_that_all_can_read(option: str, value: Any) -> None:
    refusal = ask(activity=echo, arg="x", **{option: value})
    assert refusal is None or option in refusal


@given(name=odd_values)
def test_any_name_of_an_activity_is_refused_or_is_one_that_all_can_read(name: Any) -> None:
    refusal = ask(activity=name, arg="x")
    assert refusal is None or "activity" in refusal


@given(interval=odd_values, maximum=odd_values, coefficient=odd_values, attempts=odd_values)
def test_any_policy_that_can_be_made_is_one_that_all_can_read(
    interval: Any, maximum: Any, coefficient: Any, attempts: Any
) -> None:
    for options in (
        {"initial_interval": interval},
        {"maximum_interval": maximum},
        {"backoff_coefficient": coefficient, "maximum_attempts": attempts},
    ):
        try:
            policy = RetryPolicy(**options)
        except (TypeError, ValueError):
            continue
        assert ask(activity=echo, arg="x", retry_policy=policy) is None


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ({"activity": echo, "args": "hello"}, "args must be a list or tuple of arguments, not 'hello'"),
        ({"activity": echo, "args": {"a": 1}}, "args must be a list or tuple"),
        ({"activity": echo, "args": 5}, "args must be a list or tuple"),
        ({"activity": echo}, "echo takes 1 argument, but is given 0"),
        ({"activity": add, "args": [1, 2, 3]}, "add takes 2 arguments, but is given 3"),
        ({"activity": echo, "arg": "x", "retry": 3}, "no option 'retry'"),
        ({"activity": 5, "arg": "x"}, "5 is not an activity"),
        ({"activity": {}, "arg": "x"}, "is not an activity"),
    ],
)
def test_a_call_that_cannot_be_is_refused_in_words(call: dict[str, Any], words: str) -> None:
    refusal = ask(**call)
    assert refusal is not None
    assert words in refusal


@workflow.defn
class Twins:
    @workflow.run
    async def run(self) -> str:
        first = workflow.start_activity(echo, "a", activity_id="2")
        try:
            workflow.start_activity(echo, "b")
        except ValueError as error:
            refused = str(error)
        await first
        await workflow.execute_activity(echo, "c", activity_id="2")
        return refused


def test_two_activities_that_run_cannot_have_one_id() -> None:
    play = Play(Twins)
    play.begin()
    assert play.run() == "activity_id '2' is taken: activity 1 echo has it, and has not ended."
    play.replayed()


# The second look


@pytest.mark.parametrize(
    "spoil",
    [
        lambda: CompleteRun(result=Payload("json/plain", "text")),  # type: ignore[arg-type]
        lambda: FailRun(failure=Failure(non_retryable=None)),  # type: ignore[arg-type]
        lambda: FailRun(failure=Failure(message="\ud800")),
        lambda: schedule(activity_id=7),
        lambda: schedule(activity_id="\ud800"),
        lambda: schedule(start_to_close=3.0),
        lambda: schedule(start_to_close=2**70),
        lambda: schedule(retry=RetrySchedule(maximum_attempts=3.0)),  # type: ignore[arg-type]
        lambda: schedule(retry=RetrySchedule(non_retryable_error_types=(ValueError,))),  # type: ignore[arg-type]
        lambda: schedule(cancellation_type="nonsense"),
    ],
)
def test_what_slips_through_suspends_with_its_line_and_is_not_stored(spoil: Callable[[], Intent]) -> None:
    with pytest.raises(WorkflowCodeError, match=r"What the code asked for.* cannot be stored"):
        require_storable([spoil()], None)


def schedule(**fields: Any) -> ScheduleActivity:
    whole: dict[str, Any] = {
        "number": 1,
        "activity_id": "1",
        "activity_type": "a",
        "task_queue": "q",
        "args": (),
        "start_to_close": None,
        "schedule_to_close": None,
        "schedule_to_start": None,
        "heartbeat_timeout": None,
        "retry": RetrySchedule(),
        "line": "orders.py:7",
    }
    return ScheduleActivity(**(whole | fields))
