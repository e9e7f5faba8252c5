"""Effects: messages that leave after the commit, as data. The shell gives them message IDs and sends them.

An effect is *durable* when the state holds it outstanding until its confirm was seen (tasks, grants, activity
cancels, results of runs), and *transient* when its cause is a message that stays unacknowledged until the
effect is confirmed and would ask again (answers to commands and queries).
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from msgspec import Struct

from dalsegno.actors.workflow_actor.interface.commands import Asked, Caller
from dalsegno.actors.workflow_actor.interface.workflow_of import WorkflowOf
from dalsegno.failure import Failure
from dalsegno.payload import Payload
from dalsegno.policies import WorkflowStatus

EffectID = tuple[int, int]
"""(sequence of the activation, index within it); unique within a run."""


class Effect(Struct, frozen=True):
    """Base. Here are those of the run itself; each room of a primitive has its own."""


class DurableEffect(Effect, frozen=True, kw_only=True):
    """Base. `to_workflow`: another workflow gets it, and may have something to say to that."""

    to_workflow: ClassVar[bool] = False
    run_id: str


class ResultEffect(DurableEffect, frozen=True, kw_only=True):
    """The run has ended: tell the caller who asked for the result when starting it. `next_run_id`: it goes on
    as that one."""

    caller: Caller
    workflow_id: str
    status: WorkflowStatus
    result: Payload | None
    failure: Failure | None
    next_run_id: str | None = None


class RunEndedEffect(DurableEffect, frozen=True, kw_only=True):
    """The run has ended: tell another workflow, which waits for that."""

    to_workflow: ClassVar[bool] = True
    recipient: WorkflowOf
    workflow_id: str
    status: WorkflowStatus
    result: Payload | None
    failure: Failure | None


class ToAskerEffect(Effect, frozen=True, kw_only=True):
    """Transient: the answer to another workflow, whether that was done which it has asked for. `error` as in
    AnswerEffect; `run_id` is the run that was asked, or that stands in the way, if there is one."""

    recipient: WorkflowOf
    asked: Asked
    workflow_id: str
    run_id: str | None
    error: tuple[str, str] | None = None


class AnswerEffect(Effect, frozen=True, kw_only=True):
    """Transient: the answer to a command, query or describe. `error` is (code, message) when refused, `failure`
    what a query's handler raised, or why an update was refused or has failed; `update` is its ID, and how far
    it has come."""

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
    update: tuple[str, str] | None = None
    incident: int | None = None
    """One that is open, for who waits for the result: `reason` says what has happened."""
