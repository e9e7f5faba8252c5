"""What a task sees that is cancelled while it waits for a child workflow."""

from __future__ import annotations

import asyncio

from dalsegno._runtime import ChildWorkflowCall
from dalsegno.actors.workflow_actor.loop.cancelled_wait import CancelledWait
from dalsegno.errors import CanceledError, ChildWorkflowError, RetryState


class ChildWorkflowCancelledError(ChildWorkflowError, asyncio.CancelledError):
    """The request has reached a task that waited for this child. Its text is the request's reason."""


class CancelledChild(CancelledWait):
    """How a task was cancelled while it waited for a child."""

    __slots__ = ("_call",)

    def __init__(self, call: ChildWorkflowCall) -> None:
        self.first = self.request = None
        self._call = call

    @property
    def what(self) -> str:
        return f"child workflow {self._call.workflow_type}"

    def seen(self, request: asyncio.CancelledError) -> ChildWorkflowCancelledError:
        call = self._call
        return ChildWorkflowCancelledError(
            request.args[0],
            workflow_id=call.workflow_id,
            run_id="",
            workflow_type=call.workflow_type,
            retry_state=RetryState.NON_RETRYABLE_FAILURE,
        )


def child_error(
    call: ChildWorkflowCall,
    run_id: str,
    cause: Exception,
    why: RetryState | None = RetryState.NON_RETRYABLE_FAILURE,
) -> ChildWorkflowError:
    """The error that an awaiting task sees, with what happened as its cause."""
    what = "was cancelled" if isinstance(cause, CanceledError) else "failed"
    error = ChildWorkflowError(
        f"child workflow {call.workflow_type} {what}",
        workflow_id=call.workflow_id,
        run_id=run_id,
        workflow_type=call.workflow_type,
        retry_state=why,
    )
    error.__cause__ = cause
    return error
