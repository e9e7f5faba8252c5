from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextvars import copy_context
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from structlog.testing import capture_logs

from dalsegno import DefinitionError, activity
from dalsegno.converter import signature_of

INFO = activity.Info(
    workflow_id="order-1",
    run_id="run-1",
    workflow_type="Order",
    activity_id="2",
    activity_type="charge",
    task_queue="default",
    attempt=3,
    scheduled_at=datetime(2026, 11, 20, tzinfo=UTC),
    start_to_close_timeout=timedelta(minutes=10),
    heartbeat_timeout=None,
    heartbeat_details=(),
    idempotency_key="run-1/2",
    fence=5,
    task_token=b"token",
)


class Attempt:
    """A context such as a worker provides."""

    info = INFO
    cancelled = True
    cancellation_details = activity.ActivityCancellationDetails(cancel_requested=True)
    worker_shutdown = None
    client = None
    shielded = None

    def __init__(self) -> None:
        self.beats: list[tuple[Any, ...]] = []
        self.waits: list[float | None] = []

    def heartbeat(self, *details: Any) -> None:
        self.beats.append(details)

    async def wait_for_cancelled(self) -> None: ...

    def wait_for_cancelled_sync(self, timeout_seconds: float | None) -> None:
        self.waits.append(timeout_seconds)


@pytest.fixture
def attempt() -> Iterator[Attempt]:
    attempt = Attempt()
    token = activity.current_context.set(attempt)
    yield attempt
    activity.current_context.reset(token)


def test_a_decorated_function_stays_itself_and_carries_its_name() -> None:
    @activity.defn
    async def charge(amount: int) -> int:
        return amount

    @activity.defn(name="ship-it")
    def ship() -> None: ...

    assert asyncio.run(charge(3)) == 3
    assert charge.__dalsegno_name__ == "charge"  # type: ignore[attr-defined]
    assert ship.__dalsegno_name__ == "ship-it"  # type: ignore[attr-defined]


def test_what_cannot_be_an_activity_is_refused() -> None:
    async def generator() -> AsyncIterator[int]:
        yield 1

    def by_keyword(*, amount: int) -> None: ...

    with pytest.raises(DefinitionError, match="is a generator") as caught:
        activity.defn(generator)
    assert caught.value.where.startswith("test_activity.py:")
    assert isinstance(caught.value, ValueError), "whichever of the two somebody catches"
    with pytest.raises(TypeError, match=r"'amount' of .*by_keyword can only be given by keyword"):
        activity.defn(by_keyword)
    with pytest.raises(TypeError, match="is neither: an object with __call__ needs a name"):
        activity.defn(type("Callable", (), {"__call__": lambda self: None})())


@pytest.mark.parametrize("name", ["", "x" * 256])
def test_a_name_that_cannot_travel_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="printable text of 1 to 255 bytes"):
        activity.defn(name=name)(lambda: None)


def test_a_lambda_needs_a_name() -> None:
    with pytest.raises(ValueError, match=r"use @activity\.defn"):
        activity.defn(lambda: None)


@pytest.mark.parametrize(
    "function",
    [activity.info, activity.heartbeat, activity.is_cancelled, activity.wait_for_cancelled_sync],
)
def test_outside_an_activity_every_function_says_so(function: Any) -> None:
    assert not activity.in_activity()
    with pytest.raises(
        RuntimeError, match=rf"activity.{function.__name__}\(\) works inside a running activity"
    ):
        function()


async def test_waiting_outside_an_activity_says_so() -> None:
    with pytest.raises(RuntimeError, match="works inside a running activity"):
        await activity.wait_for_cancelled()


def test_inside_an_activity_the_functions_reach_the_attempt(attempt: Attempt) -> None:
    assert activity.in_activity()
    assert activity.info() is INFO
    assert activity.is_cancelled()
    activity.heartbeat(1, "two")
    activity.wait_for_cancelled_sync(timedelta(seconds=2))
    assert (attempt.beats, attempt.waits) == ([(1, "two")], [2.0])


def test_a_copy_of_the_context_takes_the_attempt_into_a_thread(attempt: Attempt) -> None:
    context = copy_context()

    async def in_thread() -> activity.Info:
        return await asyncio.get_running_loop().run_in_executor(None, context.run, activity.info)

    assert asyncio.run(in_thread()) is INFO


def test_the_temporal_names_of_info_are_there_too() -> None:
    assert (INFO.workflow_run_id, INFO.scheduled_time) == (INFO.run_id, INFO.scheduled_at)
    assert INFO.current_attempt_scheduled_time == INFO.scheduled_at


def test_the_logger_is_bound_to_the_running_attempt(attempt: Attempt) -> None:
    with capture_logs() as logs:
        activity.logger.info("charging", amount=3)
    assert logs == [
        {
            "event": "charging",
            "log_level": "info",
            "amount": 3,
            "workflow_id": "order-1",
            "run_id": "run-1",
            "workflow_type": "Order",
            "activity_id": "2",
            "activity_type": "charge",
            "attempt": 3,
        }
    ]


def test_the_logger_works_outside_an_activity() -> None:
    with capture_logs() as logs:
        activity.logger.info("loading")
    assert logs == [{"event": "loading", "log_level": "info"}]


# What is no plain function


class Box:
    @staticmethod
    @activity.defn
    def inside(n: int) -> int:
        return n

    @activity.defn
    @staticmethod
    def outside(n: int) -> int:
        return n

    @classmethod
    @activity.defn
    def of_class(cls, n: int) -> int:
        return n

    @activity.defn
    @classmethod
    def of_class_outside(cls, n: int) -> int:
        return n


class Adds:
    def __init__(self, left: int) -> None:
        self.left = left

    def __call__(self, right: Later) -> int:
        """Add."""
        return self.left + right


Later = int


def test_static_and_class_methods_carry_their_names_in_either_order() -> None:
    for method in (Box.inside, Box.outside, Box.of_class, Box.of_class_outside):
        assert method.__dalsegno_name__ == method.__name__  # type: ignore[attr-defined]
        assert method(3) == 3


def test_a_partial_becomes_a_function_of_the_name_and_the_rest_of_the_parameters() -> None:
    def charge(amount: int, currency: str, note: str = "") -> str:
        return f"{amount} {currency}"

    in_euros = activity.defn(partial(charge, currency="EUR"))
    assert in_euros(5) == "5 EUR"
    assert in_euros.__dalsegno_name__ == "charge"  # type: ignore[attr-defined]
    assert signature_of(in_euros).expected == "1 argument"
    assert signature_of(activity.defn(name="x")(partial(charge, 5))).parameters[0].name == "currency"
    with pytest.raises(TypeError, match="can only be given by keyword"):
        activity.defn(partial(lambda *, amount, currency: amount, amount=1))


def test_an_object_that_can_be_called_becomes_a_function_under_a_name() -> None:
    add_three = activity.defn(name="add-three")(Adds(3))
    assert add_three(4) == 7
    assert [parameter.type_hint for parameter in signature_of(add_three).parameters] == [int]


def test_a_class_whose_objects_can_be_called_is_an_activity_under_its_own_name() -> None:
    @activity.defn
    class Adding(Adds):
        def __call__(self, right: int) -> int:
            return self.left - right

    assert Adding(3)(1) == 2
    assert Adding.__dalsegno_name__ == Adding(3).__dalsegno_name__ == "Adding"  # type: ignore[attr-defined]


@pytest.mark.parametrize("target", [5, "charge", None.__class__, Later])
def test_what_nobody_can_call_is_no_activity(target: Any) -> None:
    with pytest.raises(TypeError, match="is neither"):
        activity.defn(name="x")(target)
