"""From what is known of an instance to the one reason why it does not move, and the others beside it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from msgspec.structs import replace

from dalsegno.broker.protocol.messages import Description, PendingActivity
from dalsegno.policies import WorkflowStatus
from dalsegno.reasons.evidence import Evidence, HandlersSeen, QueueSeen, may_wait
from dalsegno.reasons.of_activities import (
    ActivityUnknown,
    AttemptRuns,
    IncidentOpen,
    NoWorker,
    OutsideAwaited,
    RetryPending,
    TaskHeld,
    TaskQueued,
    TaskSent,
    WorkerGone,
)
from dalsegno.reasons.of_hosts import HostSilent, NoHost, NoOwner
from dalsegno.reasons.of_runs import (
    AnswerAwaited,
    ChildOpen,
    CodeDue,
    CodeStuck,
    Ended,
    MessageAwaited,
    NothingAwaited,
    NotRead,
    Overdue,
    Paused,
    SignalSetAside,
    SignalUnhandled,
    StartDelayed,
    TimerPending,
    Unexplained,
    UpdateOpen,
)
from dalsegno.reasons.reason import Reason, Why
from dalsegno.reasons.words import MINUTE, because, innermost

ORDER: tuple[type[Reason], ...] = (
    Ended,
    # Nothing of the namespace, or of its partition, moves.
    NoHost,
    NoOwner,
    HostSilent,
    # Nothing of the run does.
    NotRead,
    CodeStuck,
    Paused,
    IncidentOpen,
    StartDelayed,
    Overdue,
    CodeDue,
    # It waits for what others do: first those with whom nothing goes on.
    NoWorker,
    ActivityUnknown,
    WorkerGone,
    RetryPending,
    TaskQueued,
    TaskSent,
    TaskHeld,
    AttemptRuns,
    OutsideAwaited,
    AnswerAwaited,
    ChildOpen,
    UpdateOpen,
    SignalSetAside,
    SignalUnhandled,
    NothingAwaited,
    MessageAwaited,
    TimerPending,
    Unexplained,
)
"""All reasons that there are. Of several that hold, the first is the one that matters."""

ALSO_MAX = 20
LATE = MINUTE
"""A wake-up that is over by so much is not about to come: clocks differ by less."""

ACTIVITY_NOT_FOUND = "ActivityNotFound"
"""The type of the failure with which a worker answers that it does not have an activity."""

OF_CODE = ("condition at ", "the run method", "signal handler ", "update handler ", "task ")
"""Of what the code waits for, what it tells of itself: the beginnings of these texts of a description."""

_UNHANDLED = re.compile(r"a handler for the signal '(.*)' \(\d+ sent\)", re.DOTALL)
_TIMER_LINE = re.compile(r"timer (\d+) until \S+ \((.*)\)", re.DOTALL)

NEWER_ROWS = "all that its journal holds: "
"""How a description says that what is stored was not read."""


def explain(evidence: Evidence) -> Why:
    """The reasons are those that are proven by the evidence; there is always one."""
    run = evidence.run
    rank = {kind: number for number, kind in enumerate(ORDER)}
    found = sorted(_all(evidence), key=lambda one: (rank[type(one)], one.since or 0))
    found += _of_children(evidence, is_abandoned=True)  # which code may have started to go on without them
    first, *others = found or [Unexplained(**_of(evidence), waits=run.waiting_for)]
    return Why(
        workflow_id=run.workflow_id,
        reason=first,
        also=tuple(others[:ALSO_MAX]),
        run_id=run.run_id,
        workflow_type=run.workflow_type,
        status=run.status,
        cancel_requested=run.cancel_requested and not run.status.closed,
    )


def under_no_host(told: Why) -> Why:
    """For who knows that no host is there: rows show one that was killed, until its lease ends."""
    if told.status is None or told.status.closed or isinstance(told.reason, NoHost):
        return told
    others = (told.reason, *told.also)
    none = NoHost(workflow_id=told.workflow_id, asked_at=told.reason.asked_at)
    also = tuple(one for one in others if not isinstance(one, NoOwner))
    return replace(told, reason=none, also=also, child=None)


def _of(evidence: Evidence) -> dict[str, Any]:
    return {"workflow_id": evidence.run.workflow_id, "asked_at": evidence.asked_at}


def _all(evidence: Evidence) -> Iterator[Reason]:
    run = evidence.run
    if run.status.closed:
        yield _ended(evidence)
        return
    yield from _of_hosts(evidence)
    if run.left_out and run.left_out[0].startswith(NEWER_ROWS):
        yield NotRead(**_of(evidence), because=run.left_out[0].removeprefix(NEWER_ROWS), is_newer=True)
        return
    if run.suspended_reason and run.status is not WorkflowStatus.SUSPENDED:
        yield NotRead(**_of(evidence), because=run.suspended_reason)  # no host has met that yet
        return
    if run.status is WorkflowStatus.SUSPENDED:
        yield _suspended(evidence)
        return  # its code does not run, whatever it waits for
    yield from _of_incidents(evidence)
    yield from _of_its_host(evidence)
    for activity in run.pending_activities:
        reason = _of_activity(evidence, activity)
        if reason is not None:
            yield reason
    yield from _of_others(evidence)
    yield from _of_messages(evidence)


def _ended(evidence: Evidence) -> Ended:
    run = evidence.run
    return Ended(
        **_of(evidence),
        since=run.closed_at,
        status=run.status,
        because=because(run.failure),
        next_run_id=run.next_run_id,
    )


def _of_hosts(evidence: Evidence) -> Iterator[Reason]:
    hosts = evidence.hosts
    if hosts is None:
        return
    if not hosts.any_live:
        yield NoHost(**_of(evidence))
    elif hosts.owner is None and hosts.partition is not None:
        yield NoOwner(**_of(evidence), partition=hosts.partition)


def _suspended(evidence: Evidence) -> Reason:
    run, suspension = evidence.run, evidence.run.suspension
    reason, since = run.suspended_reason or "", None if suspension is None else suspension.since
    if suspension is not None and suspension.kind == "operator":
        return Paused(**_of(evidence), since=since, because=reason)
    return CodeStuck(
        **_of(evidence),
        since=since,
        workflow_type=run.workflow_type,
        cause="" if suspension is None else suspension.kind,
        because=reason or "no reason was given",
        retry_at=None if suspension is None else suspension.retry_at,
    )


def _of_incidents(evidence: Evidence) -> Iterator[Reason]:
    incidents = evidence.run.incidents
    if not incidents:
        return
    first = incidents[0]
    yield IncidentOpen(
        **_of(evidence),
        since=first.opened_at,
        activity_id=first.activity_id,
        activity_type=first.activity_type,
        task_queue=first.task_queue,
        attempt=first.attempts,
        number=first.number,
        because=because(first.last_failure),
        others=evidence.run.incidents_open - 1,
    )


def _of_its_host(evidence: Evidence) -> Iterator[Reason]:
    """What a host does of itself, and when."""
    run, now = evidence.run, evidence.asked_at
    if run.begins_at is not None and run.begins_at > now:
        yield StartDelayed(**_of(evidence), since=run.started_at, begins_at=run.begins_at, attempt=run.attempt)
    elif run.backlog or run.begins_at is not None:
        yield CodeDue(**_of(evidence), since=run.moved_at, inputs=max(1, run.backlog))
    if run.next_wake_up_at is not None and run.next_wake_up_at + LATE < now:
        yield Overdue(**_of(evidence), since=run.next_wake_up_at, what="Its next wake-up")


# --- activities -----------------------------------------------------------------------------------------------


def _of_activity(evidence: Evidence, activity: PendingActivity) -> Reason | None:
    """None for one that waits for a person: that is told by its incident."""
    about: dict[str, Any] = {
        **_of(evidence),
        "activity_id": activity.activity_id,
        "activity_type": activity.activity_type,
        "task_queue": activity.task_queue,
        "attempt": activity.attempt,
        "maximum_attempts": activity.maximum_attempts,
        "cancel_requested": activity.cancel_requested,
    }
    seen = evidence.seen_of(activity)
    if may_wait(activity) and seen is not None and not seen.has_consumers:
        return _no_worker(evidence, activity, about, seen)
    failure = None if activity.last_failure is None else innermost(activity.last_failure)
    if may_wait(activity) and failure is not None and failure.type == ACTIVITY_NOT_FOUND:
        said = failure.message
        return ActivityUnknown(
            **about, since=activity.scheduled_at, said=said, next_at=activity.next_attempt_at
        )
    return _BY_STATE[activity.state](evidence, activity, about)


def _no_worker(evidence: Evidence, activity: PendingActivity, about: dict[str, Any], seen: QueueSeen) -> Reason:
    own = evidence.run.task_queue
    sibling = evidence.queues.get(own)
    has_sibling = own != activity.task_queue and sibling is not None and sibling.has_consumers
    return NoWorker(
        **about, since=activity.scheduled_at, waiting=seen.waiting, sibling=own if has_sibling else None
    )


def _scheduled(evidence: Evidence, activity: PendingActivity, about: dict[str, Any]) -> Reason:
    seen = evidence.seen_of(activity)
    if seen is None:
        return TaskSent(**about, since=activity.scheduled_at)
    if seen.waiting:
        return TaskQueued(**about, since=activity.scheduled_at, waiting=seen.waiting)
    return TaskHeld(**about, since=activity.scheduled_at, looked_for_at=activity.due_at)


def _started(evidence: Evidence, activity: PendingActivity, about: dict[str, Any]) -> Reason:
    if activity.outside:
        return OutsideAwaited(**about, since=activity.started_at, times_out_at=activity.due_at)
    if activity.worker is not None and evidence.workers.get(activity.worker) is False:
        gone = activity.worker
        return WorkerGone(**about, since=activity.started_at, worker=gone, noticed_at=activity.due_at)
    return AttemptRuns(
        **about,
        since=activity.scheduled_at if activity.is_local else activity.started_at,
        worker=activity.worker,
        last_heartbeat_at=activity.last_heartbeat_at,
        heartbeat_timeout=activity.heartbeat_timeout,
        times_out_at=None if activity.is_local else activity.due_at,
        is_local=activity.is_local,
    )


def _backing_off(evidence: Evidence, activity: PendingActivity, about: dict[str, Any]) -> Reason:
    next_at = activity.next_attempt_at or evidence.asked_at
    why = because(activity.last_failure)
    return RetryPending(
        **about, since=activity.scheduled_at, next_at=next_at, because=why, is_local=activity.is_local
    )


def _paused(evidence: Evidence, activity: PendingActivity, about: dict[str, Any]) -> None:
    return None


_BY_STATE: dict[str, Callable[[Evidence, PendingActivity, dict[str, Any]], Reason | None]] = {
    "scheduled": _scheduled,
    "started": _started,
    "backing_off": _backing_off,
    "paused": _paused,
}


# --- other workflows, messages, timers ------------------------------------------------------------------------


def _of_others(evidence: Evidence) -> Iterator[Reason]:
    run = evidence.run
    for request in run.requests:
        yield AnswerAwaited(
            **_of(evidence), since=request.asked_at, asked=request.asked, other_id=request.workflow_id
        )
    yield from _of_children(evidence, is_abandoned=False)


def _of_children(evidence: Evidence, *, is_abandoned: bool) -> Iterator[Reason]:
    """The first of those that outlive it, or of the others."""
    run = evidence.run
    if run.status is WorkflowStatus.SUSPENDED or run.status.closed:
        return
    for child in run.children:
        if (child.parent_close_policy == "abandon") is is_abandoned:
            yield ChildOpen(
                **_of(evidence),
                since=child.started_at,
                child_id=child.workflow_id,
                child_type=child.workflow_type,
                child_run_id=child.run_id,
                others=run.children_open - 1,
            )
            return


def _of_messages(evidence: Evidence) -> Iterator[Reason]:
    run = evidence.run
    waits = tuple(filter(_is_code, run.waiting_for))
    handlers = evidence.handlers or HandlersSeen()
    for update in run.updates:
        own = (wait for wait in waits if wait.startswith(f"update handler {update.name} "))
        yield UpdateOpen(
            **_of(evidence),
            since=update.admitted_at,
            name=update.name,
            update_id=update.update_id,
            stage=update.stage,
            handler=next(own, "").removeprefix(f"update handler {update.name} "),
        )
    if run.quarantine:
        first = run.quarantine[0]
        yield SignalSetAside(
            **_of(evidence),
            since=first.set_aside_at,
            name=first.name,
            number=first.number,
            because=first.reason,
            waits=waits,
        )
    unhandled = tuple(found[1] for wait in run.waiting_for if (found := _UNHANDLED.fullmatch(wait)))
    if unhandled:
        yield SignalUnhandled(**_of(evidence), names=unhandled, handled=handlers.signals, waits=waits)
    timer = min(run.timers, key=lambda one: one.fire_at, default=None)
    timer_at = run.next_wake_up_at if timer is None and run.pending_timers else None
    timer_at = timer_at if timer is None else timer.fire_at
    if waits or not _has_more(run):
        yield _message(evidence, waits, timer_at)
    if timer_at is not None:
        yield _timer(evidence, timer_at, None if timer is None else timer.number)


def _message(evidence: Evidence, waits: tuple[str, ...], timer_at: int | None) -> Reason:
    run, handlers = evidence.run, evidence.handlers
    about: dict[str, Any] = {
        **_of(evidence),
        "since": run.moved_at,
        "workflow_type": run.workflow_type,
        "waits": waits,
    }
    is_alone = not _is_pending(run) and run.times_out_at is None and all(map(_is_code, run.waiting_for))
    if handlers is not None and not handlers and is_alone:
        return NothingAwaited(**about)
    known = handlers or HandlersSeen()
    return MessageAwaited(
        **about,
        signals=known.signals,
        updates=known.updates,
        timer_at=timer_at,
        times_out_at=run.times_out_at,
    )


def _is_code(wait: str) -> bool:
    return wait.startswith(OF_CODE)


def _is_pending(run: Description) -> bool:
    """Something by which it goes on of itself, or with others."""
    pending = (run.pending_activities, run.pending_timers, run.children, run.requests, run.updates)
    return any(pending) or bool(run.backlog) or run.begins_at is not None or bool(run.deadlines)


def _has_more(run: Description) -> bool:
    """Something is pending that is not the code's own to tell."""
    return _is_pending(run) or bool(run.waiting_for)


def _timer(evidence: Evidence, fires_at: int, number: int | None) -> Reason:
    run = evidence.run
    lines = (found for wait in run.waiting_for if (found := _TIMER_LINE.fullmatch(wait)))
    line = next((found[2] for found in lines if number == int(found[1])), "")
    return TimerPending(
        **_of(evidence),
        since=run.moved_at,
        workflow_type=run.workflow_type,
        number=number,
        fires_at=fires_at,
        line=line,
        others=run.pending_timers - 1,
    )
