"""What must hold when everything was to be finished."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dalsegno.actors.workflow_actor.run.state import WorkflowState
from tests.simulation.violation import Violation

if TYPE_CHECKING:
    from tests.simulation.client import Story
    from tests.simulation.world import Simulation


class AtTheEnd:
    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._invariants = simulation.invariants
        self._history = simulation.history
        self._store = simulation.store

    def look(self) -> None:
        """Raises Violation."""
        self._format_is_raised()
        for story in self._simulation.client.stories.values():
            self._runs_have_ended(story)
            self._refused_are_told(story)
            self._updates_are_told_as_they_are(story)
        self._history.updates.must_be_over()
        self._journals_agree()
        ledger = self._simulation.ledger
        if sum(ledger.balances.values()):
            raise Violation("I14", f"money is made or lost: {ledger.balances}")
        for message_id in self._invariants.unreadable:
            if not self._invariants.is_dead(message_id):
                raise Violation("I21", f"{message_id} is not among the dead letters")

    def _format_is_raised(self) -> None:
        store = self._store
        if store.format_asked > store.format_written and all(
            store.formats_read[host] >= store.format_asked for host in store.live_hosts()
        ):
            raise Violation("format", f"format {store.format_asked} is asked for, read by all, and not written")

    def _runs_have_ended(self, story: Story) -> None:
        for run_id in story.runs:
            closed, shown = self._history.runs[run_id].closed, self._store.runs.get(run_id)
            if closed != 1 or shown is None or not shown.status.closed:
                text = f"run {run_id} of {story.workflow_id} has ended {closed} times, and shows {shown}"
                raise Violation("I1", text)

    def _refused_are_told(self, story: Story) -> None:
        for message_id in story.refused:
            seen = self._store.seen[story.workflow_id].get(("workflow.signal", message_id))
            if not self._invariants.is_dead(message_id) and (seen is None or not seen.answer):
                text = f"{message_id} cannot be stored, and is neither refused nor a dead letter"
                raise Violation("I23", text)

    def _updates_are_told_as_they_are(self, story: Story) -> None:
        """What leaves nothing behind was refused at the door."""
        for update in story.updates:
            key = story.workflow_id, update.update_id
            stored = self._history.updates.outcomes.get(key, update.outcome)
            if stored != update.outcome:
                raise Violation("update", f"{key} came to {stored}, and {update.outcome} is told")

    def _journals_agree(self) -> None:
        """What is stored is what every row there ever was leads to, and what is shown."""
        for workflow_id in self._store.instances:
            stored = self._invariants.stored_state(workflow_id)
            whole = self._invariants.stored_state(workflow_id, from_the_first=True)
            assert stored is not None
            if stored != whole and not self._invariants.is_from_an_unread_one(stored.info.run_id):
                text = f"{workflow_id}: its journal says otherwise: {difference(stored, whole)}"
                raise Violation("I16", text)
            if self._store.runs[stored.info.run_id].status is not stored.status:
                raise Violation("I33", f"{workflow_id} is {stored.status}, but shown otherwise")


def difference(one: WorkflowState, other: WorkflowState | None) -> str:
    fields = [name for name in one.__struct_fields__ if getattr(one, name) != getattr(other, name, None)]
    return "; ".join(f"{name}: {getattr(one, name)} and {getattr(other, name, None)}" for name in fields)
