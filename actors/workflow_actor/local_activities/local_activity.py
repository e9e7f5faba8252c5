"""A pending local activity as data.

No message holds it. While its host lives, that tells what has come of it; when nothing was heard until
`due_at`, it is begun again: by the same host, which goes on with what is under way, or by another, to which the
one before is dead. So it runs at least once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from msgspec import Struct

from dalsegno.actors.workflow_actor.activities.intents import CancellationType
from dalsegno.actors.workflow_actor.interface.retries import RetrySchedule
from dalsegno.actors.workflow_actor.interface.run_info import RunInfo
from dalsegno.failure import Failure
from dalsegno.payload import Payload

PATIENCE = 10_000_000
"""So much later it is begun again, if nothing has come of it; the time doubles."""

PATIENCE_MAX = 600_000_000


class LocalActivitySpec(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What user code asked for; it is the same for all attempts. A pause of up to `retry_threshold` before the
    next attempt is kept by the host that runs it, a longer one by the state."""

    number: int
    activity_id: str
    activity_type: str
    args: tuple[Payload, ...]
    start_to_close: int | None
    schedule_to_close: int | None
    schedule_to_start: int | None
    retry: RetrySchedule
    retry_threshold: int
    cancellation_type: CancellationType
    summary: str = ""
    headers: dict[str, Payload] = {}


class LocalActivity(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """`attempt` is the one that was last begun by the state; those that its host has tried since are not
    counted. While it is `backing_off`, the next is due at `due_at`."""

    spec: LocalActivitySpec
    token: bytes
    fence: int
    attempt: int
    scheduled_at: int
    due_at: int
    patience: int
    backing_off: bool = False
    last_failure: Failure | None = None
    cancel_requested: bool = False

    @property
    def deadline(self) -> int | None:
        """Its schedule-to-close timeout has passed then."""
        limit = self.spec.schedule_to_close
        return None if limit is None else self.scheduled_at + limit


class RunOfLocalActivities(Protocol):
    """What is looked at of the run that has them. (It is `run.state.WorkflowState`.)"""

    @property
    def info(self) -> RunInfo: ...
    @property
    def outcome(self) -> object | None: ...
    @property
    def local_activities(self) -> Mapping[int, LocalActivity]: ...
