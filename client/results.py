"""Waiting for a run to end, and what its end means to the one who waits."""

from __future__ import annotations

from typing import Any

from dalsegno import given
from dalsegno.broker.protocol.messages import AwaitResult, Reply
from dalsegno.client.conversation import Conversation
from dalsegno.client.errors import NoAnswerError
from dalsegno.data_converter import DataConverter
from dalsegno.errors import (
    ApplicationError,
    CanceledError,
    RetryState,
    TerminatedError,
    TimedOutError,
    TimeoutType,
    WorkflowContinuedAsNewError,
    WorkflowFailedError,
)
from dalsegno.failure import why_not_tried_again
from dalsegno.policies import WorkflowStatus


async def await_end(
    conversation: Conversation,
    workflow_id: str,
    run_id: str | None,
    *,
    timeout: float | None,
    follow_runs: bool = True,
) -> Reply:
    """The reply that says how the run ended, or with `follow_runs` the last of those that follow it by
    themselves. Raises NoAnswerError after `timeout` seconds; None waits on."""
    timeout = given.patience("timeout", timeout)
    try:
        return await conversation.ask(
            Reply,
            AwaitResult(
                workflow_id=workflow_id,
                run_id=run_id,
                tell_suspended=conversation.suspensions is not None,
                follow_runs=follow_runs,
            ),
            message_id=None,
            timeout=timeout,
            resend_seconds=conversation.timings.ask_again,
            kind="result",
        )
    except NoAnswerError:
        raise not_ended(workflow_id, timeout) from None


def not_ended(workflow_id: str, timeout: float | None) -> NoAnswerError:
    return NoAnswerError(f"Workflow {workflow_id!r} has not ended within {timeout:g} s.")


def outcome_of(
    reply: Reply, workflow_id: str, run_id: str | None, result_type: Any, converter: DataConverter
) -> Any:
    """The result of a completed run. Raises WorkflowFailedError for any other end, with its cause."""
    converter = converter.of_workflow(workflow_id)
    if reply.status is WorkflowStatus.COMPLETED:
        return None if reply.result is None else converter.from_payload(reply.result, result_type)
    if reply.status is WorkflowStatus.CONTINUED_AS_NEW:
        raise WorkflowContinuedAsNewError(
            f"Run {reply.run_id or run_id} of workflow {workflow_id!r} goes on as run {reply.next_run_id}.",
            workflow_id=workflow_id,
            run_id=reply.run_id or run_id or "",
            new_execution_run_id=reply.next_run_id or "",
        )
    status = reply.status or WorkflowStatus.FAILED
    raise WorkflowFailedError(
        f"Workflow {workflow_id!r} did not complete: it {_HOW.get(status, status.value)}.",
        workflow_id=workflow_id,
        run_id=reply.run_id or run_id or "",
        retry_state=RetryState.IN_PROGRESS if reply.next_run_id else why_not_tried_again(status, reply.failure),
    ) from _cause_of(reply, converter)


_HOW = {
    WorkflowStatus.CANCELED: "was canceled",
    WorkflowStatus.TERMINATED: "was terminated",
    WorkflowStatus.TIMED_OUT: "timed out",
}


def _cause_of(reply: Reply, converter: DataConverter) -> Exception:
    if reply.failure is not None:
        return converter.from_failure(reply.failure)
    reason = reply.reason or ""
    match reply.status:
        case WorkflowStatus.CANCELED:
            return CanceledError(reason)
        case WorkflowStatus.TERMINATED:
            return TerminatedError(reason)
        case WorkflowStatus.TIMED_OUT:
            return TimedOutError(reason, timeout_type=TimeoutType.EXECUTION)
        case _:
            return ApplicationError(reason)
