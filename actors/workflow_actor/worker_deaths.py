"""Workers that die with a late task: what is counted of it for one attempt, and when it is too much.

The broker gives such a task to another worker. A task that came back more than once runs alone: its worker
begins nothing beside it, asks before it begins, and says so (`alone`), until it has lived on for a while. So a
worker that dies then dies of this task. What ran beside others is counted, too, but only matters when the
broker gives the task up: it may be innocent, and so may each that a flapping network brought back.
"""

from __future__ import annotations

from msgspec.structs import replace

from dalsegno.actors.workflow_actor.activities import Activity, Phase
from dalsegno.failure import Failure

DEATHS_ALONE_MAX = 2
"""Workers that may die of an attempt that runs alone. Two have died before, while it ran beside others: only a
task that came back twice is run alone."""

RETURNS_UNSEEN_MAX = 3
"""How often the broker may give up a task of which no worker has ever said that it works on it."""

WORKERS_LOST_MAX = 10
"""Workers of an attempt that others may have taken over from when the broker gives its task up."""


def is_same_process(worker: str | None, other: str) -> bool:
    """Whether two queues are names of one process, which takes another while the broker still holds the old."""
    return worker is not None and worker.partition("~")[0] == other.partition("~")[0]


def taken_over(activity: Activity, worker: str) -> Activity:
    """The activity when `worker` says that it works on the current attempt."""
    if activity.phase is not Phase.STARTED or is_same_process(activity.worker, worker):
        return activity
    deaths = activity.deaths + activity.alone
    return replace(activity, deaths=deaths, workers_lost=activity.workers_lost + 1)


def fatal(activity: Activity, worker: str) -> Failure | None:
    """Why the attempt has failed, if it has, now that `worker` wants to go on with it."""
    deaths = taken_over(activity, worker).deaths
    if deaths < DEATHS_ALONE_MAX:
        return None
    return _lost(
        f"{deaths} workers died while {activity.spec.activity_type} ran alone on them, and it had come back "
        "from others before: look for what ends the process (os._exit, a crash in native code, memory)"
    )


def given_up(activity: Activity, failure: Failure) -> Failure | None:
    """Why the attempt has failed, if it has, now that the broker has given its task up: `failure`, unless a
    worker may have it and only the network is to blame."""
    if activity.workers_lost >= WORKERS_LOST_MAX:
        return _lost(f"{activity.workers_lost} workers were lost while they worked on it")
    unseen = activity.phase is Phase.SCHEDULED
    return failure if unseen and activity.returns >= RETURNS_UNSEEN_MAX else None


def _lost(message: str) -> Failure:
    return Failure(kind="worker_lost", type="WorkerLost", message=message)
