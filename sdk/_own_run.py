"""What workflow code is told of itself, and what it says of itself: a part of `dalsegno.workflow`."""

from __future__ import annotations

from typing import Any

from dalsegno import given
from dalsegno._runtime import current_runtime

DETAILS_CHARACTERS_MAX = 10_000


def instance() -> Any:
    """The object of the workflow class that runs."""
    return current_runtime("instance").instance


def cancellation_reason() -> str | None:
    """Why the run was asked to stop, by `handle.cancel(reason)` or another workflow; it may be "". None as long
    as nobody has asked: so an asyncio.CancelledError that is caught is told from one of inner tasks."""
    return current_runtime("cancellation_reason").cancellation_reason


def is_failure_exception(err: BaseException) -> bool:
    """Whether the workflow fails by this exception, instead of being suspended as by a bug."""
    runtime = current_runtime("is_failure_exception")
    if not isinstance(err, BaseException):
        raise given.wrong_type("err", err, "an exception")
    return runtime.is_failure_exception(err)


def set_current_details(description: str) -> None:
    """Say in words what the run is about now, in at most 10,000 characters: `describe` shows it. Raises
    TypeError and ValueError."""
    runtime = current_runtime("set_current_details")
    runtime.set_details(given.text("description", description, characters=DETAILS_CHARACTERS_MAX))


def get_current_details() -> str:
    """What `set_current_details` has said last; "" before."""
    return current_runtime("get_current_details").details
