"""A failure as data: how errors of user code travel in messages and rest in the journal.

`to_failure` and `from_failure` are inverse up to what text can keep: an exception of a user's own class comes
back as an ApplicationError whose `type` is the class's name. Chains of causes are kept, up to CAUSES_MAX.
"""

from __future__ import annotations

import asyncio
import traceback
from typing import Any, Literal

from msgspec import Struct

from dalsegno.errors import (
    ActivityError,
    ApplicationError,
    CanceledError,
    FailureError,
    PayloadError,
    TerminatedError,
    TimedOutError,
    TimeoutType,
    WorkerLostError,
)
from dalsegno.payload import DEFAULT_CONVERTER, Payload, PayloadConverter

CAUSES_MAX = 10
"""Failures in one chain; what caused the last of them is left out."""
STACK_CHARACTERS_MAX = 10_000
"""The end of a stack is kept: the innermost frames say most."""
MESSAGE_CHARACTERS_MAX = 10_000
NAME_CHARACTERS_MAX = 255

FailureKind = Literal["application", "activity", "canceled", "timed_out", "terminated", "worker_lost"]


class Failure(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`type` is what retry policies match; `stack` is for people; which fields matter depends on `kind`.

    `details` are those of an ApplicationError, or the last heartbeat of a TimedOutError.
    """

    kind: FailureKind = "application"
    message: str = ""
    type: str = ""
    non_retryable: bool = False
    details: tuple[Payload, ...] = ()
    stack: str = ""
    cause: Failure | None = None
    timeout_type: str = ""
    activity_type: str = ""
    activity_id: str = ""
    attempt: int = 0


def to_failure(error: BaseException, converter: PayloadConverter = DEFAULT_CONVERTER) -> Failure:
    """The error and what caused it, as data. Never raises, whatever the error's own methods do."""
    chain: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and len(chain) < CAUSES_MAX:
        chain.append(current)
        current = _cause_of(current)
    failure: Failure | None = None
    for link in reversed(chain):
        failure = _without_cause(link, converter, failure)
    assert failure is not None
    return failure


def _cause_of(error: BaseException) -> BaseException | None:
    if error.__cause__ is None and isinstance(error, BaseExceptionGroup):
        return error.exceptions[0]
    return error.__cause__


def _without_cause(error: BaseException, converter: PayloadConverter, cause: Failure | None) -> Failure:
    message, stack = _message_of(error), _stack_of(error)
    match error:
        case ApplicationError():
            return Failure(
                message=message,
                type=_storable(str(error.type))[:NAME_CHARACTERS_MAX],
                non_retryable=error.non_retryable,
                details=tuple(_detail(value, converter) for value in error.details),
                stack=stack,
                cause=cause,
            )
        case ActivityError():
            return Failure(
                kind="activity",
                message=message,
                activity_type=error.activity_type,
                activity_id=error.activity_id,
                attempt=error.attempt,
                stack=stack,
                cause=cause,
            )
        case TimedOutError():
            heartbeat = () if error.last_heartbeat is None else (_detail(error.last_heartbeat, converter),)
            return Failure(
                kind="timed_out",
                message=message,
                timeout_type=error.timeout_type.value,
                details=heartbeat,
                stack=stack,
                cause=cause,
            )
        case CanceledError() | asyncio.CancelledError():
            return Failure(kind="canceled", message=message, stack=stack, cause=cause)
        case TerminatedError():
            return Failure(kind="terminated", message=message, stack=stack, cause=cause)
        case WorkerLostError():
            return Failure(kind="worker_lost", message=message, stack=stack, cause=cause)
        case _:
            return Failure(message=message, type=type(error).__name__, stack=stack, cause=cause)


def _message_of(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception as inner:  # noqa: BLE001 - a user's __str__ may raise anything; the failure must travel
        text = f"<the error's own __str__ raised {type(inner).__name__}>"
    return _storable(text)[:MESSAGE_CHARACTERS_MAX]


def _stack_of(error: BaseException) -> str:
    """Frames only: the message is a field of its own, and causes have their own stacks."""
    remote = error.__dict__.get(_REMOTE_STACK)
    if isinstance(remote, str):
        return remote
    return _storable("".join(traceback.format_tb(error.__traceback__)))[-STACK_CHARACTERS_MAX:]


def _storable(text: str) -> str:
    """Lone surrogates (from file names of other encodings) and NUL survive neither UTF-8 nor databases."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


def _detail(value: Any, converter: PayloadConverter) -> Payload:
    try:
        return converter.to_payload(value)
    except PayloadError as error:  # a detail that cannot travel must not hide the failure that does
        return DEFAULT_CONVERTER.to_payload(f"<{error}>")


_REMOTE_STACK = "__dalsegno_stack__"
"""Keeps the stack of where an error was first raised, through any number of processes."""


def from_failure(failure: Failure, converter: PayloadConverter = DEFAULT_CONVERTER) -> FailureError:
    """The error that says what the failure says, with its causes as `__cause__`, and the stack as a note.

    Details whose encoding the converter does not know stay Payloads.
    """
    error = _rebuild(failure, converter)
    if failure.stack:
        setattr(error, _REMOTE_STACK, failure.stack)
        error.add_note(f"Raised elsewhere:\n{failure.stack.rstrip()}")
    if failure.cause is not None:
        error.__cause__ = from_failure(failure.cause, converter)
    return error


def _rebuild(failure: Failure, converter: PayloadConverter) -> FailureError:
    match failure.kind:
        case "application":
            details = [_restored(payload, converter) for payload in failure.details]
            return ApplicationError(
                failure.message, *details, type=failure.type or None, non_retryable=failure.non_retryable
            )
        case "activity":
            return ActivityError(
                failure.message,
                activity_type=failure.activity_type,
                activity_id=failure.activity_id,
                attempt=failure.attempt,
            )
        case "timed_out":
            heartbeat = _restored(failure.details[0], converter) if failure.details else None
            return TimedOutError(
                failure.message, timeout_type=_timeout_type(failure.timeout_type), last_heartbeat=heartbeat
            )
        case "canceled":
            return CanceledError(failure.message)
        case "terminated":
            return TerminatedError(failure.message)
        case "worker_lost":
            return WorkerLostError(failure.message)


def _restored(payload: Payload, converter: PayloadConverter) -> Any:
    try:
        return converter.from_payload(payload)
    except PayloadError:
        return payload


def _timeout_type(name: str) -> TimeoutType:
    try:
        return TimeoutType(name)
    except ValueError:  # a worker in another language reported it; the usual one is the better guess
        return TimeoutType.START_TO_CLOSE
