"""Outstanding effects as messages to be: what the state keeps of them, filled in from the rest of it."""

from __future__ import annotations

from collections.abc import Callable, Set
from typing import Any

from msgspec.structs import replace

from dalsegno.actors.workflow_actor.interface.effects import DurableEffect, EffectID
from dalsegno.actors.workflow_actor.interface.recipients import QueueOf
from dalsegno.actors.workflow_actor.run import primitives
from dalsegno.actors.workflow_actor.run.state import EarlierEffect, EffectDue, ResultDue, WorkflowState
from dalsegno.actors.workflow_actor.shown import answers

EARLIER_KEPT = 24 * 3600 * 1_000_000
"""Microseconds for which a closed run's outstanding effects are handed on from run to run."""


def effect_of(state: WorkflowState, due: EffectDue, run_id: str) -> DurableEffect:
    return EFFECTS[type(due)](state, due, run_id)


def _result_of(state: WorkflowState, due: ResultDue, run_id: str) -> DurableEffect:
    outcome = due.outcome or state.outcome
    assert outcome is not None, "a result is due only when the run has ended"
    workflow_id = state.info.workflow_id
    if isinstance(due.recipient, QueueOf):
        return answers.result(due.recipient.client, workflow_id, run_id, outcome)
    return answers.ended(due.recipient, workflow_id, run_id, outcome)


EFFECTS: dict[type, Callable[[WorkflowState, Any, str], DurableEffect]] = {
    **primitives.EFFECTS,
    ResultDue: _result_of,
}
"""By its type, what becomes of what is due."""


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
