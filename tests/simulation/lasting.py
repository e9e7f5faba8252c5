"""How long runs may take, and what follows those that fail, read as it is written: by rules of its own."""

from __future__ import annotations

from dalsegno.actors.workflow_actor.interface.run_info import RunInfo
from dalsegno.actors.workflow_actor.run import events as e
from dalsegno.policies import WorkflowStatus
from tests.simulation.violation import Violation

FAILED, TIMED_OUT = WorkflowStatus.FAILED, WorkflowStatus.TIMED_OUT
AS_ANOTHER = WorkflowStatus.CONTINUED_AS_NEW


class Lasting:
    def __init__(self) -> None:
        self._runs: dict[str, RunInfo] = {}
        self._over_at: dict[str, int | None] = {}
        """By run, when the time of its chain is over."""
        self._ends: dict[str, tuple[e.RunClosed, int]] = {}
        """With their times."""
        self._delayed: set[str] = set()

    def note(self, run_id: str, time: int, event: e.Event) -> None:
        """Raises Violation."""
        match event:
            case e.RunStarted(info):
                self._runs[run_id] = info
                self._over_at[run_id] = self._end_of_chain(info)
                if info.begins_at is not None:
                    self._delayed.add(run_id)
                if info.continued_run_id in self._ends:
                    self._follows(info, *self._ends[info.continued_run_id])
            case e.DelayOver():
                self._delayed.discard(run_id)
                begins_at = self._runs[run_id].begins_at
                if begins_at is None or time < begins_at:
                    raise Violation("tries", f"{run_id} begins at {time}, and was to begin at {begins_at}")
            case e.Ran() if run_id in self._delayed:
                raise Violation("tries", f"the code of {run_id} runs before its time")
            case e.RunClosed():
                self._ends[run_id] = event, time
                self._closes(run_id, event, time)

    def _end_of_chain(self, info: RunInfo) -> int | None:
        """That of the first run is that of all."""
        if info.continued_run_id is not None:
            return self._over_at.get(info.continued_run_id)
        limit = info.execution_timeout
        return None if limit is None else (info.begins_at or info.started_at) + limit

    def _closes(self, run_id: str, closed: e.RunClosed, time: int) -> None:
        info, over_at = self._runs[run_id], self._over_at[run_id]
        begun_at = info.begins_at or info.started_at
        run_over_at = None if info.run_timeout is None else begun_at + info.run_timeout
        limits = [at for at in (over_at, run_over_at) if at is not None]
        if closed.status is TIMED_OUT and (not limits or time < min(limits)):
            raise Violation("timeout", f"{run_id} runs out of time at {time}, and has time until {limits}")
        follows = closed.status is AS_ANOTHER or self._next_try_at(info, closed, time) is not None
        if follows != (closed.next_run_id is not None):
            must = "must" if follows else "must not"
            raise Violation("tries", f"{run_id} {must} be followed, and ended as {closed}: {info}")

    def _next_try_at(self, info: RunInfo, closed: e.RunClosed, time: int) -> int | None:
        """None if it is not tried again."""
        failure = closed.failure
        if info.retry is None or failure is None or closed.status not in (FAILED, TIMED_OUT):
            return None
        schedule = info.retry.schedule
        if failure.non_retryable or failure.type in schedule.non_retryable_error_types:
            return None
        if schedule.maximum_attempts and info.attempt >= schedule.maximum_attempts:
            return None
        pause = schedule.initial_interval * schedule.backoff_coefficient ** (info.attempt - 1)
        at = time + int(min(pause, schedule.maximum_interval))
        over_at = self._over_at[info.run_id]
        return None if over_at is not None and at >= over_at else at

    def _follows(self, info: RunInfo, closed: e.RunClosed, time: int) -> None:
        over_at = self._over_at[info.run_id]
        if info.deadline != over_at:
            raise Violation("tries", f"{info.run_id} has time until {info.deadline}, its chain until {over_at}")
        before = self._runs[info.continued_run_id or ""]
        if closed.status is AS_ANOTHER:
            must = 1, None, before.run_timeout, None
        else:
            next_at = self._next_try_at(before, closed, time)
            must = before.attempt + 1, next_at, before.run_timeout, closed.failure
        found = info.attempt, info.begins_at, info.run_timeout, info.last_failure
        if found != must:
            raise Violation("tries", f"{info.run_id} begins as {found}, and must as {must}")
