"""Intents of the run itself, which are no primitive's: a sign, its end, a pause."""

from __future__ import annotations

from msgspec import Struct

from dalsegno.actors.workflow_actor.interface.retries import RetrySchedule
from dalsegno.actors.workflow_actor.run.inputs import Carried, SignedState
from dalsegno.failure import Failure
from dalsegno.payload import Payload


class SetSign(Struct, frozen=True, kw_only=True):
    """A sign: everything before is needed no more. The program has already entered `run` again with this
    state; the intents that follow are of the code after the sign."""

    signed: SignedState
    line: str = ""

    @property
    def digest(self) -> str:
        return "sign"


class CompleteRun(Struct, frozen=True, kw_only=True):
    result: Payload
    line: str = ""

    @property
    def digest(self) -> str:
        return "complete"


class FailRun(Struct, frozen=True, kw_only=True):
    """User code raised a FailureError on purpose."""

    failure: Failure
    line: str = ""

    @property
    def digest(self) -> str:
        return "fail"


class CancelRun(Struct, frozen=True, kw_only=True):
    """User code let the requested cancellation through."""

    failure: Failure
    line: str = ""

    @property
    def digest(self) -> str:
        return "canceled"


class ContinueAsNew(Struct, frozen=True, kw_only=True):
    """The run ends, and goes on as another. What is None is as in this one. `carried` is what nothing has begun
    to handle, in the order in which it came."""

    args: tuple[Payload, ...]
    workflow_type: str | None = None
    task_queue: str | None = None
    run_timeout: int | None = None
    retry: RetrySchedule | None = None
    memo: dict[str, Payload] | None = None
    delay: int | None = None
    priority: int | None = None
    headers: dict[str, Payload] | None = None
    carried: tuple[Carried, ...] = ()
    line: str = ""

    @property
    def digest(self) -> str:
        return "continue as new"


class AskContinue(Struct, frozen=True, kw_only=True):
    """The step was cut after many signs in a row: give it a `Continue` input in a later activation."""

    line: str = ""

    @property
    def digest(self) -> str:
        return "continue"
