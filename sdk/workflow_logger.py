"""`workflow.logger`: a logger that knows its workflow, and is silent where a line would repeat."""

from __future__ import annotations

from typing import Any

from dalsegno._log import Logger, get_logger
from dalsegno._runtime import runtime_or_none
from dalsegno.user_logger import UserLogger

_NAME = "dalsegno.workflow"


def _running() -> Logger | None:
    """Looked up at each call, so that a logger bound in a replay is heard after it."""
    runtime = runtime_or_none()
    if runtime is None:
        return get_logger(_NAME)
    if runtime.muted:
        return None
    return get_logger(_NAME).bind(**identity_of_run(runtime.info))


def identity_of_run(info: Any) -> dict[str, Any]:
    """Who says a line: of `workflow.info()`."""
    return {"workflow_id": info.workflow_id, "run_id": info.run_id, "workflow_type": info.workflow_type}


logger = UserLogger(_NAME, _running, {})
