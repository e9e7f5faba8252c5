"""Errors of user code as failures. Never raises: whatever an error's own methods do, there is an outcome.

A failure has bounds, so that it fits into a message, and so does what tells of it: FAILURES_MAX of errors,
causes and parts together, CAUSES_MAX of them within each other, TEXT_BYTES_MAX of text, DETAILS_BYTES_MAX of
details. `as_received` holds what others make to the same.
"""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from dalsegno.error_text import (
    cause_of,
    class_name,
    field_of,
    is_a,
    message_of,
    parts_of_group,
    stack_of,
    storable,
)
from dalsegno.errors import (
    ActivityError,
    ApplicationError,
    CanceledError,
    ChildWorkflowError,
    RetryState,
    TerminatedError,
    TimedOutError,
    TimeoutType,
    WorkerLostError,
)
from dalsegno.failure import NAME_CHARACTERS_MAX, REMOTE_DETAILS, REMOTE_STACK, Failure, FailureKind
from dalsegno.given import MICROSECONDS_MAX
from dalsegno.payload import DefaultPayloadConverter, Payload, PayloadConverter
from dalsegno.policies import to_microseconds

CAUSES_MAX = 10
"""Failures within each other; what is further in is left out."""
FAILURES_MAX = 50
TEXT_BYTES_MAX = 200_000
DETAILS_BYTES_MAX = 600_000
STACK_CHARACTERS_MAX = 10_000
MESSAGE_CHARACTERS_MAX = 10_000
PART_CHARACTERS_MAX = 200
"""Of each part's message, in the message of its group."""
DETAILS_MAX = 1_000
DETAIL_BYTES = 40
"""What a detail counts for beside its own bytes: messages are bounded in their items, too."""
FAILURE_BYTES_MAX = 1_000_000
"""Of a whole failure. All that the bounds above let through has less, and a message has room for it."""

Errors = tuple[BaseException, ...]

_PLAIN_KINDS: tuple[tuple[tuple[type[BaseException], ...], FailureKind], ...] = (
    ((CanceledError, asyncio.CancelledError), "canceled"),
    ((TerminatedError,), "terminated"),
    ((WorkerLostError,), "worker_lost"),
)


def to_failure(error: BaseException, converter: PayloadConverter) -> Failure:
    """The error, what caused it, and the parts of a group, as data."""
    return _Capture(converter).of(error, ())


def as_received(failure: Any) -> Failure | None:
    """The failure as whoever receives it will read it; None for what could not be sent, or not be read: what a
    user's own converter made may be of any kind, size and depth. It may be one around one that was made here.
    """
    if not isinstance(failure, Failure):
        return None
    try:
        body = msgspec.msgpack.encode(failure)
        received = msgspec.msgpack.decode(body, type=Failure)
    except (msgspec.MsgspecError, TypeError, ValueError, OverflowError, RecursionError):
        return None
    level, levels, count, details = [received], 0, 0, 0
    while level:
        levels, count = levels + 1, count + len(level)
        details += sum(len(inner.details) for inner in level)
        if any(abs(inner.attempt) > MICROSECONDS_MAX for inner in level):
            return None
        causes = [inner.cause for inner in level if inner.cause is not None]
        level = causes + [part for inner in level for part in inner.parts]
    few = levels <= CAUSES_MAX + 1 and count <= FAILURES_MAX + 1
    small = len(body) <= FAILURE_BYTES_MAX and details <= DETAILS_BYTES_MAX // DETAIL_BYTES
    return received if few and small else None


class _Capture:
    """One failure in the making, and what room is left in it."""

    __slots__ = ("_converter", "_details_left", "_failures", "_text_left")

    def __init__(self, converter: PayloadConverter) -> None:
        self._converter = converter
        self._failures = FAILURES_MAX
        self._text_left = TEXT_BYTES_MAX
        self._details_left = DETAILS_BYTES_MAX

    def of(self, error: BaseException, around: Errors) -> Failure:
        """`around` are the errors that this one is a cause or part of: one that comes again is left out."""
        self._failures -= 1
        message = self._room(message_of(error, MESSAGE_CHARACTERS_MAX))
        stack = self._room(_stack_of(error))
        within = (*around, error)
        exceptions = _parts_of(error)
        cause = self._cause(error, within, exceptions)
        told = (self._inner(part, within) for part in exceptions)
        parts = tuple(part for part in told if part is not None)
        if exceptions and is_a(error, BaseExceptionGroup):
            message = _with_parts(message, parts, len(exceptions))
        return self._described(error, message, stack, cause, parts)

    def _cause(self, error: BaseException, within: Errors, parts: Errors) -> Failure | None:
        cause = cause_of(error)
        if cause is None or any(cause is part for part in parts):  # of a group that was restored: told once
            return None
        return self._inner(cause, within)

    def _inner(self, error: BaseException, within: Errors) -> Failure | None:
        """None where it would be too much, or begin again."""
        if self._failures <= 0 or len(within) >= CAUSES_MAX or any(error is outer for outer in within):
            return None
        return self.of(error, within)

    def _room(self, text: str) -> str:
        kept = text.encode()[: self._text_left]
        self._text_left -= len(kept)
        return kept.decode(errors="ignore")

    def _described(
        self,
        error: BaseException,
        message: str,
        stack: str,
        cause: Failure | None,
        parts: tuple[Failure, ...],
    ) -> Failure:
        if is_a(error, ApplicationError):
            details, without = self._details(field_of(error, "details", ()))
            return Failure(
                message=message + without,
                type=_text(field_of(error, "type", "")) or class_name(error),
                non_retryable=field_of(error, "non_retryable", False) is True,
                details=details,
                next_retry_delay=_delay(field_of(error, "next_retry_delay", None)),
                stack=stack,
                cause=cause,
                parts=parts,
            )
        if is_a(error, ActivityError) and not is_a(error, asyncio.CancelledError):
            attempt = field_of(error, "attempt", 0)
            return Failure(
                kind="activity",
                message=message,
                details=self._remote(error),
                activity_type=_text(field_of(error, "activity_type", "")),
                activity_id=_text(field_of(error, "activity_id", "")),
                attempt=attempt if type(attempt) is int and 0 <= attempt <= MICROSECONDS_MAX else 0,
                retry_state=_retry_state(field_of(error, "retry_state", None)),
                stack=stack,
                cause=cause,
            )
        if is_a(error, ChildWorkflowError) and not is_a(error, asyncio.CancelledError):
            return Failure(
                kind="child_workflow",
                message=message,
                details=self._remote(error),
                workflow_type=_text(field_of(error, "workflow_type", "")),
                workflow_id=_text(field_of(error, "workflow_id", "")),
                run_id=_text(field_of(error, "run_id", "")),
                retry_state=_retry_state(field_of(error, "retry_state", None)),
                stack=stack,
                cause=cause,
            )
        if is_a(error, TimedOutError):
            heartbeat = field_of(error, "last_heartbeat", None)
            details, without = self._details(() if heartbeat is None else (heartbeat,))
            return Failure(
                kind="timed_out",
                message=message + without,
                timeout_type=_timeout_type(field_of(error, "timeout_type", "")),
                details=details,
                stack=stack,
                cause=cause,
            )
        for classes, kind in _PLAIN_KINDS:
            if is_a(error, classes):
                return Failure(
                    kind=kind, message=message, details=self._remote(error), stack=stack, cause=cause
                )
        # To try again is of no use where it is of no use to a part.
        final = any(part.non_retryable for part in parts)
        name = class_name(error)
        return Failure(message=message, type=name, non_retryable=final, stack=stack, cause=cause, parts=parts)

    def _remote(self, error: BaseException) -> tuple[Payload, ...]:
        details = field_of(error, REMOTE_DETAILS, ())
        return self._details(details)[0] if details else ()

    def _details(self, values: Any) -> tuple[tuple[Payload, ...], str]:
        """All details, or none and a sentence that says so."""
        many = isinstance(values, list | tuple)
        details = tuple(map(self._detail, values[:DETAILS_MAX] if many else (values,)))
        size = sum(len(payload.data) + len(payload.encoding) for payload in details)
        room = size + DETAIL_BYTES * len(details)
        if room > self._details_left:
            return (), f" (Its details are left out: they have {size:,} bytes.)"
        self._details_left -= room
        return details, ""

    def _detail(self, value: Any) -> Payload:
        """A detail that cannot travel must not hide the failure that does."""
        try:
            payload = self._converter.to_payload(value)
            if type(payload) is Payload and type(payload.encoding) is str and type(payload.data) is bytes:
                return payload
            why = "its converter made no payload of it"
        except BaseException as error:  # noqa: BLE001 - converters run methods of the value
            why = message_of(error, PART_CHARACTERS_MAX)
        return DefaultPayloadConverter().to_payload(f"<{why}>")


def _parts_of(error: BaseException) -> Errors:
    """What a group holds; also of a group that was restored, and is raised again."""
    if not is_a(error, ApplicationError):
        return parts_of_group(error)
    parts = field_of(error, "exceptions", ())
    return parts if type(parts) is tuple and all(isinstance(part, Exception) for part in parts) else ()


def _with_parts(message: str, parts: tuple[Failure, ...], count: int) -> str:
    """The message of a group names its parts: whoever shows the message alone tells the whole."""
    told = [f"{part.type or part.kind}: {part.message[:PART_CHARACTERS_MAX]}" for part in parts]
    left_out = count - len(parts)
    if left_out:
        told.append(f"and {left_out} more, left out here")
    return f"{message}: {'; '.join(told)}"[:MESSAGE_CHARACTERS_MAX]


def _stack_of(error: BaseException) -> str:
    """Frames only: the message is a field of its own, and causes have their own stacks."""
    remote = field_of(error, REMOTE_STACK, None)
    return storable(remote) if isinstance(remote, str) else stack_of(error, STACK_CHARACTERS_MAX)


def _text(value: Any) -> str:
    return storable(value, NAME_CHARACTERS_MAX) if isinstance(value, str) else ""


def _retry_state(value: Any) -> str:
    return value.value if type(value) is RetryState else ""


def _timeout_type(value: Any) -> str:
    try:
        return TimeoutType(value).value
    except BaseException:  # noqa: BLE001 - of no kind that there is
        return ""


def _delay(value: Any) -> int | None:
    """Microseconds, fit for a message; a subclass may have written anything."""
    try:
        return None if value is None else to_microseconds(value)
    except BaseException:  # noqa: BLE001 - what is no duration is none
        return None
