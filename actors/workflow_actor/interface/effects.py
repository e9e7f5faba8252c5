"""Effects: messages that leave after the commit, as data. The shell gives them message IDs and sends them.

An effect is *durable* when the state holds it outstanding until its confirm was seen (tasks, grants, activity
cancels, results of runs), and *transient* when its cause is a message that stays unacknowledged until the
effect is confirmed and would ask again (answers to commands and queries).
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from dalsegno.actors.workflow_actor.interface.commands import Caller
from dalsegno.failure import Failure
from dalsegno.payload import Payload
from dalsegno.policies import WorkflowStatus

EffectID = tuple[int, int]
"""(sequence of the activation, index within it); unique within a run."""


class TaskEffect(Struct, frozen=True, kw_only=True):
    """Publish one attempt to its task queue."""

    workflow_id: str
    run_id: str
    workflow_type: str
    activity_id: str
    activity_type: str
    task_queue: str
    attempt: int
    token: bytes
    fence: int
    acknowledge: Literal["late", "early"]
    args: tuple[Payload, ...]
    scheduled_at: int
    start_to_close: int | None
    heartbeat_timeout: int | None
    auto_heartbeat: bool
    heartbeat_details: Payload | None


class GrantEffect(Struct, frozen=True, kw_only=True):
    """Answer an early task's `started`, to the worker's own queue, in what it speaks ("": CBOR)."""

    worker: str
    run_id: str
    activity_id: str
    attempt: int
    granted: bool
    content_type: str = ""
    token: bytes = b""


class CancelTaskEffect(Struct, frozen=True, kw_only=True):
    """Ask the worker that has the attempt to stop it, in what it speaks ("": CBOR)."""

    worker: str
    run_id: str
    activity_id: str
    attempt: int
    reason: str
    content_type: str = ""
    token: bytes = b""


class ResultEffect(Struct, frozen=True, kw_only=True):
    """The run has ended: tell the caller who asked for the result when starting it."""

    caller: Caller
    workflow_id: str
    run_id: str
    status: WorkflowStatus
    result: Payload | None
    failure: Failure | None


class AnswerEffect(Struct, frozen=True, kw_only=True):
    """Transient: the answer to a command, query or describe. `error` is (code, message) when refused, `failure`
    what a query's handler raised."""

    caller: Caller
    kind: Literal["accepted", "answer"]
    workflow_id: str
    run_id: str | None
    status: WorkflowStatus | None
    reason: str | None = None
    result: Payload | None = None
    description: dict[str, Any] | None = None
    error: tuple[str, str] | None = None
    failure: Failure | None = None


DurableEffect = TaskEffect | GrantEffect | CancelTaskEffect | ResultEffect
Effect = DurableEffect | AnswerEffect
