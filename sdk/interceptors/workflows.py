"""Around the code of workflows, and what it asks for.

These are workflow code: they run on its loop, again whenever it does, and must want the same each time. They
may call what `dalsegno.workflow` has, and nothing that reaches out. Of each input `_send` does what was asked
for, as the input says by then; it is for the last of the chain.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, NoReturn

from dalsegno.payload import Payload
from dalsegno.policies import (
    ActivityCancellationType,
    ChildWorkflowCancellationType,
    ParentClosePolicy,
    RetryPolicy,
    WorkflowIDReusePolicy,
)
from dalsegno.priority import Priority
from dalsegno.workflow import ActivityHandle, ChildWorkflowHandle, Info


@dataclass
class ExecuteWorkflowInput:
    """`type` is the workflow class, `run_fn` its run method, not bound; `args` are those of the start, or the
    state of the last sign. `headers` are those of the start, also behind a sign."""

    type: type[Any]
    run_fn: Callable[..., Awaitable[Any]]
    args: Sequence[Any]
    headers: Mapping[str, Payload]
    _send: Callable[[Any], Awaitable[Any]] = field(repr=False)


@dataclass
class HandleSignalInput:
    signal: str
    args: Sequence[Any]
    headers: Mapping[str, Payload]
    _send: Callable[[Any], Awaitable[None]] = field(repr=False)


@dataclass
class HandleQueryInput:
    """`id` is what Temporal has, and empty: a query is answered at once, and known by nothing."""

    id: str
    query: str
    args: Sequence[Any]
    headers: Mapping[str, Payload]
    _send: Callable[[Any], Awaitable[Any]] = field(repr=False)


@dataclass
class HandleUpdateInput:
    id: str
    update: str
    args: Sequence[Any]
    headers: Mapping[str, Payload]
    _validate: Callable[[Any], None] = field(repr=False)
    _send: Callable[[Any], Awaitable[Any]] = field(repr=False)


@dataclass
class ContinueAsNewInput:
    """What is None is as in this run. `headers` are those of this run, which go along unless others are put in
    their place."""

    workflow: str | None
    args: Sequence[Any]
    task_queue: str | None
    run_timeout: timedelta | None
    retry_policy: RetryPolicy | None
    headers: Mapping[str, Payload]
    _send: Callable[[Any], NoReturn] = field(repr=False)


@dataclass
class SignalChildWorkflowInput:
    signal: str
    args: Sequence[Any]
    child_workflow_id: str
    headers: Mapping[str, Payload]
    _send: Callable[[Any], Awaitable[None]] = field(repr=False)


@dataclass
class SignalExternalWorkflowInput:
    signal: str
    args: Sequence[Any]
    namespace: str
    workflow_id: str
    workflow_run_id: str | None
    headers: Mapping[str, Payload]
    _send: Callable[[Any], Awaitable[None]] = field(repr=False)


@dataclass
class StartActivityInput:
    """Also of a saga's step, and of what undoes one: what undoes has its `args` as RawValues."""

    activity: str
    args: Sequence[Any]
    activity_id: str | None
    task_queue: str | None
    schedule_to_close_timeout: timedelta | None
    schedule_to_start_timeout: timedelta | None
    start_to_close_timeout: timedelta | None
    heartbeat_timeout: timedelta | None
    retry_policy: RetryPolicy | None
    cancellation_type: ActivityCancellationType
    headers: Mapping[str, Payload]
    priority: Priority
    _send: Callable[[Any], ActivityHandle[Any]] = field(repr=False)


@dataclass
class StartLocalActivityInput:
    activity: str
    args: Sequence[Any]
    activity_id: str | None
    schedule_to_close_timeout: timedelta | None
    schedule_to_start_timeout: timedelta | None
    start_to_close_timeout: timedelta | None
    retry_policy: RetryPolicy | None
    local_retry_threshold: timedelta | None
    cancellation_type: ActivityCancellationType
    headers: Mapping[str, Payload]
    _send: Callable[[Any], ActivityHandle[Any]] = field(repr=False)


@dataclass
class StartChildWorkflowInput:
    workflow: str
    args: Sequence[Any]
    id: str
    task_queue: str | None
    cancellation_type: ChildWorkflowCancellationType
    parent_close_policy: ParentClosePolicy
    execution_timeout: timedelta | None
    run_timeout: timedelta | None
    id_reuse_policy: WorkflowIDReusePolicy
    retry_policy: RetryPolicy | None
    headers: Mapping[str, Payload]
    priority: Priority
    _send: Callable[[Any], Awaitable[ChildWorkflowHandle[Any]]] = field(repr=False)


class WorkflowOutboundInterceptor:
    """What the code of a workflow asks for."""

    def __init__(self, next: WorkflowOutboundInterceptor) -> None:
        self.next = next

    def continue_as_new(self, input: ContinueAsNewInput) -> NoReturn:
        """`workflow.continue_as_new`: it raises."""
        self.next.continue_as_new(input)

    def info(self) -> Info:
        """`workflow.info()`."""
        return self.next.info()

    async def signal_child_workflow(self, input: SignalChildWorkflowInput) -> None:
        """A signal by the handle of a child."""
        await self.next.signal_child_workflow(input)

    async def signal_external_workflow(self, input: SignalExternalWorkflowInput) -> None:
        """A signal by an ExternalWorkflowHandle."""
        await self.next.signal_external_workflow(input)

    def start_activity(self, input: StartActivityInput) -> ActivityHandle[Any]:
        """`workflow.start_activity` and `execute_activity`. Called when it is scheduled."""
        return self.next.start_activity(input)

    async def start_child_workflow(self, input: StartChildWorkflowInput) -> ChildWorkflowHandle[Any]:
        """`workflow.start_child_workflow` and `execute_child_workflow`."""
        return await self.next.start_child_workflow(input)

    def start_local_activity(self, input: StartLocalActivityInput) -> ActivityHandle[Any]:
        """`workflow.start_local_activity` and `execute_local_activity`."""
        return self.next.start_local_activity(input)


class WorkflowInboundInterceptor:
    """Around the run method and the handlers of one run, as long as it is in memory; behind a sign there is a
    new one, as there is a new workflow object."""

    def __init__(self, next: WorkflowInboundInterceptor) -> None:
        self.next = next

    def init(self, outbound: WorkflowOutboundInterceptor) -> None:
        """Called once, before anything else. To stand in the way of `outbound`, give the next one your own."""
        self.next.init(outbound)

    async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:
        """The run method. What it returns is the result; what it raises ends the run as ever."""
        return await self.next.execute_workflow(input)

    async def handle_signal(self, input: HandleSignalInput) -> None:
        """A signal's handler. Around one that is not async nothing may be waited for."""
        await self.next.handle_signal(input)

    async def handle_query(self, input: HandleQueryInput) -> Any:
        """A query's handler: nothing may be waited for, and nothing changed."""
        return await self.next.handle_query(input)

    def handle_update_validator(self, input: HandleUpdateInput) -> None:
        """The validator of an update, if there is one. What it raises has refused the update."""
        self.next.handle_update_validator(input)

    async def handle_update_handler(self, input: HandleUpdateInput) -> Any:
        """An update's handler. Around one that is not async nothing may be waited for."""
        return await self.next.handle_update_handler(input)
