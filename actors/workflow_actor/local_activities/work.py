"""What the host is to do about local activities (`interface.waiting`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from dalsegno.actors.workflow_actor.interface.run_info import RunInfo
from dalsegno.actors.workflow_actor.interface.waiting import LocalWork
from dalsegno.actors.workflow_actor.local_activities.commands import (
    LocalWorkCanceled,
    LocalWorkCompleted,
    LocalWorkFailed,
)
from dalsegno.actors.workflow_actor.local_activities.events import (
    LocalActivityBegun,
    LocalActivityUnwanted,
    LocalActivityWanted,
)
from dalsegno.actors.workflow_actor.local_activities.local_activity import (
    LocalActivity,
    LocalActivitySpec,
    RunOfLocalActivities,
)
from dalsegno.failure import Failure
from dalsegno.payload import Payload


class RunLocalActivity(LocalWork, frozen=True):
    """Run it, from `attempt` on. To go on with one that is under way is the same; if it is not, and was to be
    cancelled, it is."""

    info: RunInfo
    spec: LocalActivitySpec
    token: bytes
    fence: int
    attempt: int
    scheduled_at: int
    cancel_requested: bool = False

    @property
    def key(self) -> tuple[str, int]:
        """By which it is stopped, or known to be under way."""
        return self.info.run_id, self.spec.number

    def completed(self, result: Payload) -> LocalWorkCompleted:
        return LocalWorkCompleted(
            run_id=self.info.run_id, number=self.spec.number, token=self.token, result=result
        )

    def failed(self, failure: Failure, *, attempt: int, may_retry: bool = True) -> LocalWorkFailed:
        return LocalWorkFailed(
            run_id=self.info.run_id,
            number=self.spec.number,
            token=self.token,
            failure=failure,
            attempt=attempt,
            may_retry=may_retry,
        )

    def canceled(self) -> LocalWorkCanceled:
        return LocalWorkCanceled(run_id=self.info.run_id, number=self.spec.number, token=self.token)


class StopLocalActivity(LocalWork, frozen=True):
    """Ask it to stop; what it was begun for is told what comes of that, and this is not answered itself."""

    run_id: str
    number: int
    reason: str
    is_answered: ClassVar[bool] = False


class StopAll(LocalWork, frozen=True):
    """As StopLocalActivity, for all of a run but those that are abandoned."""

    run_id: str
    reason: str
    is_answered: ClassVar[bool] = False


def _to_run(fact: LocalActivityWanted | LocalActivityBegun, run: RunOfLocalActivities) -> LocalWork | None:
    number = fact.spec.number if isinstance(fact, LocalActivityWanted) else fact.number
    pending = run.local_activities.get(number)
    return None if pending is None else run_work(pending, run.info)


def run_work(pending: LocalActivity, info: RunInfo) -> RunLocalActivity:
    return RunLocalActivity(
        info,
        pending.spec,
        pending.token,
        pending.fence,
        pending.attempt,
        pending.scheduled_at,
        pending.cancel_requested,
    )


def _to_stop(fact: LocalActivityUnwanted, run: RunOfLocalActivities) -> LocalWork | None:
    pending = run.local_activities.get(fact.number)
    if pending is not None and pending.spec.cancellation_type == "abandon":
        return None
    return StopLocalActivity(run.info.run_id, fact.number, "the workflow cancelled it")


LOCAL: dict[type, Callable[[Any, Any], LocalWork | None]] = {
    LocalActivityWanted: _to_run,
    LocalActivityUnwanted: _to_stop,
}
"""By its type, and the run as it is then, what of a want is done within the turn."""

LATER: dict[type, Callable[[Any, Any], LocalWork | None]] = {LocalActivityBegun: _to_run}
"""The same of an event; it is begun when the turn is over."""
