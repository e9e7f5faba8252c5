"""What goes wrong between a client and the engine, beside what `dalsegno.errors` has.

TransientError
  NoAnswerError                 the request reached the broker, but no host answered in time
CommandRejectedError
  WorkflowAlreadyStartedError
    ScheduleAlreadyRunningError the ID is that of another schedule
  WorkflowNotFoundError
    ScheduleNotFoundError       no schedule has this ID, or it was deleted
  UnsendableError               what was given is none that a receiver would take; a ValueError
ConfigurationError
  NamespaceMissingError         the broker has none of dalsegno's exchanges and queues
"""

from __future__ import annotations

from dalsegno.broker.protocol.messages import ReplyError
from dalsegno.client.decoding import decoded
from dalsegno.data_converter import DataConverter
from dalsegno.errors import (
    ActivityNotFoundError,
    CommandRejectedError,
    ConfigurationError,
    DalsegnoError,
    QueryFailedError,
    TransientError,
    UnsupportedError,
    WorkflowAlreadyStartedError,
    WorkflowClosedError,
    WorkflowNotFoundError,
    WorkflowQueryRejectedError,
    WorkflowUpdateFailedError,
)
from dalsegno.failure import Failure
from dalsegno.policies import WorkflowStatus


class NoAnswerError(TransientError, TimeoutError):
    """Nobody answered in time. What was asked may still be done: repeat it with the same message ID."""


class UnsendableError(CommandRejectedError, ValueError):
    """A name, ID or text that no receiver would take; nothing was sent."""

    code = "invalid"


class ScheduleAlreadyRunningError(WorkflowAlreadyStartedError):
    """There is a schedule with this ID; it is as it was."""


class ScheduleNotFoundError(WorkflowNotFoundError):
    """No schedule has this ID, or it was deleted."""


class NamespaceMissingError(ConfigurationError):
    """The broker knows no dalsegno namespace under this URL."""

    def __init__(self) -> None:
        super().__init__(
            "The broker has no dalsegno queues and exchanges under this URL (or under this virtual host). "
            "Run `dalsegno init` with the same URL, or correct the URL."
        )


_BY_CODE: dict[str, type[CommandRejectedError]] = {
    error.code: error
    for error in (
        ActivityNotFoundError,
        QueryFailedError,
        UnsupportedError,
        WorkflowClosedError,
        WorkflowNotFoundError,
    )
}


def rejection(
    error: ReplyError, failure: Failure | None, status: WorkflowStatus | None, converter: DataConverter
) -> DalsegnoError:
    """The error of a reply as the one to raise; `code` is the reply's, and its failure is the cause."""
    if error.code == WorkflowQueryRejectedError.code:
        return WorkflowQueryRejectedError(error.message, status)
    if error.code == WorkflowUpdateFailedError.code:
        failed = WorkflowUpdateFailedError(_with_words(error.message, failure, converter))
        failed.__cause__ = None if failure is None else converter.from_failure(failure)
        return failed
    if error.code == WorkflowAlreadyStartedError.code:
        return WorkflowAlreadyStartedError(
            error.message, workflow_id=error.workflow_id or "", run_id=error.run_id or ""
        )
    rejected = _BY_CODE.get(error.code, CommandRejectedError)(error.message)
    rejected.code = error.code
    if failure is not None:
        rejected.__cause__ = converter.from_failure(failure)
    return rejected


def _with_words(message: str, failure: Failure | None, converter: DataConverter) -> str:
    """A message of a host's that ends with what a failure says, for who can read that."""
    said = "" if failure is None else failure.message
    if failure is None or not message.endswith(said):
        return message
    return message.removesuffix(said) + decoded(failure, converter).message
