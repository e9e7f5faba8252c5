"""What a run is, once and for all."""

from __future__ import annotations

from msgspec import Struct

from dalsegno.payload import Payload


class RunInfo(Struct, frozen=True, kw_only=True, array_like=True, forbid_unknown_fields=True):
    """What `workflow.info()` shows and what never changes within a run."""

    workflow_id: str
    run_id: str
    workflow_type: str
    task_queue: str
    started_at: int
    execution_timeout: int | None = None
    memo: dict[str, Payload] = {}
