"""dalsegno: durable workflows as ordinary Python.

    from dalsegno import Client, Worker, activity, workflow

Importing this loads what workflow and activity code needs and no more; `Client` and `Worker` are loaded when
they are first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from dalsegno import activity, workflow
from dalsegno.errors import (
    ActivityError,
    ApplicationError,
    CanceledError,
    CommandRejectedError,
    DalsegnoError,
    FailureError,
    PayloadError,
    QueryFailedError,
    TerminatedError,
    TimedOutError,
    TimeoutType,
    TransientError,
    UnsupportedError,
    WorkerLostError,
    WorkflowAlreadyStartedError,
    WorkflowClosedError,
    WorkflowFailedError,
    WorkflowNotFoundError,
)
from dalsegno.policies import (
    Duration,
    RetryPolicy,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
    WorkflowStatus,
)

if TYPE_CHECKING:
    from dalsegno.client import Client
    from dalsegno.workers import Worker

__all__ = [
    "ActivityError",
    "ApplicationError",
    "CanceledError",
    "Client",
    "CommandRejectedError",
    "DalsegnoError",
    "Duration",
    "FailureError",
    "PayloadError",
    "QueryFailedError",
    "RetryPolicy",
    "TerminatedError",
    "TimedOutError",
    "TimeoutType",
    "TransientError",
    "UnsupportedError",
    "Worker",
    "WorkerLostError",
    "WorkflowAlreadyStartedError",
    "WorkflowClosedError",
    "WorkflowFailedError",
    "WorkflowIDConflictPolicy",
    "WorkflowIDReusePolicy",
    "WorkflowNotFoundError",
    "WorkflowStatus",
    "activity",
    "workflow",
]

_LAZY = {"Client": "dalsegno.client", "Worker": "dalsegno.workers"}


def __getattr__(name: str) -> Any:
    module = _LAZY.get(name)
    if module is None:
        raise AttributeError(f"module 'dalsegno' has no attribute {name!r}")
    return getattr(import_module(module), name)
