"""Child workflows as workflow code asks for them: the options, and the call that becomes an intent."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict, TypeVar, Unpack, overload

from msgspec.structs import replace

from dalsegno import given
from dalsegno._call_site import call_site
from dalsegno._runtime import (
    ChildWorkflowCall,
    ChildWorkflowHandle,
    WorkflowRuntime,
    current_runtime,
    given_arguments,
)
from dalsegno.converter import result_hint
from dalsegno.elsewhere import no_option
from dalsegno.failure import Failure
from dalsegno.payload import Payload
from dalsegno.policies import (
    ChildWorkflowCancellationType,
    Duration,
    ParentClosePolicy,
    RetryPolicy,
    WorkflowIDReusePolicy,
)
from dalsegno.priority import Priority, given_level
from dalsegno.search_attributes import TypedSearchAttributes, stored_attributes
from dalsegno.targets import UNSET, Target, encode_arguments, name_of, one_by_one_or_args, result_type_of

A = TypeVar("A")
R = TypeVar("R")

_WAIT = ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED


@dataclass(frozen=True, slots=True, kw_only=True)
class ParentInfo:
    """The run that has started this one as its child."""

    workflow_id: str
    run_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RootInfo:
    """The run that has no parent, and that this one comes from, by way of whatever parents."""

    workflow_id: str
    run_id: str


class ChildWorkflowOptions(TypedDict, total=False):
    """How a child workflow is to be started. Durations are seconds, or timedeltas."""

    id: str
    """Its workflow ID; default: a new one, of the parent's run."""
    task_queue: str | None
    """Default: the parent's."""
    parent_close_policy: ParentClosePolicy
    """What becomes of it when the run of its parent ends (TERMINATE)."""
    cancellation_type: ChildWorkflowCancellationType
    """What cancelling it does (WAIT_CANCELLATION_COMPLETED)."""
    id_reuse_policy: WorkflowIDReusePolicy
    """What happens when a run with its ID has ended (ALLOW_DUPLICATE)."""
    execution_timeout: Duration | None
    """It is ended as timed out after this time."""
    run_timeout: Duration | None
    """One run of it is ended as timed out after this time. With a `retry_policy` it is tried again."""
    retry_policy: RetryPolicy | None
    """A run of it that fails is followed by another with the same arguments, after the policy's delay."""
    start_delay: Duration | None
    """Its code begins so much later; the handle is there at once."""
    memo: Mapping[str, Any] | None
    """Values to be shown with it."""
    search_attributes: TypedSearchAttributes | None
    """By which it can be found; what its namespace has not declared is refused, as a ChildWorkflowError."""
    priority: Priority | None
    """How urgent its activities are, and what it starts; default: as its parent."""
    result_type: Any
    """What the result is to be restored as; default: the annotation of its run method."""
    task_timeout: Duration | None
    static_summary: str | None
    static_details: str | None
    versioning_intent: Any
    """What Temporal has, and means nothing here."""


class ChildWorkflowOptionsAndArgs(ChildWorkflowOptions, total=False):
    """The options, with the arguments among them."""

    arg: Any
    args: Sequence[Any]
    """The argument, or the arguments, in place of giving them one by one."""


@overload
def execute_child_workflow(
    workflow: Callable[[Any], Awaitable[R]], /, **options: Unpack[ChildWorkflowOptions]
) -> Coroutine[Any, Any, R]: ...


@overload
def execute_child_workflow(
    workflow: Callable[[Any, A], Awaitable[R]], a: A, /, **options: Unpack[ChildWorkflowOptions]
) -> Coroutine[Any, Any, R]: ...


@overload
def execute_child_workflow(
    workflow: Callable[..., Awaitable[R]],
    /,
    *arguments: Any,
    args: Sequence[Any] = ...,
    **options: Unpack[ChildWorkflowOptions],
) -> Coroutine[Any, Any, R]: ...


@overload
def execute_child_workflow(
    workflow: str | type[Any], /, *arguments: Any, **options: Unpack[ChildWorkflowOptionsAndArgs]
) -> Coroutine[Any, Any, Any]: ...


def execute_child_workflow(
    workflow: Target, /, *arguments: Any, **options: Unpack[ChildWorkflowOptionsAndArgs]
) -> Coroutine[Any, Any, Any]:
    """Start a child workflow, given by its run method, its class or its name, and return its result. It is
    started when this is awaited (or made a task).

    Raises ChildWorkflowError when it did not complete, WorkflowAlreadyStartedError when its ID is taken,
    PayloadError when its result does not fit the annotation; and at once TypeError or ValueError for an option
    that cannot be, PayloadError for an argument.
    """
    runtime = current_runtime("execute_child_workflow")
    return runtime.execute_child(_call(runtime, call_site(sys._getframe(1)), workflow, arguments, **options))


@overload
def start_child_workflow(
    workflow: Callable[[Any], Awaitable[R]], /, **options: Unpack[ChildWorkflowOptions]
) -> Coroutine[Any, Any, ChildWorkflowHandle[R]]: ...


@overload
def start_child_workflow(
    workflow: Callable[[Any, A], Awaitable[R]], a: A, /, **options: Unpack[ChildWorkflowOptions]
) -> Coroutine[Any, Any, ChildWorkflowHandle[R]]: ...


@overload
def start_child_workflow(
    workflow: Callable[..., Awaitable[R]],
    /,
    *arguments: Any,
    args: Sequence[Any] = ...,
    **options: Unpack[ChildWorkflowOptions],
) -> Coroutine[Any, Any, ChildWorkflowHandle[R]]: ...


@overload
def start_child_workflow(
    workflow: str | type[Any], /, *arguments: Any, **options: Unpack[ChildWorkflowOptionsAndArgs]
) -> Coroutine[Any, Any, ChildWorkflowHandle[Any]]: ...


def start_child_workflow(
    workflow: Target, /, *arguments: Any, **options: Unpack[ChildWorkflowOptionsAndArgs]
) -> Coroutine[Any, Any, ChildWorkflowHandle[Any]]:
    """Start a child workflow, and return when it has begun, with a handle to await, signal or cancel.
    Arguments as for execute_child_workflow."""
    runtime = current_runtime("start_child_workflow")
    return runtime.start_child(_call(runtime, call_site(sys._getframe(1)), workflow, arguments, **options))


def start_after(
    workflow: str,
    last_result: Payload | None,
    last_failure: Failure | None,
    headers: dict[str, Payload],
    **options: Unpack[ChildWorkflowOptionsAndArgs],
) -> Coroutine[Any, Any, ChildWorkflowHandle[Any]]:
    """As start_child_workflow, of one that is told what the one before it has given, and by what the last one
    failed, if it did; `headers` are as they travel. For schedules."""
    runtime = current_runtime("start_child_workflow")
    call = _call(runtime, call_site(sys._getframe(1)), workflow, (), **options)
    return runtime.start_child(
        replace(call, last_result=last_result, last_failure=last_failure, headers=headers)
    )


def _call(
    runtime: WorkflowRuntime,
    line: str,
    workflow: Target,
    arguments: Sequence[Any],
    *,
    arg: Any = UNSET,
    args: Sequence[Any] = (),
    id: str | None = None,  # noqa: A002 - the option's name
    task_queue: str | None = None,
    parent_close_policy: ParentClosePolicy = ParentClosePolicy.TERMINATE,
    cancellation_type: ChildWorkflowCancellationType = _WAIT,
    id_reuse_policy: WorkflowIDReusePolicy = WorkflowIDReusePolicy.ALLOW_DUPLICATE,
    execution_timeout: Duration | None = None,
    run_timeout: Duration | None = None,
    retry_policy: RetryPolicy | None = None,
    start_delay: Duration | None = None,
    memo: Mapping[str, Any] | None = None,
    search_attributes: TypedSearchAttributes | None = None,
    priority: Priority | None = None,
    result_type: Any = UNSET,
    task_timeout: Any = None,
    static_summary: Any = None,
    static_details: Any = None,
    versioning_intent: Any = None,
    **unknown: Any,
) -> ChildWorkflowCall:
    """Raises TypeError and ValueError, which name the option, and PayloadError for arguments and notes."""
    if unknown:
        raise no_option("A child workflow", next(iter(unknown)))
    if not (retry_policy is None or isinstance(retry_policy, RetryPolicy)):
        raise given.wrong_type("retry_policy", retry_policy, "a RetryPolicy or None")
    workflow_id = str(runtime.uuid4()) if id is None else given.name("id", id)
    converter = runtime.converter.of_other_workflow(workflow_id)
    values = one_by_one_or_args("A child workflow", arguments, args, arg)
    workflow_type = name_of(workflow)
    if isinstance(workflow, str):  # else its decorator has looked
        given.name("The name of a workflow", workflow_type)
    notes = given.mapping("memo", memo) if memo else {}
    return ChildWorkflowCall(
        workflow_type=workflow_type,
        workflow_id=workflow_id,
        args=encode_arguments(workflow, values, converter),
        result_hint=result_type_of(workflow) if result_type is UNSET else result_hint(result_type, converter),
        task_queue=None if task_queue is None else given.task_queue("task_queue", task_queue),
        memo={
            given.text("A key of memo", key): converter.to_whole_payload(value) for key, value in notes.items()
        },
        execution_timeout=_span("execution_timeout", execution_timeout),
        run_timeout=_span("run_timeout", run_timeout),
        retry_policy=retry_policy,
        delay=_span("start_delay", start_delay),
        search_attributes=stored_attributes("search_attributes", search_attributes),
        level=given_level(priority),
        reuse_policy=given.choice("id_reuse_policy", id_reuse_policy, WorkflowIDReusePolicy),
        close_policy=given.choice("parent_close_policy", parent_close_policy, ParentClosePolicy)._value_,
        cancellation_type=given.choice(
            "cancellation_type", cancellation_type, ChildWorkflowCancellationType
        )._value_,
        line=line,
        given=given_arguments(workflow, values, ()) if runtime.keeps_given else None,
    )


def _span(name: str, duration: Duration | None) -> int | None:
    return None if duration is None else given.microseconds(name, duration, positive=True)
