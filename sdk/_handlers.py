"""Handlers of signals, queries and updates: how they are declared, and set while the workflow runs.

`dalsegno.workflow` has all of these.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, ParamSpec, TypeVar, overload

from dalsegno import given
from dalsegno._runtime import CURRENT_UPDATE, UpdateInfo, current_runtime
from dalsegno.declaring import declaring
from dalsegno.definition import mark
from dalsegno.handler_types import (
    QueryDecorator,
    QueryMethod,
    SignalDecorator,
    SignalMethod,
    UpdateDecorator,
    UpdateMethod,
)
from dalsegno.policies import HandlerUnfinishedPolicy

DESCRIPTION_CHARACTERS_MAX = 1_000

F = TypeVar("F", bound=Callable[..., Any])
P = ParamSpec("P")
R = TypeVar("R")
W = TypeVar("W")


# Declaring them


@overload
def signal(method: Callable[Concatenate[W, P], R], /) -> SignalMethod[P, R]: ...


@overload
def signal(
    *,
    name: str | None = None,
    dynamic: bool = False,
    unfinished_policy: HandlerUnfinishedPolicy = HandlerUnfinishedPolicy.WARN_AND_ABANDON,
    description: str | None = None,
) -> SignalDecorator: ...


def signal(
    method: Any = None,
    /,
    *,
    name: str | None = None,
    dynamic: bool = False,
    unfinished_policy: HandlerUnfinishedPolicy = HandlerUnfinishedPolicy.WARN_AND_ABANDON,
    description: str | None = None,
) -> Any:
    """Mark a method, async or not, as the handler of the signal `name` (default: the method's name).

    A `dynamic` handler takes all signals without one of their own: `(self, name: str, args: Sequence[Any])`.
    Async handlers run as tasks beside the run method; `unfinished_policy` says whether a run that ends before
    they do is warned of. `description` is for people.
    """
    return _handler_decorator("signal", method, name, dynamic, unfinished_policy, description)


@overload
def query(
    method: Callable[Concatenate[W, P], Coroutine[Any, Any, R]], /
) -> QueryMethod[P, Coroutine[Any, Any, R], R]: ...


@overload
def query(method: Callable[Concatenate[W, P], R], /) -> QueryMethod[P, R, R]: ...


@overload
def query(
    *, name: str | None = None, dynamic: bool = False, description: str | None = None
) -> QueryDecorator: ...


def query(
    method: Any = None,
    /,
    *,
    name: str | None = None,
    dynamic: bool = False,
    description: str | None = None,
) -> Any:
    """Mark a method as the handler of the query `name` (default: the method's name). It reads; it changes
    nothing. It may be async and await other code that only reads; one that has to wait is refused.
    """
    return _handler_decorator("query", method, name, dynamic, description=description)


@overload
def update(
    method: Callable[Concatenate[W, P], Coroutine[Any, Any, R]], /
) -> UpdateMethod[P, Coroutine[Any, Any, R], R]: ...


@overload
def update(method: Callable[Concatenate[W, P], R], /) -> UpdateMethod[P, R, R]: ...


@overload
def update(
    *,
    name: str | None = None,
    dynamic: bool = False,
    unfinished_policy: HandlerUnfinishedPolicy = HandlerUnfinishedPolicy.WARN_AND_ABANDON,
    description: str | None = None,
) -> UpdateDecorator: ...


def update(
    method: Any = None,
    /,
    *,
    name: str | None = None,
    dynamic: bool = False,
    unfinished_policy: HandlerUnfinishedPolicy = HandlerUnfinishedPolicy.WARN_AND_ABANDON,
    description: str | None = None,
) -> Any:
    """Mark a method, async or not, as the handler of the update `name`: it is answered with what that returns.

    `@<handler>.validator` marks a method with the same parameters that only reads, and raises where the update
    is to be refused; then nothing of it is kept. `dynamic` and `unfinished_policy` as for signals.
    """
    return _handler_decorator("update", method, name, dynamic, unfinished_policy, description)


@declaring
def _handler_decorator(
    role: Any,
    method: F | None,
    name: str | None,
    dynamic: bool,
    unfinished_policy: HandlerUnfinishedPolicy = HandlerUnfinishedPolicy.WARN_AND_ABANDON,
    description: str | None = None,
) -> F | Callable[[F], F]:
    policy = given.choice("unfinished_policy", unfinished_policy, HandlerUnfinishedPolicy)
    told = (
        ""
        if description is None
        else given.text("description", description, characters=DESCRIPTION_CHARACTERS_MAX)
    )
    if given.flag("dynamic", dynamic) and name is not None:
        raise ValueError(
            f"@workflow.{role} takes a name or dynamic=True, not both: a dynamic handler takes all names."
        )

    def decorate(target: F) -> F:
        handled = None if dynamic else name if name is not None else getattr(target, "__name__", "")
        return mark(target, role, handled, policy, told)

    return decorate if method is None else decorate(method)


# What is set and known at run time


def current_update_info() -> UpdateInfo | None:
    """The update whose handler or validator this is; None outside of one."""
    current_runtime("current_update_info")
    return CURRENT_UPDATE.get()


def all_handlers_finished() -> bool:
    """Whether no handler of a signal or update is running; to be waited for with wait_condition before a run
    ends."""
    return current_runtime("all_handlers_finished").all_handlers_finished()


def get_signal_handler(name: str) -> Callable[..., Any] | None:
    return current_runtime("get_signal_handler").handler("signal", given.name("name", name))


def set_signal_handler(name: str, handler: Callable[..., Any] | None) -> None:
    """Handle the signal `name` with a callable from now on (None: no longer). Signals of that name that waited
    for a handler are handed to it, in the order they came."""
    current_runtime("set_signal_handler").set_handler("signal", given.name("name", name), handler)


def get_dynamic_signal_handler() -> Callable[..., Any] | None:
    return current_runtime("get_dynamic_signal_handler").handler("signal", None)


def set_dynamic_signal_handler(handler: Callable[..., Any] | None) -> None:
    """Handle all signals without a handler of their own with `handler(name, args)`."""
    current_runtime("set_dynamic_signal_handler").set_handler("signal", None, handler)


def get_query_handler(name: str) -> Callable[..., Any] | None:
    return current_runtime("get_query_handler").handler("query", given.name("name", name))


def set_query_handler(name: str, handler: Callable[..., Any] | None) -> None:
    """Answer the query `name` with a callable from now on (None: no longer)."""
    current_runtime("set_query_handler").set_handler("query", given.name("name", name), handler)


def get_dynamic_query_handler() -> Callable[..., Any] | None:
    return current_runtime("get_dynamic_query_handler").handler("query", None)


def set_dynamic_query_handler(handler: Callable[..., Any] | None) -> None:
    """Answer all queries without a handler of their own with `handler(name, args)`."""
    current_runtime("set_dynamic_query_handler").set_handler("query", None, handler)


def get_update_handler(name: str) -> Callable[..., Any] | None:
    return current_runtime("get_update_handler").handler("update", given.name("name", name))


def set_update_handler(
    name: str, handler: Callable[..., Any] | None, *, validator: Callable[..., Any] | None = None
) -> None:
    """Answer the update `name` with a callable from now on (None: no longer); `validator` as for a method."""
    current_runtime("set_update_handler").set_handler("update", given.name("name", name), handler, validator)


def get_dynamic_update_handler() -> Callable[..., Any] | None:
    return current_runtime("get_dynamic_update_handler").handler("update", None)


def set_dynamic_update_handler(
    handler: Callable[..., Any] | None, *, validator: Callable[..., Any] | None = None
) -> None:
    """Answer all updates without a handler of their own with `handler(name, args)`."""
    current_runtime("set_dynamic_update_handler").set_handler("update", None, handler, validator)
