"""What workers say of attempts, and what the shell has found out about them."""

from __future__ import annotations

from dalsegno.actors.workflow_actor.interface.commands import ClientCommand, Command, ReadOnlyCommand
from dalsegno.failure import Failure
from dalsegno.payload import Payload


class AttemptOf(Command, frozen=True, kw_only=True):
    """Base: a worker's word about one attempt. It counts only with that attempt's own token."""

    run_id: str
    activity_id: str
    attempt: int
    token: bytes


class AttemptStarted(AttemptOf, frozen=True, kw_only=True):
    """`content_type` is what the worker speaks, as for Caller. `alone`: if the worker dies, it is of this."""

    worker: str
    content_type: str = ""
    alone: bool = False


class AttemptHeartbeat(AttemptOf, frozen=True, kw_only=True):
    worker: str | None = None
    details: Payload | None = None
    content_type: str = ""


class AttemptCompleted(AttemptOf, frozen=True, kw_only=True):
    result: Payload


class AttemptFailed(AttemptOf, frozen=True, kw_only=True):
    """`returned`: the broker gave the task up, and this names that; whether the attempt has failed is to be
    decided."""

    failure: Failure
    next_retry_delay: int | None = None
    returned: str | None = None


class AttemptCanceled(AttemptOf, frozen=True, kw_only=True):
    details: Payload | None = None


class AttemptDetached(AttemptOf, frozen=True, kw_only=True):
    """The worker is done with it: it goes on outside, and whoever has its token says how it ends."""


class Resolve(ClientCommand, frozen=True, kw_only=True):
    """How an activity has ended, as somebody else than its worker says: `result` or `failure`, or, if it is
    neither, that it stopped because it was asked to. `token`: of that attempt alone."""

    activity_id: str
    token: bytes | None = None
    result: Payload | None = None
    failure: Failure | None = None
    details: tuple[Payload, ...] = ()
    """Of the one that stopped."""


class OutsideHeartbeat(ReadOnlyCommand, frozen=True, kw_only=True):
    """An attempt is alive, as somebody else than its worker says, who is told whether it is to stop. `token` as
    in Resolve. Of a heartbeat nothing is recorded."""

    activity_id: str
    token: bytes | None = None
    payload: Payload | None = None
    """The details."""


HEARTBEATS = AttemptHeartbeat, OutsideHeartbeat


class KeepHeartbeats(Command, frozen=True):
    """Put the newest heartbeat details into the state: a while has passed, or the partition is handed over."""


class ResendTask(Command, frozen=True):
    """The task queue was found empty although this attempt should be in it, or was lost with what lay in it:
    send it again. `task` is the effect that was lost, None for whatever was sent last."""

    activity_id: str
    attempt: int
    task: tuple[int, int] | None = None
