"""What a host of `dalsegno dev` says in sentences, whatever the log's level: that the code of a workflow is at
fault, that it goes on, and that a person is waited for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import structlog

from dalsegno.cli.output import plain

Processor = structlog.typing.Processor

SUSPENDED = "workflow_suspended"
GOES_ON = "workflow_goes_on"
INCIDENT = "incident_opened"


def unless_news(level: int) -> Processor:
    """Let only news pass below a level."""

    def processor(logger: Any, method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        if structlog.processors.NAME_TO_LEVEL.get(method, level) < level and not _is_news(event):
            raise structlog.DropEvent
        return event

    return processor


def rendered(render: Callable[..., Any]) -> Processor:
    """News as sentences, all else by `render`."""

    def processor(logger: Any, method: str, event: structlog.typing.EventDict) -> Any:
        return sentences(event) if _is_news(event) else render(logger, method, event)

    return processor


def _is_news(event: structlog.typing.EventDict) -> bool:
    return event.get("event") in (SUSPENDED, GOES_ON, INCIDENT)


def sentences(event: structlog.typing.EventDict) -> str:
    """Two lines for a workflow that is suspended, or waits for a person, one for one that goes on."""
    workflow = f"Workflow {plain(repr(event.get('workflow_id')))} ({plain(event.get('workflow_type'))})"
    if event["event"] == GOES_ON:
        return f"{workflow} goes on."
    reason = plain(str(event.get("reason")).rstrip("."))
    if event["event"] == INCIDENT:
        named = f"{plain(str(event.get('workflow_id')))} {event.get('incident')}"
        what = f"    It goes on by `dalsegno incidents retry {named}`, or `complete` or `fail`."
        return f"{workflow} waits for a person: {reason}.\n{what}"
    return f"{workflow} is suspended: {reason}.\n    {_what_next(event.get('next_try_at'))}"


def _what_next(next_try_at: object) -> str:
    kept = "what it is sent meanwhile is kept"
    if not isinstance(next_try_at, str):
        return f"It goes on when it is resumed, or when a host has the code that it needs; {kept}."
    clock = datetime.fromisoformat(next_try_at).strftime("%H:%M:%S UTC")
    return f"It is tried again at {clock}, and whenever a host starts with other code; {kept}."
