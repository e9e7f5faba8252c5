"""What turns wait for, in a simulated host: some of them what their command needs, some local work.

Local are first attempts of some activities: those that are not done within their turn, or whose process dies,
go the way of all others, to a worker.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING
from zlib import crc32

from dalsegno.actors.workflow_actor.activities.events import ActivityWanted
from dalsegno.actors.workflow_actor.instance import Instance
from dalsegno.actors.workflow_actor.interface.commands import Command
from dalsegno.actors.workflow_actor.interface.run_info import RunInfo
from dalsegno.actors.workflow_actor.interface.waiting import (
    KeepPieces,
    LocalWork,
    PiecesKept,
    Preparation,
    Ready,
    Unready,
)
from dalsegno.actors.workflow_actor.local_activities.work import (
    RunLocalActivity,
    StopAll,
    StopLocalActivity,
)
from dalsegno.broker.protocol.messages import ActivityTask
from dalsegno.failure import Failure
from tests.simulation.activities import Work
from tests.simulation.bench import SimulatedBench
from tests.simulation.broker_model import CULPRIT
from tests.simulation.scheduler import SECOND
from tests.workflow_actor.local_work import ScriptedLocalActivity

if TYPE_CHECKING:
    from tests.simulation.host import Host
    from tests.simulation.world import Simulation

SHARE = 0.15
"""Of commands, that have to be prepared."""

REFUSED_SHARE = 0.1
"""Of what is made for the payload store."""
DELAYS = (0, 1_000, 20_000, SECOND // 5, SECOND)
LOCAL_ONE_IN = 3


def is_local(want: ActivityWanted, info: RunInfo) -> bool:
    """The same in each simulation of a seed, and however often it is asked. What is to be begun once at most is
    not, as it has to ask first, nor is what the broker must not carry; nor what books count: a turn that is
    lost has done it, and the next may have it by another number, and so by another idempotency key."""
    spec = want.spec
    if spec.is_early or spec.activity_type == "enter" or any(CULPRIT in arg.data for arg in spec.args):
        return False
    return crc32(f"{info.workflow_id} {spec.activity_id}".encode()) % LOCAL_ONE_IN == 0


class SimulatedOffLoop:
    """That of one life of a host: what it does ends with it."""

    def __init__(self, simulation: Simulation, host: Host, seed: str) -> None:
        self._simulation = simulation
        self._faults = simulation.faults
        self._host = host
        self._random = Random(seed)
        self._bench = SimulatedBench(simulation, host, f"{seed} bench")

    prepares = True

    def is_ready_for(self, command: Command, instance: Instance) -> bool:
        return self._random.random() >= SHARE

    def prepare(self, command: Command, instance: Instance, done: Callable[[Preparation], None]) -> None:
        if self._faults.happens("preparation never ends"):
            return
        fails = self._faults.happens("preparation fails")
        preparation = Unready("what it needs is not there") if fails else Ready()
        self._host.after(self._random.choice(DELAYS), lambda: done(preparation))

    def give_up(self, work: LocalWork) -> None:
        """Whoever works on goes on, in vain."""
        self._bench.give_up(work)

    def work(self, work: LocalWork, done: Callable[[Command | PiecesKept], None]) -> None:
        if isinstance(work, KeepPieces):
            kept = PiecesKept("nobody answers" if self._random.random() < REFUSED_SHARE else None)
            self._host.after(self._random.choice((*DELAYS, 8 * SECOND)), lambda: done(kept))
            return
        if isinstance(work, RunLocalActivity | StopLocalActivity | StopAll):
            self._bench.work(work, done)
            return
        assert isinstance(work, ScriptedLocalActivity)
        if self._faults.happens("local work never ends"):
            return
        simulation, workflow_id = self._simulation, work.info.workflow_id
        task = Work(simulation.opened(self._host, workflow_id, _as_task(work)), self._random)

        def finish() -> None:
            outcome = simulation.sealed(self._host, workflow_id, task.do(simulation.ledger))
            self._host.step("local work done")
            done(work.failed(outcome) if isinstance(outcome, Failure) else work.completed(outcome))

        self._host.after(task.microseconds, finish)


def _as_task(work: ScriptedLocalActivity) -> ActivityTask:
    """As a worker would be given it."""
    spec, info = work.spec, work.info
    return ActivityTask(
        workflow_id=info.workflow_id,
        run_id=info.run_id,
        workflow_type=info.workflow_type,
        activity_id=spec.activity_id,
        activity_type=spec.activity_type,
        task_queue=spec.task_queue,
        attempt=1,
        token=work.token,
        fence=1,
        idempotency_key=f"{info.run_id}/{spec.activity_id}",
        exchange="",
        routing_key="",
        args=spec.args,
        scheduled_at=0,
    )
