"""What comes of a query. Closed runs answer too, with today's code; suspended ones don't."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Never, Protocol

from dalsegno.actors.workflow_actor.interface.decision import Decision
from dalsegno.actors.workflow_actor.interface.run_info import RunInfo
from dalsegno.actors.workflow_actor.queries.commands import Query
from dalsegno.actors.workflow_actor.queries.failures import QueryHandlerError
from dalsegno.errors import QueryFailedError
from dalsegno.payload import Payload
from dalsegno.policies import WorkflowStatus


class RunOfQueries(Protocol):
    """The state of a run, as queries need it."""

    @property
    def info(self) -> RunInfo: ...

    @property
    def status(self) -> WorkflowStatus: ...

    @property
    def suspension(self) -> Any: ...

    @property
    def processed(self) -> int:
        """Inputs that its code has been run with since the last sign."""


def on_query(run: RunOfQueries, query: Query, ask: Callable[[], Payload]) -> Decision[Never]:
    """`ask` puts it to the code. What the handler raised goes along with the refusal."""
    workflow_id = run.info.workflow_id
    if query.reject_condition.rejects(run.status):
        return Decision(refusal=("query_rejected", f"workflow {workflow_id!r} has ended: {run.status}"))
    if run.suspension is not None:
        return _rejected(f"workflow {workflow_id!r} is suspended: {run.suspension.reason}")
    if run.processed == 0:
        return _rejected(f"the code of workflow {workflow_id!r} has never run")
    try:
        return Decision(result=ask())
    except QueryFailedError as error:
        failure = error.failure if isinstance(error, QueryHandlerError) else None
        return Decision(refusal=("query_failed", str(error)), failure=failure)


def needs_code(run: RunOfQueries | None, query: Query) -> bool:
    """Whether the query is put to the run's code, and not refused before."""
    if query.caller is None or run is None or query.run_id not in (None, run.info.run_id):
        return False
    return run.suspension is None and run.processed > 0 and not query.reject_condition.rejects(run.status)


def _rejected(why: str) -> Decision[Never]:
    return Decision(refusal=("rejected", why))
