"""Outstanding effects as messages to be: what the state keeps of them, filled in from the rest of it."""

from __future__ import annotations

from collections.abc import Set
from typing import assert_never

from msgspec.structs import replace

from dalsegno.actors.workflow_actor.interface.commands import Caller
from dalsegno.actors.workflow_actor.interface.effects import (
    CancelTaskEffect,
    DurableEffect,
    EffectID,
    GrantEffect,
    ResultEffect,
    TaskEffect,
)
from dalsegno.actors.workflow_actor.run.state import (
    CancelDue,
    EarlierEffect,
    EffectDue,
    GrantDue,
    ResultDue,
    TaskDue,
    WorkflowState,
)

EARLIER_KEPT = 24 * 3600 * 1_000_000
"""Microseconds for which a closed run's outstanding effects are handed on from run to run."""


def effect_of(state: WorkflowState, due: EffectDue, run_id: str) -> DurableEffect:
    match due:
        case TaskDue():
            return _task(state, due.number)
        case GrantDue():
            return GrantEffect(
                worker=due.worker,
                run_id=run_id,
                activity_id=due.activity_id,
                attempt=due.attempt,
                granted=True,
                content_type=due.content_type,
                token=due.token,
            )
        case CancelDue():
            return CancelTaskEffect(
                worker=due.worker,
                run_id=run_id,
                activity_id=due.activity_id,
                attempt=due.attempt,
                reason=due.reason,
                content_type=due.content_type,
                token=due.token,
            )
        case ResultDue():
            outcome = due.outcome or state.outcome
            assert outcome is not None, "a result is due only when the run has ended"
            return ResultEffect(
                caller=due.caller,
                workflow_id=state.info.workflow_id,
                run_id=run_id,
                status=outcome.status,
                result=outcome.result,
                failure=outcome.failure,
            )
        case _:
            assert_never(due)


def is_to_be_told(state: WorkflowState, caller: Caller) -> bool:
    """Whether it is on record, and not yet known to have got it, that this caller wants the outcome."""
    due = (entry.due for entry in state.outstanding.values())
    return caller in state.callers or any(isinstance(it, ResultDue) and it.caller == caller for it in due)


def _task(state: WorkflowState, number: int) -> TaskEffect:
    activity = state.activities[number]
    spec, info = activity.spec, state.info
    is_early = spec.is_early
    return TaskEffect(
        workflow_id=info.workflow_id,
        run_id=info.run_id,
        workflow_type=info.workflow_type,
        activity_id=spec.activity_id,
        activity_type=spec.activity_type,
        task_queue=spec.task_queue,
        attempt=activity.attempt,
        token=activity.token,
        fence=activity.fence,
        acknowledge="early" if is_early else "late",
        args=spec.args,
        scheduled_at=activity.scheduled_at,
        start_to_close=spec.start_to_close,
        heartbeat_timeout=spec.silence_limit if is_early else None,
        auto_heartbeat=is_early and spec.auto_heartbeat,
        heartbeat_details=activity.heartbeat_details,
    )


def new_effects(state: WorkflowState) -> list[tuple[EffectID, DurableEffect]]:
    """Those that the last activation added and that are still wanted, in order."""
    run_id, outstanding = state.info.run_id, state.outstanding
    effects = []
    for index in range(state.effects_made):
        effect = (state.sequence, index)
        entry = outstanding.get(effect)
        if entry is not None:
            effects.append((effect, effect_of(state, entry.due, run_id)))
    return effects


def handed_on(state: WorkflowState, done: Set[tuple[str, EffectID]], *, now: int) -> tuple[EarlierEffect, ...]:
    """What the next run of this workflow ID has to take over from this one, which is closed."""
    assert state.outcome is not None
    run_id = state.info.run_id
    kept = [
        entry
        for entry in state.earlier
        if (entry.run_id, entry.effect) not in done and entry.since > now - EARLIER_KEPT
    ]
    for effect, outstanding in state.outstanding.items():
        if (run_id, effect) in done:
            continue
        if isinstance(due := outstanding.due, ResultDue):
            outstanding = replace(outstanding, due=replace(due, outcome=state.outcome))
        kept.append(EarlierEffect(run_id, effect, outstanding, state.outcome.closed_at))
    return tuple(kept)
