"""Workers that die with a late task: what is counted of it for one attempt, and when it is too much.

The broker gives such a task to another worker. A task that came back more than once runs alone: its worker
begins nothing beside it, asks before it begins, and says so (`alone`), until it has lived on for a while. So a
worker that dies then dies of this task. What ran beside others is counted, too, but only matters when the
broker gives the task up: it may be innocent, and so may each that a flapping network brought back.

That another worker takes over does not prove that the one before it is dead: it may have been cut off for a
moment. So a worker that speaks of the attempt again is not counted among the dead any more. Nor are any when
the attempt has lived on alone, which is for longer each time: what had killed them would have killed again.
"""

from __future__ import annotations

from msgspec.structs import replace

from dalsegno.actors.workflow_actor.activities.activity import Activity, Phase
from dalsegno.failure import Failure

DEATHS_ALONE_MAX = 2
"""Workers that may die of an attempt that runs alone. Two have died before, while it ran beside others: only a
task that came back twice is run alone."""

RETURNS_UNSEEN_MAX = 3
"""How often the broker may give up a task of which no worker has ever said that it works on it."""

WORKERS_LOST_MAX = 10
"""Workers of an attempt that others may have taken over from when the broker gives its task up."""


def process_of(worker: str) -> str:
    """What the queues of one process have in common: it takes another name while the broker holds the old."""
    return worker.partition("~")[0]


def is_known(activity: Activity, worker: str) -> bool:
    """Whether the process has said before that it works on the current attempt."""
    process = process_of(worker)
    speaking = None if activity.worker is None else process_of(activity.worker)
    return process == speaking or process in activity.workers_before


def heard_of(activity: Activity, worker: str, *, alone: bool) -> Activity:
    """The activity when `worker` says that it works on the current attempt, `alone` or not."""
    if activity.worker is None:
        return activity
    process, previous = process_of(worker), process_of(activity.worker)
    if process == previous and activity.alone and not alone:
        died: tuple[str, ...] = ()
    elif is_known(activity, worker):
        died = tuple(dead for dead in activity.died if dead != process)
    else:
        died = (*activity.died, previous) if activity.alone else activity.died
    before = activity.workers_before
    if process != previous and previous not in before:
        before = (*before, previous)[-WORKERS_LOST_MAX:]
    return replace(activity, workers_before=before, died=died)


def fatal(activity: Activity, worker: str, *, alone: bool) -> Failure | None:
    """Why the attempt has failed, if it has, now that `worker` wants to go on with it."""
    deaths = len(heard_of(activity, worker, alone=alone).died)
    if deaths < DEATHS_ALONE_MAX:
        return None
    return _lost(
        f"{deaths} workers died while {activity.spec.activity_type} ran alone on them, and it had come back "
        "from others before: look for what ends the process (os._exit, a crash in native code, memory)"
    )


def given_up(activity: Activity, failure: Failure) -> Failure | None:
    """Why the attempt has failed, if it has, now that the broker has given its task up: `failure`, unless a
    worker may have it and only the network is to blame."""
    lost = len(activity.workers_before)
    if lost >= WORKERS_LOST_MAX:
        return _lost(f"{lost} workers were lost while they worked on {activity.spec.activity_type}")
    unseen = activity.phase is Phase.SCHEDULED
    return failure if unseen and activity.returns >= RETURNS_UNSEEN_MAX else None


def _lost(message: str) -> Failure:
    return Failure(kind="worker_lost", type="WorkerLost", message=message)
