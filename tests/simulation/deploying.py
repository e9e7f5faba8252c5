"""Hosts whose definitions come, go and change while they run, under all the other faults."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from dalsegno.actors.workflow_actor.interface.run_info import RunInfo
from dalsegno.actors.workflow_actor.program.port import ABSENT, UNVERSIONED, Program
from dalsegno.actors.workflow_actor.program.registry import WorkflowRegistry
from dalsegno.actors.workflow_actor.run.inputs import SignedState
from tests.simulation.world import STORM, Simulation

CHANGES = 40


class ChangingCode:
    """The same definitions, each of which may be away, and may be taken for another than it was."""

    def __init__(self, registry: WorkflowRegistry) -> None:
        self._registry = registry
        self._away: set[str] = set()
        self._revisions: dict[str, int] = {}

    def change(self, random: Random) -> None:
        workflow_type = random.choice(self._registry.types)
        if workflow_type in self._away:
            self._away.remove(workflow_type)
        elif random.random() < 0.5:
            self._away.add(workflow_type)
        else:
            self._revisions[workflow_type] = self._revisions.get(workflow_type, 0) + 1

    def all_are_here(self) -> None:
        self._away.clear()

    def fingerprint(self, task_queue: str, workflow_type: str, version: str = UNVERSIONED) -> str:
        if workflow_type in self._away:
            return ABSENT
        code = self._registry.fingerprint(task_queue, workflow_type, version)
        return f"{code} {self._revisions.get(workflow_type, 0)}"

    def sets_signals_aside(self, task_queue: str, workflow_type: str, version: str = UNVERSIONED) -> bool:
        return self._registry.sets_signals_aside(task_queue, workflow_type, version)

    def build(self, info: RunInfo, signed: SignedState, patches: Sequence[str] = ()) -> Program | None:
        return None if info.workflow_type in self._away else self._registry.build(info, signed, patches)


class DeployingSimulation(Simulation):
    """All hosts change at once, those that are frozen when they awake."""

    def __init__(self, seed: int, *, keep_trace: bool = False) -> None:
        super().__init__(seed, keep_trace=keep_trace)
        self._changing = ChangingCode(self.language.code)
        self.code = self._changing  # type: ignore[assignment]  # for each host that is started
        self._chance = Random(f"{seed} definitions")

    def _begin(self) -> None:
        super()._begin()
        for _ in range(CHANGES):
            self.scheduler.after(self._chance.randrange(STORM), self._change)
        self.scheduler.after(STORM, self._end)

    def _change(self) -> None:
        self._changing.change(self._chance)
        self._tell()

    def _end(self) -> None:
        self._changing.all_are_here()
        self._tell()

    def _tell(self) -> None:
        for host in self.hosts.values():
            if host.is_alive:
                host.call_soon(host.engine.code_changed)
