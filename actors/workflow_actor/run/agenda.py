"""What is due when, for one open run: timers, and the activities' deadlines and retries. It is derived from
the state, and kept beside it so that a thousand pending activities don't cost a thousand looks each time."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from enum import IntEnum

from dalsegno.actors.workflow_actor.activities.activity import next_obligation
from dalsegno.actors.workflow_actor.activities.events import (
    ActivityCompleted,
    ActivityFailed,
    ActivityWanted,
    AttemptBegun,
    AttemptScheduled,
    RetryPlanned,
    TaskOverdue,
)
from dalsegno.actors.workflow_actor.activities.heartbeats import Heartbeats
from dalsegno.actors.workflow_actor.run.events import Event, Ran
from dalsegno.actors.workflow_actor.run.state import WorkflowState
from dalsegno.actors.workflow_actor.timers.events import TimerWanted

SLACK = 64
"""Entries that may be out of date before the heap is built anew."""


class DueKind(IntEnum):
    """What can be due. Of two at the same time the first here comes first: a timer beats the deadline."""

    CONTINUE = 0
    TIMER = 1
    ACTIVITY = 2
    EXECUTION = 3


Entry = tuple[int, DueKind, int]
"""When, what, and the timer's or activity's number."""


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
        self._heap.extend((at, DueKind.TIMER, number) for number, at in state.timers.items())
        for number, activity in state.activities.items():
            alive_at = self._heartbeats.alive_at(activity)
            self._heap.append((next_obligation(activity, alive_at=alive_at)[0], DueKind.ACTIVITY, number))
        heapq.heapify(self._heap)

    def note(self, state: WorkflowState, events: Iterable[Event]) -> None:
        """These events led to `state`."""
        for event in events:
            match event:
                case Ran():
                    for want in event.wants:
                        if isinstance(want, ActivityWanted):
                            self._push(state, DueKind.ACTIVITY, want.spec.number)
                        elif isinstance(want, TimerWanted):
                            self._push(state, DueKind.TIMER, want.number)
                case AttemptBegun() | RetryPlanned() | AttemptScheduled() | TaskOverdue():
                    self._push(state, DueKind.ACTIVITY, event.number)
                case ActivityCompleted() | ActivityFailed():
                    self._heartbeats.forget(event.number)
                case _:
                    pass
        if len(self._heap) > SLACK + 2 * (len(state.timers) + len(state.activities)):
            self.reset(state)

    def next_at(self, state: WorkflowState) -> int | None:
        """When the next thing is due."""
        first = self._first(state) if self._heap else None
        at = None if first is None else first[0]
        for other in (state.continue_at, state.execution_deadline):
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
        deadline = state.execution_deadline
        if deadline is not None and deadline <= now:
            due.add((deadline, DueKind.EXECUTION, 0))
        in_order = sorted(due)
        self.put_back(in_order[limit:])
        return in_order[:limit]

    def put_back(self, entries: Iterable[Entry]) -> None:
        """They were not looked at."""
        for entry in entries:
            if entry[1] in (DueKind.TIMER, DueKind.ACTIVITY):
                heapq.heappush(self._heap, entry)

    def is_due(self, state: WorkflowState, entry: Entry) -> bool:
        at, due, number = entry
        match due:
            case DueKind.CONTINUE:
                return state.continue_at == at
            case DueKind.EXECUTION:
                return True
            case _:
                return self._actual(state, due, number) == at

    def _push(self, state: WorkflowState, due: DueKind, number: int) -> None:
        at = self._actual(state, due, number)
        if at is not None:
            heapq.heappush(self._heap, (at, due, number))

    def _actual(self, state: WorkflowState, due: DueKind, number: int) -> int | None:
        """When it is due; None when it is no more."""
        if due is DueKind.TIMER:
            return state.timers.get(number)
        activity = state.activities.get(number)
        if activity is None:
            return None
        return next_obligation(activity, alive_at=self._heartbeats.alive_at(activity))[0]

    def _first(self, state: WorkflowState) -> Entry | None:
        """The earliest entry that is true; those before it are corrected on the way."""
        heap = self._heap
        while heap:
            at, due, number = heap[0]
            actual = self._actual(state, due, number)
            if actual == at:
                return at, due, number
            heapq.heappop(heap)
            if actual is not None and actual > at:
                heapq.heappush(heap, (actual, due, number))
        return None
