"""A wake-up: everything that is due is done, in the order in which it fell due. Each timer or deadline is an
input of its own, and user code runs until idle before the next one; all of it is one activation."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from dalsegno.actors.workflow_actor.activities.activity import next_obligation
from dalsegno.actors.workflow_actor.activities.attempts import on_obligation
from dalsegno.actors.workflow_actor.activities.heartbeats import Heartbeats
from dalsegno.actors.workflow_actor.run.agenda import Agenda, DueKind, Entry
from dalsegno.actors.workflow_actor.run.events import Continued, RunClosed
from dalsegno.actors.workflow_actor.timers.events import TimerElapsed
from dalsegno.actors.workflow_actor.turn import Turn
from dalsegno.errors import TimeoutType
from dalsegno.failure import Failure
from dalsegno.policies import WorkflowStatus

DUE_MAX = 200
"""Things that one activation does. A thousand timers of the same time, or deadlines, are done in several."""


def do_what_is_due(turn: Turn, agenda: Agenda, heartbeats: Heartbeats, run: Callable[[Turn], None]) -> None:
    """What falls due only through this (a timer of no time) is left for the next wake-up, and so is what would
    come before code that has too much to run for one activation, and what is more than `DUE_MAX`."""
    due = deque(agenda.take_due(turn.state, turn.moment.time, limit=DUE_MAX))
    while due and not turn.state.is_closed and not turn.state.has_backlog:
        entry = due.popleft()
        if agenda.is_due(turn.state, entry):
            _do(turn, entry, heartbeats)
            run(turn)
    agenda.put_back(due)


def _do(turn: Turn, entry: Entry, heartbeats: Heartbeats) -> None:
    _, due, number = entry
    match due:
        case DueKind.CONTINUE:
            turn.record(Continued())
        case DueKind.TIMER:
            turn.record(TimerElapsed(number))
        case DueKind.ACTIVITY:
            _do_for_activity(turn, number, heartbeats)
        case DueKind.EXECUTION:
            failure = Failure(
                kind="timed_out",
                message="the workflow did not end within its execution timeout",
                timeout_type=TimeoutType.EXECUTION.value,
            )
            turn.record(RunClosed(WorkflowStatus.TIMED_OUT, failure=failure))


def _do_for_activity(turn: Turn, number: int, heartbeats: Heartbeats) -> None:
    activity = turn.state.activities[number]
    _, obligation = next_obligation(activity, alive_at=heartbeats.alive_at(activity))
    decision = on_obligation(
        activity,
        obligation,
        now=turn.moment.time,
        entropy=turn.moment.entropy,
        heartbeat=heartbeats.details(activity),
    )
    turn.record(*decision.events)
    turn.probes.extend(decision.probes)
