from __future__ import annotations

from typing import Any

import pytest

from dalsegno import DefaultPayloadConverter, activity
from dalsegno.errors import ConfigurationError
from dalsegno.workers import Worker
from tests.workers.fake_broker import FakeBroker


@activity.defn
async def pack(box: int) -> None: ...


@activity.defn(name="pack")
async def pack_again(box: int) -> None: ...


@activity.defn
async def lost(box: "Missing") -> None: ...  # type: ignore[name-defined]  # noqa: F821, UP037


async def undecorated() -> None: ...


@activity.defn
class Packs:
    def __call__(self, box: int) -> None: ...


@activity.defn(dynamic=True)
async def any_of(args: list[Any]) -> None: ...


@activity.defn(dynamic=True)
async def any_other(args: list[Any]) -> None: ...


@pytest.mark.parametrize(
    ("activities", "complaint"),
    [
        ([], "at least one activity"),
        (pack, "activities must be a list of activities, not <function pack"),
        (None, "activities must be a list of activities, not None"),
        ([None], "None is not an activity"),
        ([undecorated], "undecorated is not an activity: decorate it"),
        ([pack, pack_again], "Two activities are called 'pack': pack and pack_again"),
        ([Packs], "Packs is a class: give the worker an object of it"),
        ([any_of, any_other], "Two activities are dynamic: any_of and any_other"),
        ([lost], "annotations of lost cannot be resolved"),
    ],
)
def test_activities_that_cannot_be_are_refused_by_name(activities: list[Any], complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        Worker(FakeBroker(), activities=activities)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (
            {"max_concurrent_activities": 0},
            "max_concurrent_activities must be a whole number from 1 to 50,000, not 0",
        ),
        ({"max_sync_threads": 0}, "max_sync_threads must be a whole number from 1 to 50,000, not 0"),
        ({"data_converter": 7}, "data_converter must be a DataConverter, not a value of the type int"),
        ({"data_converter": DefaultPayloadConverter()}, r"give DataConverter\(payload_converter_class=Default"),
        ({"drain_timeout": -1}, "drain_timeout must be a finite duration of 0 seconds or more, not -1"),
        ({"task_queue": ""}, "task_queue '' must consist of letters"),
        ({"task_queue": "orders*"}, "task_queue 'orders\\*' must consist of letters"),
        ({"task_queue": "x" * 250}, "is longer than 240 bytes"),
        ({"task_queue": "dead"}, "task_queue 'dead' is taken"),
        ({"task_queue": 7}, "task_queue must be the name of a task queue, not 7"),
        ({"max_concurrent_activities": "10"}, "max_concurrent_activities must be a whole number.* not '10'"),
        ({"max_concurrent_activities": 10.0}, "max_concurrent_activities must be a whole number"),
        ({"max_concurrent_activities": 100_000}, "max_concurrent_activities must be a whole number"),
        ({"drain_timeout": float("nan")}, "drain_timeout must be a finite duration"),
        ({"drain_timeout": "20"}, "drain_timeout must be a duration: seconds, or a timedelta"),
    ],
)
def test_settings_that_cannot_be_are_refused_with_key_and_value(
    options: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        Worker(FakeBroker(), activities=[pack], **options)
