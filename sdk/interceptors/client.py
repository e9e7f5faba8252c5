"""What a client asks. Of each input `_send` does what was asked for, as the input says by then; it is for the
last of the chain."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dalsegno.interceptors.completions import (
    CompleteAsyncActivityInput,
    FailAsyncActivityInput,
    HeartbeatAsyncActivityInput,
    ReportCancellationAsyncActivityInput,
)
from dalsegno.interceptors.schedules import (
    BackfillScheduleInput,
    CreateScheduleInput,
    DeleteScheduleInput,
    DescribeScheduleInput,
    ListSchedulesInput,
    PauseScheduleInput,
    TriggerScheduleInput,
    UnpauseScheduleInput,
    UpdateScheduleInput,
)
from dalsegno.interceptors.worker import required
from dalsegno.payload import Payload
from dalsegno.policies import QueryRejectCondition, WorkflowUpdateStage


@dataclass
class StartWorkflowInput:
    """`client.start` and `execute`. `options` are all others of the start, by the names that it has for them
    (`task_queue`, `memo`, `retry_policy`, ...): put another mapping in its place to change them. The headers
    are those of a `start_signal`, too."""

    workflow: str
    args: Sequence[Any]
    id: str
    options: Mapping[str, Any]
    headers: Mapping[str, Payload]
    start_signal: str | None
    start_signal_args: Sequence[Any]
    _send: Callable[[Any], Awaitable[Any]] = field(repr=False)


@dataclass
class SignalWorkflowInput:
    id: str
    run_id: str | None
    signal: str
    args: Sequence[Any]
    headers: Mapping[str, Payload]
    _send: Callable[[Any], Awaitable[None]] = field(repr=False)


@dataclass
class QueryWorkflowInput:
    id: str
    run_id: str | None
    query: str
    args: Sequence[Any]
    reject_condition: QueryRejectCondition
    headers: Mapping[str, Payload]
    ret_type: Any
    _send: Callable[[Any], Awaitable[Any]] = field(repr=False)


@dataclass
class StartWorkflowUpdateInput:
    id: str
    run_id: str | None
    update_id: str
    update: str
    args: Sequence[Any]
    wait_for_stage: WorkflowUpdateStage
    headers: Mapping[str, Payload]
    ret_type: Any
    _send: Callable[[Any], Awaitable[Any]] = field(repr=False)


@dataclass
class UpdateWithStartUpdateWorkflowInput:
    update_id: str
    update: str
    args: Sequence[Any]
    wait_for_stage: WorkflowUpdateStage
    headers: Mapping[str, Payload]
    ret_type: Any


@dataclass
class UpdateWithStartStartWorkflowInput:
    """As StartWorkflowInput."""

    workflow: str
    args: Sequence[Any]
    id: str
    options: Mapping[str, Any]
    headers: Mapping[str, Payload]


@dataclass
class StartWorkflowUpdateWithStartInput:
    start_workflow_input: UpdateWithStartStartWorkflowInput
    update_workflow_input: UpdateWithStartUpdateWorkflowInput
    _send: Callable[[Any], Awaitable[Any]] = field(repr=False)


@dataclass
class CancelWorkflowInput:
    id: str
    run_id: str | None
    reason: str
    _send: Callable[[Any], Awaitable[None]] = field(repr=False)


@dataclass
class TerminateWorkflowInput:
    id: str
    run_id: str | None
    reason: str
    _send: Callable[[Any], Awaitable[None]] = field(repr=False)


@dataclass
class DescribeWorkflowInput:
    id: str
    run_id: str | None
    _send: Callable[[Any], Awaitable[Any]] = field(repr=False)


@dataclass
class ListWorkflowsInput:
    """`status`, `workflow_type` and `workflow_id` are given where no query is; the first two may be
    lists."""

    query: str | None
    status: Any
    workflow_type: Any
    workflow_id: str | None
    page_size: int
    _send: Callable[[Any], AsyncIterator[Any]] = field(repr=False)


@dataclass
class CountWorkflowsInput:
    query: str
    _send: Callable[[Any], Awaitable[Any]] = field(repr=False)


@dataclass
class StartStandaloneActivityInput:
    """`client.start_activity` and `execute_activity`. `options` as for StartWorkflowInput."""

    activity: str
    args: Sequence[Any]
    id: str
    options: Mapping[str, Any]
    headers: Mapping[str, Payload]
    _send: Callable[[Any], Awaitable[Any]] = field(repr=False)


class OutboundInterceptor:
    """What a client asks. What is not here goes by itself."""

    def __init__(self, next: OutboundInterceptor) -> None:
        self.next = next

    async def start_workflow(self, input: StartWorkflowInput) -> Any:
        """Returns the WorkflowHandle."""
        return await self.next.start_workflow(input)

    async def signal_workflow(self, input: SignalWorkflowInput) -> None:
        await self.next.signal_workflow(input)

    async def query_workflow(self, input: QueryWorkflowInput) -> Any:
        """Returns the answer."""
        return await self.next.query_workflow(input)

    async def start_workflow_update(self, input: StartWorkflowUpdateInput) -> Any:
        """Returns the WorkflowUpdateHandle."""
        return await self.next.start_workflow_update(input)

    async def start_update_with_start_workflow(self, input: StartWorkflowUpdateWithStartInput) -> Any:
        """Returns the WorkflowUpdateHandle."""
        return await self.next.start_update_with_start_workflow(input)

    async def cancel_workflow(self, input: CancelWorkflowInput) -> None:
        await self.next.cancel_workflow(input)

    async def terminate_workflow(self, input: TerminateWorkflowInput) -> None:
        await self.next.terminate_workflow(input)

    async def describe_workflow(self, input: DescribeWorkflowInput) -> Any:
        """Returns the Description."""
        return await self.next.describe_workflow(input)

    async def create_schedule(self, input: CreateScheduleInput) -> Any:
        """Returns the ScheduleHandle."""
        return await self.next.create_schedule(input)

    async def start_activity(self, input: StartStandaloneActivityInput) -> Any:
        """Returns the StandaloneActivityHandle."""
        return await self.next.start_activity(input)

    def list_workflows(self, input: ListWorkflowsInput) -> AsyncIterator[Any]:
        """Not async: returns what the runs come from, one after the other."""
        return self.next.list_workflows(input)

    def list_schedules(self, input: ListSchedulesInput) -> AsyncIterator[Any]:
        """Not async: returns what the schedules come from."""
        return self.next.list_schedules(input)

    async def count_workflows(self, input: CountWorkflowsInput) -> Any:
        """Returns the WorkflowCount."""
        return await self.next.count_workflows(input)

    async def describe_schedule(self, input: DescribeScheduleInput) -> Any:
        """Returns the ScheduleDescription."""
        return await self.next.describe_schedule(input)

    async def pause_schedule(self, input: PauseScheduleInput) -> None:
        await self.next.pause_schedule(input)

    async def unpause_schedule(self, input: UnpauseScheduleInput) -> None:
        await self.next.unpause_schedule(input)

    async def trigger_schedule(self, input: TriggerScheduleInput) -> None:
        await self.next.trigger_schedule(input)

    async def backfill_schedule(self, input: BackfillScheduleInput) -> None:
        await self.next.backfill_schedule(input)

    async def update_schedule(self, input: UpdateScheduleInput) -> None:
        await self.next.update_schedule(input)

    async def delete_schedule(self, input: DeleteScheduleInput) -> None:
        await self.next.delete_schedule(input)

    async def heartbeat_async_activity(self, input: HeartbeatAsyncActivityInput) -> None:
        await self.next.heartbeat_async_activity(input)

    async def complete_async_activity(self, input: CompleteAsyncActivityInput) -> None:
        await self.next.complete_async_activity(input)

    async def fail_async_activity(self, input: FailAsyncActivityInput) -> None:
        await self.next.fail_async_activity(input)

    async def report_cancellation_async_activity(self, input: ReportCancellationAsyncActivityInput) -> None:
        await self.next.report_cancellation_async_activity(input)


class ClientInterceptor:
    """Base: it leaves things as they are. `dalsegno.client.Interceptor` is another name for it."""

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
        """Asked once for each client: what is called instead of `next`."""
        return next


class LastOutbound(OutboundInterceptor):
    """The end of the chain, which does what is asked for."""

    def __init__(self) -> None:
        """Nothing is behind it."""

    async def start_workflow(self, input: StartWorkflowInput) -> Any:
        return await input._send(input)

    async def signal_workflow(self, input: SignalWorkflowInput) -> None:
        await input._send(input)

    async def query_workflow(self, input: QueryWorkflowInput) -> Any:
        return await input._send(input)

    async def start_workflow_update(self, input: StartWorkflowUpdateInput) -> Any:
        return await input._send(input)

    async def start_update_with_start_workflow(self, input: StartWorkflowUpdateWithStartInput) -> Any:
        return await input._send(input)

    async def cancel_workflow(self, input: CancelWorkflowInput) -> None:
        await input._send(input)

    async def terminate_workflow(self, input: TerminateWorkflowInput) -> None:
        await input._send(input)

    async def describe_workflow(self, input: DescribeWorkflowInput) -> Any:
        return await input._send(input)

    async def create_schedule(self, input: CreateScheduleInput) -> Any:
        return await input._send(input)

    async def start_activity(self, input: StartStandaloneActivityInput) -> Any:
        return await input._send(input)

    def list_workflows(self, input: ListWorkflowsInput) -> AsyncIterator[Any]:
        return input._send(input)

    def list_schedules(self, input: ListSchedulesInput) -> AsyncIterator[Any]:
        return input._send(input)

    async def count_workflows(self, input: CountWorkflowsInput) -> Any:
        return await input._send(input)

    async def describe_schedule(self, input: DescribeScheduleInput) -> Any:
        return await input._send(input)

    async def pause_schedule(self, input: PauseScheduleInput) -> None:
        await input._send(input)

    async def unpause_schedule(self, input: UnpauseScheduleInput) -> None:
        await input._send(input)

    async def trigger_schedule(self, input: TriggerScheduleInput) -> None:
        await input._send(input)

    async def backfill_schedule(self, input: BackfillScheduleInput) -> None:
        await input._send(input)

    async def update_schedule(self, input: UpdateScheduleInput) -> None:
        await input._send(input)

    async def delete_schedule(self, input: DeleteScheduleInput) -> None:
        await input._send(input)

    async def heartbeat_async_activity(self, input: HeartbeatAsyncActivityInput) -> None:
        await input._send(input)

    async def complete_async_activity(self, input: CompleteAsyncActivityInput) -> None:
        await input._send(input)

    async def fail_async_activity(self, input: FailAsyncActivityInput) -> None:
        await input._send(input)

    async def report_cancellation_async_activity(self, input: ReportCancellationAsyncActivityInput) -> None:
        await input._send(input)


NOT_INTERCEPTED = LastOutbound()
"""Where there is no interceptor."""


def intercepting(interceptors: Sequence[ClientInterceptor]) -> OutboundInterceptor:
    """The chain. Raises ConfigurationError for what is no interceptor."""
    outbound: OutboundInterceptor = NOT_INTERCEPTED
    for interceptor in reversed(required("interceptors", interceptors, ClientInterceptor)):
        outbound = interceptor.intercept_client(outbound)
    return outbound
