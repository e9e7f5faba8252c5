"""Which tasks of a run nobody is known to have begun: they are on their way, in a task queue, or in the hands
of a worker that has not said so."""

from __future__ import annotations

from collections.abc import Collection

from msgspec import Struct

from dalsegno.actors.workflow_actor.activities.activity import Activity, Phase
from dalsegno.actors.workflow_actor.interface.effects import EffectID
from dalsegno.actors.workflow_actor.interface.steps import PORTION, Steps
from dalsegno.actors.workflow_actor.outstanding.confirmations import Confirmations
from dalsegno.actors.workflow_actor.run.state import WorkflowState


class WaitingTask(Struct, frozen=True):
    """`effect` is that by which it was sent last. `is_confirmed`: the broker had it. `goes_by_itself`: a
    wake-up is going to send it, whatever comes."""

    run_id: str
    activity_id: str
    attempt: int
    task_queue: str
    scheduled_at: int
    effect: EffectID
    is_confirmed: bool
    goes_by_itself: bool


def waiting_tasks(state: WorkflowState, confirmations: Confirmations) -> list[WaitingTask]:
    return [
        _waiting(state, activity, activity.sends[0], confirmations)
        for activity in state.activities.values()
        if activity.phase is Phase.SCHEDULED
    ]


def task_queues_of_waiting(state: WorkflowState) -> Steps[Collection[str]]:
    """In which they are, or are going to be. In steps, of a state that does not go on meanwhile."""
    task_queues: dict[str, None] = {}
    for place, activity in enumerate(state.activities.values(), 1):
        if activity.phase is Phase.SCHEDULED:
            task_queues[activity.spec.task_queue] = None
        if place % PORTION == 0:
            yield
    return task_queues


def _waiting(
    state: WorkflowState, activity: Activity, effect: EffectID, confirmations: Confirmations
) -> WaitingTask:
    run_id = state.info.run_id
    outstanding = state.outstanding.get(effect)
    is_confirmed = outstanding is None or (run_id, effect) in confirmations.seen
    return WaitingTask(
        run_id=run_id,
        activity_id=activity.spec.activity_id,
        attempt=activity.attempt,
        task_queue=activity.spec.task_queue,
        scheduled_at=activity.scheduled_at,
        effect=effect,
        is_confirmed=is_confirmed,
        goes_by_itself=outstanding is not None and not is_confirmed and not outstanding.held,
    )
