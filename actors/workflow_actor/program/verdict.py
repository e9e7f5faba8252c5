"""What an exception that ended user code means for its run: it fails, it is cancelled, or it has a bug."""

from __future__ import annotations

import asyncio

from dalsegno._call_site import raise_site
from dalsegno.actors.workflow_actor.program.code_error import is_failure
from dalsegno.actors.workflow_actor.run.intents import CancelRun, FailRun
from dalsegno.data_converter import DataConverter
from dalsegno.error_text import cause_of, is_a
from dalsegno.errors import ActivityError, CanceledError


def verdict(
    error: BaseException,
    failure_types: tuple[type[BaseException], ...],
    converter: DataConverter,
    *,
    cancel_delivered: bool,
) -> FailRun | CancelRun | None:
    """None for a bug. `cancel_delivered`: the run was asked to stop, and its code has been told."""
    line = raise_site(error).partition(" in ")[0]
    cancelled = is_a(error, (asyncio.CancelledError, CanceledError))
    if cancelled or (cancel_delivered and _is_cancelled_activity(error)):
        return CancelRun(failure=converter.to_failure(error), line=line)
    if is_failure(error, failure_types):
        return FailRun(failure=converter.to_failure(error), line=line)
    return None


def _is_cancelled_activity(error: BaseException) -> bool:
    cause = cause_of(error) if is_a(error, ActivityError) else None
    return cause is not None and is_a(cause, CanceledError)
