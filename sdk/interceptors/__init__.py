"""Interceptors: code that stands around all calls of a client, of activities, and of workflows.

    from dalsegno import client, interceptors, workers

    class Told(client.Interceptor, workers.Interceptor):
        def intercept_client(self, next): return ToldOutbound(next)
        def intercept_activity(self, next): return ToldActivity(next)
        def workflow_interceptor_class(self, input): return ToldWorkflow

    client = await Client.connect(url, interceptors=[Told()])
    worker = Worker(url, activities=[charge], interceptors=[Told()])
    # dalsegno host shop.orders --interceptor shop.telling:told

The first of a list is the outermost. Each is given the `next` one, and calls it, before, after, or not at all.
What they say to each other beside the arguments goes in `headers`: the outbound ones of a client or a workflow
write them, the inbound ones of the workflow or activity that is called read them.

client               what a client asks                      activities       around an activity
schedules            the same about schedules                completions      of activities outside of workers
workflows            around a workflow's code, and what it asks
worker               what a worker and a host are given      context_variables   one that is ready to use
headers              names and payloads, sealed on their way
"""

from dalsegno.interceptors.activities import (
    ActivityInboundInterceptor,
    ActivityOutboundInterceptor,
    ExecuteActivityInput,
)
from dalsegno.interceptors.client import (
    CancelWorkflowInput,
    ClientInterceptor,
    CountWorkflowsInput,
    DescribeWorkflowInput,
    ListWorkflowsInput,
    OutboundInterceptor,
    QueryWorkflowInput,
    SignalWorkflowInput,
    StartStandaloneActivityInput,
    StartWorkflowInput,
    StartWorkflowUpdateInput,
    StartWorkflowUpdateWithStartInput,
    TerminateWorkflowInput,
    UpdateWithStartStartWorkflowInput,
    UpdateWithStartUpdateWorkflowInput,
)
from dalsegno.interceptors.completions import (
    AsyncActivityIDReference,
    CompleteAsyncActivityInput,
    FailAsyncActivityInput,
    HeartbeatAsyncActivityInput,
    ReportCancellationAsyncActivityInput,
)
from dalsegno.interceptors.context_variables import ContextPropagationInterceptor
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
from dalsegno.interceptors.worker import WorkerInterceptor, WorkflowInterceptorClassInput
from dalsegno.interceptors.workflows import (
    ContinueAsNewInput,
    ExecuteWorkflowInput,
    HandleQueryInput,
    HandleSignalInput,
    HandleUpdateInput,
    SignalChildWorkflowInput,
    SignalExternalWorkflowInput,
    StartActivityInput,
    StartChildWorkflowInput,
    StartLocalActivityInput,
    WorkflowInboundInterceptor,
    WorkflowOutboundInterceptor,
)

__all__ = [
    "ActivityInboundInterceptor",
    "ActivityOutboundInterceptor",
    "AsyncActivityIDReference",
    "BackfillScheduleInput",
    "CancelWorkflowInput",
    "ClientInterceptor",
    "CompleteAsyncActivityInput",
    "ContextPropagationInterceptor",
    "ContinueAsNewInput",
    "CountWorkflowsInput",
    "CreateScheduleInput",
    "DeleteScheduleInput",
    "DescribeScheduleInput",
    "DescribeWorkflowInput",
    "ExecuteActivityInput",
    "ExecuteWorkflowInput",
    "FailAsyncActivityInput",
    "HandleQueryInput",
    "HandleSignalInput",
    "HandleUpdateInput",
    "HeartbeatAsyncActivityInput",
    "ListSchedulesInput",
    "ListWorkflowsInput",
    "OutboundInterceptor",
    "PauseScheduleInput",
    "QueryWorkflowInput",
    "ReportCancellationAsyncActivityInput",
    "SignalChildWorkflowInput",
    "SignalExternalWorkflowInput",
    "SignalWorkflowInput",
    "StartActivityInput",
    "StartChildWorkflowInput",
    "StartLocalActivityInput",
    "StartStandaloneActivityInput",
    "StartWorkflowInput",
    "StartWorkflowUpdateInput",
    "StartWorkflowUpdateWithStartInput",
    "TerminateWorkflowInput",
    "TriggerScheduleInput",
    "UnpauseScheduleInput",
    "UpdateScheduleInput",
    "UpdateWithStartStartWorkflowInput",
    "UpdateWithStartUpdateWorkflowInput",
    "WorkerInterceptor",
    "WorkflowInboundInterceptor",
    "WorkflowInterceptorClassInput",
    "WorkflowOutboundInterceptor",
]
