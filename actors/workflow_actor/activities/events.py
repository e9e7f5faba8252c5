"""What is stored of activities: what becomes of them, for the journal, and what user code is told, for the log.

How events and inputs are stored: see `run.events`, `run.inputs`.
"""

from __future__ import annotations

from msgspec import Struct

from dalsegno.actors.workflow_actor.activities.activity import ActivitySpec
from dalsegno.failure import Failure
from dalsegno.payload import Payload


class ActivityWanted(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="a"):
    spec: ActivitySpec
    token: bytes


class ActivityUnwanted(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="x"):
    """`may_run`: a task that is out counts as one that may be running. (Not so in older journals.)"""

    number: int
    may_run: bool = False


class PauseWanted(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="ap"):
    """When the attempts of the activity are exhausted, it waits for a person."""

    number: int


class AttemptBegun(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="beg"):
    """A worker said that it works on the current attempt; of an early one, it is granted, and of one that runs
    `alone`. `content_type` is what the worker speaks ("": CBOR)."""

    number: int
    worker: str
    content_type: str = ""
    alone: bool = False


class AttemptWentOutside(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="out"):
    """The current attempt goes on outside of its worker, whose task is done."""

    number: int


class RetryPlanned(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="ret"):
    """The attempt failed; the next is due at `retry_at`, with the last heartbeat's details."""

    number: int
    failure: Failure
    retry_at: int
    heartbeat_details: Payload | None = None


class HeartbeatKept(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="hb"):
    """The details of the current attempt's heartbeat that came at `at`."""

    number: int
    details: Payload
    at: int


class AttemptScheduled(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="try"):
    number: int
    token: bytes


class TaskOverdue(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="due"):
    """Nobody started the attempt in all this time: is its task still in the queue?"""

    number: int


class TaskResent(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="snd"):
    """It was not, so it is sent again."""

    number: int


class TaskReturned(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="bak"):
    """The broker gave the task up, having delivered it too often; `returned` names that. It is sent again."""

    number: int
    returned: str


class AttemptsExhausted(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="aex"):
    """The last attempt failed, and a person is waited for, with the last heartbeat's details."""

    number: int
    failure: Failure
    heartbeat_details: Payload | None = None


class AttemptsRenewed(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="anew"):
    """A person wants it tried again, as if it had just been scheduled; `token` is the first attempt's."""

    number: int
    token: bytes


class ActivityCompleted(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="ok"):
    number: int
    result: Payload


class ActivityFailed(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="err"):
    """For good. A failure of kind `canceled` means that it was cancelled."""

    number: int
    failure: Failure


ActivityWant = ActivityWanted | ActivityUnwanted | PauseWanted

ActivityEvent = (
    AttemptBegun
    | AttemptWentOutside
    | RetryPlanned
    | HeartbeatKept
    | AttemptScheduled
    | TaskOverdue
    | TaskResent
    | TaskReturned
    | AttemptsExhausted
    | AttemptsRenewed
    | ActivityCompleted
    | ActivityFailed
)


class ActivityResolved(
    Struct, frozen=True, kw_only=True, array_like=True, forbid_unknown_fields=True, tag="activity"
):
    """An activity is settled for good: `result`, or `failure` (retries are spent; kind `activity` with the
    last failure as its cause), or cancelled (a failure of kind `canceled`)."""

    number: int
    result: Payload | None = None
    failure: Failure | None = None

    @property
    def words(self) -> str:
        """For people."""
        return f"the end of activity {self.number}"
