"""Reasons that lie with an activity that has no result yet."""

from __future__ import annotations

from typing import ClassVar

from dalsegno.reasons.reason import Reason
from dalsegno.reasons.words import ago, command, counted, due, moment, since

WORKER_QUEUE = "dalsegno.worker."


class ActivityReason(Reason, frozen=True, kw_only=True):
    """Of one activity. `maximum_attempts` 0: there is no limit."""

    activity_id: str
    activity_type: str
    task_queue: str
    attempt: int
    maximum_attempts: int = 0
    cancel_requested: bool = False

    @property
    def topic(self) -> str:
        return self.activity_type

    @property
    def helps(self) -> str | None:
        return command("workflow", "describe", self.workflow_id)

    @property
    def _name(self) -> str:
        return f"activity {self.activity_type} (ID {self.activity_id})"

    @property
    def _which(self) -> str:
        """attempt 3 of 5."""
        of = f" of {self.maximum_attempts}" if self.maximum_attempts else ""
        return f"attempt {self.attempt}{of}"

    @property
    def _asked(self) -> str:
        return " It was asked to stop." if self.cancel_requested else ""


class IncidentOpen(ActivityReason, frozen=True, kw_only=True):
    """All attempts have failed, and a person is to say what becomes of it."""

    kind: ClassVar[str] = "incident"
    is_stuck: ClassVar[bool] = True
    number: int
    because: str = ""
    others: int = 0

    @property
    def sentence(self) -> str:
        others = f" Beside it {self.others:,} more of its incidents are open." if self.others else ""
        why = f": {self.because}" if self.because else ""
        return (
            f"Incident {self.number} is open{since(self.since, self.asked_at)}: {self._name} failed after "
            f"{counted(self.attempt, 'attempt')}{why}. "
            f"A person is to retry, complete or fail it.{others}"
        )

    @property
    def helps(self) -> str | None:
        return command("incidents", "retry", self.workflow_id, str(self.number))


class ActivityUnknown(ActivityReason, frozen=True, kw_only=True):
    """The worker that took its task has no such activity. `said` is what it answered."""

    kind: ClassVar[str] = "activity_unknown"
    is_stuck: ClassVar[bool] = True
    said: str
    next_at: int | None = None

    @property
    def sentence(self) -> str:
        again = "" if self.next_at is None else f" It is tried again {due(self.next_at, self.asked_at)}."
        return (
            f"A worker of task queue {self.task_queue!r} has taken {self._name}, and does not have it"
            f"{since(self.since, self.asked_at)}. {self._which.capitalize()}: {self.said}{again}"
        )

    @property
    def helps(self) -> str | None:
        return command("worker", "MODULES", "--task-queue", self.task_queue)

    @property
    def topic(self) -> str:
        return f"{self.activity_type} on task queue {self.task_queue}"


class NoWorker(ActivityReason, frozen=True, kw_only=True):
    """Nobody consumes its task queue. `waiting` tasks lie there; `sibling` is the workflow's own task queue,
    where that has workers: the name may be mistaken."""

    kind: ClassVar[str] = "no_worker"
    is_stuck: ClassVar[bool] = True
    waiting: int = 0
    sibling: str | None = None

    @property
    def sentence(self) -> str:
        other = (
            f" Task queue {self.sibling!r} has workers: if that is meant, mend task_queue= in the code."
            if self.sibling is not None
            else ""
        )
        return (
            f"Task queue {self.task_queue!r} has no consumer, and {self._name} waits there"
            f"{since(self.since, self.asked_at)}; {counted(self.waiting, 'task')} in the queue.{other}"
        )

    @property
    def helps(self) -> str | None:
        return command("worker", "MODULES", "--task-queue", self.task_queue)

    @property
    def topic(self) -> str:
        return f"task queue {self.task_queue}"


class WorkerGone(ActivityReason, frozen=True, kw_only=True):
    """The worker that works on it is not connected any more. `noticed_at`: when its hosts find that out."""

    kind: ClassVar[str] = "worker_gone"
    worker: str
    noticed_at: int | None = None

    @property
    def sentence(self) -> str:
        then = (
            "It has no heartbeat timeout: nobody will notice before its time is over."
            if self.noticed_at is None
            else f"The attempt is given up {due(self.noticed_at, self.asked_at)}."
        )
        return (
            f"Worker {_short(self.worker)}, which took {self._which} of {self._name}"
            f"{since(self.since, self.asked_at)}, is not connected any more. {then}"
        )


class RetryPending(ActivityReason, frozen=True, kw_only=True):
    """The attempt before has failed, and the next one has a time."""

    kind: ClassVar[str] = "retry"
    next_at: int
    because: str = ""
    is_local: bool = False

    @property
    def sentence(self) -> str:
        of = f" of {self.maximum_attempts}" if self.maximum_attempts else ""
        why = f" because {self.because}" if self.because else ""
        name = f"local {self._name}" if self.is_local else self._name
        return (
            f"{name[0].upper()}{name[1:]}, attempt {self.attempt + 1}{of}, is tried "
            f"{due(self.next_at, self.asked_at)}; attempt {self.attempt} failed{why}.{self._asked}"
        )


class TaskQueued(ActivityReason, frozen=True, kw_only=True):
    """Its task queue has workers, and tasks that none of them has room for."""

    kind: ClassVar[str] = "task_queued"
    waiting: int

    @property
    def sentence(self) -> str:
        tasks = counted(self.waiting, "task")
        return (
            f"{self._name[0].upper()}{self._name[1:]} waits{since(self.since, self.asked_at)} for a worker of "
            f"task queue {self.task_queue!r}, or one has only just begun it: {tasks} in the queue, for which "
            f"its workers have no room yet.{self._asked}"
        )

    @property
    def helps(self) -> str | None:
        return command("worker", "MODULES", "--task-queue", self.task_queue)

    @property
    def topic(self) -> str:
        return f"task queue {self.task_queue}"


class TaskHeld(ActivityReason, frozen=True, kw_only=True):
    """Its task is in no queue: a worker has it that has not said so, or it is on its way there."""

    kind: ClassVar[str] = "task_held"
    looked_for_at: int | None = None

    @property
    def sentence(self) -> str:
        lost = (
            ""
            if self.looked_for_at is None
            else f" If nobody has it, it is sent again {due(self.looked_for_at, self.asked_at)}."
        )
        return (
            f"A worker of task queue {self.task_queue!r} has the task of {self._name}, {self._which}, sent"
            f"{since(self.since, self.asked_at)}, or is being given it.{lost}{self._asked}"
        )


class TaskSent(ActivityReason, frozen=True, kw_only=True):
    """Its task was sent, no worker has said that it works on it, and the broker was not asked."""

    kind: ClassVar[str] = "task_sent"

    @property
    def sentence(self) -> str:
        return (
            f"The task of {self._name}, {self._which}, was sent to task queue {self.task_queue!r}, and no "
            f"worker has said that it works on it{since(self.since, self.asked_at)}. Rows alone do not tell "
            "whether there is one: ask the broker, without --database."
        )

    @property
    def topic(self) -> str:
        return f"task queue {self.task_queue}"


class AttemptRuns(ActivityReason, frozen=True, kw_only=True):
    """A worker works on it. `heartbeat_timeout` None: it sends no heartbeats."""

    kind: ClassVar[str] = "attempt_runs"
    worker: str | None = None
    last_heartbeat_at: int | None = None
    heartbeat_timeout: int | None = None
    times_out_at: int | None = None
    is_local: bool = False

    @property
    def sentence(self) -> str:
        taken = "" if self.since is None else f" {ago(self.since, self.asked_at)}"
        if self.is_local:
            return f"Its host runs local {self._name}, {self._which}, begun{taken or ' now'}.{self._asked}"
        who = "A worker" if not self.worker else f"Worker {_short(self.worker)}"
        late = "" if self.times_out_at is None else f" {self._until}."
        return f"{who} took {self._name}, {self._which},{taken}, and {self._beats}.{late}{self._asked}"

    @property
    def _until(self) -> str:
        unless = "It"
        if self.heartbeat_timeout is not None:
            unless = "Without one it" if self.last_heartbeat_at is None else "Without another it"
        return f"{unless} times out {due(self.times_out_at or 0, self.asked_at)}"

    @property
    def _beats(self) -> str:
        if self.last_heartbeat_at is not None:
            return f"beats: the last time {ago(self.last_heartbeat_at, self.asked_at)}"
        if self.heartbeat_timeout is None:
            return "works on it, without heartbeats"
        return "has sent no heartbeat that is known"


class OutsideAwaited(ActivityReason, frozen=True, kw_only=True):
    """It goes on outside of its worker, and somebody completes it by its token or ID."""

    kind: ClassVar[str] = "outside"
    times_out_at: int | None = None

    @property
    def sentence(self) -> str:
        late = "" if self.times_out_at is None else f" It times out {moment(self.times_out_at)}."
        return (
            f"{self._name[0].upper()}{self._name[1:]} goes on outside of its worker"
            f"{since(self.since, self.asked_at)}, and waits to be completed from there.{late}{self._asked}"
        )

    @property
    def helps(self) -> str | None:
        return command("activity", "complete", self.workflow_id, self.activity_id)


def _short(worker: str) -> str:
    return worker.removeprefix(WORKER_QUEUE)
