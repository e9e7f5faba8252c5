"""A call of a local activity as user code writes it, looked at: as `_activity_call`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from dalsegno import given
from dalsegno._activity_call import activity_call
from dalsegno._runtime import ActivityCall, LocalCall
from dalsegno.data_converter import DataConverter
from dalsegno.policies import Duration

RETRY_THRESHOLD_SECONDS = 60
"""As the Temporal SDK has it."""

SUMMARY_CHARACTERS_MAX = 200

_ELSEWHERE = ("task_queue", "heartbeat_timeout", "on_exhausted", "priority")


def local_activity_call(
    converter: DataConverter,
    line: str,
    activity: Callable[..., Any] | str,
    arg: Any,
    *,
    local_retry_threshold: Duration | None = None,
    summary: str | None = None,
    **options: Any,
) -> ActivityCall:
    """Raises as `activity_call`."""
    for name in _ELSEWHERE:
        if name in options:
            raise TypeError(
                f"A local activity has no option {name!r}: it is run by the host itself. Use "
                "workflow.execute_activity for one that workers run."
            )
    threshold: Duration = RETRY_THRESHOLD_SECONDS if local_retry_threshold is None else local_retry_threshold
    local = LocalCall(
        given.microseconds("local_retry_threshold", threshold),
        "" if summary is None else given.text("summary", summary, characters=SUMMARY_CHARACTERS_MAX),
    )
    return replace(activity_call(converter, line, activity, arg, **options), local=local)
