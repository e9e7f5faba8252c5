"""Commands that only read: what state and program answer to them. They leave no trace."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Never

from dalsegno.actors.workflow_actor.activities import outside
from dalsegno.actors.workflow_actor.activities.commands import OutsideHeartbeat
from dalsegno.actors.workflow_actor.at_rest import InstanceAtRest
from dalsegno.actors.workflow_actor.interface.commands import Describe, ReadOnlyCommand
from dalsegno.actors.workflow_actor.interface.decision import NOTHING, Decision
from dalsegno.actors.workflow_actor.program.port import Program
from dalsegno.actors.workflow_actor.program.replay import CodeStuckError, LiveProgram
from dalsegno.actors.workflow_actor.queries.commands import Query
from dalsegno.actors.workflow_actor.queries.decisions import on_query
from dalsegno.actors.workflow_actor.run.decide import refused, refused_unless_open
from dalsegno.actors.workflow_actor.run.state import WorkflowState
from dalsegno.actors.workflow_actor.shown.describe import describe

MUCH = 1_000
"""Activities and timers. Code that waits for more is not brought back to say so: it may have begun them all on
one input, and others would wait until it has begun them again."""

NOT_ASKED = "the lines that it waits at, and what it waits for beside activities and timers"


def answer_to(command: ReadOnlyCommand, instance: InstanceAtRest) -> Decision[Never]:
    """By what is written for it in `ANSWERS`."""
    if command.caller is None:
        return NOTHING
    state = instance.state
    refusal = refused(state, instance.workflow_id, command.run_id)
    if refusal is not None:
        return Decision(refusal=refusal)
    assert state is not None, "without one it is refused"
    return ANSWERS[type(command)](command, instance, state)


def answer_to_heartbeat(command: OutsideHeartbeat, instance: InstanceAtRest, *, now: int) -> Decision[Never]:
    """It counts whether or not anybody wants the answer."""
    state = instance.state
    refusal = refused_unless_open(state, instance.workflow_id, command.run_id)
    if refusal is not None or state is None:
        return Decision(refusal=refusal)
    return outside.answer_to_heartbeat(state, command, instance.heartbeats, now=now)


def _to_query(query: Query, instance: InstanceAtRest, state: WorkflowState) -> Decision[Never]:
    live = instance.live
    try:
        return on_query(state, query, lambda: live.query(state, query.name, query.args, query.headers))
    except CodeStuckError as stuck:
        code = "rejected" if stuck.kind == "unknown_type" else "query_failed"
        return Decision(refusal=(code, stuck.reason))


def _to_describe(_: Describe, instance: InstanceAtRest, state: WorkflowState) -> Decision[Never]:
    """The same whether the code is in memory or not: it is brought back, if it may run, to say what it waits
    for. But if that is much, the state tells it in part."""
    live, heartbeats, wake_at = instance.live, instance.heartbeats, instance.wake_at
    if live.program is None and waits_for_much(state):
        description = describe(state, None, heartbeats, wake_at=wake_at)
        description["left_out"] = (*description["left_out"], NOT_ASKED)
    else:
        description = describe(state, _code_of(state, live), heartbeats, wake_at=wake_at)
    return Decision(description=description)


def waits_for_much(state: WorkflowState) -> bool:
    return len(state.activities) + len(state.timers) > MUCH


def _code_of(state: WorkflowState, live: LiveProgram) -> Program | None:
    if state.is_closed or state.suspension is not None or state.processed == 0:
        return live.program
    try:
        return live.at(state)
    except CodeStuckError:
        return None  # what runs it next suspends the instance, and says why


ANSWERS: dict[type, Callable[[Any, InstanceAtRest, WorkflowState], Decision[Never]]] = {
    Query: _to_query,
    Describe: _to_describe,
}
"""By command: the run is there, and its answer is wanted."""
