"""The client: start workflows, signal and query them, wait for their results, look after them."""

from __future__ import annotations

from dalsegno.client.async_activities import AsyncActivityHandle
from dalsegno.client.client import Client, Connecting
from dalsegno.client.errors import (
    NamespaceMissingError,
    NoAnswerError,
    ScheduleAlreadyRunningError,
    ScheduleNotFoundError,
    UnsendableError,
)
from dalsegno.client.handle import WorkflowHandle
from dalsegno.client.incidents import ListedIncident
from dalsegno.client.looking import Looking, Pong, WorkflowCount, WorkflowGroup
from dalsegno.client.schedules import (
    ScheduleDescription,
    ScheduleHandle,
    ScheduleListDescription,
    ScheduleUpdate,
    ScheduleUpdateInput,
)
from dalsegno.client.standalone import StandaloneActivityHandle, StandaloneActivityOptions
from dalsegno.client.start_options import StartOptions, StartOptionsAndArgs
from dalsegno.client.suspensions import OnSuspended
from dalsegno.client.timings import ClientTimings
from dalsegno.client.updates import WorkflowUpdateHandle
from dalsegno.client.with_start import WithStartWorkflowOperation
from dalsegno.errors import AsyncActivityCancelledError
from dalsegno.interceptors.client import ClientInterceptor as Interceptor
from dalsegno.interceptors.client import OutboundInterceptor
from dalsegno.interceptors.completions import AsyncActivityIDReference
from dalsegno.schedules.action import ScheduleActionStartWorkflow
from dalsegno.schedules.policies import ScheduleOverlapPolicy
from dalsegno.schedules.schedule import (
    Schedule,
    ScheduleActionExecutionStartWorkflow,
    ScheduleActionResult,
    ScheduleBackfill,
    ScheduleInfo,
    SchedulePolicy,
    ScheduleState,
)
from dalsegno.schedules.spec import (
    ScheduleCalendarSpec,
    ScheduleIntervalSpec,
    ScheduleRange,
    ScheduleSpec,
)
from dalsegno.targets import Target

__all__ = [
    "AsyncActivityCancelledError",
    "AsyncActivityHandle",
    "AsyncActivityIDReference",
    "Client",
    "ClientTimings",
    "Connecting",
    "Interceptor",
    "ListedIncident",
    "Looking",
    "NamespaceMissingError",
    "NoAnswerError",
    "OnSuspended",
    "OutboundInterceptor",
    "Pong",
    "Schedule",
    "ScheduleActionExecutionStartWorkflow",
    "ScheduleActionResult",
    "ScheduleActionStartWorkflow",
    "ScheduleAlreadyRunningError",
    "ScheduleBackfill",
    "ScheduleCalendarSpec",
    "ScheduleDescription",
    "ScheduleHandle",
    "ScheduleInfo",
    "ScheduleIntervalSpec",
    "ScheduleListDescription",
    "ScheduleNotFoundError",
    "ScheduleOverlapPolicy",
    "SchedulePolicy",
    "ScheduleRange",
    "ScheduleSpec",
    "ScheduleState",
    "ScheduleUpdate",
    "ScheduleUpdateInput",
    "StandaloneActivityHandle",
    "StandaloneActivityOptions",
    "StartOptions",
    "StartOptionsAndArgs",
    "Target",
    "UnsendableError",
    "WithStartWorkflowOperation",
    "WorkflowCount",
    "WorkflowGroup",
    "WorkflowHandle",
    "WorkflowUpdateHandle",
]
