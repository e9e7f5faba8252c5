"""What a worker reports, on every broker."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from functools import partial
from typing import Any

import pytest

from dalsegno import RawValue, activity
from dalsegno.broker.port import Broker
from dalsegno.broker.protocol.messages import ActivityCompleted, ActivityFailed
from dalsegno.errors import ApplicationError
from tests.broker.witness import eventually
from tests.default_converter import from_payload
from tests.sdk.hostile_errors import HOSTILE
from tests.workers.conftest import running
from tests.workers.engine import Engine


@dataclass
class Order:
    number: int
    total: float


@activity.defn
async def double(order: Order) -> Order:
    return Order(order.number, order.total * 2)


@activity.defn
def double_sync(order: Order) -> Order:
    return Order(order.number, order.total * 2)


@activity.defn
async def decline(reason: str) -> None:
    raise ApplicationError(
        reason, {"limit": 100}, type="CardDeclined", non_retryable=True, next_retry_delay=1.5
    )


@activity.defn
def stumble() -> None:
    raise KeyError("missing")


@activity.defn
async def leave() -> None:
    raise SystemExit(3)


@activity.defn
async def return_a_socket() -> Any:
    return threading.Lock()


@activity.defn
async def return_much(count: int) -> str:
    return "x" * count


@activity.defn
async def fail_much(count: int) -> None:
    raise ApplicationError("too much", "x" * count, type="Much", non_retryable=True)


@activity.defn
async def give_up_by_itself() -> None:
    raise asyncio.CancelledError


def plainly(function: Any) -> Any:
    def wrapper(*args: Any) -> Any:  # not async: it gives back the coroutine
        return function(*args)

    return wrapper


@plainly
async def inner(order: Order) -> list[Any]:
    await asyncio.sleep(0)
    began = activity.info().started_time
    assert began is not None
    assert began.tzinfo is UTC
    assert activity.info().started_time == began
    return [order["number"], activity.info().activity_type, activity.is_cancelled()]  # type: ignore[index]


wrapped = activity.defn(name="wrapped")(inner)


@activity.defn(name="wrapped-and-fails")
@plainly
async def wrapped_and_fails() -> None:
    raise ApplicationError("no", type="Declined")


@activity.defn
async def raise_hostile(how: str) -> None:
    raise HOSTILE[how]()


@activity.defn
def raise_hostile_in_a_thread(how: str) -> None:
    raise HOSTILE[how]()


class Shop:
    def __init__(self, name: str) -> None:
        self.name = name

    @activity.defn(name="greet")
    async def greet_customer(self, customer: str) -> str:
        return f"{self.name} greets {customer}"


@pytest.mark.parametrize("function", [double, double_sync])
async def test_an_activity_gets_typed_arguments_and_its_result_is_reported(
    broker: Broker, engine: Engine, function: Any
) -> None:
    async with running(broker, double, double_sync):
        task = await engine.schedule(function.__name__, Order(7, 21.0))
        assert await engine.result(task) == {"number": 7, "total": 42.0}


async def test_methods_of_an_instance_are_activities_under_their_given_name(
    broker: Broker, engine: Engine
) -> None:
    async with running(broker, Shop("Fermata").greet_customer):
        task = await engine.schedule("greet", "Ada")
        assert await engine.result(task) == "Fermata greets Ada"


@activity.defn
class Registers:
    def __init__(self, name: str) -> None:
        self.name = name

    async def __call__(self, order: Order) -> str:
        return f"{self.name} {order.number}"


@activity.defn(dynamic=True)
async def anything(args: Sequence[RawValue]) -> list[Any]:
    convert = activity.payload_converter().from_payload
    return [activity.info().activity_type, convert(args[0].payload, Order).total, len(args)]


async def test_an_object_of_a_class_is_an_activity_and_a_dynamic_one_takes_all_other_names(
    broker: Broker, engine: Engine
) -> None:
    async with running(broker, Registers("till"), anything):
        assert await engine.result(await engine.schedule("Registers", Order(7, 1.0))) == "till 7"
        task = await engine.schedule("never heard of", Order(7, 2.5))
        assert await engine.result(task) == ["never heard of", 2.5, 1]


async def test_an_application_error_keeps_type_details_and_verdict(broker: Broker, engine: Engine) -> None:
    async with running(broker, decline):
        failed = await engine.failure(await engine.schedule("decline", "no money"))
    failure = failed.failure
    assert (failure.kind, failure.type, failure.message) == ("application", "CardDeclined", "no money")
    assert failure.non_retryable
    assert [from_payload(detail) for detail in failure.details] == [{"limit": 100}]
    assert failed.next_retry_delay == 1_500_000


async def test_any_other_exception_is_a_retryable_failure_of_its_class(broker: Broker, engine: Engine) -> None:
    async with running(broker, stumble):
        failed = await engine.failure(await engine.schedule("stumble"))
    assert (failed.failure.type, failed.failure.non_retryable) == ("KeyError", False)
    assert "stumble" in failed.failure.stack


async def test_a_system_exit_fails_its_attempt_and_not_the_worker(fake_engine: Engine, fake: Broker) -> None:
    async with running(fake, leave, double):
        failed = await fake_engine.failure(await fake_engine.schedule("leave"))
        assert failed.failure.type == "SystemExit"
        assert await fake_engine.result(await fake_engine.schedule("double", Order(1, 1.0)))


class Crate:
    @staticmethod
    @activity.defn(name="of-nothing")
    def of_nothing(n: int) -> int:
        return n

    @classmethod
    @activity.defn(name="of-class")
    def of_class(cls, n: int) -> str:
        return f"{cls.__name__} {n}"

    async def __call__(self, n: int) -> int:
        return n + 1


async def in_currency(order: Order, currency: str) -> str:
    return f"{order.total} {currency}"


async def test_static_and_class_methods_partials_and_callable_objects_are_run(
    fake_engine: Engine, fake: Broker
) -> None:
    in_euros = activity.defn(partial(in_currency, currency="EUR"))
    crate = activity.defn(name="crate")(Crate())
    async with running(fake, Crate.of_nothing, Crate.of_class, in_euros, crate):
        for name, argument, expected in (
            ("of-nothing", 3, 3),
            ("of-class", 3, "Crate 3"),
            ("in_currency", Order(1, 2.5), "2.5 EUR"),
            ("crate", 3, 4),
        ):
            assert await fake_engine.result(await fake_engine.schedule(name, argument)) == expected


async def test_what_a_plain_wrapper_of_an_async_activity_gives_back_is_awaited(
    fake_engine: Engine, fake: Broker
) -> None:
    async with running(fake, wrapped, wrapped_and_fails):
        task = await fake_engine.schedule("wrapped", Order(7, 1.0))
        assert await fake_engine.result(task) == [7, "wrapped", False]
        failed = await fake_engine.failure(await fake_engine.schedule("wrapped-and-fails"))
        assert failed.failure.type == "Declined"


@pytest.mark.parametrize("function", [raise_hostile, raise_hostile_in_a_thread])
async def test_whatever_an_activity_raises_there_is_an_outcome_and_the_worker_goes_on(
    fake_engine: Engine, fake: Broker, function: Any
) -> None:
    async with running(fake, raise_hostile, raise_hostile_in_a_thread, double):
        for how in HOSTILE:
            failed = await fake_engine.failure(await fake_engine.schedule(function.__name__, how))
            assert failed.failure.message or failed.failure.stack, how
        assert await fake_engine.result(await fake_engine.schedule("double", Order(1, 2.0)))


async def test_a_cancellation_from_within_is_a_failure(fake_engine: Engine, fake: Broker) -> None:
    async with running(fake, give_up_by_itself):
        failed = await fake_engine.failure(await fake_engine.schedule("give_up_by_itself"))
    assert (failed.failure.kind, failed.failure.type) == ("application", "CancelledError")


async def test_an_unknown_activity_fails_the_attempt_retryably_and_names_the_known_ones(
    broker: Broker, engine: Engine
) -> None:
    async with running(broker, double, stumble):
        failed = await engine.failure(await engine.schedule("treble", 1))
    assert (failed.failure.type, failed.failure.non_retryable) == ("ActivityNotFound", False)
    assert "'treble'" in failed.failure.message
    assert "double, stumble" in failed.failure.message


async def test_many_unknown_activities_at_once_fail_one_by_one(fake_engine: Engine, fake: Broker) -> None:
    tasks = [await fake_engine.schedule("treble") for _ in range(300)]
    async with running(fake, double, max_concurrent_activities=200):
        for task in tasks:
            assert (await fake_engine.failure(task)).failure.type == "ActivityNotFound"


@pytest.mark.parametrize("args", [("text",), (), (Order(1, 1.0), "too many")])
async def test_arguments_that_do_not_fit_fail_the_attempt_retryably(
    fake_engine: Engine, fake: Broker, args: tuple[Any, ...]
) -> None:
    async with running(fake, double):
        failed = await fake_engine.failure(await fake_engine.schedule("double", *args))
    assert (failed.failure.type, failed.failure.non_retryable) == ("PayloadError", False)


async def test_a_result_that_cannot_be_sent_is_a_final_failure(fake_engine: Engine, fake: Broker) -> None:
    async with running(fake, return_a_socket):
        failed = await fake_engine.failure(await fake_engine.schedule("return_a_socket"))
    assert (failed.failure.type, failed.failure.non_retryable) == ("PayloadError", True)
    assert "return_a_socket" in failed.failure.message


async def test_a_result_that_fits_into_no_message_is_a_final_failure(broker: Broker, engine: Engine) -> None:
    async with running(broker, return_much):
        failed = await engine.failure(await engine.schedule("return_much", 1024 * 1024))
    assert (failed.failure.type, failed.failure.non_retryable) == ("PayloadError", True)
    assert "limit" in failed.failure.message


async def test_a_failure_that_fits_into_no_message_loses_its_details_only(
    fake_engine: Engine, fake: Broker
) -> None:
    async with running(fake, fail_much):
        failed = await fake_engine.failure(await fake_engine.schedule("fail_much", 1024 * 1024))
    assert (failed.failure.type, failed.failure.non_retryable) == ("Much", True)
    assert failed.failure.message.startswith("too much")
    assert not failed.failure.details


async def test_the_task_is_acknowledged_when_the_outcome_is_confirmed(broker: Broker, engine: Engine) -> None:
    async with running(broker, double):
        task = await engine.schedule("double", Order(1, 1.0))
        await engine.result(task)
    assert await engine.depth() == 0


async def test_a_repeated_attempt_reports_under_the_same_message_id(fake_engine: Engine, fake: Broker) -> None:
    async with running(fake, double):
        task = await fake_engine.schedule("double", Order(1, 1.0))
        await fake_engine.expect(task, ActivityCompleted)
        await fake_engine.send(task)
        await fake_engine.expect(task, ActivityCompleted, 2)
    first, second = fake_engine.message_ids(task)
    assert first == second


async def test_a_completed_and_a_failed_attempt_have_different_message_ids(
    fake_engine: Engine, fake: Broker
) -> None:
    failing = iter([True, False])

    @activity.defn
    async def flaky() -> None:
        if next(failing):
            raise ValueError

    async with running(fake, flaky):
        task = await fake_engine.schedule("flaky")
        await fake_engine.expect(task, ActivityFailed)
        await fake_engine.send(task)
        await fake_engine.expect(task, ActivityCompleted)
    assert len(set(fake_engine.message_ids(task))) == 2


@pytest.mark.parametrize("sync", [False, True])
async def test_no_more_activities_run_at_once_than_allowed(broker: Broker, engine: Engine, sync: bool) -> None:
    running_now, most, gate = 0, 0, threading.Event()
    lock = threading.Lock()

    def enter() -> None:
        nonlocal running_now, most
        with lock:
            running_now += 1
            most = max(most, running_now)

    def leave() -> None:
        nonlocal running_now
        with lock:
            running_now -= 1

    @activity.defn(name="work")
    async def work_async() -> None:
        enter()
        await asyncio.to_thread(gate.wait, 20)
        leave()

    @activity.defn(name="work")
    def work_sync() -> None:
        enter()
        gate.wait(20)
        leave()

    tasks = [await engine.schedule("work") for _ in range(12)]
    async with running(broker, work_sync if sync else work_async, max_concurrent_activities=3):
        await eventually(lambda: running_now == 3, "three activities at work")
        gate.set()
        for task in tasks:
            await engine.result(task)
    assert most == 3


async def test_sync_activities_wait_for_a_thread_while_async_ones_run(
    fake_engine: Engine, fake: Broker
) -> None:
    gate = threading.Event()

    @activity.defn
    def block() -> None:
        gate.wait(20)

    async with running(fake, block, double, max_concurrent_activities=5, max_sync_threads=1):
        blocked = [await fake_engine.schedule("block") for _ in range(3)]
        assert await fake_engine.result(await fake_engine.schedule("double", Order(1, 1.0)))
        gate.set()
        for task in blocked:
            await fake_engine.result(task)
