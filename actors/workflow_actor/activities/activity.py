"""A pending activity as data, and what follows from it alone: how its task is to be acknowledged, and by which
token an attempt is known. What is due for it stands in `due`, what is decided about attempts in `attempts`."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from hashlib import blake2b
from typing import Protocol

from msgspec import Struct

from dalsegno.actors.workflow_actor.activities.intents import CancellationType
from dalsegno.actors.workflow_actor.interface.effects import EffectID
from dalsegno.actors.workflow_actor.interface.retries import RetrySchedule
from dalsegno.actors.workflow_actor.interface.run_info import RunInfo
from dalsegno.actors.workflow_actor.interface.times import FAR_FUTURE
from dalsegno.failure import Failure
from dalsegno.payload import Payload

LONG_ACTIVITY = 600_000_000
"""Beyond this a task is acknowledged before the work: a broker takes back what is held for 30 minutes."""

SIGN_OF_LIFE = 30_000_000
"""Heartbeat timeout of early tasks whose user declared none; the worker itself sends the heartbeats."""

GRACE = 5_000_000
"""The worker enforces start-to-close itself; the engine does when nothing was heard this much later."""

RESEND_AFTER_DEFAULT = 600_000_000
RESEND_AFTER_MIN = 30_000_000
"""A task is suspected to be lost when nobody started it for its start-to-close timeout. Never sooner than
this, so that a full task queue does not make work for the engine."""


NEVER_BEGAN = "NeverBegan"
"""Type of the failure of an activity that was cancelled before any worker had it."""

TASK_TOO_LARGE = "TaskTooLarge"
"""Of one whose task the broker does not carry."""


class ActivitySpec(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What user code asked for; it is the same for all attempts. `task_queue` is where its tasks wait, with the
    level in it, if it has one (`priority.at_level`)."""

    number: int
    activity_id: str
    activity_type: str
    task_queue: str
    args: tuple[Payload, ...]
    start_to_close: int | None
    schedule_to_close: int | None
    schedule_to_start: int | None
    heartbeat_timeout: int | None
    retry: RetrySchedule
    cancellation_type: CancellationType
    headers: dict[str, Payload] = {}

    @property
    def is_early(self) -> bool:
        """The worker asks for a grant and acknowledges the task before it works."""
        return (
            self.heartbeat_timeout is not None
            or self.retry.maximum_attempts == 1
            or self.start_to_close is None
            or self.start_to_close > LONG_ACTIVITY
        )

    @property
    def auto_heartbeat(self) -> bool:
        return self.heartbeat_timeout is None and self.is_early

    @property
    def silence_limit(self) -> int | None:
        """How long a started attempt may be silent; None when it need not send heartbeats."""
        if self.heartbeat_timeout is not None:
            return self.heartbeat_timeout
        return SIGN_OF_LIFE if self.is_early else None

    @property
    def outlives_run(self) -> bool:
        return self.cancellation_type == "abandon"

    @property
    def resend_after(self) -> int:
        limit = self.start_to_close
        return RESEND_AFTER_DEFAULT if limit is None else max(limit, RESEND_AFTER_MIN)


class Phase(IntEnum):
    """The phases of an activity that is not settled."""

    SCHEDULED = 0
    """Its task is on the way, in the task queue, or at a worker that has not said so."""
    STARTED = 1
    """A worker said that it works on this attempt."""
    BACKING_OFF = 2
    """The last attempt failed; the next begins at `retry_at`."""
    PAUSED = 3
    """All attempts have failed, and a person says what becomes of it: there is an incident."""


NO_ATTEMPT = (Phase.BACKING_OFF, Phase.PAUSED)
"""In these the current attempt is over. (Looked up once: each look at an enum's member costs a call.)"""


class Activity(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A pending activity and its current attempt.

    `sends` are outstanding effects that mean nothing once this attempt is over. `resend_at` is when a task
    that nobody started is suspected to be lost, `resend_after` the delay that led to it (it doubles).
    `content_type` is what its worker speaks ("": CBOR). `heartbeat_details` are those of the attempts before
    this one, which its task carries; `kept_details` are its own, which came at `beaten_at`, for the next.
    Of this attempt, too (see `worker_deaths`): `alone` is what its worker said last, `workers_before` are the
    processes that said it before that worker, the newest few, `died` those of them that seem to have died of
    it; `returns` is how often the broker gave its task up, `returned` names the last time. `outside`: its
    worker has said that it goes on elsewhere, and knows nothing more of it. `pauses`: when its attempts are
    exhausted, it waits for a person. `incident` is the number of the incident that is open then, or 0.
    """

    spec: ActivitySpec
    attempt: int
    token: bytes
    fence: int
    first_scheduled_at: int
    scheduled_at: int
    resend_at: int
    resend_after: int
    sends: tuple[EffectID, ...]
    phase: Phase = Phase.SCHEDULED
    started_at: int | None = None
    worker: str | None = None
    retry_at: int | None = None
    last_failure: Failure | None = None
    heartbeat_details: Payload | None = None
    cancel_requested: bool = False
    content_type: str = ""
    beaten_at: int | None = None
    kept_details: Payload | None = None
    alone: bool = False
    workers_before: tuple[str, ...] = ()
    died: tuple[str, ...] = ()
    returns: int = 0
    returned: str | None = None
    outside: bool = False
    pauses: bool = False
    incident: int = 0

    @property
    def silence_limit(self) -> int | None:
        """As its spec's; from outside there are no heartbeats but those that the user asked for."""
        return self.spec.heartbeat_timeout if self.outside else self.spec.silence_limit


class RunOfActivities(Protocol):
    """What is looked at of the run that has them. (It is `run.state.WorkflowState`.)"""

    @property
    def info(self) -> RunInfo: ...
    @property
    def outcome(self) -> object | None: ...
    @property
    def activities(self) -> Mapping[int, Activity]: ...


def first_attempt(spec: ActivitySpec, token: bytes, *, fence: int, now: int, task: EffectID) -> Activity:
    after = spec.resend_after
    return Activity(spec, 1, token, fence, now, now, min(now + after, FAR_FUTURE), after, (task,))


_OUTLIVES = b"outlives its run"


def task_token(entropy: bytes, number: int, attempt: int, *, outlives: bool = False) -> bytes:
    """The number says which activity it is for, the rest cannot be guessed. `outlives`: the activity is left
    alone also when its run has ended. The run forgets its activities then, so the token says it."""
    name = b"%d %d" % (number, attempt)
    token = number.to_bytes(8, "big") + blake2b(name, key=entropy, digest_size=16).digest()
    return token + _OUTLIVES if outlives else token


def outlives_run(token: bytes) -> bool:
    return token.endswith(_OUTLIVES)


def number_in(token: bytes) -> int:
    return int.from_bytes(token[:8], "big")
