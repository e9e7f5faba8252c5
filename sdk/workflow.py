"""What workflow code uses: `from dalsegno import workflow`.

    @workflow.defn
    class Order:
        def __init__(self) -> None:
            self.approved = False

        @workflow.run
        async def run(self, order: OrderRequest) -> str:
            receipt = await workflow.execute_activity(charge, order)
            await workflow.wait_condition(lambda: self.approved)
            return receipt.number

        @workflow.signal
        def approve(self) -> None:
            self.approved = True

Names and meaning follow the Temporal Python SDK; `docs/writing-workflows.md` says where they differ. Workflow
code is ordinary asyncio on a loop of its own: `asyncio.sleep` is a durable timer, and all that code may know of
the world comes through the functions here. Outside a workflow they raise NotInWorkflowError.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from inspect import iscoroutinefunction
from typing import Any, NoReturn, ParamSpec, TypeVar, cast, get_args, overload

from dalsegno import given
from dalsegno._activities import (
    ActivityOptions,
    execute_activity,
    execute_activity_method,
    fallback,
    start_activity,
    start_activity_method,
)
from dalsegno._activity_call import Fallback
from dalsegno._activity_classes import execute_activity_class, start_activity_class
from dalsegno._call_site import call_site
from dalsegno._chance import random, uuid4, uuid7
from dalsegno._children import (
    ChildWorkflowOptions,
    ChildWorkflowOptionsAndArgs,
    ParentInfo,
    RootInfo,
    execute_child_workflow,
    start_child_workflow,
)
from dalsegno._continue_as_new import ContinueAsNewError, continue_as_new
from dalsegno._deadlines import Deadline, DeadlineStatus, WorkingTime, deadline
from dalsegno._externals import (
    ExternalWorkflowHandle,
    get_external_workflow_handle,
    get_external_workflow_handle_for,
)
from dalsegno._handlers import (
    all_handlers_finished,
    current_update_info,
    get_dynamic_query_handler,
    get_dynamic_signal_handler,
    get_dynamic_update_handler,
    get_query_handler,
    get_signal_handler,
    get_update_handler,
    query,
    set_dynamic_query_handler,
    set_dynamic_signal_handler,
    set_dynamic_update_handler,
    set_query_handler,
    set_signal_handler,
    set_update_handler,
    signal,
    update,
)
from dalsegno._info import (
    Info,
    get_last_completion_result,
    get_last_failure,
    has_last_completion_result,
    payload_converter,
)
from dalsegno._local_activities import (
    LocalActivityOptions,
    execute_local_activity,
    execute_local_activity_method,
    start_local_activity,
    start_local_activity_method,
)
from dalsegno._local_activity_classes import execute_local_activity_class, start_local_activity_class
from dalsegno._memo import memo, memo_value, upsert_memo
from dalsegno._own_attributes import upsert_search_attributes
from dalsegno._own_run import (
    cancellation_reason,
    get_current_details,
    instance,
    is_failure_exception,
    set_current_details,
)
from dalsegno._patches import PatchActivationInput, deprecate_patch, patched
from dalsegno._runtime import (
    ActivityHandle,
    ChildWorkflowHandle,
    NotInWorkflowError,
    ReadOnlyError,
    UpdateInfo,
    current_runtime,
    runtime_or_none,
)
from dalsegno._saga import Saga, Undo, saga
from dalsegno._unsafe import unsafe
from dalsegno.codecs.annotations import local_names
from dalsegno.converter import require_restorable
from dalsegno.declaring import declaring
from dalsegno.definition import INIT_ATTRIBUTE, UnfitSignals, define, described, mark
from dalsegno.policies import (
    MICROSECONDS_PER_SECOND,
    ActivityCancellationType,
    ChildWorkflowCancellationType,
    Duration,
    HandlerUnfinishedPolicy,
    ParentClosePolicy,
)
from dalsegno.workflow_logger import logger

__all__ = [
    "ActivityCancellationType",
    "ActivityConfig",
    "ActivityHandle",
    "ActivityOptions",
    "ChildWorkflowCancellationType",
    "ChildWorkflowConfig",
    "ChildWorkflowHandle",
    "ChildWorkflowOptions",
    "ChildWorkflowOptionsAndArgs",
    "ContinueAsNewError",
    "Deadline",
    "DeadlineStatus",
    "ExternalWorkflowHandle",
    "Fallback",
    "HandlerUnfinishedPolicy",
    "Info",
    "LocalActivityConfig",
    "LocalActivityOptions",
    "NotInWorkflowError",
    "ParentClosePolicy",
    "ParentInfo",
    "PatchActivationInput",
    "ReadOnlyContextError",
    "ReadOnlyError",
    "RootInfo",
    "Saga",
    "Undo",
    "UnfitSignals",
    "UpdateInfo",
    "WorkingTime",
    "all_handlers_finished",
    "as_completed",
    "cancellation_reason",
    "checkpoint",
    "continue_as_new",
    "current_update_info",
    "deadline",
    "defn",
    "deprecate_patch",
    "execute_activity",
    "execute_activity_class",
    "execute_activity_method",
    "execute_child_workflow",
    "execute_local_activity",
    "execute_local_activity_class",
    "execute_local_activity_method",
    "fallback",
    "get_current_details",
    "get_dynamic_query_handler",
    "get_dynamic_signal_handler",
    "get_dynamic_update_handler",
    "get_external_workflow_handle",
    "get_external_workflow_handle_for",
    "get_last_completion_result",
    "get_last_failure",
    "get_query_handler",
    "get_signal_handler",
    "get_update_handler",
    "has_last_completion_result",
    "in_workflow",
    "info",
    "init",
    "instance",
    "is_failure_exception",
    "logger",
    "memo",
    "memo_value",
    "now",
    "patched",
    "payload_converter",
    "query",
    "random",
    "run",
    "saga",
    "set_current_details",
    "set_dynamic_query_handler",
    "set_dynamic_signal_handler",
    "set_dynamic_update_handler",
    "set_query_handler",
    "set_signal_handler",
    "set_update_handler",
    "signal",
    "sleep",
    "start_activity",
    "start_activity_class",
    "start_activity_method",
    "start_child_workflow",
    "start_local_activity",
    "start_local_activity_class",
    "start_local_activity_method",
    "time",
    "time_ns",
    "unsafe",
    "update",
    "upsert_memo",
    "upsert_search_attributes",
    "uuid4",
    "uuid7",
    "wait",
    "wait_condition",
]

T = TypeVar("T")
C = TypeVar("C", bound=type[Any])
F = TypeVar("F", bound=Callable[..., Any])
P = ParamSpec("P")
R = TypeVar("R")
W = TypeVar("W")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# As Temporal's SDK calls them; see `_ported`.
ActivityConfig = ActivityOptions
ChildWorkflowConfig = ChildWorkflowOptions
LocalActivityConfig = LocalActivityOptions
ReadOnlyContextError = ReadOnlyError


# Declaring a workflow


@overload
def defn(cls: C, /) -> C: ...


@overload
def defn(
    *,
    name: str | None = None,
    dynamic: bool = False,
    failure_exception_types: Sequence[type[BaseException]] = (),
    unfit_signals: UnfitSignals = "quarantine",
) -> Callable[[C], C]: ...


def defn(
    cls: C | None = None,
    /,
    *,
    name: str | None = None,
    dynamic: bool = False,
    failure_exception_types: Sequence[type[BaseException]] = (),
    unfit_signals: UnfitSignals = "quarantine",
) -> C | Callable[[C], C]:
    """Make a class a workflow; `name` is its type (default: the name of the class).

    A `dynamic` one is run for all types that nothing else is registered for: it has
    `run(self, args: Sequence[RawValue])`, and finds the type in `info().workflow_type`.

    Exceptions of `failure_exception_types` fail the workflow, as ApplicationError does, instead of suspending
    it as a bug. A signal whose arguments do not fit its handler goes into the workflow's quarantine;
    `unfit_signals="suspend"` suspends the workflow instead. Raises DefinitionError (a TypeError and a
    ValueError) for a class that cannot be a workflow.
    """

    names = local_names(sys._getframe(1))

    @declaring
    def decorate(target: C) -> C:
        if unfit_signals not in get_args(UnfitSignals):
            raise ValueError(
                f"unfit_signals must be 'quarantine' or 'suspend', not {given.shown(unfit_signals)}."
            )
        types = _exception_types(failure_exception_types)
        definition = define(target, name, types, dynamic=dynamic, unfit_signals=unfit_signals)
        for method in (definition.run, *definition.handling):
            require_restorable(method, names, method=True)
        return target

    return decorate if cls is None else decorate(cls)


def _exception_types(types: Any) -> tuple[type[BaseException], ...]:
    what = "failure_exception_types"
    if isinstance(types, type) or not isinstance(types, Iterable):
        raise given.wrong_type(what, types, "a list of exception classes")
    classes = tuple(types)
    for cls in classes:
        if not (isinstance(cls, type) and issubclass(cls, BaseException)):
            raise given.wrong_type(f"A member of {what}", cls, "an exception class")
    return classes


def run(method: F) -> F:
    """Mark the `async def` method that is the workflow. Its arguments are those of the start."""
    return mark(method, "run", None)


@declaring
def init(init_method: F) -> F:
    """Mark `__init__`: it is given the arguments of the run method, by position, and must take as many."""
    if getattr(init_method, "__name__", None) != "__init__":
        raise TypeError(f"@workflow.init is for __init__, but {described(init_method)} is not it.")
    setattr(init_method, INIT_ATTRIBUTE, True)
    return init_method


# Time and waiting


def now() -> datetime:
    """The time of what woke the workflow, aware, UTC: the same whenever this code runs again."""
    return _EPOCH + timedelta(microseconds=current_runtime("now").now)


def time() -> float:
    """`now()` as seconds since 1970."""
    return current_runtime("time").now / MICROSECONDS_PER_SECOND


def time_ns() -> int:
    """`now()` as nanoseconds since 1970."""
    return current_runtime("time_ns").now * 1_000


async def sleep(duration: Duration, *, summary: str | None = None) -> None:
    """A durable timer; the same as asyncio.sleep, but for timedeltas. `summary` means nothing here."""
    await asyncio.sleep(given.span("duration", duration))


def wait_condition(
    fn: Callable[[], bool], *, timeout: Duration | None = None, timeout_summary: str | None = None
) -> Coroutine[Any, Any, None]:
    """Wait until `fn()` is true. It is asked again after each thing that happens to the workflow, and must only
    look. Of several waiters one is woken at a time, so that each finds its own condition true.

    Raises asyncio.TimeoutError when `timeout` passes first; `timeout_summary` means nothing here. What is true
    already needs no time: it returns even with a timeout of 0.
    """
    current_runtime("wait_condition")
    if not callable(fn) or iscoroutinefunction(fn):
        raise given.wrong_type("The condition", fn, "a plain function without arguments, which is not async")
    return _wait_condition(fn, _timeout(timeout), call_site(sys._getframe(1)))


async def _wait_condition(fn: Callable[[], bool], timeout: float | None, line: str) -> None:
    runtime = current_runtime("wait_condition")
    condition = runtime.condition
    if timeout is None:
        await condition(fn, line)
        return
    if timeout <= 0 and runtime.holds(fn):
        return
    async with asyncio.timeout(timeout):
        await condition(fn, line)


# So that a call that was not awaited is warned of under the name that user code knows.
_wait_condition.__qualname__ = "workflow.wait_condition"


async def wait(
    fs: Iterable[asyncio.Future[T]],
    *,
    timeout: Duration | None = None,
    return_when: str = asyncio.ALL_COMPLETED,
) -> tuple[list[asyncio.Future[T]], list[asyncio.Future[T]]]:
    """asyncio.wait, with lists in the order given instead of sets. (asyncio.wait itself works as well.)"""
    futures = list(dict.fromkeys(fs))
    seconds = _timeout(timeout)
    done, pending = await asyncio.wait(futures, timeout=seconds, return_when=return_when)
    return [f for f in futures if f in done], [f for f in futures if f in pending]


def as_completed(
    fs: Iterable[Awaitable[T]], *, timeout: Duration | None = None
) -> Iterator[Coroutine[Any, Any, T]]:
    """asyncio.as_completed, for any iterable. (asyncio's takes coroutines in lists and tuples only.)"""
    seconds = _timeout(timeout)
    futures = [asyncio.ensure_future(f) for f in dict.fromkeys(fs)]
    return cast("Iterator[Coroutine[Any, Any, T]]", asyncio.as_completed(futures, timeout=seconds))


def _timeout(timeout: Duration | None) -> float | None:
    return None if timeout is None else given.span("timeout", timeout)


# The sign


def checkpoint(state: Any) -> NoReturn:
    """Set a sign: begin `run` again, in place, with `state` as its argument. Never returns.

    The run method is left here (its `finally` and `async with` are passed, and may do nothing durable),
    running handlers are waited for, and a new object of the class enters `run(state)`. What came before
    is needed no more: recovery starts here, whatever the age of the run. Signals that nothing handled yet, and
    those that arrive meanwhile, are handed on; run ID, memo and the sequences of IDs and random numbers go on.

    Only the run method's own task may call it, and only when nothing else is outstanding: an activity, timer or
    task that is not finished suspends the workflow, naming it. `run` must take one parameter, whose annotation
    (a dataclass, best) says how the state is stored; see `dalsegno.signed_state` for its versions.
    """
    current_runtime("checkpoint").checkpoint(state, call_site(sys._getframe(1)))


# What the workflow may know


def in_workflow() -> bool:
    """Whether this code runs inside a workflow."""
    return runtime_or_none() is not None


def info() -> Info:
    """The running workflow."""
    return cast(Info, current_runtime("info").info)
