"""What `workflow describe` shows people."""

from __future__ import annotations

from typing import Any

from dalsegno.broker.protocol.messages import Description, PendingActivity
from dalsegno.cli.output import as_json, moment, say, table

VALUE_CHARACTERS_MAX = 300
"""Of input and result; --json has them in full."""

CHILDREN_SHOWN = 20


def show(told: Description) -> None:
    """Facts, and a table of the activities that are under way; what is not known or nought is left out."""
    table([], [(name, value) for name, value in _facts(told) if value not in (None, "", 0)])
    if not told.pending_activities:
        return
    say("")
    rows = [_activity(activity) for activity in told.pending_activities]
    # A column that is empty throughout would only take room.
    names = [name for name in rows[0] if any(row[name] for row in rows)]
    more = told.pending_activities_count > len(rows)
    title = f"the first {len(rows)} of {told.pending_activities_count} pending activities" if more else ""
    table(names, [[row[name] for name in names] for row in rows], title=title or "pending activities")


def _facts(told: Description) -> list[tuple[str, Any]]:
    return [
        ("workflow ID", told.workflow_id),
        ("run ID", told.run_id),
        ("first run", told.first_run_id),
        ("run before", told.continued_run_id),
        ("next run", told.next_run_id),
        ("attempt", told.attempt if told.attempt > 1 else None),
        ("type", told.workflow_type),
        ("task queue", told.task_queue),
        ("priority", told.priority),
        ("status", told.status),
        ("reason", told.suspended_reason),
        ("input", " ".join(map(_cut, told.input)) if told.input else None),
        ("result", None if told.result is None else _cut(told.result)),
        ("failure", _failure(told.failure)),
        ("search attributes", _attributes(told)),
        ("cancel requested", "yes" if told.cancel_requested else None),
        ("details", told.details),
        ("patches", ", ".join(told.patches)),
        ("waiting for", "; ".join(told.waiting_for)),
        ("timers", told.pending_timers),
        ("buffered signals", _buffered(told)),
        ("parent", told.parent_workflow_id),
        ("open children", _children(told)),
        ("incidents", _incidents(told)),
        ("in quarantine", _quarantine(told)),
        ("open updates", _updates(told)),
        ("updates completed", told.updates_completed),
        ("to be undone", _compensations(told)),
        ("deadlines (UTC)", _deadlines(told)),
        ("started (UTC)", moment(told.started_at)),
        ("begins (UTC)", moment(told.begins_at)),
        ("closed (UTC)", moment(told.closed_at)),
        ("next wake-up (UTC)", moment(told.next_wake_up_at)),
        ("partition", str(told.partition) if told.partition is not None else None),
        ("host", told.host_id),
        ("sequence", told.sequence),
        ("left out here", "; ".join(told.left_out)),
    ]


def _activity(activity: PendingActivity) -> dict[str, str]:
    """By the names of columns. The last is the one that may be folded."""
    return {
        "ID": activity.activity_id,
        "type": activity.activity_type,
        "queue": activity.task_queue + (f", priority {activity.priority}" if activity.priority else ""),
        "state": activity.state.replace("_", " ") + (", asked to stop" if activity.cancel_requested else ""),
        "attempt": str(activity.attempt),
        "scheduled (UTC)": moment(activity.scheduled_at),
        "started (UTC)": moment(activity.started_at),
        "last heartbeat (UTC)": moment(activity.last_heartbeat_at),
        "next attempt (UTC)": moment(activity.next_attempt_at),
        "worker": (activity.worker or "").removeprefix("dalsegno.worker."),
        "last failure": _failure(activity.last_failure),
    }


def _failure(failure: Any) -> str:
    """Its type, where it has one, and its message; of one that only wraps another, that one's."""
    if failure is None:
        return ""
    while not failure.type and failure.cause is not None:
        failure = failure.cause
    return f"{failure.type}: {failure.message}" if failure.type else failure.message


def _attributes(told: Description) -> str:
    return ", ".join(f"{name} = {_cut(value)}" for name, value in told.search_attributes.items())


def _cut(value: Any) -> str:
    text = as_json(value)
    return text if len(text) <= VALUE_CHARACTERS_MAX else f"{text[: VALUE_CHARACTERS_MAX - 3]}..."


def _buffered(told: Description) -> str:
    """What was sent and no handler has taken: 3 (approve 2, note 1)."""
    names = [f"{name} {count}" for name, count in told.buffered_signal_names.items()]
    others = told.buffered_signals - sum(told.buffered_signal_names.values())
    if names and others > 0:
        names.append(f"others {others}")
    named = f" ({', '.join(names)})" if names else ""
    return f"{told.buffered_signals}{named}" if told.buffered_signals else ""


def _children(told: Description) -> str:
    """Those that have not ended, as far as their parent knows: shipment-7 (Shipment), 3 more."""
    named = [f"{child.workflow_id} ({child.workflow_type})" for child in told.children[:CHILDREN_SHOWN]]
    others = told.children_open - len(named)
    return ", ".join([*named, f"{others} more"] if others > 0 else named)


def _updates(told: Description) -> str:
    """Those that have no outcome yet: add accepted (u-7), add admitted (u-8), 3 more."""
    named = [f"{update.name} {update.stage} ({update.update_id})" for update in told.updates]
    others = told.updates_open - len(named)
    return ", ".join([*named, f"{others} more"] if others > 0 else named)


def _compensations(told: Description) -> str:
    """In the order in which they are undone: release (reserve), refund (charge) failed: no such payment."""
    named = [
        f"{one.name} ({one.step})" + (f" failed: {one.failure}" if one.phase == "failed" else "")
        for one in told.compensations
    ]
    others = told.compensations_count - len(named)
    return ", ".join([*named, f"{others} more"] if others > 0 else named)


def _deadlines(told: Description) -> str:
    """Those that are open, and then the last that were met: shipped due 2026-11-30 12:00:00 (at risk)."""
    return ", ".join(
        f"{one.name} due {moment(one.due_at)} ({one.status.replace('_', ' ')})" for one in told.deadlines
    )


def _incidents(told: Description) -> str:
    """What waits for a person: 1 charge (Declined: no money), 2 refund, 3 more."""
    named = []
    for one in told.incidents:
        why = _failure(one.last_failure)
        named.append(f"{one.number} {one.activity_type}" + (f" ({why})" if why else ""))
    others = told.incidents_open - len(named)
    return ", ".join([*named, f"{others} more"] if others > 0 else named)


def _quarantine(told: Description) -> str:
    """Signals that do not fit their handlers: approve (1), note (2)."""
    return ", ".join(f"{signal.name} ({signal.number})" for signal in told.quarantine)
