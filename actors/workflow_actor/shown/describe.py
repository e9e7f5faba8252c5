"""A run as `describe` shows it: the fields of the wire's Description, but for partition and host."""

from __future__ import annotations

from itertools import chain, islice
from typing import Any

from dalsegno.actors.workflow_actor.activities import shown as activities
from dalsegno.actors.workflow_actor.activities.heartbeats import Heartbeats
from dalsegno.actors.workflow_actor.children import shown as children
from dalsegno.actors.workflow_actor.compensation import shown as compensations
from dalsegno.actors.workflow_actor.deadlines import shown as deadlines
from dalsegno.actors.workflow_actor.externals import shown as externals
from dalsegno.actors.workflow_actor.incidents import shown as incidents
from dalsegno.actors.workflow_actor.local_activities import shown as local_activities
from dalsegno.actors.workflow_actor.program.port import Program
from dalsegno.actors.workflow_actor.program.waits import SHOWN_MAX, first_of
from dalsegno.actors.workflow_actor.run.inputs import Begin
from dalsegno.actors.workflow_actor.run.state import Suspension, WorkflowState
from dalsegno.actors.workflow_actor.signals.events import Signaled
from dalsegno.actors.workflow_actor.signals.shown import counted, in_quarantine
from dalsegno.actors.workflow_actor.timers import shown as timers
from dalsegno.actors.workflow_actor.updates import shown as updates
from dalsegno.payload import Payload

MEMO_BYTES_MAX = 256 * 1024
FAILURES_CHARACTERS_MAX = 64 * 1024
"""Together; what is more is shown briefly."""
REASON_CHARACTERS_MAX = 10_000

SHOWN_BYTES_MAX = 16_384
"""Of the input, and of the result; a description has to fit into a message."""


def describe(
    state: WorkflowState, program: Program | None, heartbeats: Heartbeats, *, wake_at: int | None
) -> dict[str, Any]:
    """`program` is asked what it waits for; without one the state tells part of it. Of what there may be much
    of, the first part is shown and the rest is counted: it takes no longer for ten thousand pending things."""
    outcome, suspension = state.outcome, state.suspension
    waiting = _waiting_for(state) if program is None else program.waiting_for()
    waiting = (*islice(incidents.waited_for(state), incidents.SHOWN_MAX), *waiting)
    room = activities.FailureRoom(FAILURES_CHARACTERS_MAX)
    failure = None if outcome is None else room.fit(outcome.failure)
    first = islice(state.activities.values(), SHOWN_MAX)
    pending = [activities.described(activity, heartbeats, room) for activity in first]
    for local in islice(state.local_activities.values(), SHOWN_MAX - len(pending)):
        pending.append(local_activities.described(local, state.info.task_queue, room.fit))
    pending_count = len(state.activities) + len(state.local_activities)
    memo = state.memo_now
    memo_bytes = sum(len(key.encode()) + len(value.data) for key, value in memo.items())
    left_out = []
    if more := pending_count - len(pending):
        left_out.append(f"{more} more pending activities")
    if len(state.patches) > SHOWN_MAX:
        left_out.append(f"{len(state.patches) - SHOWN_MAX} more patches")
    if memo_bytes > MEMO_BYTES_MAX:
        memo = {}
        left_out.append(f"the memo, of {memo_bytes} bytes")
    args = _args(state)
    if args is not None and (args_bytes := sum(len(arg.data) for arg in args)) > SHOWN_BYTES_MAX:
        args = None
        left_out.append(f"the input, of {args_bytes} bytes")
    result = None if outcome is None else outcome.result
    if result is not None and len(result.data) > SHOWN_BYTES_MAX:
        left_out.append(f"the result, of {len(result.data)} bytes")
        result = None
    if room.shortened:
        left_out.append(f"stacks, details and deeper causes (in {room.shortened} of the failures)")
    reason = None if suspension is None else suspension.reason
    if reason is not None and len(reason) > REASON_CHARACTERS_MAX:
        left_out.append(f"the end of the reason, which has {len(reason)} characters")
        reason = reason[:REASON_CHARACTERS_MAX]
    open_updates = {} if state.is_closed else state.updates  # those of a run that goes on are the next one's
    backlog = [state.log[index].input for index in range(state.processed, len(state.log))]
    buffered = [input_ for input_ in (*state.signed.signals, *backlog) if isinstance(input_, Signaled)]
    return {
        "workflow_id": state.info.workflow_id,
        "run_id": state.info.run_id,
        "workflow_type": state.info.workflow_type,
        "task_queue": state.info.task_queue,
        "priority": state.info.priority,
        "status": state.status,
        "sequence": state.sequence,
        "started_at": state.info.started_at,
        "closed_at": None if outcome is None else outcome.closed_at,
        "suspended_reason": reason,
        "cancel_requested": state.cancel_requested,
        "history_length": len(state.log),
        "next_wake_up_at": wake_at,
        "memo": memo,
        "search_attributes": state.attributes,
        "pending_activities": tuple(pending),
        "pending_activities_count": pending_count,
        "pending_timers": len(state.timers),
        "buffered_signals": len(buffered),
        "buffered_signal_names": counted(buffered),
        "quarantine": in_quarantine(state.quarantine),
        "incidents": incidents.described(state, room),
        "incidents_open": len(state.incidents),
        "updates": updates.described(open_updates),
        "updates_open": len(open_updates),
        "updates_completed": len(state.update_outcomes),
        "compensations": compensations.described(state.compensations),
        "compensations_count": len(state.compensations),
        "deadlines": deadlines.described(state.deadlines),
        **children.parent_of(state.info.parent),
        "children": children.described(state.children),
        "children_open": len(state.children),
        "waiting_for": () if state.is_closed else waiting,
        "input": args,
        "result": result,
        "failure": failure,
        "left_out": tuple(left_out),
        "first_run_id": state.info.first_run_id,
        "continued_run_id": state.info.continued_run_id,
        "next_run_id": state.next_run_id,
        "attempt": state.info.attempt,
        "begins_at": state.info.begins_at if state.is_delayed else None,
        "patches": state.patches[:SHOWN_MAX],
        "details": state.signed.details if program is None else program.details,
        "moved_at": state.time,
        "suspension": _suspension(suspension),
        "backlog": 0 if state.is_closed else len(backlog),
        "timers": timers.described(state.timers),
        "requests": externals.described(state.externals),
        "times_out_at": None if state.is_closed else state.deadline,
    }


def _suspension(suspension: Suspension | None) -> dict[str, Any] | None:
    if suspension is None:
        return None
    return {"kind": suspension.kind, "since": suspension.since, "retry_at": suspension.retry_at}


def _args(state: WorkflowState) -> tuple[Payload, ...] | None:
    """The start's arguments. A sign drops them: what counts from then on is its state."""
    if state.signed.signs:
        return None
    return next((entry.input.args for entry in state.log if isinstance(entry.input, Begin)), None)


def _waiting_for(state: WorkflowState) -> tuple[str, ...]:
    waiting = chain(
        activities.waited_for(state.activities),
        local_activities.waited_for(state.local_activities),
        timers.waited_for(state.timers),
        children.waited_for(state.children),
        externals.waited_for(state.externals),
    )
    count = len(state.activities) + len(state.local_activities) + len(state.timers)
    count += len(state.children) + len(state.externals)
    return tuple(first_of(waiting, count))
