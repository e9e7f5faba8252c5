"""What is due when, for one open run, by what each room says of its own (`DUE`). It is derived from the state,
and kept beside it so that a thousand pending activities don't cost a thousand looks each time."""

from __future__ import annotations

import heapq
from collections.abc import Iterable

from dalsegno.actors.workflow_actor.activities.events import (
    ActivityCompleted,
    ActivityFailed,
    ActivityUnwanted,
    AttemptsExhausted,
)
from dalsegno.actors.workflow_actor.activities.heartbeats import Heartbeats
from dalsegno.actors.workflow_actor.interface.steps import PORTION, Steps
from dalsegno.actors.workflow_actor.run.events import Event, Ran
from dalsegno.actors.workflow_actor.run.primitives import DUE, DueKind
from dalsegno.actors.workflow_actor.run.state import WorkflowState

SLACK = 64
"""Entries that may be out of date before the heap is built anew."""

MOVED_BY = {event: (kind, number_of) for kind, due in DUE.items() for event, number_of in due.moved_by.items()}
"""Events after which something is due at another time, and what."""

ENDS_ACTIVITY = (ActivityCompleted, ActivityFailed, ActivityUnwanted, AttemptsExhausted)
"""Events by which an activity ends; one that is not wanted any more may be waited for all the same. Of one
that is exhausted all attempts end, and others may come under the same numbers."""

Entry = tuple[int, DueKind, int]
"""When, what, and its number."""


class Agenda:
    """A heap of entries. Some may be out of date; none that is due is missing."""

    __slots__ = ("_heap", "_heartbeats")

    def __init__(self, heartbeats: Heartbeats) -> None:
        self._heap: list[Entry] = []
        self._heartbeats = heartbeats

    def reset(self, state: WorkflowState | None) -> None:
        """Build it anew."""
        self._heap = []
        if state is None:
            return
        for kind, due in DUE.items():
            for number in due.pending(state):
                if (at := due.at(state, number, self._heartbeats)) is not None:
                    self._heap.append((at, kind, number))
        heapq.heapify(self._heap)

    def resetting(self, state: WorkflowState) -> Steps[None]:
        """The same in steps, of a state that does not go on meanwhile. With each start it would cost a call."""
        heap: list[Entry] = []
        for kind, due in DUE.items():
            for place, number in enumerate(due.pending(state), 1):
                if (at := due.at(state, number, self._heartbeats)) is not None:
                    heap.append((at, kind, number))
                if place % PORTION == 0:
                    yield
        heapq.heapify(heap)
        self._heap = heap

    def note(self, state: WorkflowState, events: Iterable[Event]) -> None:
        """These events led to `state`."""
        for event in events:
            for fact in event.wants if isinstance(event, Ran) else (event,):
                kind = type(fact)
                if kind in MOVED_BY:
                    due, number_of = MOVED_BY[kind]
                    self._push(state, due, number_of(fact))
                elif isinstance(fact, ENDS_ACTIVITY) and (
                    fact.number not in state.activities or isinstance(fact, AttemptsExhausted)
                ):
                    self._heartbeats.forget(fact.number)
        if len(self._heap) > SLACK + 2 * (
            len(state.timers) + len(state.activities) + len(state.local_activities)
        ):
            self.reset(state)

    def next_at(self, state: WorkflowState) -> int | None:
        """When the next thing is due."""
        first = self._first(state) if self._heap else None
        at = None if first is None else first[0]
        begins_at = state.info.begins_at if state.is_delayed else None
        for other in (state.continue_at, state.deadline, begins_at):
            if other is not None and (at is None or other < at):
                at = other
        return at

    def take_due(self, state: WorkflowState, now: int, *, limit: int) -> list[Entry]:
        """What is due at `now`, in order; of more than `limit` the first. Each is to be looked at with `is_due`
        when its turn comes: what was done before it may have made it void. What was taken is noted again by the
        events it leads to."""
        due: set[Entry] = set()
        while len(due) < limit and (first := self._first(state)) is not None and first[0] <= now:
            due.add(heapq.heappop(self._heap))
        if state.continue_at is not None and state.continue_at <= now:
            due.add((state.continue_at, DueKind.CONTINUE, 0))
        begins_at = state.info.begins_at if state.is_delayed else None
        for kind, at in ((DueKind.BEGIN, begins_at), (DueKind.DEADLINE, state.deadline)):
            if at is not None and at <= now:
                due.add((at, kind, 0))
        in_order = sorted(due)
        self.put_back(in_order[limit:])
        return in_order[:limit]

    def put_back(self, entries: Iterable[Entry]) -> None:
        """They were not looked at."""
        for entry in entries:
            if entry[1] in DUE:
                heapq.heappush(self._heap, entry)

    def is_due(self, state: WorkflowState, entry: Entry) -> bool:
        at, kind, number = entry
        if kind is DueKind.CONTINUE:
            return state.continue_at == at
        if kind is DueKind.BEGIN:
            return state.is_delayed
        return kind is DueKind.DEADLINE or DUE[kind].at(state, number, self._heartbeats) == at

    def _push(self, state: WorkflowState, kind: DueKind, number: int) -> None:
        at = DUE[kind].at(state, number, self._heartbeats)
        if at is not None:
            heapq.heappush(self._heap, (at, kind, number))

    def _first(self, state: WorkflowState) -> Entry | None:
        """The earliest entry that is true; those before it are corrected on the way."""
        heap = self._heap
        while heap:
            at, kind, number = heap[0]
            actual = DUE[kind].at(state, number, self._heartbeats)
            if actual == at:
                return at, kind, number
            heapq.heappop(heap)
            if actual is not None and actual > at:
                heapq.heappush(heap, (actual, kind, number))
        return None
