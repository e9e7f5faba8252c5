"""What a run is, once and for all."""

from __future__ import annotations

from msgspec import Struct

from dalsegno.actors.workflow_actor.interface.retries import RetrySchedule
from dalsegno.actors.workflow_actor.interface.workflow_of import RootOf, WorkflowOf
from dalsegno.failure import Failure
from dalsegno.payload import Payload
from dalsegno.search_attributes import AttributeValue


class RunRetry(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A run that fails is followed by another with these arguments, as the schedule says."""

    schedule: RetrySchedule
    args: tuple[Payload, ...]


class RunInfo(Struct, frozen=True, kw_only=True, array_like=True, forbid_unknown_fields=True):
    """What `workflow.info()` shows and what never changes within a run.

    Runs that follow each other by themselves are a chain: one goes on as the next, or is tried again as that.
    `first_run_id` and `continued_run_id` are the chain's first run and the one before; None in the first.
    `begins_at`: code does not run before. `deadline`: that of the chain, where it is not `execution_timeout`
    after the start of this run. `last_failure` is that of the run before
    (or of the last under the same schedule), `last_result` what the run before
    under the same schedule gave.
    """

    workflow_id: str
    run_id: str
    workflow_type: str
    task_queue: str
    started_at: int
    execution_timeout: int | None = None
    memo: dict[str, Payload] = {}
    run_timeout: int | None = None
    retry: RunRetry | None = None
    attempt: int = 1
    first_run_id: str | None = None
    continued_run_id: str | None = None
    begins_at: int | None = None
    deadline: int | None = None
    last_failure: Failure | None = None
    last_result: Payload | None = None
    parent: WorkflowOf | None = None
    """Who has started it as its child; `root` is there if this is."""
    root: RootOf | None = None
    search_attributes: dict[str, AttributeValue] = {}
    """As it was started with; its code may set them anew."""
    priority: int | None = None
    """How urgent its activities are, and its children, if nothing else is said of them."""
    headers: dict[str, Payload] = {}
    """As whoever started it has sent them, for the interceptors of its code."""

    @property
    def chain_id(self) -> str:
        """The chain's first run."""
        return self.first_run_id or self.run_id

    def is_begun_by(self, run_id: str) -> bool:
        """The start that names `run_id` has begun this run, or its chain."""
        return run_id in (self.run_id, self.first_run_id)

    def follows(self, run_id: str | None) -> bool:
        """It is of the chain that this run has begun, or goes on with what this run did."""
        return run_id is not None and run_id in (self.first_run_id, self.continued_run_id)
