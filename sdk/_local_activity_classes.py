"""Local activities that are classes with `__call__`, as workflow code asks for them."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar, Unpack, overload

from dalsegno._activity_call import UNSET
from dalsegno._call_site import call_site
from dalsegno._local_activities import LocalActivityOptionsAndArgs
from dalsegno._runtime import ActivityHandle, current_runtime

T = TypeVar("T")


@overload
def execute_local_activity_class(
    activity: type[Callable[..., Awaitable[T]]], arg: Any = ..., **options: Unpack[LocalActivityOptionsAndArgs]
) -> Coroutine[Any, Any, T]: ...


@overload
def execute_local_activity_class(
    activity: type[Callable[..., T]], arg: Any = ..., **options: Unpack[LocalActivityOptionsAndArgs]
) -> Coroutine[Any, Any, T]: ...


def execute_local_activity_class(
    activity: type[Callable[..., Any]], arg: Any = UNSET, **options: Unpack[LocalActivityOptionsAndArgs]
) -> Coroutine[Any, Any, Any]:
    """execute_local_activity, for a class with @activity.defn, of which the host has an object."""
    runtime = current_runtime("execute_local_activity_class")
    line = call_site(sys._getframe(1))
    execute, bounds = runtime.execute_activity, runtime.bounds
    bounds.calls_left -= 1
    if bounds.calls_left < 0:
        bounds.refuse_call(line)
    return execute(runtime.local_activity_call(runtime.converter, line, activity, arg, **options))


@overload
def start_local_activity_class(
    activity: type[Callable[..., Awaitable[T]]], arg: Any = ..., **options: Unpack[LocalActivityOptionsAndArgs]
) -> ActivityHandle[T]: ...


@overload
def start_local_activity_class(
    activity: type[Callable[..., T]], arg: Any = ..., **options: Unpack[LocalActivityOptionsAndArgs]
) -> ActivityHandle[T]: ...


def start_local_activity_class(
    activity: type[Callable[..., Any]], arg: Any = UNSET, **options: Unpack[LocalActivityOptionsAndArgs]
) -> ActivityHandle[Any]:
    """start_local_activity, for a class with @activity.defn, of which the host has an object."""
    runtime = current_runtime("start_local_activity_class")
    line = call_site(sys._getframe(1))
    start, call = runtime.start_activity, runtime.local_activity_call
    return start(call(runtime.converter, line, activity, arg, **options))
