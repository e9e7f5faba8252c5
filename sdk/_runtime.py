"""What `workflow.*` asks of the program that runs the workflow, and how it is found.

The running event loop of a workflow has an attribute `dalsegno_runtime`. While user code may do nothing (its
coroutine is being dropped, or unwinds to a sign) or only read (a query), something that refuses stands there
instead, so that the functions of `dalsegno.workflow` need no checks of their own.
"""

from __future__ import annotations

import asyncio
from asyncio import _get_running_loop
from collections.abc import Callable, Coroutine, Mapping
from contextvars import ContextVar
from random import Random
from typing import Any, Generic, Literal, NoReturn, Protocol, TypeVar
from uuid import UUID

from msgspec import Struct

from dalsegno.data_converter import DataConverter
from dalsegno.payload import Payload
from dalsegno.policies import RetryPolicy

T = TypeVar("T")
Handler = Callable[..., Any]
HandlerKind = Literal["signal", "query", "update"]


class UpdateInfo(Struct, frozen=True):
    """An update that is being handled."""

    id: str
    name: str


CURRENT_UPDATE: ContextVar[UpdateInfo | None] = ContextVar("dalsegno_current_update", default=None)
"""In the context of its handler and of what that starts."""


unrestricted: ContextVar[bool] = ContextVar("dalsegno_unrestricted", default=False)
"""Whether workflow code may call what it must not: it has said that it knows."""


class NotInWorkflowError(RuntimeError):
    """A function of `dalsegno.workflow` was called where no workflow runs."""


class ReadOnlyError(RuntimeError):
    """A query handler or condition asked for something that would leave a trace."""


class ActivityHandle(asyncio.Future[T], Generic[T]):
    """An activity that was started: await it for its result, `cancel()` it to ask it to stop.

    It is a future, so `asyncio.gather`, `wait` and the like take it. Awaiting it raises ActivityError when the
    activity failed, or (with CanceledError as its cause) when it was cancelled through the handle;
    asyncio.CancelledError only where the awaiting task is itself cancelled, which cancels the activity too.
    """

    activity_type: str
    activity_id: str


class ActivityCall(Struct, frozen=True):
    """An activity as user code asks for it. Durations are whole microseconds."""

    activity_type: str
    args: tuple[Payload, ...]
    result_hint: Any
    task_queue: str | None
    start_to_close: int | None
    schedule_to_close: int | None
    schedule_to_start: int | None
    heartbeat_timeout: int | None
    retry_policy: RetryPolicy | None
    cancellation_type: Literal["try_cancel", "wait_cancellation_completed", "abandon"]
    activity_id: str | None
    line: str


class ContinueCall(Struct, frozen=True):
    """Another run as user code asks for it. What is None is as in this one."""

    args: tuple[Payload, ...]
    workflow_type: str | None
    task_queue: str | None
    run_timeout: int | None
    retry_policy: RetryPolicy | None
    memo: dict[str, Payload] | None
    delay: int | None
    line: str


class StepBounds(Protocol):
    """How much user code may do before it waits."""

    calls_left: int
    """Calls of activities, whether they are awaited or not: before that they are only made."""

    def refuse_call(self, line: str) -> NoReturn:
        """None is left. `line` is where one more stands."""


class WorkflowRuntime(Protocol):
    """The running program, as user code sees it. Times are whole microseconds since 1970."""

    @property
    def bounds(self) -> StepBounds: ...

    @property
    def info(self) -> Any: ...

    @property
    def converter(self) -> DataConverter: ...

    @property
    def memo(self) -> Mapping[str, Payload]: ...

    @property
    def now(self) -> int: ...

    @property
    def replaying(self) -> bool: ...

    @property
    def muted(self) -> bool:
        """Whether log lines are to be kept back: they were written before, or nobody is to notice."""

    def random(self) -> Random: ...

    def uuid4(self) -> UUID: ...

    def uuid7(self) -> UUID: ...

    def execute_activity(self, call: ActivityCall) -> Coroutine[Any, Any, Any]: ...

    def start_activity(self, call: ActivityCall) -> ActivityHandle[Any]: ...

    def condition(self, holds: Callable[[], bool], line: str) -> asyncio.Future[None]: ...

    def holds(self, condition: Callable[[], bool]) -> bool:
        """Whether it does now. For the task that runs."""

    def checkpoint(self, state: Any, line: str) -> NoReturn: ...

    def continue_as_new(self, call: ContinueCall) -> NoReturn: ...

    def handler(self, kind: HandlerKind, name: str | None) -> Handler | None: ...

    def set_handler(
        self, kind: HandlerKind, name: str | None, handler: Handler | None, validator: Handler | None = None
    ) -> None: ...

    def all_handlers_finished(self) -> bool: ...

    def open_saga(self, name: str) -> Any:
        """A Saga, with what the last sign has kept under that name."""


def runtime_or_none() -> WorkflowRuntime | None:
    """The runtime of the workflow that this code runs in, or None."""
    return getattr(_get_running_loop(), "dalsegno_runtime", None)


def current_runtime(what: str) -> WorkflowRuntime:
    """The runtime of the workflow that this code runs in, for workflow.`what`. Raises NotInWorkflowError."""
    runtime: WorkflowRuntime | None = getattr(_get_running_loop(), "dalsegno_runtime", None)
    if runtime is None:
        raise NotInWorkflowError(
            f"workflow.{what} works inside a running workflow only, that is in the code of a @workflow.defn "
            "class and in what it calls. In activities use `dalsegno.activity`, elsewhere the client."
        )
    return runtime
