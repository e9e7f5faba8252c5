"""`workflow.logger`: a structlog logger that knows its workflow, and is silent where a line would repeat."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import structlog

from dalsegno._log import get_logger
from dalsegno._runtime import runtime_or_none

_SILENT = structlog.wrap_logger(structlog.ReturnLogger(), processors=[lambda *_: ""])
"""Takes every call and does nothing."""


class WorkflowLogger:
    """Looks up the running workflow at each call, so that a logger bound in a replay is heard after it."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    def bind(self, **values: Any) -> WorkflowLogger:
        return WorkflowLogger({**self._values, **values})

    def unbind(self, *keys: str) -> WorkflowLogger:
        return WorkflowLogger({key: value for key, value in self._values.items() if key not in keys})

    def __getattr__(self, name: str) -> Any:
        runtime = runtime_or_none()
        if runtime is None:
            return getattr(get_logger("dalsegno.workflow").bind(**self._values), name)
        if runtime.muted:
            return getattr(_SILENT, name)
        info = runtime.info
        bound = get_logger("dalsegno.workflow").bind(
            workflow_id=info.workflow_id, run_id=info.run_id, workflow_type=info.workflow_type, **self._values
        )
        return getattr(bound, name)


logger = cast(structlog.typing.FilteringBoundLogger, WorkflowLogger({}))
