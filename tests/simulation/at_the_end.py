"""What must hold when everything was to be finished."""

from __future__ import annotations

from contextlib import closing
from itertools import chain
from typing import TYPE_CHECKING

from dalsegno.actors.workflow_actor.run.state import WorkflowState
from dalsegno.policies import WorkflowStatus
from dalsegno.verification.activities import Resolutions
from dalsegno.verification.endings import Endings
from dalsegno.verification.identity import Identity
from dalsegno.verification.kinship import Kinship
from dalsegno.verification.timers import Timers
from dalsegno.verification.used_ids import UsedIDs
from tests.simulation import whole_oracle
from tests.simulation.full_workflows import fold
from tests.simulation.oracle import Raised
from tests.simulation.payloads import from_payload
from tests.simulation.stories import COMPLETED
from tests.simulation.violation import Violation
from tests.simulation.workflows import Tree
from tests.workflow_actor.stored.two_releases import NEWER

if TYPE_CHECKING:
    from tests.simulation.client import Story
    from tests.simulation.world import Simulation


PROGRAMS = ("Program", "LongProgram")
"""Of whose runs the interpreter says what they come to."""


class AtTheEnd:
    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._invariants = simulation.invariants
        self._history = simulation.history
        self._store = simulation.store
        self._unread = simulation.invariants.ended_unread

    def look(self) -> None:
        """Raises Violation."""
        self._format_is_raised()
        for story in self._simulation.client.stories.values():
            self._runs_have_ended(story)
            self._refused_are_told(story)
            self._updates_are_told_as_they_are(story)
        self._history.updates.must_be_over()
        self._history.family.must_be_whole(self._unread)
        for runs in self._history.family.chains():
            self._program_came_to_what_it_must(runs)
            self._is_found_by_what_it_has_said(runs)
        self._journals_agree()
        if self._simulation.language.is_whole:
            self._verify_finds_nothing()
        ledger = self._simulation.ledger
        if sum(ledger.balances.values()):
            raise Violation("I14", f"money is made or lost: {ledger.balances}")
        for message_id in self._invariants.unreadable:
            if not self._invariants.is_dead(message_id):
                raise Violation("I21", f"{message_id} is not among the dead letters")

    def _verify_finds_nothing(self) -> None:
        """What is sound is no finding of `dalsegno verify`, as far as it looks at the journal's events."""
        with closing(UsedIDs(remembered=0)) as used:
            for run_id, run in self._history.runs.items():
                workflow_id = self._history.family.runs[run_id].info.workflow_id
                checks = (
                    Endings(),
                    Identity(workflow_id, used),
                    Kinship(used),
                    Resolutions(from_start=True),
                    Timers(from_start=True),
                )
                for row in run.rows:
                    record = NEWER.decode_record(row.events)
                    for violation in chain.from_iterable(check.on_record(row, record) for check in checks):
                        if run_id not in self._unread:
                            raise Violation("verify", f"{workflow_id} {run_id}: {violation}")

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

    def _program_came_to_what_it_must(self, runs: list[str]) -> None:
        """Also a child, which no client waits for; unless it may have been cut short."""
        family = self._history.family
        run = family.runs[runs[0]]
        story = self._simulation.client.stories.get(run.info.workflow_id)
        is_cut_short = story is not None and story.plan.is_cut_short
        if run.info.workflow_type not in PROGRAMS or is_cut_short or any(map(family.may_be_cut_short, runs)):
            return
        if family.is_orphan(runs[0], self._unread):
            return
        trees, end = from_payload(run.args[0]), family.last_of(runs[0]).end
        assert end is not None
        try:
            status, must = WorkflowStatus.COMPLETED, whole_oracle.program_outcome(trees)
        except Raised:
            status, must = WorkflowStatus.FAILED, []
        result = [] if end.result is None else from_payload(end.result)
        if (end.status, result) != (status, must):
            raise Violation("outcome", f"{runs} of {run.info.workflow_id}: {trees} came to {end}, not {must}")
        for run_id, tree in zip(runs, trees, strict=False):
            self._books_are_right(run_id, tree)

    def _is_found_by_what_it_has_said(self, runs: list[str]) -> None:
        """The last run of a chain that has come to its end, by its first arguments and labels."""
        family = self._history.family
        first, last = family.runs[runs[0]], family.last_of(runs[0])
        if first.info.workflow_type != "Labelled" or last.end is None or last.end.status is not COMPLETED:
            return
        must = dict(first.info.search_attributes)
        for changes in from_payload(first.args[0]):
            must = fold(must, changes)
        found = self._store.attributes[last.info.run_id]
        if found != must:
            raise Violation("attributes", f"{last.info.workflow_id} is found by {found}, and must by {must}")

    def _books_are_right(self, run_id: str, tree: Tree) -> None:
        for name, must in whole_oracle.sagas(tree).items():
            book = self._simulation.ledger.books[f"{run_id} {name}"]
            if book != must:
                raise Violation("saga", f"saga {name} of {run_id} has entered {book}, and must {must}")

    def _journals_agree(self) -> None:
        """What is stored is what every row there ever was leads to, and what is shown."""
        for workflow_id in self._store.instances:
            stored = self._invariants.stored_state(workflow_id)
            whole = self._invariants.stored_state(workflow_id, from_the_first=True)
            assert stored is not None
            if stored != whole and stored.info.run_id not in self._unread:
                text = f"{workflow_id}: its journal says otherwise: {difference(stored, whole)}"
                raise Violation("I16", text)
            if self._store.runs[stored.info.run_id].status is not stored.status:
                raise Violation("I33", f"{workflow_id} is {stored.status}, but shown otherwise")


def difference(one: WorkflowState, other: WorkflowState | None) -> str:
    fields = [name for name in one.__struct_fields__ if getattr(one, name) != getattr(other, name, None)]
    return "; ".join(f"{name}: {getattr(one, name)} and {getattr(other, name, None)}" for name in fields)
