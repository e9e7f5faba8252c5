"""What comes of an attempt, and what it says meanwhile, as far as it can be sent and stored."""

from __future__ import annotations

from typing import cast

from dalsegno.broker.protocol import codec
from dalsegno.broker.protocol.codec import MessageTooLargeError
from dalsegno.broker.protocol.limits import MAX_BODY_BYTES
from dalsegno.broker.protocol.messages import ActivityFailed, ActivityTask
from dalsegno.data_converter import DataConverter
from dalsegno.error_text import is_a
from dalsegno.errors import InvalidMessageError, PayloadError
from dalsegno.failure import Failure
from dalsegno.payload import Payload

DETAILS_BYTES_MAX = MAX_BODY_BYTES - 8 * 1024
"""The rest of a heartbeat's body is for the IDs beside them."""


def fitting_details(details: Payload) -> Payload:
    """Raises PayloadError for details of a heartbeat that fit into no message."""
    if len(details.data) > DETAILS_BYTES_MAX:
        raise PayloadError(
            f"The heartbeat details have {len(details.data)} bytes; the limit is {DETAILS_BYTES_MAX}. "
            "Store the progress elsewhere and send a reference to it."
        )
    return details


class ToldError(Exception):
    """What the code of an activity has raised in another process, as the failure that was made of it there."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


def failure_of(error: BaseException, converter: DataConverter) -> Failure:
    told = cast("ToldError", error) if is_a(error, ToldError) else None
    return converter.to_failure(error) if told is None else told.failure


def too_large(activity_type: str, result: Payload) -> Failure | None:
    """The failure in the place of a result that no message could carry."""
    size = len(result.data)
    if size <= MAX_BODY_BYTES:
        return None
    return Failure(
        message=f"The result of {activity_type} is too large: it has {size:,} bytes, and may have "
        f"{MAX_BODY_BYTES:,}. Give back less, such as where it is stored.",
        type=PayloadError.__name__,
        non_retryable=True,
    )


def carried(task: ActivityTask, failure: Failure) -> Failure:
    """Without its details, stacks and causes, where no message could carry these."""
    body = failed(task, failure)
    try:
        codec.check(body)
        codec.encode(body, message_id="")
    except (InvalidMessageError, MessageTooLargeError, TypeError):
        # Too large, or made by user code of what is no text: the outcome must be told all the same.
        return without_details(failure)
    return failure


def without_details(failure: Failure) -> Failure:
    return Failure(
        kind=failure.kind,
        message=f"{failure.message} (Details and causes are left out: no message can carry them.)",
        type=failure.type,
        non_retryable=failure.non_retryable,
        timeout_type=failure.timeout_type,
        next_retry_delay=failure.next_retry_delay,
    )


def failed(task: ActivityTask, failure: Failure) -> ActivityFailed:
    return ActivityFailed(
        workflow_id=task.workflow_id,
        run_id=task.run_id,
        activity_id=task.activity_id,
        attempt=task.attempt,
        token=task.token,
        failure=failure,
        next_retry_delay=failure.next_retry_delay,
    )
