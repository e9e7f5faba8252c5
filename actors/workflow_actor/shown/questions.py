"""Queries and descriptions: they read, and leave no trace."""

from __future__ import annotations

from typing import Never

from dalsegno.actors.workflow_actor.activities.heartbeats import Heartbeats
from dalsegno.actors.workflow_actor.interface.commands import Describe, Query
from dalsegno.actors.workflow_actor.interface.decision import NOTHING, Decision
from dalsegno.actors.workflow_actor.program.port import Program, QueryHandlerError
from dalsegno.actors.workflow_actor.program.replay import CodeStuckError, LiveProgram
from dalsegno.actors.workflow_actor.run.decide import refused
from dalsegno.actors.workflow_actor.run.state import WorkflowState
from dalsegno.actors.workflow_actor.shown import answers
from dalsegno.actors.workflow_actor.shown.describe import describe
from dalsegno.errors import QueryFailedError
from dalsegno.failure import Failure
from dalsegno.payload import Payload

MUCH = 1_000
"""Activities and timers. Code that waits for more is not brought back to say so: it may have begun them all on
one input, and others would wait until it has begun them again."""

NOT_ASKED = "the lines that it waits at, and what it waits for beside activities and timers"


def on_query(state: WorkflowState | None, query: Query, live: LiveProgram, workflow_id: str) -> Decision[Never]:
    """Closed runs answer too, with today's code; suspended ones don't. What the handler raised goes along."""
    if query.caller is None:
        return NOTHING
    failure: Failure | None = None
    try:
        result = _result(state, query, live, workflow_id)
    except QueryFailedError as error:
        result = "query_failed", str(error)
        failure = error.failure if isinstance(error, QueryHandlerError) else None
    if isinstance(result, Payload):
        return Decision(effects=(answers.answered(query.caller, workflow_id, state, result=result),))
    return Decision(effects=(answers.refused(query.caller, workflow_id, state, result, failure=failure),))


def needs_code(state: WorkflowState | None, query: Query) -> bool:
    """Whether the query is put to the run's code, and not refused before."""
    if query.caller is None or state is None or query.run_id not in (None, state.info.run_id):
        return False
    return state.suspension is None and state.processed > 0


def _result(
    state: WorkflowState | None, query: Query, live: LiveProgram, workflow_id: str
) -> Payload | tuple[str, str]:
    refusal = refused(state, workflow_id, query.run_id)
    if refusal is not None or state is None:
        return refusal or ("not_found", workflow_id)
    if state.suspension is not None:
        return "rejected", f"workflow {workflow_id!r} is suspended: {state.suspension.reason}"
    if state.processed == 0:
        return "rejected", f"the code of workflow {workflow_id!r} has never run"
    try:
        return live.query(state, query.name, query.args)
    except CodeStuckError as stuck:
        return "rejected" if stuck.kind == "unknown_type" else "query_failed", stuck.reason


def on_describe(
    state: WorkflowState | None,
    request: Describe,
    live: LiveProgram,
    heartbeats: Heartbeats,
    workflow_id: str,
    *,
    wake_at: int | None,
) -> Decision[Never]:
    """The same whether the code is in memory or not: it is brought back, if it may run, to say what it waits
    for. But if that is much, the state tells it in part."""
    if request.caller is None:
        return NOTHING
    refusal = refused(state, workflow_id, request.run_id)
    if refusal is not None:
        return Decision(effects=(answers.refused(request.caller, workflow_id, state, refusal),))
    assert state is not None, "without one it is refused"
    if live.program is None and waits_for_much(state):
        description = describe(state, None, heartbeats, wake_at=wake_at)
        description["left_out"] = (*description["left_out"], NOT_ASKED)
    else:
        description = describe(state, _code_of(state, live), heartbeats, wake_at=wake_at)
    return Decision(effects=(answers.answered(request.caller, workflow_id, state, description=description),))


def waits_for_much(state: WorkflowState) -> bool:
    return len(state.activities) + len(state.timers) > MUCH


def _code_of(state: WorkflowState, live: LiveProgram) -> Program | None:
    if state.is_closed or state.suspension is not None or state.processed == 0:
        return live.program
    try:
        return live.at(state)
    except CodeStuckError:
        return None  # what runs it next suspends the instance, and says why
