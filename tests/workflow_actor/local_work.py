"""Local work by a script: activities of one task queue are done within the turn, where there is somebody to do
it. What is not done there goes the way of all activities, to a worker."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from unittest.mock import patch

from dalsegno.actors.workflow_actor.activities.activity import ActivitySpec
from dalsegno.actors.workflow_actor.activities.commands import AttemptCompleted, AttemptFailed
from dalsegno.actors.workflow_actor.activities.events import ActivityWanted
from dalsegno.actors.workflow_actor.interface.run_info import RunInfo
from dalsegno.actors.workflow_actor.interface.waiting import LocalWork
from dalsegno.actors.workflow_actor.run.primitives import LOCAL
from dalsegno.actors.workflow_actor.run.state import WorkflowState
from dalsegno.failure import Failure
from dalsegno.payload import Payload

LOCAL_QUEUE = "here"


class ScriptedLocalActivity(LocalWork, frozen=True):
    """The first attempt of an activity."""

    info: RunInfo
    spec: ActivitySpec
    token: bytes

    def completed(self, result: Payload) -> AttemptCompleted:
        return AttemptCompleted(
            run_id=self.info.run_id,
            activity_id=self.spec.activity_id,
            attempt=1,
            token=self.token,
            result=result,
        )

    def failed(self, failure: Failure) -> AttemptFailed:
        return AttemptFailed(
            run_id=self.info.run_id,
            activity_id=self.spec.activity_id,
            attempt=1,
            token=self.token,
            failure=failure,
        )


def in_the_local_queue(want: ActivityWanted, _: RunInfo) -> bool:
    return want.spec.task_queue == LOCAL_QUEUE


@contextmanager
def local_activities(
    is_local: Callable[[ActivityWanted, RunInfo], bool] = in_the_local_queue,
) -> Iterator[None]:
    def local(want: ActivityWanted, run: WorkflowState) -> LocalWork | None:
        return ScriptedLocalActivity(run.info, want.spec, want.token) if is_local(want, run.info) else None

    with patch.dict(LOCAL, {ActivityWanted: local}):
        yield
