"""Activities as workflow code asks for them: the options, and the call that becomes an intent."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Literal, TypedDict, TypeVar, Unpack, overload

from dalsegno._activity_call import UNSET, Fallback
from dalsegno._call_site import call_site
from dalsegno._runtime import ActivityHandle, current_runtime
from dalsegno.policies import ActivityCancellationType, Duration, RetryPolicy
from dalsegno.priority import Priority

A = TypeVar("A")
T = TypeVar("T")


class ActivityOptions(TypedDict, total=False):
    """How an activity is to be run. Durations are seconds, or timedeltas."""

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
    """Unique within the run, of 1 to 200 bytes; default: its number."""
    result_type: Any
    """What the result is to be restored as; default: the activity's annotation."""
    on_exhausted: Literal["fail", "pause"] | Fallback
    """What happens when it has failed and is not tried again. "fail", the default: ActivityError is raised.
    "pause": there is an incident, and the call waits until a person has it tried again, completes it or has it
    fail (`dalsegno incidents`). `workflow.fallback(activity)`: that one is run instead."""
    priority: Priority | None
    """How urgent it is among the tasks of its task queue; default: as urgent as its workflow."""
    summary: str | None
    versioning_intent: Any
    """What Temporal has, and means nothing here."""


class ActivityOptionsAndArgs(ActivityOptions, total=False):
    """The options, with the arguments among them."""

    args: Sequence[Any]
    """The arguments, when there are none or several; a single one is given without this."""


def fallback(
    activity: Callable[..., Any] | str, arg: Any = UNSET, **options: Unpack[ActivityOptionsAndArgs]
) -> Fallback:
    """For `on_exhausted` of an activity: this one is run instead when that has failed and is not tried again.
    Its result, or what it raises, is that of the call. It is not run when the activity was cancelled.

    It has options of its own, `on_exhausted` among them. Without arguments of its own (`args=[]` are none) it
    is given those of the activity that has failed.
    """
    return Fallback(activity, arg, options, call_site(sys._getframe(1)))


@overload
def execute_activity(
    activity: Callable[[], Awaitable[T]], **options: Unpack[ActivityOptions]
) -> Coroutine[Any, Any, T]: ...


@overload
def execute_activity(
    activity: Callable[[A], Awaitable[T]], arg: A, **options: Unpack[ActivityOptions]
) -> Coroutine[Any, Any, T]: ...


@overload
def execute_activity(
    activity: Callable[..., Awaitable[T]], *, args: Sequence[Any], **options: Unpack[ActivityOptions]
) -> Coroutine[Any, Any, T]: ...


@overload
def execute_activity(
    activity: Callable[[], T], **options: Unpack[ActivityOptions]
) -> Coroutine[Any, Any, T]: ...


@overload
def execute_activity(
    activity: Callable[[A], T], arg: A, **options: Unpack[ActivityOptions]
) -> Coroutine[Any, Any, T]: ...


@overload
def execute_activity(
    activity: Callable[..., T], *, args: Sequence[Any], **options: Unpack[ActivityOptions]
) -> Coroutine[Any, Any, T]: ...


@overload
def execute_activity(
    activity: str, arg: Any = ..., **options: Unpack[ActivityOptionsAndArgs]
) -> Coroutine[Any, Any, Any]: ...


def execute_activity(
    activity: Callable[..., Any] | str, arg: Any = UNSET, **options: Unpack[ActivityOptionsAndArgs]
) -> Coroutine[Any, Any, Any]:
    """Run an activity and return its result. It is scheduled when this is awaited (or made a task).

    `activity` is a function with @activity.defn, or the name of an activity that is written elsewhere. Raises
    ActivityError when the activity failed for good, PayloadError when its result does not fit the annotation;
    and at once TypeError or ValueError for an option that cannot be, PayloadError for an argument.
    """
    runtime = current_runtime("execute_activity")
    line = call_site(sys._getframe(1))
    execute, bounds = runtime.execute_activity, runtime.bounds
    bounds.calls_left -= 1
    if bounds.calls_left < 0:
        bounds.refuse_call(line)
    return execute(runtime.activity_call(runtime.converter, line, activity, arg, **options))


@overload
def start_activity(
    activity: Callable[[], Awaitable[T]], **options: Unpack[ActivityOptions]
) -> ActivityHandle[T]: ...


@overload
def start_activity(
    activity: Callable[[A], Awaitable[T]], arg: A, **options: Unpack[ActivityOptions]
) -> ActivityHandle[T]: ...


@overload
def start_activity(
    activity: Callable[..., Awaitable[T]], *, args: Sequence[Any], **options: Unpack[ActivityOptions]
) -> ActivityHandle[T]: ...


@overload
def start_activity(activity: Callable[[], T], **options: Unpack[ActivityOptions]) -> ActivityHandle[T]: ...


@overload
def start_activity(
    activity: Callable[[A], T], arg: A, **options: Unpack[ActivityOptions]
) -> ActivityHandle[T]: ...


@overload
def start_activity(
    activity: Callable[..., T], *, args: Sequence[Any], **options: Unpack[ActivityOptions]
) -> ActivityHandle[T]: ...


@overload
def start_activity(
    activity: str, arg: Any = ..., **options: Unpack[ActivityOptionsAndArgs]
) -> ActivityHandle[Any]: ...


def start_activity(
    activity: Callable[..., Any] | str, arg: Any = UNSET, **options: Unpack[ActivityOptionsAndArgs]
) -> ActivityHandle[Any]:
    """Schedule an activity now, and return a handle to await or cancel. Arguments as for execute_activity."""
    runtime = current_runtime("start_activity")
    line = call_site(sys._getframe(1))
    return runtime.start_activity(runtime.activity_call(runtime.converter, line, activity, arg, **options))


@overload
def execute_activity_method(
    activity: Callable[[Any], Awaitable[T]], **options: Unpack[ActivityOptions]
) -> Coroutine[Any, Any, T]: ...


@overload
def execute_activity_method(
    activity: Callable[[Any, A], Awaitable[T]], arg: A, **options: Unpack[ActivityOptions]
) -> Coroutine[Any, Any, T]: ...


@overload
def execute_activity_method(
    activity: Callable[[], Awaitable[T]], **options: Unpack[ActivityOptions]
) -> Coroutine[Any, Any, T]: ...


@overload
def execute_activity_method(
    activity: Callable[[A], Awaitable[T]], arg: A, **options: Unpack[ActivityOptions]
) -> Coroutine[Any, Any, T]: ...


@overload
def execute_activity_method(
    activity: Callable[..., Awaitable[T]], *, args: Sequence[Any], **options: Unpack[ActivityOptions]
) -> Coroutine[Any, Any, T]: ...


@overload
def execute_activity_method(
    activity: Callable[[Any], T], **options: Unpack[ActivityOptions]
) -> Coroutine[Any, Any, T]: ...


@overload
def execute_activity_method(
    activity: Callable[[Any, A], T], arg: A, **options: Unpack[ActivityOptions]
) -> Coroutine[Any, Any, T]: ...


@overload
def execute_activity_method(
    activity: Callable[[], T], **options: Unpack[ActivityOptions]
) -> Coroutine[Any, Any, T]: ...


@overload
def execute_activity_method(
    activity: Callable[[A], T], arg: A, **options: Unpack[ActivityOptions]
) -> Coroutine[Any, Any, T]: ...


@overload
def execute_activity_method(
    activity: Callable[..., T], *, args: Sequence[Any], **options: Unpack[ActivityOptions]
) -> Coroutine[Any, Any, T]: ...


@overload
def execute_activity_method(
    activity: str, arg: Any = ..., **options: Unpack[ActivityOptionsAndArgs]
) -> Coroutine[Any, Any, Any]: ...


def execute_activity_method(
    activity: Callable[..., Any] | str, arg: Any = UNSET, **options: Unpack[ActivityOptionsAndArgs]
) -> Coroutine[Any, Any, Any]:
    """execute_activity, for methods with @activity.defn, given as `Class.method` or bound."""
    runtime = current_runtime("execute_activity_method")
    line = call_site(sys._getframe(1))
    execute, bounds = runtime.execute_activity, runtime.bounds
    bounds.calls_left -= 1
    if bounds.calls_left < 0:
        bounds.refuse_call(line)
    return execute(runtime.activity_call(runtime.converter, line, activity, arg, **options))


@overload
def start_activity_method(
    activity: Callable[[Any], Awaitable[T]], **options: Unpack[ActivityOptions]
) -> ActivityHandle[T]: ...


@overload
def start_activity_method(
    activity: Callable[[Any, A], Awaitable[T]], arg: A, **options: Unpack[ActivityOptions]
) -> ActivityHandle[T]: ...


@overload
def start_activity_method(
    activity: Callable[[], Awaitable[T]], **options: Unpack[ActivityOptions]
) -> ActivityHandle[T]: ...


@overload
def start_activity_method(
    activity: Callable[[A], Awaitable[T]], arg: A, **options: Unpack[ActivityOptions]
) -> ActivityHandle[T]: ...


@overload
def start_activity_method(
    activity: Callable[..., Awaitable[T]], *, args: Sequence[Any], **options: Unpack[ActivityOptions]
) -> ActivityHandle[T]: ...


@overload
def start_activity_method(
    activity: Callable[[Any], T], **options: Unpack[ActivityOptions]
) -> ActivityHandle[T]: ...


@overload
def start_activity_method(
    activity: Callable[[Any, A], T], arg: A, **options: Unpack[ActivityOptions]
) -> ActivityHandle[T]: ...


@overload
def start_activity_method(
    activity: Callable[[], T], **options: Unpack[ActivityOptions]
) -> ActivityHandle[T]: ...


@overload
def start_activity_method(
    activity: Callable[[A], T], arg: A, **options: Unpack[ActivityOptions]
) -> ActivityHandle[T]: ...


@overload
def start_activity_method(
    activity: Callable[..., T], *, args: Sequence[Any], **options: Unpack[ActivityOptions]
) -> ActivityHandle[T]: ...


@overload
def start_activity_method(
    activity: str, arg: Any = ..., **options: Unpack[ActivityOptionsAndArgs]
) -> ActivityHandle[Any]: ...


def start_activity_method(
    activity: Callable[..., Any] | str, arg: Any = UNSET, **options: Unpack[ActivityOptionsAndArgs]
) -> ActivityHandle[Any]:
    """start_activity, for methods with @activity.defn, given as `Class.method` or bound."""
    runtime = current_runtime("start_activity_method")
    line = call_site(sys._getframe(1))
    return runtime.start_activity(runtime.activity_call(runtime.converter, line, activity, arg, **options))
