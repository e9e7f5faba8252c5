"""What must hold of what clients are told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dalsegno.broker.protocol import messages as wire
from dalsegno.policies import WorkflowStatus
from tests.simulation import oracle
from tests.simulation.stories import Ended
from tests.simulation.violation import Violation

if TYPE_CHECKING:
    from tests.simulation.updating import AskedUpdate
    from tests.simulation.world import Simulation


class ClientInvariants:
    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._history = simulation.history

    def told(self, workflow_id: str, run_id: str, first: Ended, now: Ended) -> None:
        if first != now:
            raise Violation("I1", f"{workflow_id} ended with {first}, and later with {now}")
        story = self._simulation.client.stories[workflow_id]
        if not story.plan.must(now):
            raise Violation("outcome", f"{workflow_id} {story.plan.args} came to {now}")

    def update_told(self, update: AskedUpdate, first: object, now: object) -> None:
        """What was refused at the door may be refused otherwise when it is sent again."""
        is_taken = self._history.updates.run_of(update.workflow_id, update.update_id) is not None
        if is_taken and first != now:
            raise Violation("update", f"{update.update_id} of {update.workflow_id} came to {first}, then {now}")
        if not update.step.allows(now):
            raise Violation("update", f"{update.step} of {update.workflow_id} came to {now}")

    def described(self, workflow_id: str, description: wire.Description, *, pokes: int) -> bool:
        """Of a program in which nothing goes on: what its interpreter waits for. False while it cannot run."""
        if description.status is WorkflowStatus.SUSPENDED:
            return False
        (tree,) = self._simulation.client.stories[workflow_id].plan.args
        left = oracle.rest(tree, pokes)
        ended = WorkflowStatus.FAILED if oracle.raises(tree) else WorkflowStatus.COMPLETED
        must = (ended if left.is_over else WorkflowStatus.RUNNING, left.activities, left.timers, 0)
        found = (
            description.status,
            description.pending_activities_count,
            description.pending_timers,
            description.buffered_signals,
        )
        if found != must:
            raise Violation("described", f"{workflow_id} {tree} is told as {found}, and is {must}")
        return True

    def read(self, workflow_id: str, items: list[int], *, at_least: int) -> None:
        """A query reads what its sender has sent, in order (I12), and nothing that is not durable (I7)."""
        run = self._history.runs[self._simulation.client.stories[workflow_id].runs[0]]
        if items != list(range(1, len(items) + 1)) or len(items) < at_least:
            raise Violation("I12", f"{workflow_id} reads {items}, after {at_least} signals were confirmed")
        if len(items) > run.signals:
            raise Violation("I7", f"{workflow_id} reads {items}, but {run.signals} signals are durable")
