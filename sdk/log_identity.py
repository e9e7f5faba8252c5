"""Who says a log line: for loggers of your own, structlog's and the standard library's.

`workflow.logger` and `activity.logger` know it by themselves. Other loggers, your own and those of libraries,
are told by one of these, once for the process:

    structlog.configure(processors=[add_identity, ...])

    handler.addFilter(IdentityFilter())
    handler.setFormatter(logging.Formatter("%(workflow_id)s %(activity_id)s %(message)s"))

Lines that workflow code has said before are dropped when it runs again.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, MutableMapping
from typing import Any

import structlog

from dalsegno._runtime import runtime_or_none
from dalsegno.activity import current_context, identity_of
from dalsegno.workflow_logger import identity_of_run

KEYS = ("workflow_id", "run_id", "workflow_type", "activity_id", "activity_type", "attempt")


def log_identity() -> Mapping[str, Any] | None:
    """Of the workflow or activity whose code runs here, by the names in KEYS; empty outside of any. None: it is
    workflow code that runs again, of which no line is to be heard. Never raises."""
    try:
        runtime = runtime_or_none()
        if runtime is not None:
            return None if runtime.muted else identity_of_run(runtime.info)
        context = current_context.get(None)
        return {} if context is None else identity_of(context.info)
    except Exception:  # noqa: BLE001 - a line is not worth a workflow, or an attempt
        return {}


def add_identity(
    logger: object, method_name: str, event_dict: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """A processor for structlog. What a line says itself under these names stays."""
    known = log_identity()
    if known is None:
        raise structlog.DropEvent
    for name, value in known.items():
        event_dict.setdefault(name, value)
    return event_dict


class IdentityFilter(logging.Filter):
    """For handlers (or loggers) of the standard library: each record has the attributes in KEYS then, "" where
    there is nothing to say."""

    def filter(self, record: logging.LogRecord) -> bool:
        known = log_identity()
        if known is None:
            return False
        for name in KEYS:
            if not hasattr(record, name):
                setattr(record, name, known.get(name, ""))
        return True
