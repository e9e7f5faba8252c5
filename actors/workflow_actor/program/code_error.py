"""What user code raised: a failure on purpose, or a bug, and how a bug is told to people."""

from __future__ import annotations

from dalsegno._call_site import raise_site
from dalsegno.actors.workflow_actor.program.port import WorkflowCodeError
from dalsegno.error_text import class_name, is_a, message_of, parts_of_group, whole_of
from dalsegno.errors import FailureError, PayloadCodecError

REASON_CHARACTERS_MAX = 2_000
STACK_CHARACTERS_MAX = 20_000
"""The end is kept: the innermost frames say most."""
HIDDEN = "its message is not shown here"
PARTS_MAX = 5
LEVELS_MAX = 3
"""Of groups, which are told in a reason."""
GROUPS_MAX = 50
"""Groups within each other; what is further in is taken for a bug."""


def is_failure(error: BaseException, also: tuple[type[BaseException], ...], depth: int = 0) -> bool:
    """Whether an exception fails the workflow: raised on purpose, not a bug.

    A group (of a TaskGroup) does when everything in it does.
    """
    if is_a(error, (FailureError, TimeoutError, *also)):
        return True
    parts = parts_of_group(error) if depth < GROUPS_MAX else ()
    return bool(parts) and all(is_failure(part, also, depth + 1) for part in parts)


def code_error(error: BaseException, what: str = "") -> WorkflowCodeError:
    """The bug as a reason for people: "ValueError: no such order (orders.py:42 in run)". Never raises; keeps
    nothing of the exception alive. `what` goes before, as a sentence of its own."""
    site = raise_site(error)
    before, behind = f"{what} " if what else "", f" ({site})" if site else ""
    reason = _told(error)[:REASON_CHARACTERS_MAX]
    return WorkflowCodeError(
        f"{before}{reason}{behind}",
        whole_of(error, STACK_CHARACTERS_MAX),
        "" if is_a(error, PayloadCodecError) else f"{before}{class_name(error)}: {HIDDEN}{behind}",
    )


def never_asked(what: str) -> WorkflowCodeError:
    """That arrived, and this code does not wait for it."""
    return WorkflowCodeError(
        f"{what} arrived, but the code has not asked for it: it is not the code that the history was made by."
    )


def place_of_bug(reason: str) -> tuple[str, str]:
    """Type and line of what `code_error` has told, without the text in between."""
    _, _, site = reason.rpartition("(")
    return reason.partition(":")[0], site if reason.endswith(")") else ""


def _told(error: BaseException, level: int = 0) -> str:
    """With what a group holds: its own text does not say it."""
    message = message_of(error, REASON_CHARACTERS_MAX)
    told = f"{class_name(error)}: {message}" if message else class_name(error)
    parts = parts_of_group(error) if level < LEVELS_MAX else ()
    inner = "; ".join(_told(part, level + 1) for part in parts[:PARTS_MAX])
    return f"{told}: {inner}" if inner else told
