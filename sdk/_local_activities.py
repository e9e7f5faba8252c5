"""Local activities as workflow code asks for them: those that the host itself runs."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, TypedDict, TypeVar, Unpack, overload

from dalsegno._activity_call import UNSET
from dalsegno._call_site import call_site
from dalsegno._runtime import ActivityHandle, current_runtime
from dalsegno.policies import ActivityCancellationType, Duration, RetryPolicy

A = TypeVar("A")
T = TypeVar("T")


class LocalActivityOptions(TypedDict, total=False):
    """How a local activity is to be run. Durations are seconds, or timedeltas."""

    start_to_close_timeout: Duration | None
    """For one attempt; default 600. None: without limit."""
    schedule_to_close_timeout: Duration | None
    """For all attempts together, and the waiting between them."""
    schedule_to_start_timeout: Duration | None
    """For the first attempt to begin."""
    retry_policy: RetryPolicy | None
    local_retry_threshold: Duration | None
    """A longer pause before the next attempt is a timer, for which nothing waits in memory; default 60."""
    cancellation_type: ActivityCancellationType
    activity_id: str | None
    """Unique within the run, of 1 to 200 bytes; default: its number."""
    summary: str | None
    """For people who read the history, of at most 200 characters."""
    result_type: Any
    """What the result is to be restored as; default: the activity's annotation."""


class LocalActivityOptionsAndArgs(LocalActivityOptions, total=False):
    """The options, with the arguments among them."""

    args: Sequence[Any]
    """The arguments, when there are none or several; a single one is given without this."""


@overload
def execute_local_activity(
    activity: Callable[[], Awaitable[T]], **options: Unpack[LocalActivityOptions]
) -> Coroutine[Any, Any, T]: ...


@overload
def execute_local_activity(
    activity: Callable[[A], Awaitable[T]], arg: A, **options: Unpack[LocalActivityOptions]
) -> Coroutine[Any, Any, T]: ...


@overload
def execute_local_activity(
    activity: Callable[..., Awaitable[T]], *, args: Sequence[Any], **options: Unpack[LocalActivityOptions]
) -> Coroutine[Any, Any, T]: ...


@overload
def execute_local_activity(
    activity: Callable[[], T], **options: Unpack[LocalActivityOptions]
) -> Coroutine[Any, Any, T]: ...


@overload
def execute_local_activity(
    activity: Callable[[A], T], arg: A, **options: Unpack[LocalActivityOptions]
) -> Coroutine[Any, Any, T]: ...


@overload
def execute_local_activity(
    activity: Callable[..., T], *, args: Sequence[Any], **options: Unpack[LocalActivityOptions]
) -> Coroutine[Any, Any, T]: ...


@overload
def execute_local_activity(
    activity: str, arg: Any = ..., **options: Unpack[LocalActivityOptionsAndArgs]
) -> Coroutine[Any, Any, Any]: ...


def execute_local_activity(
    activity: Callable[..., Any] | str, arg: Any = UNSET, **options: Unpack[LocalActivityOptionsAndArgs]
) -> Coroutine[Any, Any, Any]:
    """Run an activity in the host itself, and return its result. It begins when this is awaited (or a task).

    For short work: what comes of it is recorded together with the step that wanted it, without a message or a
    worker. It runs at least once, and again if its host dies before that is recorded. `activity` is one that
    the host was given, or its name: elsewhere the workflow is suspended. Raises as execute_activity.
    """
    runtime = current_runtime("execute_local_activity")
    line = call_site(sys._getframe(1))
    execute, bounds = runtime.execute_activity, runtime.bounds
    bounds.calls_left -= 1
    if bounds.calls_left < 0:
        bounds.refuse_call(line)
    return execute(runtime.local_activity_call(runtime.converter, line, activity, arg, **options))


@overload
def start_local_activity(
    activity: Callable[[], Awaitable[T]], **options: Unpack[LocalActivityOptions]
) -> ActivityHandle[T]: ...


@overload
def start_local_activity(
    activity: Callable[[A], Awaitable[T]], arg: A, **options: Unpack[LocalActivityOptions]
) -> ActivityHandle[T]: ...


@overload
def start_local_activity(
    activity: Callable[..., Awaitable[T]], *, args: Sequence[Any], **options: Unpack[LocalActivityOptions]
) -> ActivityHandle[T]: ...


@overload
def start_local_activity(
    activity: Callable[[], T], **options: Unpack[LocalActivityOptions]
) -> ActivityHandle[T]: ...


@overload
def start_local_activity(
    activity: Callable[[A], T], arg: A, **options: Unpack[LocalActivityOptions]
) -> ActivityHandle[T]: ...


@overload
def start_local_activity(
    activity: Callable[..., T], *, args: Sequence[Any], **options: Unpack[LocalActivityOptions]
) -> ActivityHandle[T]: ...


@overload
def start_local_activity(
    activity: str, arg: Any = ..., **options: Unpack[LocalActivityOptionsAndArgs]
) -> ActivityHandle[Any]: ...


def start_local_activity(
    activity: Callable[..., Any] | str, arg: Any = UNSET, **options: Unpack[LocalActivityOptionsAndArgs]
) -> ActivityHandle[Any]:
    """Begin a local activity, and return a handle to await or cancel: as execute_local_activity."""
    runtime = current_runtime("start_local_activity")
    line = call_site(sys._getframe(1))
    start, call = runtime.start_activity, runtime.local_activity_call
    return start(call(runtime.converter, line, activity, arg, **options))


@overload
def execute_local_activity_method(
    activity: Callable[[Any], Awaitable[T]], **options: Unpack[LocalActivityOptions]
) -> Coroutine[Any, Any, T]: ...


@overload
def execute_local_activity_method(
    activity: Callable[[Any, A], Awaitable[T]], arg: A, **options: Unpack[LocalActivityOptions]
) -> Coroutine[Any, Any, T]: ...


@overload
def execute_local_activity_method(
    activity: Callable[[], Awaitable[T]], **options: Unpack[LocalActivityOptions]
) -> Coroutine[Any, Any, T]: ...


@overload
def execute_local_activity_method(
    activity: Callable[[A], Awaitable[T]], arg: A, **options: Unpack[LocalActivityOptions]
) -> Coroutine[Any, Any, T]: ...


@overload
def execute_local_activity_method(
    activity: Callable[..., Awaitable[T]], *, args: Sequence[Any], **options: Unpack[LocalActivityOptions]
) -> Coroutine[Any, Any, T]: ...


@overload
def execute_local_activity_method(
    activity: Callable[[Any], T], **options: Unpack[LocalActivityOptions]
) -> Coroutine[Any, Any, T]: ...


@overload
def execute_local_activity_method(
    activity: Callable[[Any, A], T], arg: A, **options: Unpack[LocalActivityOptions]
) -> Coroutine[Any, Any, T]: ...


@overload
def execute_local_activity_method(
    activity: Callable[[], T], **options: Unpack[LocalActivityOptions]
) -> Coroutine[Any, Any, T]: ...


@overload
def execute_local_activity_method(
    activity: Callable[[A], T], arg: A, **options: Unpack[LocalActivityOptions]
) -> Coroutine[Any, Any, T]: ...


@overload
def execute_local_activity_method(
    activity: Callable[..., T], *, args: Sequence[Any], **options: Unpack[LocalActivityOptions]
) -> Coroutine[Any, Any, T]: ...


@overload
def execute_local_activity_method(
    activity: str, arg: Any = ..., **options: Unpack[LocalActivityOptionsAndArgs]
) -> Coroutine[Any, Any, Any]: ...


def execute_local_activity_method(
    activity: Callable[..., Any] | str, arg: Any = UNSET, **options: Unpack[LocalActivityOptionsAndArgs]
) -> Coroutine[Any, Any, Any]:
    """execute_local_activity, for methods with @activity.defn, given as `Class.method` or bound."""
    runtime = current_runtime("execute_local_activity_method")
    line = call_site(sys._getframe(1))
    execute, bounds = runtime.execute_activity, runtime.bounds
    bounds.calls_left -= 1
    if bounds.calls_left < 0:
        bounds.refuse_call(line)
    return execute(runtime.local_activity_call(runtime.converter, line, activity, arg, **options))


@overload
def start_local_activity_method(
    activity: Callable[[Any], Awaitable[T]], **options: Unpack[LocalActivityOptions]
) -> ActivityHandle[T]: ...


@overload
def start_local_activity_method(
    activity: Callable[[Any, A], Awaitable[T]], arg: A, **options: Unpack[LocalActivityOptions]
) -> ActivityHandle[T]: ...


@overload
def start_local_activity_method(
    activity: Callable[[], Awaitable[T]], **options: Unpack[LocalActivityOptions]
) -> ActivityHandle[T]: ...


@overload
def start_local_activity_method(
    activity: Callable[[A], Awaitable[T]], arg: A, **options: Unpack[LocalActivityOptions]
) -> ActivityHandle[T]: ...


@overload
def start_local_activity_method(
    activity: Callable[..., Awaitable[T]], *, args: Sequence[Any], **options: Unpack[LocalActivityOptions]
) -> ActivityHandle[T]: ...


@overload
def start_local_activity_method(
    activity: Callable[[Any], T], **options: Unpack[LocalActivityOptions]
) -> ActivityHandle[T]: ...


@overload
def start_local_activity_method(
    activity: Callable[[Any, A], T], arg: A, **options: Unpack[LocalActivityOptions]
) -> ActivityHandle[T]: ...


@overload
def start_local_activity_method(
    activity: Callable[[], T], **options: Unpack[LocalActivityOptions]
) -> ActivityHandle[T]: ...


@overload
def start_local_activity_method(
    activity: Callable[[A], T], arg: A, **options: Unpack[LocalActivityOptions]
) -> ActivityHandle[T]: ...


@overload
def start_local_activity_method(
    activity: Callable[..., T], *, args: Sequence[Any], **options: Unpack[LocalActivityOptions]
) -> ActivityHandle[T]: ...


@overload
def start_local_activity_method(
    activity: str, arg: Any = ..., **options: Unpack[LocalActivityOptionsAndArgs]
) -> ActivityHandle[Any]: ...


def start_local_activity_method(
    activity: Callable[..., Any] | str, arg: Any = UNSET, **options: Unpack[LocalActivityOptionsAndArgs]
) -> ActivityHandle[Any]:
    """start_local_activity, for methods with @activity.defn, given as `Class.method` or bound."""
    runtime = current_runtime("start_local_activity_method")
    line = call_site(sys._getframe(1))
    start, call = runtime.start_activity, runtime.local_activity_call
    return start(call(runtime.converter, line, activity, arg, **options))
