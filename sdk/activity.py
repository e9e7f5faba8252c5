"""What activity code uses: `from dalsegno import activity`.

    @activity.defn
    async def charge(order: Order) -> Receipt:
        activity.logger.info("charging", order=order.number)
        return await gateway.charge(order, idempotency_key=activity.info().idempotency_key)

Names and meaning follow the Temporal Python SDK. The functions find the running attempt through a context
variable, which a worker sets for async activities and for the threads of sync ones; a thread that an activity
starts by itself has to be given a copy of the context (`contextvars.copy_context().run`).
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, NoReturn, Protocol, TypeVar, cast, overload

from dalsegno import given
from dalsegno._log import Logger, get_logger
from dalsegno.codecs.annotations import local_names
from dalsegno.converter import require_restorable
from dalsegno.data_converter import DataConverter
from dalsegno.declaring import declaring
from dalsegno.definition import (
    DYNAMIC_NAME,
    EXECUTOR_ATTRIBUTE,
    INTERRUPTED_ATTRIBUTE,
    NAME_ATTRIBUTE,
    require_dynamic,
)
from dalsegno.name_rules import why_not_name
from dalsegno.payload import PayloadConverter
from dalsegno.policies import Duration
from dalsegno.priority import OF_LEVEL, Priority
from dalsegno.standalone_activity import STANDALONE_ACTIVITY
from dalsegno.user_logger import UserLogger

F = TypeVar("F", bound=Callable[..., Any])


@overload
def defn(fn: F, /) -> F: ...


@overload
def defn(
    *,
    name: str | None = None,
    dynamic: bool = False,
    no_thread_cancel_exception: bool = True,
    executor: Literal["thread", "process"] = "thread",
) -> Callable[[F], F]: ...


def defn(
    fn: F | None = None,
    /,
    *,
    name: str | None = None,
    dynamic: bool = False,
    no_thread_cancel_exception: bool = True,
    executor: Literal["thread", "process"] = "thread",
) -> F | Callable[[F], F]:
    """Mark a function or method, async or not, as an activity; `name` is its type (default: its own name).

    So may be a class with `__call__`, whose objects are then given to the worker. A `dynamic` activity is run
    for all types that the worker has no other for: it takes `args: Sequence[RawValue]`, and finds the type in
    `info().activity_type`.

    With `no_thread_cancel_exception=False` the code of a sync activity that is asked to stop gets CanceledError
    wherever it stands (but see `shield_thread_cancel_exception`), and not from its next heartbeat alone.

    A sync activity with `executor="process"` runs in a process of its worker's (`Worker(max_processes=...)`):
    for code that keeps a processor busy. Pickle must take it, and the object that a method belongs to.

    A `functools.partial` or an object with `__call__` becomes a function; an object needs a name. Arguments
    travel by position. Raises DefinitionError (a TypeError and a ValueError) for what cannot be an activity.
    """
    names = local_names(sys._getframe(1))
    if name is not None:
        name = declaring(given.name)("The name of an activity", name)

    interrupted = not declaring(given.flag)("no_thread_cancel_exception", no_thread_cancel_exception)
    marks = {
        INTERRUPTED_ATTRIBUTE: interrupted,
        EXECUTOR_ATTRIBUTE: declaring(_executor)(executor),
    }

    @declaring
    def mark(target: F) -> F:
        if inspect.isclass(target) and "__call__" in vars(target):
            _require_activity(target.__call__)
            require_restorable(target.__call__, names, method=True)
            setattr(target, NAME_ATTRIBUTE, given.name("The name of an activity", name or target.__name__))
            _require_executor(target.__call__, executor)
            _set(target, marks)
            return cast(F, target)
        function = target if inspect.isroutine(target) else _as_function(target, name)
        # Of a static or class method, what `Class.method` gives is the function inside.
        inner: Callable[..., Any] = getattr(function, "__func__", function)
        _require_activity(inner)
        _require_executor(inner, executor)
        require_restorable(inner, names)
        activity_type = inner.__name__ if name is None else name
        if given.flag("dynamic", dynamic):
            first = next(iter(inspect.signature(inner).parameters), "")
            require_dynamic(f"{_described(target)} with @activity.defn", name, inner, method=first == "self")
            activity_type = DYNAMIC_NAME
        elif name is None and ("<" in activity_type or why_not_name(activity_type)):
            raise ValueError(f"{_described(target)} has no name of its own: use @activity.defn(name=...).")
        for marked in (function,) if function is inner else (function, inner):
            _set(marked, {NAME_ATTRIBUTE: activity_type, **marks})
        return function

    return mark if fn is None else mark(fn)


def _as_function(target: F, name: str | None) -> F:
    """What calls a partial, or an object that can be called."""
    inner = target.func if isinstance(target, functools.partial) else _call_of(target)
    if inner is None or (name is None and not isinstance(target, functools.partial)):
        raise TypeError(
            f"@activity.defn is for functions and methods, but {_described(target)} is neither: an object with "
            "__call__ needs a name, @activity.defn(name=...)."
        )

    def call(*args: Any) -> Any:
        return target(*args)

    call.__name__ = call.__qualname__ = getattr(inner, "__name__", "<partial>")
    call.__doc__ = inner.__doc__
    call.__annotations__ = dict(getattr(inner, "__annotations__", {}))
    call.__dict__.update(__signature__=inspect.signature(target), __wrapped__=inner)
    return cast(F, call)


def _call_of(target: object) -> Callable[..., Any] | None:
    return None if inspect.isclass(target) else getattr(target, "__call__", None)  # noqa: B004 - it is wanted itself


def _require_activity(target: Callable[..., Any]) -> None:
    if inspect.isgeneratorfunction(target) or inspect.isasyncgenfunction(target):
        raise TypeError(f"{_described(target)} is a generator; an activity returns one value when it is done.")
    for parameter in inspect.signature(target).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and parameter.default is parameter.empty:
            raise TypeError(
                f"Parameter {parameter.name!r} of {_described(target)} can only be given by keyword, but "
                "arguments travel by position: give it a default, or take the * out of the signature."
            )


def _executor(executor: object) -> object:
    if executor not in ("thread", "process"):
        raise given.wrong_value("executor", executor, "'thread' or 'process'")
    return executor


def _require_executor(target: Callable[..., Any], executor: Literal["thread", "process"]) -> None:
    if executor == "process" and inspect.iscoroutinefunction(target):
        raise TypeError(
            f"{_described(target)} is async, so that it runs on its worker's event loop: leave out "
            'executor="process", or make it a plain function.'
        )


def _set(target: object, marks: Mapping[str, object]) -> None:
    for name, value in marks.items():
        setattr(target, name, value)


def _described(target: object) -> str:
    name = getattr(target, "__qualname__", None)
    return name if isinstance(name, str) and name else given.shown(target)


@dataclass(frozen=True, slots=True, kw_only=True)
class Info:
    """What an attempt knows about itself."""

    workflow_id: str
    run_id: str
    workflow_type: str
    activity_id: str
    activity_type: str
    task_queue: str
    attempt: int
    """From 1."""
    scheduled_at: datetime
    """When the engine scheduled this attempt, UTC."""
    start_to_close_timeout: timedelta | None
    heartbeat_timeout: timedelta | None
    heartbeat_details: tuple[Any, ...]
    """What the last heartbeat of an earlier attempt carried."""
    idempotency_key: str
    """The same for all attempts of this activity: hand it to services that recognise repeated requests."""
    task_token: bytes = b""
    """Names this attempt to `Client.get_async_activity_handle`, see `raise_complete_async`."""
    fence: int
    """Only grows over the attempts of one run: storage that keeps the highest it has seen can refuse an attempt
    that was given up and still writes."""

    schedule_to_close_timeout: timedelta | None = None
    """For all attempts together, from when the activity was first scheduled."""
    started_time: datetime | None = None
    """When this attempt began here, by the worker's clock, UTC."""
    workflow_namespace: str = "default"
    """What Temporal has, and means nothing here."""
    is_local: bool = False
    """The host itself runs it: its attempts share one fence as long as that host lives."""
    priority: Priority = OF_LEVEL[None]
    """How urgent it is; of a local activity always the ordinary."""

    @property
    def in_workflow(self) -> bool:
        """Not so for an activity that a client started by itself; the workflow is then dalsegno's own."""
        return self.workflow_type != STANDALONE_ACTIVITY

    @property
    def workflow_run_id(self) -> str:
        """`run_id`, as the Temporal SDK calls it."""
        return self.run_id

    @property
    def scheduled_time(self) -> datetime:
        """`scheduled_at`, as the Temporal SDK calls it."""
        return self.scheduled_at

    @property
    def current_attempt_scheduled_time(self) -> datetime:
        """Likewise: each attempt is scheduled anew."""
        return self.scheduled_at


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityCancellationDetails:
    """Why an attempt was asked to stop: one of these is true."""

    cancel_requested: bool = False
    """The engine asked: its workflow has cancelled it, or has ended, or the attempt is over otherwise."""
    timed_out: bool = False
    """The worker has let go of it."""
    worker_shutdown: bool = False
    """The worker ends, and did not want to wait any longer."""


class WorkerEnding(Protocol):
    """Whether the worker begins nothing any more."""

    @property
    def is_asked_for(self) -> bool: ...

    async def wait(self) -> None: ...

    def wait_sync(self, timeout_seconds: float | None) -> None: ...


class Context(Protocol):
    """The running attempt, as a worker (or a test) provides it. Any thread may use it, but to await."""

    @property
    def info(self) -> Info: ...

    @property
    def converter(self) -> DataConverter: ...

    @property
    def cancelled(self) -> bool: ...

    @property
    def cancellation_details(self) -> ActivityCancellationDetails | None: ...

    @property
    def worker_shutdown(self) -> WorkerEnding | None: ...

    @property
    def client(self) -> Callable[[], Any] | None: ...

    @property
    def shielded(self) -> Callable[[], AbstractContextManager[None]] | None: ...

    def heartbeat(self, *details: Any) -> None: ...

    async def wait_for_cancelled(self) -> None: ...

    def wait_for_cancelled_sync(self, timeout_seconds: float | None) -> None: ...


current_context: ContextVar[Context] = ContextVar("dalsegno_activity")
"""Set by the worker around an attempt; user code has no need of it."""


def _context(what: str) -> Context:
    context = current_context.get(None)
    if context is None:
        raise RuntimeError(
            f"activity.{what}() works inside a running activity only; in a thread that an activity starts, run "
            "the code in a copy of its context (contextvars.copy_context().run)."
        )
    return context


def in_activity() -> bool:
    """Whether this code runs inside an activity."""
    return current_context.get(None) is not None


def info() -> Info:
    """The running attempt. Raises RuntimeError outside an activity, as do all functions below."""
    return _context("info").info


def heartbeat(*details: Any) -> None:
    """Tell the engine that this attempt is alive and how far it is; the next attempt finds the newest `details`
    in `info().heartbeat_details`.

    Call it as often as is convenient: what is sent is at most a few messages per heartbeat timeout. Without
    details it keeps those of the call before. Raises PayloadError for details that cannot be sent, and, once,
    CanceledError in a sync activity whose cancellation was requested.
    """
    _context("heartbeat").heartbeat(*details)


class CompleteAsyncError(BaseException):
    """See `raise_complete_async`. A BaseException, so that no `except Exception` takes it for a failure."""


def raise_complete_async() -> NoReturn:
    """End this function, but not the activity: it goes on elsewhere, and somebody else says how it ends, by
    `Client.get_async_activity_handle` with `info().task_token` or the IDs.

    The activity's timeouts still hold, the heartbeat timeout if it was given one: then its heartbeats have to
    come from outside, too. A retry begins with another call of this function, and another token.
    """
    _context("raise_complete_async")
    raise CompleteAsyncError


def payload_converter() -> PayloadConverter:
    """The worker's, for activities that are given a Payload as it is."""
    return _context("payload_converter").converter.payload_converter


def is_cancelled() -> bool:
    """Whether this attempt was asked to stop (by the engine, a timeout, or the worker's shutdown)."""
    return _context("is_cancelled").cancelled


def cancellation_details() -> ActivityCancellationDetails | None:
    """Why this attempt was asked to stop; None as long as it was not."""
    context = _context("cancellation_details")
    return context.cancellation_details if context.cancelled else None


def shield_thread_cancel_exception() -> AbstractContextManager[None]:
    """`with activity.shield_thread_cancel_exception():` no CanceledError is raised inside of it in a sync
    activity that is interrupted (see `defn`), but at its end. For others it does nothing."""
    shielded = _context("shield_thread_cancel_exception").shielded
    return nullcontext() if shielded is None else shielded()


async def wait_for_cancelled() -> None:
    """Return when this attempt is asked to stop. For async activities; their task is cancelled then as well."""
    await _context("wait_for_cancelled").wait_for_cancelled()


def wait_for_cancelled_sync(timeout: Duration | None = None) -> None:
    """Block until this attempt is asked to stop, or `timeout` has passed. For sync activities."""
    seconds = None if timeout is None else given.seconds("timeout", timeout)
    _context("wait_for_cancelled_sync").wait_for_cancelled_sync(seconds)


def is_worker_shutdown() -> bool:
    """Whether the worker begins nothing any more. What runs is cancelled when the worker's `drain_timeout` is
    over."""
    ending = _context("is_worker_shutdown").worker_shutdown
    return ending is not None and ending.is_asked_for


async def wait_for_worker_shutdown() -> None:
    """Return when the worker is to end. For async activities."""
    ending = _context("wait_for_worker_shutdown").worker_shutdown
    if ending is None:
        raise RuntimeError(_NO_WORKER)
    await ending.wait()


def wait_for_worker_shutdown_sync(timeout: Duration | None = None) -> None:
    """Block until the worker is to end, or `timeout` has passed. For sync activities."""
    seconds = None if timeout is None else given.seconds("timeout", timeout)
    ending = _context("wait_for_worker_shutdown_sync").worker_shutdown
    if ending is None:
        raise RuntimeError(_NO_WORKER)
    ending.wait_sync(seconds)


_NO_WORKER = "This activity runs in no worker, so that there is no worker's end to wait for."


def client() -> Any:
    """A `dalsegno.Client` of the worker's, on its broker and with its data converter; the worker closes it. For
    async activities: raises RuntimeError in others."""
    made_by = _context("client").client
    if made_by is None:
        raise RuntimeError(
            "activity.client() is for async activities of a worker: connect a Client of your own."
        )
    return made_by()


def _running() -> Logger:
    """Binds the attempt at the moment of logging, so that an attempt that logs nothing pays nothing."""
    bound = get_logger("dalsegno.activity")
    context = current_context.get(None)
    if context is None:
        return bound
    return bound.bind(**identity_of(context.info))


_IDENTITY = ("workflow_id", "run_id", "workflow_type", "activity_id", "activity_type", "attempt")


def identity_of(running: Info) -> dict[str, Any]:
    """Who says a log line."""
    return {name: getattr(running, name) for name in _IDENTITY}


class _ActivityLogger(UserLogger):
    """One whose lines are whole before the activity is interrupted, since none of its calls raises."""

    __slots__ = ()

    def _say(self, level: int | str, args: tuple[Any, ...], values: dict[str, Any]) -> None:
        context = current_context.get(None)
        shielded = None if context is None else context.shielded
        with nullcontext() if shielded is None else shielded():
            super()._say(level, args, values)


logger = _ActivityLogger("dalsegno.activity", _running, {})
"""Bound with the workflow_id, run_id, activity_id, types and attempt of what runs; called as
structlog's loggers, or as those of the standard library."""
