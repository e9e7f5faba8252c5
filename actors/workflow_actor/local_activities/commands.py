"""What the host says of a local activity that it was to run."""

from __future__ import annotations

from dalsegno.actors.workflow_actor.interface.commands import Command
from dalsegno.failure import Failure
from dalsegno.payload import Payload


class LocalWorkEnded(Command, frozen=True, kw_only=True):
    """Base. It counts only with the token that the activity has."""

    run_id: str
    number: int
    token: bytes


class LocalWorkCompleted(LocalWorkEnded, frozen=True, kw_only=True):
    result: Payload


class LocalWorkFailed(LocalWorkEnded, frozen=True, kw_only=True):
    """The `attempt` failed. `may_retry` False: whatever its policy says, it is the last."""

    failure: Failure
    attempt: int
    may_retry: bool = True


class LocalWorkCanceled(LocalWorkEnded, frozen=True, kw_only=True):
    """It has stopped, as it was asked to."""
