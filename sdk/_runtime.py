"""What `workflow.*` asks of the program that runs the workflow, and how it is found.

The running event loop of a workflow has an attribute `dalsegno_runtime`. While user code may do nothing (its
coroutine is being dropped, or unwinds to a sign) or only read (a query), something that refuses stands there
instead, so that the functions of `dalsegno.workflow` need no checks of their own.
"""

from __future__ import annotations

import asyncio
import sys
from asyncio import _get_running_loop
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextvars import ContextVar
from functools import partial
from random import Random
from typing import Any, Generic, Literal, NoReturn, Protocol, TypeVar
from uuid import UUID

from msgspec import Struct

from dalsegno._call_site import call_site
from dalsegno.data_converter import DataConverter
from dalsegno.failure import Failure
from dalsegno.payload import Payload
from dalsegno.policies import RetryPolicy, WorkflowIDReusePolicy
from dalsegno.search_attributes import AttributeValue
from dalsegno.targets import UNSET, Target, encode_as, one_by_one_or_args, signal_call

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


class LocalCall(Struct, frozen=True):
    """What is said of a local activity alone. A pause of up to `retry_threshold` is kept in memory."""

    retry_threshold: int
    summary: str


class GivenArguments(Struct, frozen=True):
    """Before they became payloads, for interceptors: the arguments, and what they are restored as, by name and
    arguments."""

    values: Sequence[Any]
    encode: Callable[[str, Sequence[Any], DataConverter], tuple[Payload, ...]]


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
    local: LocalCall | None = None
    pauses: bool = False
    """When its attempts are exhausted, it waits for a person."""
    fallback: ActivityCall | None = None
    """When they are, this one is run instead."""
    level: int | None = None
    """How urgent it is; None: as its workflow."""
    headers: dict[str, Payload] = {}
    given: GivenArguments | None = None


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
    level: int | None = None
    headers: dict[str, Payload] | None = None
    """None: those of this run."""
    given: GivenArguments | None = None


class ChildWorkflowHandle(asyncio.Future[T], Generic[T]):
    """A child workflow that has begun: await it for its result, `cancel()` it as its cancellation type says.

    It is a future, so `asyncio.gather`, `wait` and the like take it. Awaiting it raises ChildWorkflowError when
    the child did not complete, or (with CanceledError as its cause) when it was cancelled through the handle;
    asyncio.CancelledError only where the awaiting task is itself cancelled, which cancels the child too.
    """

    id: str
    first_execution_run_id: str | None
    number: int
    """What the run knows it by."""

    async def signal(self, signal: Any, /, *arguments: Any, arg: Any = UNSET, args: Sequence[Any] = ()) -> None:
        """Returns when the child has it. Raises ApplicationError of the type
        "ExternalWorkflowExecutionNotFound" if it has ended; TypeError and PayloadError for arguments."""
        runtime = current_runtime("ChildWorkflowHandle.signal")
        name, payloads = signal_call(runtime.converter.of_other_workflow(self.id), signal, arguments, args, arg)
        call = ExternalCall(
            asked="signal",
            workflow_id=self.id,
            name=name,
            args=payloads,
            child_number=self.number,
            line=call_site(sys._getframe(1)),
            given=given_arguments(signal, arguments, args, arg) if runtime.keeps_given else None,
        )
        await runtime.ask(call)


class ChildWorkflowCall(Struct, frozen=True):
    """A child workflow as user code asks for it. Durations are whole microseconds."""

    workflow_type: str
    workflow_id: str
    args: tuple[Payload, ...]
    result_hint: Any
    task_queue: str | None
    memo: dict[str, Payload]
    execution_timeout: int | None
    reuse_policy: WorkflowIDReusePolicy
    close_policy: Literal["terminate", "abandon", "request_cancel"]
    cancellation_type: Literal[
        "wait_cancellation_completed", "try_cancel", "abandon", "wait_cancellation_requested"
    ]
    line: str
    last_result: Payload | None = None
    run_timeout: int | None = None
    retry_policy: RetryPolicy | None = None
    delay: int | None = None
    search_attributes: dict[str, AttributeValue] = {}
    level: int | None = None
    last_failure: Failure | None = None
    headers: dict[str, Payload] = {}
    given: GivenArguments | None = None


class ExternalCall(Struct, frozen=True, kw_only=True):
    """What user code asks of another workflow: `signal`, to `cancel`, or to be told its `end`.
    `child_number`: that is the child of this number."""

    asked: Literal["signal", "cancel", "end", "terminate"]
    workflow_id: str
    run_id: str | None = None
    name: str = ""
    args: tuple[Payload, ...] = ()
    reason: str = ""
    child_number: int | None = None
    result_hint: Any = Any
    line: str = ""
    headers: dict[str, Payload] = {}
    given: GivenArguments | None = None


def given_arguments(
    target: Target, arguments: Sequence[Any], args: Sequence[Any], arg: Any = UNSET
) -> GivenArguments:
    """Of a signal or a workflow, given one by one or as `args`."""
    values = one_by_one_or_args("It", arguments, args, arg)
    return GivenArguments(tuple(values), partial(encode_as, target))


class HistoryMeasure(Protocol):
    """What has happened to a run since its beginning or last sign, up to what its code is stepped with."""

    @property
    def length(self) -> int: ...

    @property
    def size(self) -> int:
        """Bytes of the values in it."""


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
    def activity_call(self) -> Callable[..., ActivityCall]:
        """Looks at a call as user code writes it."""

    @property
    def local_activity_call(self) -> Callable[..., ActivityCall]: ...

    @property
    def keeps_given(self) -> bool:
        """Whether calls are to have what was `given`."""

    @property
    def headers(self) -> Mapping[str, Payload]:
        """Of the run."""

    @property
    def history(self) -> HistoryMeasure: ...

    @property
    def last_failure(self) -> Failure | None: ...

    @property
    def last_result(self) -> Payload | None: ...

    @property
    def memo(self) -> Mapping[str, Payload]: ...

    @property
    def search_attributes(self) -> Mapping[str, AttributeValue]: ...

    def upsert_search_attributes(self, changes: Mapping[str, AttributeValue | None], line: str) -> None: ...

    def upsert_memo(self, changes: Mapping[str, Payload | None], line: str) -> None: ...

    @property
    def instance(self) -> Any:
        """The workflow object."""

    @property
    def cancellation_reason(self) -> str | None: ...

    @property
    def details(self) -> str: ...

    def set_details(self, details: str) -> None: ...

    def is_failure_exception(self, error: BaseException) -> bool: ...

    @property
    def now(self) -> int: ...

    @property
    def replaying(self) -> bool: ...

    @property
    def muted(self) -> bool:
        """Whether log lines are to be kept back: they were written before, or nobody is to notice."""

    def patched(self, patch_id: str, line: str) -> bool: ...

    def random(self) -> Random: ...

    def uuid4(self) -> UUID: ...

    def uuid7(self) -> UUID: ...

    def execute_activity(self, call: ActivityCall) -> Coroutine[Any, Any, Any]: ...

    def start_activity(self, call: ActivityCall) -> ActivityHandle[Any]: ...

    def execute_child(self, call: ChildWorkflowCall) -> Coroutine[Any, Any, Any]: ...

    def start_child(self, call: ChildWorkflowCall) -> Coroutine[Any, Any, ChildWorkflowHandle[Any]]: ...

    def ask(self, call: ExternalCall) -> Coroutine[Any, Any, Any]: ...

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

    def deadline(self, call: Any) -> Any:
        """A Deadline, by a DeadlineCall."""


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
