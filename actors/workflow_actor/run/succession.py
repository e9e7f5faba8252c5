"""What follows a run by itself: the next of its chain, as which it goes on, or is tried again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal
from uuid import UUID, uuid5

from msgspec.structs import replace

from dalsegno.actors.workflow_actor.interface.retries import retry_at
from dalsegno.actors.workflow_actor.interface.run_info import RunInfo, RunRetry
from dalsegno.actors.workflow_actor.interface.times import FAR_FUTURE
from dalsegno.actors.workflow_actor.run.events import Event, Resumed, RunClosed, RunStarted, Suspended
from dalsegno.actors.workflow_actor.run.inputs import Carried, for_other_code, update_among
from dalsegno.actors.workflow_actor.run.intents import ContinueAsNew
from dalsegno.actors.workflow_actor.run.state import EarlierEffect, Suspension, WorkflowState
from dalsegno.actors.workflow_actor.signals.events import Signaled, SignalStruck
from dalsegno.errors import RetryState, TimeoutType
from dalsegno.failure import Failure
from dalsegno.payload import Payload
from dalsegno.policies import WorkflowStatus

NEXT_RUNS = UUID("5d5b7c4e-3f0a-5a7e-8a55-0f6d1c1b9e03")


RUNS_AHEAD_MAX = 1_000
"""It takes a millisecond to look so far."""


def next_run_id(run_id: str) -> str:
    """A run is followed by one at most, so that its ID names that one, too."""
    return str(uuid5(NEXT_RUNS, run_id))


def has_gone_on_as(run_id: str, current: RunInfo) -> bool:
    """Whether `run_id` is of the chain, before `current`, and at most RUNS_AHEAD_MAX runs ago. The first of all
    is known however long ago it was."""
    if current.continued_run_id is None:
        return False
    if current.follows(run_id):
        return True
    for _ in range(RUNS_AHEAD_MAX):
        run_id = next_run_id(run_id)
        if run_id == current.run_id:
            return True
    return False


def succeeded(state: WorkflowState, closed: RunClosed, wish: ContinueAsNew | None, *, now: int) -> RunClosed:
    """The end of the run, with the run that follows it, if one does. `state` is that right before. Where the
    chain's time is over none does: code that goes on and on without waiting comes before all that is due."""
    deadline = state.chain_deadline
    if wish is not None and deadline is not None and now >= deadline:
        return timed_out("execution")
    if wish is None:
        at = _retry_at(state, closed.failure, closed.status, now=now)
        if isinstance(at, RetryState) and closed.failure is not None:
            return replace(closed, failure=replace(closed.failure, run_retry_state=at.value))
        if not isinstance(at, int):
            return closed
    along = [update_id for input_ in _carried(state, wish) if (update_id := update_among(input_)) is not None]
    return replace(closed, next_run_id=next_run_id(state.info.run_id), updates=tuple(along))


def timed_out(which: Literal["run", "execution"]) -> RunClosed:
    failure = Failure(
        kind="timed_out",
        message=f"the workflow did not end within its {which} timeout",
        timeout_type=TimeoutType.EXECUTION.value,
    )
    return RunClosed(WorkflowStatus.TIMED_OUT, failure=failure)


def next_run(
    state: WorkflowState, wish: ContinueAsNew | None, earlier: tuple[EarlierEffect, ...], *, python: str
) -> RunStarted:
    """How the run begins that follows `state`, which has just ended."""
    assert state.outcome is not None and state.next_run_id is not None, "nothing follows"
    if wish is None:
        info, args = _again(state)
    else:
        info, args = _continued(state, wish), wish.args
    changes = info.workflow_type != state.info.workflow_type
    carried = [for_other_code(input_) if changes else input_ for input_ in _carried(state, wish)]
    along = filter(None, map(update_among, carried))
    updates = {update_id: state.updates[update_id] for update_id in along}
    return RunStarted(info, args, state.recipients, python, earlier, tuple(carried), updates)


def kept_from_code(
    ended: WorkflowState, suspension: Suspension | None, since: Iterable[Event]
) -> tuple[Event, ...]:
    """What the run that follows keeps from its code as `ended` has. What an operator has suspended he alone
    resumes: that run is suspended as well; `since` are the events of the turn that began with `suspension`.
    Signals that have killed hosts stay in the quarantine, or they would kill others."""
    struck = (signal for signal in ended.quarantine.values() if signal.struck)
    aside = (SignalStruck(signal.name, signal.args, signal.reason, signal.headers) for signal in struck)
    if suspension is None or suspension.kind != "operator" or any(isinstance(e, Resumed) for e in since):
        return tuple(aside)
    return (Suspended("operator", suspension.reason, None, suspension.fingerprint), *aside)


def _continued(state: WorkflowState, wish: ContinueAsNew) -> RunInfo:
    info = state.info
    schedule = wish.retry or (None if info.retry is None else info.retry.schedule)
    return replace(
        _following(state),
        workflow_type=wish.workflow_type or info.workflow_type,
        task_queue=wish.task_queue or info.task_queue,
        memo=dict(state.memo_now) if wish.memo is None else wish.memo,
        search_attributes=state.attributes,
        run_timeout=wish.run_timeout or info.run_timeout,
        retry=None if schedule is None else RunRetry(schedule, wish.args),
        attempt=1,
        begins_at=None if not wish.delay else min(state.time + wish.delay, FAR_FUTURE),
        last_failure=None,
        priority=wish.priority or info.priority,
        headers=info.headers if wish.headers is None else wish.headers,
    )


def _again(state: WorkflowState) -> tuple[RunInfo, tuple[Payload, ...]]:
    outcome, info = state.outcome, state.info
    assert outcome is not None and info.retry is not None
    begins_at = _retry_at(state, outcome.failure, outcome.status, now=outcome.closed_at)
    assert isinstance(begins_at, int)
    again = replace(
        _following(state), attempt=info.attempt + 1, begins_at=begins_at, last_failure=outcome.failure
    )
    return again, info.retry.args


def _following(state: WorkflowState) -> RunInfo:
    info = state.info
    assert state.next_run_id is not None
    return replace(
        info,
        run_id=state.next_run_id,
        started_at=state.time,
        first_run_id=info.chain_id,
        continued_run_id=info.run_id,
        deadline=state.chain_deadline,
    )


def _retry_at(
    state: WorkflowState, failure: Failure | None, status: WorkflowStatus, *, now: int
) -> int | RetryState | None:
    """When a run that has ended so is tried again, or why it is not; None if there was no question of it. The
    chain's time is not begun anew."""
    retry, is_failed = state.info.retry, status in (WorkflowStatus.FAILED, WorkflowStatus.TIMED_OUT)
    if retry is None or failure is None or not is_failed:
        return None
    return retry_at(
        retry.schedule,
        failure,
        attempt=state.info.attempt,
        now=now,
        delay=failure.next_retry_delay,
        before=state.chain_deadline,
    )


def _carried(state: WorkflowState, wish: ContinueAsNew | None) -> Iterator[Carried]:
    """What the run's code had not begun with: what it had been given, and what it had not. Of updates those
    that are open. What did not fit may fit what comes now."""
    for signal in state.quarantine.values():
        if not signal.struck:
            yield Signaled(name=signal.name, args=signal.args, headers=signal.headers)
    log = state.log
    backlog = (log[index].input for index in range(state.processed, len(log)))
    for input_ in (*(() if wish is None else wish.carried), *backlog):
        update_id = update_among(input_)
        if isinstance(input_, Carried) and (update_id is None or update_id in state.updates):
            yield input_
