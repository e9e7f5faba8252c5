"""The client: start workflows, signal and query them, wait for their results, look after them."""

from __future__ import annotations

from dalsegno.client.async_activities import AsyncActivityHandle
from dalsegno.client.client import Client, Connecting
from dalsegno.client.errors import NamespaceMissingError, NoAnswerError, UnsendableError
from dalsegno.client.handle import WorkflowHandle
from dalsegno.client.looking import Looking, Pong, WorkflowCount, WorkflowGroup
from dalsegno.client.standalone import StandaloneActivityHandle, StandaloneActivityOptions
from dalsegno.client.start_options import StartOptions, StartOptionsAndArgs
from dalsegno.client.suspensions import OnSuspended
from dalsegno.client.timings import ClientTimings
from dalsegno.client.updates import WorkflowUpdateHandle
from dalsegno.client.with_start import WithStartWorkflowOperation
from dalsegno.errors import AsyncActivityCancelledError
from dalsegno.targets import Target

__all__ = [
    "AsyncActivityCancelledError",
    "AsyncActivityHandle",
    "Client",
    "ClientTimings",
    "Connecting",
    "Looking",
    "NamespaceMissingError",
    "NoAnswerError",
    "OnSuspended",
    "Pong",
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
