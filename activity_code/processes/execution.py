"""A sync activity that runs in a process of the worker's."""

from __future__ import annotations

from dalsegno._log import get_logger
from dalsegno.activity import CompleteAsyncError
from dalsegno.activity_code.context import AttemptContext, OnHeartbeat
from dalsegno.activity_code.execution import OnBegun, OnEnded
from dalsegno.activity_code.outcomes import ToldError
from dalsegno.activity_code.processes.pool import ProcessPool
from dalsegno.activity_code.processes.words import JobCanceled, JobDetached, JobRaised, JobReturned, OfJob
from dalsegno.broker.protocol.messages import ActivityTask
from dalsegno.errors import CanceledError
from dalsegno.payload import Payload

log = get_logger("dalsegno.worker")


class ProcessExecution:
    """`context` is what the worker knows of it; the process has one of its own."""

    __slots__ = ("_context", "_on_begun", "_on_ended", "_on_heartbeat", "_pool", "work")

    def __init__(
        self,
        work: ActivityTask,
        context: AttemptContext,
        pool: ProcessPool,
        on_heartbeat: OnHeartbeat,
        on_begun: OnBegun,
        on_ended: OnEnded,
    ) -> None:
        self.work = work
        self._context = context
        self._pool = pool
        self._on_heartbeat = on_heartbeat
        self._on_begun = on_begun
        self._on_ended = on_ended

    def start(self) -> None:
        self._pool.run(self)

    def cancel(self, reason: str) -> None:
        self._context.cancel(reason)
        if self._pool.withdraw(self):
            self._on_ended(None, CanceledError(reason))
        else:
            self._pool.stop(self, reason, self._context.cancellation_details)

    def abandon(self, reason: str) -> None:
        self._context.cancel(reason)
        if not self._pool.withdraw(self):
            log.warning(
                "activity_process_let_go",
                workflow_id=self.work.workflow_id,
                activity_id=self.work.activity_id,
                activity_type=self.work.activity_type,
                reason=reason,
            )
            self._pool.let_go(self, reason, self._context.cancellation_details)

    # --- what the pool tells it ----------------------------------------------------------------------------

    def on_begun(self) -> None:
        self._on_begun()

    def on_beat(self, details: Payload | None) -> None:
        self._on_heartbeat(details)

    def on_told(self, outcome: OfJob) -> None:
        match outcome:
            case JobReturned():
                self._on_ended(outcome.result, None)
            case JobRaised():
                self._on_ended(None, ToldError(outcome.failure))
            case JobCanceled():
                self._on_ended(None, CanceledError(outcome.message))
            case JobDetached():
                self._on_ended(None, CompleteAsyncError())

    def on_lost(self, error: Exception) -> None:
        self._on_ended(None, error)
