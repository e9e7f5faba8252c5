"""What an exception that ended user code means for its run: it fails, is cancelled, goes on as another, or has
a bug."""

from __future__ import annotations

import asyncio

from dalsegno._call_site import raise_site
from dalsegno._continue_as_new import ContinueAsNewError
from dalsegno._runtime import ContinueCall
from dalsegno.actors.workflow_actor.interface.retries import retry_schedule
from dalsegno.actors.workflow_actor.program.code_error import GROUPS_MAX, is_failure
from dalsegno.actors.workflow_actor.run.intents import CancelRun, ContinueAsNew, FailRun
from dalsegno.data_converter import DataConverter
from dalsegno.error_text import cause_of, is_a, parts_of_group
from dalsegno.errors import ActivityError, CanceledError, ChildWorkflowError


def verdict(
    error: BaseException,
    failure_types: tuple[type[BaseException], ...],
    converter: DataConverter,
    *,
    cancel_delivered: bool,
) -> FailRun | CancelRun | ContinueAsNew | None:
    """None for a bug. `cancel_delivered`: the run was asked to stop, and its code has been told."""
    asked = continued_by(error)
    if asked is not None:
        return asked
    line = raise_site(error).partition(" in ")[0]
    cancelled = is_a(error, (asyncio.CancelledError, CanceledError))
    if cancelled or (cancel_delivered and _is_of_what_was_cancelled(error)):
        return CancelRun(failure=converter.to_failure(error), line=line)
    if is_failure(error, failure_types):
        return FailRun(failure=converter.to_failure(error), line=line)
    return None


def continued_by(error: BaseException, depth: int = 0) -> ContinueAsNew | None:
    """Another run, if the error, or one in its group (as of a TaskGroup), asks for that."""
    if isinstance(error, ContinueAsNewError):
        return _as_intent(error.call)
    parts = parts_of_group(error) if depth < GROUPS_MAX else ()
    return next((asked for part in parts if (asked := continued_by(part, depth + 1)) is not None), None)


def _as_intent(call: ContinueCall) -> ContinueAsNew:
    policy = call.retry_policy
    return ContinueAsNew(
        args=call.args,
        workflow_type=call.workflow_type,
        task_queue=call.task_queue,
        run_timeout=call.run_timeout,
        retry=None if policy is None else retry_schedule(policy),
        memo=call.memo,
        delay=call.delay,
        priority=call.level,
        headers=call.headers,
        line=call.line,
    )


def _is_of_what_was_cancelled(error: BaseException) -> bool:
    """An activity, or a child."""
    cause = cause_of(error) if is_a(error, (ActivityError, ChildWorkflowError)) else None
    return cause is not None and is_a(cause, CanceledError)
