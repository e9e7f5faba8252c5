"""Failures through a message, and errors whose failures are as large as any."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

from dalsegno.broker.protocol import codec
from dalsegno.broker.protocol.limits import MAX_BODY_BYTES
from dalsegno.broker.protocol.messages import ActivityFailed
from dalsegno.errors import ActivityError, ApplicationError
from dalsegno.failure import Failure
from dalsegno.failure_capture import DETAILS_BYTES_MAX

ENVELOPE_BYTES_MAX = 16 * 1024
"""More than the names beside a failure take."""


def sent(failure: Failure) -> Failure:
    """Through a message, as strictly as receivers read it."""
    body = ActivityFailed(
        workflow_id="w", run_id="r", activity_id="1", attempt=1, token=bytes(16), failure=failure
    )
    codec.check(body)
    message = codec.encode(body, message_id=str(uuid4()))
    assert len(message.body) <= MAX_BODY_BYTES - ENVELOPE_BYTES_MAX
    received = codec.decode(message)
    assert isinstance(received, ActivityFailed)
    return received.failure


def _in_groups(inner: Exception, levels: int) -> Exception:
    group = inner
    for _ in range(levels):
        group = ExceptionGroup("😀" * 10_000, [group, inner, inner, inner, inner])
    return group


LARGE = ApplicationError("😀" * 20_000, "x" * (DETAILS_BYTES_MAX // 60), type="😀" * 255)
LARGEST: dict[str, Callable[[], Exception]] = {
    "much text and large details": lambda: ExceptionGroup("much", [LARGE] * 60),
    "groups within groups": lambda: _in_groups(LARGE, 20),
    "many small details": lambda: ExceptionGroup("many", [ApplicationError("x", *range(1_000))] * 60),
    "names of activities": lambda: ExceptionGroup(
        "several",
        [
            ActivityError("😀" * 9_000, activity_type="😀" * 255, activity_id="😀" * 255, attempt=2**53),
            ApplicationError("x", "x" * (DETAILS_BYTES_MAX - 100)),
            *([ActivityError("😀" * 300, activity_type="😀" * 255, activity_id="😀" * 255, attempt=1)] * 60),
        ],
    ),
}
