"""Activities that are classes with `__call__`, as workflow code asks for them."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar, Unpack, overload

from dalsegno._activities import ActivityOptionsAndArgs
from dalsegno._activity_call import UNSET
from dalsegno._call_site import call_site
from dalsegno._runtime import ActivityHandle, current_runtime

T = TypeVar("T")


@overload
def execute_activity_class(
    activity: type[Callable[..., Awaitable[T]]], arg: Any = ..., **options: Unpack[ActivityOptionsAndArgs]
) -> Coroutine[Any, Any, T]: ...


@overload
def execute_activity_class(
    activity: type[Callable[..., T]], arg: Any = ..., **options: Unpack[ActivityOptionsAndArgs]
) -> Coroutine[Any, Any, T]: ...


def execute_activity_class(
    activity: type[Callable[..., Any]], arg: Any = UNSET, **options: Unpack[ActivityOptionsAndArgs]
) -> Coroutine[Any, Any, Any]:
    """execute_activity, for a class with @activity.defn, of which workers have an object."""
    runtime = current_runtime("execute_activity_class")
    line = call_site(sys._getframe(1))
    execute, bounds = runtime.execute_activity, runtime.bounds
    bounds.calls_left -= 1
    if bounds.calls_left < 0:
        bounds.refuse_call(line)
    return execute(runtime.activity_call(runtime.converter, line, activity, arg, **options))


@overload
def start_activity_class(
    activity: type[Callable[..., Awaitable[T]]], arg: Any = ..., **options: Unpack[ActivityOptionsAndArgs]
) -> ActivityHandle[T]: ...


@overload
def start_activity_class(
    activity: type[Callable[..., T]], arg: Any = ..., **options: Unpack[ActivityOptionsAndArgs]
) -> ActivityHandle[T]: ...


def start_activity_class(
    activity: type[Callable[..., Any]], arg: Any = UNSET, **options: Unpack[ActivityOptionsAndArgs]
) -> ActivityHandle[Any]:
    """start_activity, for a class with @activity.defn, of which workers have an object."""
    runtime = current_runtime("start_activity_class")
    line = call_site(sys._getframe(1))
    return runtime.start_activity(runtime.activity_call(runtime.converter, line, activity, arg, **options))
