"""Names that Temporal's Python SDK has for what is called otherwise here, so that in code that comes from there
the imports change, and nothing else.
"""

from __future__ import annotations

import asyncio

from dalsegno.errors import (
    CanceledError,
    FailureError,
    QueryFailedError,
    TimedOutError,
    WorkflowFailedError,
)
from dalsegno.policies import WorkflowStatus

CancelledError = CanceledError
TimeoutError = TimedOutError  # noqa: A001 - theirs
WorkflowExecutionStatus = WorkflowStatus
WorkflowFailureError = WorkflowFailedError
WorkflowQueryFailedError = QueryFailedError


def is_cancelled_exception(exception: BaseException) -> bool:
    """Whether a cancellation is what it tells of: asyncio's own, or that of an activity or a child workflow."""
    if isinstance(exception, asyncio.CancelledError | CanceledError):
        return True
    return isinstance(exception, FailureError) and isinstance(exception.__cause__, CanceledError)
