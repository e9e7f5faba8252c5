"""Activities as workflow code asks for them: the options, and the call that becomes an intent."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from enum import StrEnum
from functools import lru_cache
from typing import Any, TypedDict, TypeVar, Unpack, cast, overload

from dalsegno._call_site import call_site
from dalsegno._runtime import ActivityCall, ActivityHandle, current_runtime
from dalsegno.converter import encode_args, return_type
from dalsegno.definition import NAME_ATTRIBUTE, described
from dalsegno.policies import Duration, RetryPolicy, to_microseconds

T = TypeVar("T")

_START_TO_CLOSE_DEFAULT_SECONDS = 600
_UNSET = cast(Any, object())


class ActivityCancellationType(StrEnum):
    """What cancelling an activity does."""

    TRY_CANCEL = "try_cancel"
    """Ask the worker to stop, and count the activity as cancelled at once."""
    WAIT_CANCELLATION_COMPLETED = "wait_cancellation_completed"
    """Ask the worker to stop, and wait for what it says; it may still complete."""
    ABANDON = "abandon"
    """Let it run, and wait for it no longer."""


class ActivityOptions(TypedDict, total=False):
    """How an activity is to be run. Durations are seconds, or timedeltas."""

    args: Sequence[Any]
    """The arguments, when there are none or several; a single one is given without this."""
    task_queue: str | None
    """Where its workers listen; default: the workflow's own."""
    start_to_close_timeout: Duration | None
    """For one attempt; default 600. None: without limit."""
    schedule_to_close_timeout: Duration | None
    """For all attempts together, and the waiting between them."""
    schedule_to_start_timeout: Duration | None
    """For one attempt to find a worker."""
    heartbeat_timeout: Duration | None
    """Between two calls of activity.heartbeat."""
    retry_policy: RetryPolicy | None
    cancellation_type: ActivityCancellationType
    activity_id: str | None
    """Unique within the run; default: its number."""
    result_type: Any
    """What the result is to be restored as; default: the activity's annotation."""


@overload
def execute_activity(
    activity: Callable[..., Awaitable[T]], arg: Any = ..., **options: Unpack[ActivityOptions]
) -> Coroutine[Any, Any, T]: ...


@overload
def execute_activity(
    activity: Callable[..., T], arg: Any = ..., **options: Unpack[ActivityOptions]
) -> Coroutine[Any, Any, T]: ...


@overload
def execute_activity(
    activity: str, arg: Any = ..., **options: Unpack[ActivityOptions]
) -> Coroutine[Any, Any, Any]: ...


def execute_activity(
    activity: Callable[..., Any] | str, arg: Any = _UNSET, **options: Unpack[ActivityOptions]
) -> Coroutine[Any, Any, Any]:
    """Run an activity and return its result. It is scheduled when this is awaited (or made a task).

    `activity` is a function with @activity.defn, or the name of an activity that is written elsewhere. Raises
    ActivityError when the activity failed for good, PayloadError when its result does not fit the annotation.
    """
    runtime = current_runtime("execute_activity")
    return runtime.execute_activity(_call(call_site(sys._getframe(1)), activity, arg, **options))


@overload
def start_activity(
    activity: Callable[..., Awaitable[T]], arg: Any = ..., **options: Unpack[ActivityOptions]
) -> ActivityHandle[T]: ...


@overload
def start_activity(
    activity: Callable[..., T], arg: Any = ..., **options: Unpack[ActivityOptions]
) -> ActivityHandle[T]: ...


@overload
def start_activity(
    activity: str, arg: Any = ..., **options: Unpack[ActivityOptions]
) -> ActivityHandle[Any]: ...


def start_activity(
    activity: Callable[..., Any] | str, arg: Any = _UNSET, **options: Unpack[ActivityOptions]
) -> ActivityHandle[Any]:
    """Schedule an activity now, and return a handle to await or cancel. Arguments as for execute_activity."""
    runtime = current_runtime("start_activity")
    return runtime.start_activity(_call(call_site(sys._getframe(1)), activity, arg, **options))


execute_activity_method = execute_activity
"""For methods with @activity.defn, given as `Class.method` or bound; the same as execute_activity."""
start_activity_method = start_activity


def _call(
    line: str,
    activity: Callable[..., Any] | str,
    arg: Any,
    *,
    args: Sequence[Any] = (),
    task_queue: str | None = None,
    start_to_close_timeout: Duration | None = _START_TO_CLOSE_DEFAULT_SECONDS,
    schedule_to_close_timeout: Duration | None = None,
    schedule_to_start_timeout: Duration | None = None,
    heartbeat_timeout: Duration | None = None,
    retry_policy: RetryPolicy | None = None,
    cancellation_type: ActivityCancellationType = ActivityCancellationType.TRY_CANCEL,
    activity_id: str | None = None,
    result_type: Any = _UNSET,
) -> ActivityCall:
    if arg is not _UNSET:
        if args:
            raise TypeError("An activity is given one argument, or args=[...] for several, not both.")
        args = (arg,)
    activity_type, result_hint = _activity(getattr(activity, "__func__", activity))
    return ActivityCall(
        activity_type,
        encode_args(activity_type, args),
        result_hint if result_type is _UNSET else result_type,
        task_queue,
        _limit("start_to_close_timeout", start_to_close_timeout),
        _limit("schedule_to_close_timeout", schedule_to_close_timeout),
        _limit("schedule_to_start_timeout", schedule_to_start_timeout),
        _limit("heartbeat_timeout", heartbeat_timeout),
        retry_policy,
        ActivityCancellationType(cancellation_type).value,
        activity_id,
        line,
    )


@lru_cache(maxsize=4096)
def _activity(target: Callable[..., Any] | str) -> tuple[str, Any]:
    if isinstance(target, str):
        return target, Any
    name = getattr(target, NAME_ATTRIBUTE, None)
    if not isinstance(name, str):
        raise TypeError(
            f"{described(target)} is not an activity: decorate it with @activity.defn, or give the activity's "
            "name."
        )
    return name, return_type(target)


def _limit(name: str, duration: Duration | None) -> int | None:
    if duration is None:
        return None
    microseconds = to_microseconds(duration)
    if microseconds <= 0:
        raise ValueError(f"{name} must be more than 0 seconds; None means without limit.")
    return microseconds
