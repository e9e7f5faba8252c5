"""Wire protocol v1, from one workflow to another: see `messages`."""

from __future__ import annotations

from dalsegno.broker.protocol.fields import Asked, Counter, Name, ToResults
from dalsegno.broker.protocol.replies import ReplyError
from dalsegno.failure import Failure
from dalsegno.payload import Payload
from dalsegno.policies import WorkflowStatus


class WorkflowAnswered(ToResults, frozen=True, kw_only=True):
    """Whether that was done which a run has asked another workflow for, on dalsegno.results.

    `workflow_id` and `run_id` are the recipient's, `number` is what it knows the answer by, `asked` what it has
    asked for. `by_run_id` is the run that says so, or that stands in the way. `error`: it was not done."""

    TYPE = "workflow.answered"
    number: Counter
    asked: Asked
    by_run_id: Name | None = None
    error: ReplyError | None = None


class WorkflowEnded(ToResults, frozen=True, kw_only=True):
    """A run has ended, for a run of another workflow that waits for that, on dalsegno.results.

    `workflow_id` and `run_id` are the recipient's, `number` is what it knows the answer by. The others say
    which run has ended, and how, as in a reply of the kind "result"; `error` means that it cannot be told how.
    """

    TYPE = "workflow.ended"
    number: Counter
    ended_workflow_id: Name
    ended_run_id: Name
    status: WorkflowStatus
    result: Payload | None = None
    failure: Failure | None = None
    error: ReplyError | None = None
