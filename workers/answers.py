"""A worker's messages about one attempt. Their IDs are derived: whoever publishes again publishes the same."""

from __future__ import annotations

from dalsegno.activity_code import outcomes
from dalsegno.broker.port import Message
from dalsegno.broker.protocol import codec
from dalsegno.broker.protocol.codec import MessageTooLargeError
from dalsegno.broker.protocol.ids import derived_message_id
from dalsegno.broker.protocol.messages import (
    ActivityCanceled,
    ActivityCompleted,
    ActivityDetached,
    ActivityHeartbeat,
    ActivityStarted,
    ActivityTask,
    FromActivity,
)
from dalsegno.errors import InvalidMessageError, PayloadError
from dalsegno.failure import Failure
from dalsegno.payload import Payload


def completed(task: ActivityTask, result: Payload) -> Message:
    """The result; where it does not fit into a message, a failure that says so."""
    body = ActivityCompleted(
        workflow_id=task.workflow_id,
        run_id=task.run_id,
        activity_id=task.activity_id,
        attempt=task.attempt,
        token=task.token,
        result=result,
    )
    try:
        return _encode(body)
    except MessageTooLargeError as error:
        return failed(
            task,
            Failure(
                message=f"The result of {task.activity_type} does not fit into a message. {error}",
                type=PayloadError.__name__,
                non_retryable=True,
            ),
        )


def failed(task: ActivityTask, failure: Failure) -> Message:
    """The failure, without its details, stacks and causes where these do not fit into a message."""
    body = outcomes.failed(task, failure)
    try:
        codec.check(body)
        return _encode(body)
    except (InvalidMessageError, MessageTooLargeError, TypeError):
        # Too large, or made by user code of what is no text: the outcome must travel all the same.
        return _encode(outcomes.failed(task, outcomes.without_details(failure)))


def never_taken(task: ActivityTask, size: int) -> Message:
    """In the place of an outcome over which the broker closes the channel."""
    return failed(
        task,
        Failure(
            message=f"The broker does not take the outcome of {task.activity_type}, a message of {size} bytes: "
            "raise its max_message_size, or give back less, such as where the result is stored.",
            type=PayloadError.__name__,
            non_retryable=True,
        ),
    )


def canceled(task: ActivityTask) -> Message:
    return _encode(
        ActivityCanceled(
            workflow_id=task.workflow_id,
            run_id=task.run_id,
            activity_id=task.activity_id,
            attempt=task.attempt,
            token=task.token,
        )
    )


def detached(task: ActivityTask) -> Message:
    """Not an outcome, but with it the worker is done."""
    return _encode(
        ActivityDetached(
            workflow_id=task.workflow_id,
            run_id=task.run_id,
            activity_id=task.activity_id,
            attempt=task.attempt,
            token=task.token,
        )
    )


def started(task: ActivityTask, worker_queue: str, *, alone: bool = False) -> Message:
    return _encode(
        ActivityStarted(
            workflow_id=task.workflow_id,
            run_id=task.run_id,
            activity_id=task.activity_id,
            attempt=task.attempt,
            token=task.token,
            worker=worker_queue,
            alone=alone,
        ),
        worker_queue,
        *(["alone"] if alone else []),
    )


def heartbeat(task: ActivityTask, worker_queue: str, details: Payload | None, number: int) -> Message:
    """Raises MessageTooLargeError."""
    return _encode(
        ActivityHeartbeat(
            workflow_id=task.workflow_id,
            run_id=task.run_id,
            activity_id=task.activity_id,
            attempt=task.attempt,
            token=task.token,
            worker=worker_queue,
            details=details,
        ),
        worker_queue,
        str(number),
    )


def _encode(body: FromActivity, *distinct: str) -> Message:
    """`distinct` is what tells apart messages of one kind about one attempt."""
    about = body.run_id, body.activity_id, str(body.attempt), body.token.hex(), body.TYPE
    return codec.encode(body, message_id=derived_message_id(*about, *distinct))
