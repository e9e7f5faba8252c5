"""Runs, the runs that follow them, and their children, read as they are written: who began whom, and who was
told how it ended."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from dalsegno.actors.workflow_actor.children import events as kid
from dalsegno.actors.workflow_actor.children.child import ClosePolicy
from dalsegno.actors.workflow_actor.interface.run_info import RunInfo
from dalsegno.actors.workflow_actor.interface.workflow_of import WorkflowOf
from dalsegno.actors.workflow_actor.run import events as e
from dalsegno.payload import Payload
from tests.simulation.violation import Violation


@dataclass(slots=True)
class KnownChild:
    """A child as its parent's journal has it. `closed`: what the parent was told of its end."""

    workflow_id: str
    close_policy: ClosePolicy
    begun: str | None = None
    is_refused: bool = False
    is_unwanted: bool = False
    closed: kid.ChildClosed | None = None


@dataclass(slots=True)
class KnownRun:
    info: RunInfo
    args: tuple[Payload, ...]
    children: dict[int, KnownChild] = field(default_factory=dict)
    end: e.RunClosed | None = None
    next_run: str | None = None
    is_cancelled: bool = False


class Family:
    def __init__(self) -> None:
        self.runs: dict[str, KnownRun] = {}
        self.born: dict[tuple[str, int], str] = {}
        """By the parent's run and its number: the child's first run."""

    def note(self, run_id: str, event: e.Event) -> None:
        """Raises Violation."""
        match event:
            case e.RunStarted(info, args):
                self._begins(info)
                self.runs[run_id] = KnownRun(info, args)
            case e.RunClosed():
                self.runs[run_id].end = event
            case e.CancelReceived():
                self.runs[run_id].is_cancelled = True
            case e.Ran():
                for want in event.wants:
                    if isinstance(want, kid.ChildWanted):
                        child = KnownChild(want.spec.workflow_id, want.close_policy)
                        self._new_number(run_id, want.number)[want.number] = child
                    elif isinstance(want, kid.ChildUnwanted):
                        self._child(run_id, want.number).is_unwanted = True
            case kid.ChildBegun(number, by_run):
                self._begun(run_id, self._child(run_id, number), number, by_run)
            case kid.ChildRefused(number):
                self._child(run_id, number).is_refused = True
            case kid.ChildClosed(number):
                self._told(run_id, self._child(run_id, number), event)

    # --- chains ----------------------------------------------------------------------------------------------

    def _begins(self, info: RunInfo) -> None:
        if info.continued_run_id is not None:
            self._follows(info, info.continued_run_id)
            return
        parent = info.parent
        if info.first_run_id is not None:
            raise Violation("chain", f"{info.run_id} follows nothing, and is of {info.first_run_id}")
        if parent is not None:
            self._is_born(info, parent)

    def _follows(self, info: RunInfo, before_id: str) -> None:
        before = self.runs.get(before_id)
        if before is None or before.end is None or before.end.next_run_id != info.run_id:
            raise Violation("chain", f"{info.run_id} follows {before_id}, which does not say so: {before}")
        if before.next_run is not None:
            raise Violation("chain", f"{before_id} is followed by {before.next_run}, and by {info.run_id}")
        before.next_run = info.run_id
        same = (info.workflow_id, info.parent, info.root, info.first_run_id)
        if same != (before.info.workflow_id, before.info.parent, before.info.root, before.info.chain_id):
            raise Violation("chain", f"{info.run_id} of {same} is no next run of {before.info}")

    def chain_of(self, run_id: str) -> str:
        """Its first run."""
        return self.runs[run_id].info.chain_id

    def last_of(self, run_id: str) -> KnownRun:
        run = self.runs[run_id]
        while run.next_run is not None:
            run = self.runs[run.next_run]
        return run

    # --- parents and children --------------------------------------------------------------------------------

    def _new_number(self, run_id: str, number: int) -> dict[int, KnownChild]:
        children = self.runs[run_id].children
        if number in children:
            raise Violation("child", f"{run_id} asks for child {number} twice")
        return children

    def _child(self, run_id: str, number: int) -> KnownChild:
        child = self.runs[run_id].children.get(number)
        if child is None:
            raise Violation("child", f"{run_id} speaks of child {number}, which it never asked for")
        return child

    def _is_born(self, info: RunInfo, parent: WorkflowOf) -> None:
        """Its parent has asked for it, and for no other in its place."""
        asked = self.runs[parent.run_id].children.get(parent.number) if parent.run_id in self.runs else None
        if asked is None or asked.workflow_id != info.workflow_id:
            raise Violation("child", f"{info.run_id} is begun for {parent}, which has not asked for it")
        place = parent.run_id, parent.number
        if place in self.born:
            raise Violation("child", f"{self.born[place]} and {info.run_id} are begun for {parent}")
        self.born[place] = info.run_id

    def _begun(self, run_id: str, child: KnownChild, number: int, by_run: str) -> None:
        if self.born.get((run_id, number)) != by_run:
            raise Violation("child", f"{run_id} is told that child {number} has begun, as {by_run}")
        if child.begun is not None or child.closed is not None or child.is_refused:
            raise Violation("child", f"{run_id} is told twice that child {number} has begun: {child}")
        child.begun = by_run

    def _told(self, run_id: str, child: KnownChild, event: kid.ChildClosed) -> None:
        ended, born = self.runs.get(event.run_id), self.born.get((run_id, event.number))
        if ended is None or born is None or ended.info.chain_id != born:
            raise Violation("child", f"{run_id} is told of {event.run_id} as the end of its child {born}")
        end = ended.end
        if end is None or (end.status, end.result, end.next_run_id) != (event.status, event.result, None):
            raise Violation("child", f"{run_id} is told {event} of child {child}, which ended as {end}")
        if child.closed is not None or child.is_refused:
            raise Violation("child", f"{run_id} is told twice how child {event.number} has ended")
        child.closed = event

    # --- the end ---------------------------------------------------------------------------------------------

    def must_be_whole(self, unread: set[str]) -> None:
        """Everything has ended. Of a run in `unread`, which somebody has ended without reading it, nobody knows
        what it owed. Raises Violation."""
        for run_id, run in self.runs.items():
            if run_id in unread or self.is_orphan(run_id, unread):
                continue
            end = run.end
            if end is None or end.next_run_id != run.next_run:
                raise Violation("chain", f"{run_id} has ended as {end}, and is followed by {run.next_run}")
            for number, child in run.children.items():
                if (run_id, number) not in self.born and not child.is_refused:
                    raise Violation("child", f"child {number} of {run_id} was never begun: {child}")

    def is_orphan(self, run_id: str, unread: set[str]) -> bool:
        """A run above it was ended without reading it, so that nobody may see to it any more."""
        parent = self.runs[run_id].info.parent
        while parent is not None and parent.run_id not in unread:
            parent = self.runs[parent.run_id].info.parent
        return parent is not None

    def may_be_cut_short(self, run_id: str) -> bool:
        """Somebody has cancelled it, or its parent has, or has ended."""
        run = self.runs[run_id]
        parent = run.info.parent
        if run.is_cancelled or parent is None:
            return run.is_cancelled
        asked = self.runs[parent.run_id].children[parent.number]
        has_ended = self.runs[parent.run_id].end is not None and asked.close_policy != "abandon"
        return asked.is_unwanted or (has_ended and asked.closed is None)

    def chains(self) -> Iterator[list[str]]:
        """Of each the runs, in order."""
        for run_id, run in self.runs.items():
            if run.info.continued_run_id is None:
                runs = [run_id]
                while (following := self.runs[runs[-1]].next_run) is not None:
                    runs.append(following)
                yield runs
