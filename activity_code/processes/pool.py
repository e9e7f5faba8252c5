"""The processes of a worker, and what waits for one. All of it is on the worker's loop.

They begin when there is work for them, and stay. Each runs one activity at a time, so that one that dies takes
no other with it: what it had begun fails, what it had only been given goes to another.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Iterable
from typing import Protocol

from dalsegno._log import get_logger
from dalsegno.activity import ActivityCancellationDetails
from dalsegno.activity_code.outcomes import ToldError
from dalsegno.activity_code.processes.child import ChildProcess
from dalsegno.activity_code.processes.words import (
    BeatAgain,
    FromChild,
    JobBeat,
    JobBegun,
    JobGiven,
    JobStopped,
    LineSaid,
    OfJob,
    WorkerEnds,
)
from dalsegno.broker.protocol.messages import ActivityTask
from dalsegno.errors import CanceledError
from dalsegno.failure import Failure
from dalsegno.payload import Payload

log = get_logger("dalsegno.worker")

BEAT_SECONDS = 0.05
"""Between heartbeats of one job; the newest details count."""
CLOSE_SECONDS = 1.0
"""For processes to end, and again after they are killed."""
LEVELS = frozenset(("debug", "info", "warning", "error", "critical"))

_numbers = itertools.count(1)


class ProcessJob(Protocol):
    """Who waits for a process, or has one."""

    @property
    def work(self) -> ActivityTask: ...

    def on_begun(self) -> None: ...
    def on_beat(self, details: Payload | None) -> None: ...
    def on_told(self, outcome: OfJob) -> None: ...
    def on_lost(self, error: Exception) -> None:
        """It has no process any more, or could get none."""


class _Place:
    """A process, and what it works at."""

    def __init__(self) -> None:
        self.number = 0
        self.job: ProcessJob | None = None
        self.has_begun = False
        self.stopped: str | None = None
        """Why its job was asked to stop."""
        self.is_let_go = False
        """Nobody waits for its job; it is not used again."""


class ProcessPool:
    """`grace_seconds`: what the code of a job that was let go gets to end."""

    def __init__(self, beginning: bytes, limit: int, grace_seconds: float) -> None:
        self._beginning = beginning
        self._limit = limit
        self._grace_seconds = grace_seconds
        self._places: dict[ChildProcess, _Place] = {}
        self._idle: list[ChildProcess] = []
        self._waiting: deque[ProcessJob] = deque()
        self._worker_ends = False
        self._is_closed = False

    # --- what is asked of it -------------------------------------------------------------------------------

    def run(self, job: ProcessJob) -> None:
        """At once, or when a process is free."""
        self._waiting.append(job)
        self._begin_waiting()

    def withdraw(self, job: ProcessJob) -> bool:
        """Forget a job that waits; False if it does not any more."""
        if job not in self._waiting:
            return False
        self._waiting.remove(job)
        return True

    def stop(self, job: ProcessJob, reason: str, why: ActivityCancellationDetails | None) -> None:
        """Ask its code to stop."""
        for child, place in self._places.items():
            if place.job is job:
                place.stopped = reason
                child.send(_stop(place.number, reason, why))

    def let_go(self, job: ProcessJob, reason: str, why: ActivityCancellationDetails | None) -> None:
        """Stop waiting for it: its process is replaced, and killed if its code does not stop."""
        for child, place in self._places.items():
            if place.job is job:
                child.send(_stop(place.number, reason, why))
                place.is_let_go = True
                asyncio.get_running_loop().call_later(self._grace_seconds, child.kill)
        self._begin_waiting()

    def worker_ends(self) -> None:
        self._worker_ends = True
        for child in self._places:
            child.send(WorkerEnds())

    async def close(self) -> None:
        """End all of them, whatever they do."""
        self._is_closed = True
        lives = [child.life for child in self._places]
        for child in self._places:
            child.close()
        try:
            await _wait(lives)
        finally:
            for child in self._places:
                child.kill()
        await _wait(lives)

    # --- who gets one --------------------------------------------------------------------------------------

    def _begin_waiting(self) -> None:
        while self._waiting and self._idle:
            self._give(self._idle.pop(), self._waiting.popleft())
        counted = [child for child, place in self._places.items() if not place.is_let_go]
        starting = sum(not child.is_ready for child in counted)
        missing = min(len(self._waiting) - starting, self._limit - len(counted))
        for _ in range(0 if self._is_closed else missing):
            child = ChildProcess(
                self._beginning, ready=self._on_ready, heard=self._on_heard, ended=self._on_ended
            )
            self._places[child] = _Place()

    def _give(self, child: ChildProcess, job: ProcessJob) -> None:
        place = self._places[child]
        place.job, place.number, place.has_begun, place.stopped = job, next(_numbers), False, None
        child.send(JobGiven(place.number, job.work, self._worker_ends))

    # --- what happens to them ------------------------------------------------------------------------------

    def _on_ready(self, child: ChildProcess) -> None:
        if self._worker_ends:
            child.send(WorkerEnds())
        self._idle.append(child)
        self._begin_waiting()

    def _on_heard(self, child: ChildProcess, message: FromChild) -> None:
        place = self._places[child]
        if isinstance(message, LineSaid):
            if message.level in LEVELS:
                getattr(get_logger(message.logger), message.level)(message.event, **message.values)
            return
        job = None if place.is_let_go else place.job
        match message:
            case JobBegun():
                place.has_begun = True
                if job is not None:
                    job.on_begun()
            case JobBeat():
                if job is not None:
                    job.on_beat(message.details)
                again = BeatAgain(message.number)
                asyncio.get_running_loop().call_later(BEAT_SECONDS, child.send, again)
            case _ if isinstance(message, OfJob):
                place.job = None
                if place.is_let_go:
                    child.close()
                else:
                    self._idle.append(child)
                    self._begin_waiting()
                if job is not None:
                    job.on_told(message)

    def _on_ended(self, child: ChildProcess, why: str | None) -> None:
        place = self._places.pop(child)
        if child in self._idle:
            self._idle.remove(child)
        job = None if place.is_let_go else place.job
        if self._is_closed:
            return
        if why is None:
            self._is_closed = True
            for left in [*(other.job for other in self._places.values()), job, *self._waiting]:
                if left is not None:
                    left.on_lost(CanceledError("The worker's event loop ends."))
            return
        if job is not None and place.has_begun:
            job.on_lost(_died(job.work, child, why))
        elif job is not None and place.stopped is not None:
            job.on_lost(CanceledError(place.stopped))
        elif job is not None:
            self._waiting.appendleft(job)
        elif not child.is_ready and self._waiting:
            waited = self._waiting.popleft()
            waited.on_lost(_died(waited.work, child, why))
        self._begin_waiting()


def _stop(number: int, reason: str, why: ActivityCancellationDetails | None) -> JobStopped:
    if why is None:
        return JobStopped(number, reason, cancel_requested=True)
    return JobStopped(number, reason, why.cancel_requested, why.timed_out, why.worker_shutdown)


def _died(work: ActivityTask, child: ChildProcess, why: str) -> ToldError:
    log.error("activity_process_died", pid=child.pid, reason=why, activity_type=work.activity_type)
    what = "died while it ran" if child.is_ready else "did not begin"
    message = f"The process of attempt {work.attempt} of {work.activity_type} {what}: {why}."
    return ToldError(Failure(kind="worker_lost", type="WorkerLost", message=message))


async def _wait(lives: Iterable[asyncio.Task[None]]) -> None:
    pending = [life for life in lives if not life.done()]
    if pending:
        await asyncio.wait(pending, timeout=CLOSE_SECONDS)
