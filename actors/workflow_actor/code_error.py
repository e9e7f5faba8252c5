"""What user code raised: a failure on purpose, or a bug, and how a bug is told to people."""

from __future__ import annotations

import traceback

from dalsegno._call_site import raise_site
from dalsegno.actors.workflow_actor.program_port import WorkflowCodeError
from dalsegno.errors import FailureError

REASON_CHARACTERS_MAX = 2_000
STACK_CHARACTERS_MAX = 20_000
"""The end is kept: the innermost frames say most."""


def is_failure(error: BaseException, also: tuple[type[BaseException], ...]) -> bool:
    """Whether an exception fails the workflow: raised on purpose, not a bug.

    A group (of a TaskGroup) does when everything in it does.
    """
    if isinstance(error, BaseExceptionGroup) and not isinstance(error, also):
        return all(is_failure(part, also) for part in error.exceptions)
    return isinstance(error, (FailureError, TimeoutError, *also))


def code_error(error: BaseException, what: str = "") -> WorkflowCodeError:
    """The bug as a reason for people: "ValueError: no such order (orders.py:42 in run)". Never raises; keeps
    nothing of the exception alive. `what` goes before, as a sentence of its own."""
    message = _text_of(error)
    site = raise_site(error)
    reason = f"{type(error).__name__}: {message}" if message else type(error).__name__
    reason = reason[:REASON_CHARACTERS_MAX] + (f" ({site})" if site else "")
    return WorkflowCodeError(f"{what} {reason}" if what else reason, _stack_of(error))


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except BaseException as inner:  # noqa: BLE001 - a user's __str__ may raise anything; the reason must be told
        return f"<its own __str__ raised {type(inner).__name__}>"


def _stack_of(error: BaseException) -> str:
    try:
        return "".join(traceback.format_exception(error))[-STACK_CHARACTERS_MAX:]
    except BaseException as inner:  # noqa: BLE001 - formatting runs the users' __str__ as well
        return f"<the traceback could not be formatted: {type(inner).__name__}>"
