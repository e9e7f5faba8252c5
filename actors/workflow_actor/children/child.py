"""A child workflow in its parent's state: open until its parent knows how it has ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Protocol

from msgspec import Struct

from dalsegno.actors.workflow_actor.interface.effects import EffectID
from dalsegno.actors.workflow_actor.interface.retries import RetrySchedule
from dalsegno.actors.workflow_actor.interface.run_info import RunInfo
from dalsegno.failure import Failure
from dalsegno.payload import Payload
from dalsegno.policies import WorkflowIDReusePolicy
from dalsegno.search_attributes import AttributeValue

ClosePolicy = Literal["terminate", "abandon", "request_cancel"]
ChildCancellation = Literal[
    "wait_cancellation_completed", "try_cancel", "abandon", "wait_cancellation_requested"
]


class ChildWorkflowSpec(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What user code asked for. Its start holds it until it is known to have come. `task_queue` has the child's
    priority in it, as `priority.at_level` writes it."""

    workflow_id: str
    workflow_type: str
    task_queue: str
    args: tuple[Payload, ...] = ()
    memo: dict[str, Payload] = {}
    execution_timeout: int | None = None
    reuse_policy: WorkflowIDReusePolicy = WorkflowIDReusePolicy.ALLOW_DUPLICATE
    last_result: Payload | None = None
    run_timeout: int | None = None
    retry: RetrySchedule | None = None
    delay: int | None = None
    search_attributes: dict[str, AttributeValue] = {}
    last_failure: Failure | None = None
    headers: dict[str, Payload] = {}


class ChildWorkflow(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One that is open, as far as its parent knows. `started_at`: when it was asked for. `run_id` is there
    once it has begun; until then `start` is the effect that asks for it. `is_asked_to_stop`: it is to say
    that it has heard of the request to cancel it."""

    workflow_id: str
    workflow_type: str
    close_policy: ClosePolicy
    started_at: int
    run_id: str | None = None
    start: EffectID | None = None
    is_asked_to_stop: bool = False


class RunOfChildren(Protocol):
    """A run's state, as far as it is about them. (It is `run.state.WorkflowState`.)"""

    @property
    def info(self) -> RunInfo: ...
    @property
    def children(self) -> Mapping[int, ChildWorkflow]: ...
