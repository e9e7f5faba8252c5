"""The errors of dalsegno, split by what the catcher must do.

DalsegnoError
  CommandRejectedError          the sender is wrong and nothing changed; tell it, do not retry
    WorkflowNotFoundError         no such workflow, or no such run of it
    WorkflowAlreadyStartedError   the workflow ID is taken (conflict or reuse policy); also a FailureError, as
                                  workflow code catches it from the start of a child
    WorkflowClosedError           the run has ended and takes no more commands
    ActivityNotFoundError         no such activity is pending, or that attempt of it is over
    QueryFailedError              the query handler raised, or there is none of that name
    UnsupportedError              this build does not know that request
    TooSlowError                  to look for that takes the database too long: ask for less
  InvalidMessageError           nobody can ever read this; dead-letter it with the reason
  PayloadError                  a value cannot be encoded, or bytes cannot become the wanted type
  TransientError                the surroundings failed; the same call may be repeated
    BrokerUnavailableError
    StoreUnavailableError
  FencedError                   another owner holds a newer epoch; stop acting at once
  ConfigurationError            a URL, setting or schema is wrong; a person must change it
    TopologyError                 the broker holds a queue or exchange with other arguments
    SchemaError                   the tables are missing, too old or too new
    NewerFormatError              what is stored may be newer than this version can read
    MissingExtraError             what was used comes with an extra that is not installed
    DefinitionError               a workflow or activity is declared as none can be; also a TypeError and a
                                  ValueError
  NondeterminismError           workflow code and its history disagree; suspend that one instance
  ActivityFailureError          the standalone activity that was waited for did not complete; likewise
  WorkflowUpdateFailedError     an update was refused, or its handler failed; `__cause__` says why
  AsyncActivityCancelledError   the work that sends a heartbeat from outside of a worker is to stop
  FailureError                  what workflow and activity code raises and catches on purpose
    ApplicationError              raised by user code to fail an activity or a workflow
      CompensationError             some of what a saga was to undo could not be undone
      DeadlineMissedError           a deadline of the workflow is over, which was to fail it then
    ActivityError                 an activity failed for good; `__cause__` says how
    ChildWorkflowError            a child workflow did not complete; `__cause__` says how
    WorkflowFailedError           the workflow that was waited for did not complete; `__cause__` says how
      WorkflowContinuedAsNewError   the run goes on as another, which was not to be waited for
    CanceledError                 what was waited for was cancelled (as a cause; user code that is
                                  itself cancelled sees asyncio.CancelledError)
    TimedOutError                 a timeout of an activity or workflow passed
    TerminatedError               the workflow was terminated
    WorkerLostError               the worker died with the activity, too often for the broker to try again
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Self

from dalsegno import given
from dalsegno.given import Duration
from dalsegno.policies import WorkflowStatus

TYPE_CHARACTERS_MAX = 255


class DalsegnoError(Exception):
    """Base of all errors that dalsegno raises."""


class CommandRejectedError(DalsegnoError):
    """The request was understood and refused; nothing changed and repeating it will not help."""

    code = "rejected"


class FailureError(DalsegnoError):
    """Base of what workflow and activity code raises, receives and catches on purpose."""

    @property
    def message(self) -> str:
        return str(self.args[0]) if self.args else ""

    @property
    def cause(self) -> BaseException | None:
        """`__cause__`, as the Temporal SDK calls it."""
        return self.__cause__


class WorkflowNotFoundError(CommandRejectedError):
    """No workflow has this ID, or the run ID named is not one of its runs."""

    code = "not_found"


class WorkflowAlreadyStartedError(CommandRejectedError, FailureError):
    """The workflow ID is taken, and the start's policies do not allow another run.

    `workflow_id` and `run_id` name the run that stands in the way.
    """

    code = "already_started"

    def __init__(self, message: str, *, workflow_id: str = "", run_id: str = "") -> None:
        super().__init__(message)
        self.workflow_id = workflow_id
        self.run_id = run_id


class WorkflowClosedError(CommandRejectedError):
    """The run has ended; signals, cancel requests and the like come too late."""

    code = "closed"


class ActivityNotFoundError(CommandRejectedError):
    """No such activity is pending: it has ended, timed out, or never was; or the token is of an attempt that is
    over. Whoever works on it may stop."""

    code = "activity_not_found"


class QueryFailedError(CommandRejectedError):
    """The query handler raised, or the workflow has no handler of that name. In the first case `cause` (that is
    `__cause__`) is what it raised, as a FailureError."""

    code = "query_failed"

    @property
    def cause(self) -> BaseException | None:
        return self.__cause__


class WorkflowQueryRejectedError(CommandRejectedError):
    """The query was not put to the run: its `status` is one that the query's `reject_condition` excludes."""

    code = "query_rejected"

    def __init__(self, message: str, status: WorkflowStatus | None = None) -> None:
        super().__init__(message)
        self.status = status


class UnsupportedError(CommandRejectedError):
    """This version does not answer that kind of request."""

    code = "unsupported"


class TooSlowError(CommandRejectedError):
    """To look for what was asked would take the database longer than a person waits. The message says how to
    ask for less."""


class InvalidMessageError(DalsegnoError):
    """A message nobody can ever read. `reason` is safe to log: it never quotes the payload."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class PayloadError(DalsegnoError):
    """A value that no encoding can carry, or bytes that do not fit the annotated type."""


class PayloadCodecError(PayloadError):
    """A payload cannot be encoded or decoded here and now, and nothing is wrong with it: a key is missing. A
    workflow waits, suspended, until it is there."""


class PayloadStoreError(PayloadCodecError):
    """The store that a payload is in, or is to be put into, cannot be reached now. A workflow waits, suspended,
    until it can."""


class PayloadLostError(PayloadStoreError):
    """The payload store does not have, or has changed, what was put there. A workflow waits until it is put
    back."""


class TransientError(DalsegnoError):
    """The surroundings failed; the same call may be repeated with the same IDs."""


class BrokerUnavailableError(TransientError):
    """The broker could not be reached, or the connection was lost before the outcome was known."""


class StoreUnavailableError(TransientError):
    """The database could not be reached, or the connection was lost before the outcome was known."""


class UnreadableRowError(DalsegnoError):
    """A row holds what none of ours does: a damaged disk, a hand at work. The text says where, never what."""


class FencedError(DalsegnoError):
    """Another owner holds a newer epoch; whoever sees this must stop acting at once."""


class ConfigurationError(DalsegnoError):
    """A URL, setting or schema is wrong; a person must change it. The message says what to do."""


class TopologyError(ConfigurationError):
    """The broker holds an exchange or queue of ours with other arguments."""


class SchemaError(ConfigurationError):
    """The database's tables are missing, too old or too new for this version."""


class NewerFormatError(ConfigurationError):
    """What is stored in this namespace may be of a newer format than this version reads: upgrade dalsegno."""


class MissingExtraError(ConfigurationError, ImportError):
    """What was used comes with an extra of the installation that is not there; the sentence names it."""


class DefinitionError(ConfigurationError, TypeError, ValueError):
    """A workflow, handler or activity is declared as it cannot be, and was refused when it was.

    `what` is the sentence that says what is wrong and what to do, `where` the place of the declaration
    ("orders.py:42"; "" for code without one). Caught as TypeError or ValueError, too.
    """

    def __init__(self, what: str, where: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where


class NondeterminismError(DalsegnoError):
    """Workflow code asked for something else than its history shows. The instance is suspended."""


class AsyncActivityCancelledError(DalsegnoError):
    """Somebody has asked the activity to stop: clean up, and `report_cancellation`."""

    def __init__(self, message: str = "The activity was asked to stop.") -> None:
        super().__init__(message)


class ApplicationError(FailureError):
    """Raised by user code to fail an activity, or a workflow.

    `type` is what `RetryPolicy.non_retryable_error_types` is matched against; it defaults to the name of
    the class. `non_retryable` ends the retries whatever the policy says. `details` travel with the failure;
    one that cannot be sent is replaced by a text that says so. `next_retry_delay` (seconds, or a timedelta)
    replaces the policy's delay once. `exceptions` are the parts, where a group was raised elsewhere.

    Raises TypeError or ValueError for a `type`, `non_retryable` or `next_retry_delay` that cannot be.
    """

    details: Sequence[Any]
    type: str
    non_retryable: bool
    next_retry_delay: float | None
    exceptions: tuple[Exception, ...] = ()

    def __new__(cls, *args: Any, **options: Any) -> Self:
        # Here, so that a subclass whose own __init__ does not call ours is a whole ApplicationError, too.
        error = super().__new__(cls, *args, **options)
        error.details, error.type = (), cls.__name__
        error.non_retryable, error.next_retry_delay = False, None
        return error

    def __init__(
        self,
        message: str,
        *details: Any,
        type: str | None = None,  # noqa: A002 - the field's name for it
        non_retryable: bool = False,
        next_retry_delay: Duration | None = None,
    ) -> None:
        super().__init__(message)
        self.details = details
        if type is not None:
            name = given.text("The type of an ApplicationError", type, characters=TYPE_CHARACTERS_MAX)
            self.type = name or self.type
        self.non_retryable = given.flag("non_retryable", non_retryable)
        if next_retry_delay is not None:
            self.next_retry_delay = given.seconds("next_retry_delay", next_retry_delay)


class CompensationError(ApplicationError):
    """Some of what a saga was to undo could not be undone. `exceptions` are the errors, `__cause__` is what the
    saga was left by, if it was left by an error."""

    def __init__(self, message: str, exceptions: Sequence[Exception] = ()) -> None:
        super().__init__(message, type="CompensationError", non_retryable=True)
        self.exceptions = tuple(exceptions)


class DeadlineMissedError(ApplicationError):
    """The deadline `deadline` of a workflow was not met when it was over, which was to fail the run. `details`
    are its name and its time."""

    def __init__(self, deadline: str, due: datetime) -> None:
        text = f"deadline {deadline!r} was not met by {due.isoformat(timespec='seconds')}"
        super().__init__(text, deadline, due.isoformat(), type="DeadlineMissedError")
        self.deadline = deadline


class RetryState(StrEnum):
    """Why what has failed is not tried again. (IN_PROGRESS: it is; INTERNAL_SERVER_ERROR is never said.)"""

    IN_PROGRESS = "in_progress"
    NON_RETRYABLE_FAILURE = "non_retryable_failure"
    TIMEOUT = "timeout"
    MAXIMUM_ATTEMPTS_REACHED = "maximum_attempts_reached"
    RETRY_POLICY_NOT_SET = "retry_policy_not_set"
    INTERNAL_SERVER_ERROR = "internal_server_error"
    CANCEL_REQUESTED = "cancel_requested"


class ActivityError(FailureError):
    """An activity failed for good: retries are spent or do not apply. `__cause__` is the last failure, and
    `retry_state` says why there is no other attempt; None where that was not written down."""

    def __init__(
        self,
        message: str,
        *,
        activity_type: str,
        activity_id: str,
        attempt: int,
        retry_state: RetryState | None = None,
    ) -> None:
        super().__init__(message)
        self.retry_state = retry_state
        self.activity_type = activity_type
        self.activity_id = activity_id
        self.attempt = attempt


class ChildWorkflowError(FailureError):
    """A child workflow did not complete, or could not be started. `cause` (that is `__cause__`) is a
    FailureError that says why: an ApplicationError, or that it was cancelled, terminated, or timed out.
    `retry_state` says why it was not tried again."""

    def __init__(
        self,
        message: str,
        *,
        workflow_id: str,
        run_id: str,
        workflow_type: str,
        retry_state: RetryState | None = None,
    ) -> None:
        super().__init__(message)
        self.retry_state = retry_state
        self.workflow_id = workflow_id
        self.run_id = run_id
        self.workflow_type = workflow_type


class CanceledError(FailureError):
    """What was waited for was cancelled. User code that is itself cancelled sees asyncio.CancelledError."""


class TimeoutType(StrEnum):
    """Which clock ran out."""

    START_TO_CLOSE = "start_to_close"
    SCHEDULE_TO_START = "schedule_to_start"
    SCHEDULE_TO_CLOSE = "schedule_to_close"
    HEARTBEAT = "heartbeat"
    EXECUTION = "execution"


class TimedOutError(FailureError):
    """A timeout of an activity or of the whole workflow passed; `timeout_type` says which."""

    def __init__(self, message: str, *, timeout_type: TimeoutType, last_heartbeat: Any = None) -> None:
        super().__init__(message)
        self.timeout_type = given.choice("timeout_type", timeout_type, TimeoutType)
        self.last_heartbeat = last_heartbeat


class TerminatedError(FailureError):
    """The workflow was terminated from outside; its code had no say."""


class WorkerLostError(FailureError):
    """The worker died with the activity, more often than the broker hands a task out again; or the process did
    that it had to itself."""


class WorkflowFailedError(FailureError):
    """The workflow that was waited for did not complete; `__cause__` is a FailureError that says why, and
    `retry_state` why it was not tried again."""

    def __init__(
        self, message: str, *, workflow_id: str, run_id: str, retry_state: RetryState | None = None
    ) -> None:
        super().__init__(message)
        self.retry_state = retry_state
        self.workflow_id = workflow_id
        self.run_id = run_id

    @property
    def cause(self) -> BaseException | None:
        return self.__cause__


class WorkflowContinuedAsNewError(WorkflowFailedError):
    """The run has ended, and goes on as the run `new_execution_run_id`: told to who waits for this run alone
    (`result(follow_runs=False)`)."""

    def __init__(self, message: str, *, workflow_id: str, run_id: str, new_execution_run_id: str) -> None:
        super().__init__(message, workflow_id=workflow_id, run_id=run_id)
        self.new_execution_run_id = new_execution_run_id


class ActivityFailureError(DalsegnoError):
    """The standalone activity that was waited for did not complete; `cause` (that is `__cause__`) is a
    FailureError that says why."""

    def __init__(self, message: str, *, activity_id: str) -> None:
        super().__init__(message)
        self.activity_id = activity_id

    @property
    def cause(self) -> BaseException | None:
        return self.__cause__


class WorkflowUpdateFailedError(DalsegnoError):
    """An update was refused, its handler failed, or its run ended before it. `cause` (that is `__cause__`) is a
    FailureError that says why; it is None where the refusal is told a second time."""

    code = "update_rejected"

    @property
    def cause(self) -> BaseException | None:
        return self.__cause__
