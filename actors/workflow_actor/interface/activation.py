"""What one activation gives: all that the shell has to write, and then to send."""

from __future__ import annotations

from msgspec import Struct

from dalsegno.actors.workflow_actor.interface.effects import Effect, EffectID
from dalsegno.policies import WorkflowStatus


class RunStart(Struct, frozen=True, kw_only=True):
    """A new run, as it is to be seen in lists. `memo` is CBOR (see `codec.decode_memo`)."""

    run_id: str
    workflow_id: str
    workflow_type: str
    task_queue: str
    status: WorkflowStatus
    started_at: int
    reason: str | None
    memo: bytes | None


class RunChange(Struct, frozen=True, kw_only=True):
    """The run's visible status changed. `outcome` is CBOR (see `codec.decode_outcome`), once it has ended.
    `is_news`: not merely that a try at suspended code has failed as the one before, in other words."""

    run_id: str
    status: WorkflowStatus
    closed_at: int | None
    reason: str | None
    outcome: bytes | None
    is_news: bool = True


class SnapshotDue(Struct, frozen=True, kw_only=True):
    """To be written in the same commit; rows up to `trim_to` are history that is not kept any longer."""

    run_id: str
    sequence: int
    format: int
    checksum: bytes
    body: bytes
    trim_to: int


class Probe(Struct, frozen=True, kw_only=True):
    """Nobody has started this attempt for long. Look whether its task queue is empty; if it is, the task is
    lost, and the answer is `ResendTask`. If not, nothing is to be done: it is asked again later."""

    activity_id: str
    attempt: int
    task_queue: str


class Activation(Struct, frozen=True, kw_only=True):
    """`recorded` False: there is nothing to write. `effects` are in order, those that are outstanding now with
    their IDs, transient answers with None; they are valid whether recorded or not.

    `stale`: the cause was applied before, or is about something that is over: it comes again, and what is
    outstanding is to be sent again with it.
    """

    run_id: str | None
    sequence: int
    recorded: bool
    time: int
    events: bytes = b""
    effects: tuple[tuple[EffectID | None, Effect], ...] = ()
    started: RunStart | None = None
    changed: RunChange | None = None
    snapshot: SnapshotDue | None = None
    probes: tuple[Probe, ...] = ()
    stale: bool = False
