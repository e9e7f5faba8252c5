"""The host's own worker for local activities, simulated: what `off_loop.local_worker` and its bench do, as
events. It dies with its host."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from random import Random
from typing import TYPE_CHECKING

from dalsegno.actors.supervisor.off_loop.local_run import task_of
from dalsegno.actors.workflow_actor.interface.commands import Command
from dalsegno.actors.workflow_actor.interface.waiting import LocalWork
from dalsegno.actors.workflow_actor.local_activities.decisions import next_at
from dalsegno.actors.workflow_actor.local_activities.work import RunLocalActivity, StopAll, StopLocalActivity
from dalsegno.errors import RetryState
from dalsegno.failure import Failure
from tests.simulation.activities import Work

if TYPE_CHECKING:
    from tests.simulation.host import Host
    from tests.simulation.world import Simulation

Done = Callable[[Command], None]
LATE = Failure(kind="timed_out", message="its start-to-close timeout passed", timeout_type="start_to_close")


class UnderWay:
    """One local activity, at this host; `done` is whoever asked last."""

    def __init__(self, work: RunLocalActivity, done: Done) -> None:
        self.work = work
        self.done = done
        self.attempt = work.attempt


class SimulatedBench:
    def __init__(self, simulation: Simulation, host: Host, seed: str) -> None:
        self._simulation = simulation
        self._faults = simulation.faults
        self._host = host
        self._random = Random(seed)
        self._runs: dict[Hashable, UnderWay] = {}

    def work(self, work: LocalWork, done: Done) -> None:
        match work:
            case RunLocalActivity():
                self._run(work, done)
            case StopLocalActivity(run_id=run_id, number=number):
                self._stop((run_id, number))
            case StopAll(run_id=run_id):
                for run in list(self._runs.values()):
                    if run.work.info.run_id == run_id and run.work.spec.cancellation_type != "abandon":
                        self._stop(run.work.key)

    def give_up(self, work: LocalWork) -> None:
        known = self._runs.get(work.key)
        if known is not None and isinstance(work, RunLocalActivity) and known.work.token == work.token:
            del self._runs[work.key]

    def _run(self, work: RunLocalActivity, done: Done) -> None:
        known = self._runs.get(work.key)
        if known is not None and known.work.token == work.token:
            known.done = done
            return
        run = self._runs[work.key] = UnderWay(work, done)
        if work.cancel_requested:
            self._host.after(0, lambda: self._report(run, work.canceled()))
        else:
            self._begin(run)

    def _stop(self, key: Hashable) -> None:
        run = self._runs.get(key)
        if run is not None:
            self._host.after(1_000, lambda: self._report(run, run.work.canceled()))

    def _begin(self, run: UnderWay) -> None:
        if self._faults.happens("local work never ends"):
            limit = run.work.spec.start_to_close or 0
            self._host.after(limit, lambda: self._failed(run, LATE))
            return
        simulation, workflow_id = self._simulation, run.work.info.workflow_id
        given = simulation.opened(self._host, workflow_id, task_of(run.work, run.attempt))
        task = Work(given, self._random)

        def finish() -> None:
            outcome = simulation.sealed(self._host, workflow_id, task.do(simulation.ledger))
            self._host.step("local work done")
            if isinstance(outcome, Failure):
                self._failed(run, outcome)
            else:
                self._report(run, run.work.completed(outcome))

        self._host.after(task.microseconds, finish)

    def _failed(self, run: UnderWay, failure: Failure) -> None:
        """It is tried again here, or the state has it tried again."""
        work, now = run.work, self._host.now()
        at = next_at(work.spec, failure, attempt=run.attempt, now=now, began_at=work.scheduled_at)
        if isinstance(at, RetryState) or self._random.random() < 0.5:
            self._report(run, work.failed(failure, attempt=run.attempt))
            return
        run.attempt += 1
        self._host.after(at - now, lambda: self._begin(run) if self._is_wanted(run) else None)

    def _is_wanted(self, run: UnderWay) -> bool:
        return self._runs.get(run.work.key) is run

    def _report(self, run: UnderWay, outcome: Command) -> None:
        if self._is_wanted(run):
            del self._runs[run.work.key]
            run.done(outcome)
