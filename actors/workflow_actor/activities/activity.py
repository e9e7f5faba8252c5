"""A pending activity as data, and what follows from it alone: how its task is to be acknowledged, and what is
due for it when. What is decided about its attempts stands in `attempts`."""

from __future__ import annotations

from enum import IntEnum
from hashlib import blake2b

from msgspec import Struct

from dalsegno.actors.workflow_actor.activities.intents import CancellationType, RetrySchedule
from dalsegno.actors.workflow_actor.interface.effects import EffectID
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


class ActivitySpec(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What user code asked for; it is the same for all attempts."""

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


class Activity(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A pending activity and its current attempt.

    `sends` are outstanding effects that mean nothing once this attempt is over. `resend_at` is when a task
    that nobody started is suspected to be lost, `resend_after` the delay that led to it (it doubles).
    `content_type` is what its worker speaks ("": CBOR). `heartbeat_details` are those of the attempts before
    this one, which its task carries; `kept_details` are its own, which came at `beaten_at`, for the next.
    Of this attempt, too (see `worker_deaths`): `alone` is what its worker said last, `workers_before` are the
    processes that said it before that worker, the newest few, `died` those of them that seem to have died of
    it; `returns` is how often the broker gave its task up, `returned` names the last time.
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


class Obligation(IntEnum):
    """What the engine owes an activity at some time; of two at the same time the first here comes first."""

    SCHEDULE_TO_CLOSE = 0
    SCHEDULE_TO_START = 1
    START_TO_CLOSE = 2
    HEARTBEAT = 3
    RETRY = 4
    RESEND = 5


def next_obligation(activity: Activity, *, alive_at: int) -> tuple[int, Obligation]:
    """The earliest. `alive_at` is when the last heartbeat came, if any; it counts for a started attempt."""
    spec = activity.spec
    match activity.phase:
        case Phase.SCHEDULED:
            first = (activity.resend_at, Obligation.RESEND)
            if spec.schedule_to_start is not None:
                deadline = activity.scheduled_at + spec.schedule_to_start
                first = min(first, (deadline, Obligation.SCHEDULE_TO_START))
        case Phase.STARTED:
            started_at = activity.started_at or 0
            first = (FAR_FUTURE, Obligation.START_TO_CLOSE)
            if spec.start_to_close is not None:
                first = min(first, (started_at + spec.start_to_close + GRACE, Obligation.START_TO_CLOSE))
            if (limit := spec.silence_limit) is not None:
                first = min(first, (max(started_at, alive_at) + limit, Obligation.HEARTBEAT))
        case Phase.BACKING_OFF:
            first = (activity.retry_at or 0, Obligation.RETRY)
    if spec.schedule_to_close is not None:
        deadline = activity.first_scheduled_at + spec.schedule_to_close
        first = min(first, (deadline, Obligation.SCHEDULE_TO_CLOSE))
    return min(first, (FAR_FUTURE, Obligation.RESEND))
