"""One local activity, from its first attempt here to what is said of it. All of it is on the bench's loop."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Protocol

from dalsegno._log import get_logger
from dalsegno.activity import CompleteAsyncError
from dalsegno.activity_code.abandoned import Abandoned
from dalsegno.activity_code.context import AttemptContext
from dalsegno.activity_code.execution import CoroutineExecution, Execution, ThreadExecution
from dalsegno.activity_code.outcomes import carried, too_large
from dalsegno.activity_code.registry import Registry
from dalsegno.activity_code.threads import Threads
from dalsegno.actors.workflow_actor.interface.commands import Command
from dalsegno.actors.workflow_actor.local_activities.decisions import next_at
from dalsegno.actors.workflow_actor.local_activities.work import RunLocalActivity
from dalsegno.broker.protocol.messages import ActivityTask
from dalsegno.data_converter import DataConverter
from dalsegno.error_text import class_name, is_a
from dalsegno.errors import ApplicationError, CanceledError, RetryState, TimedOutError, TimeoutType
from dalsegno.interceptors.worker import WorkerInterceptor
from dalsegno.payload import Payload
from dalsegno.policies import MICROSECONDS_PER_SECOND

log = get_logger("dalsegno.local_activity")


class LocalSurroundings(Protocol):
    """What a run works with. (It is `local_bench.LocalBench`.)"""

    loop: asyncio.AbstractEventLoop
    registry: Registry
    converter: DataConverter
    interceptors: Sequence[WorkerInterceptor]
    threads: Threads[Payload]
    abandoned: Abandoned
    pauses_here: bool

    def wait_for_place(self, run: LocalRun) -> None:
        """`run.begin` is called when it may."""

    def give_place(self, run: LocalRun) -> None:
        """It needs none any more, whether it has one or waits."""

    def ended(self, run: LocalRun, outcome: Command) -> None: ...


class LocalRun:
    """`now`: the database's time when it was begun here."""

    __slots__ = (
        "_around",
        "_attempt",
        "_converter",
        "_deadline",
        "_execution",
        "_is_asked_to_stop",
        "_is_over",
        "_timers",
        "_to_clock",
        "work",
    )

    def __init__(self, work: RunLocalActivity, around: LocalSurroundings, now: int) -> None:
        self.work = work
        self._around = around
        self._converter = around.converter.of_workflow(work.info.workflow_id)
        self._attempt = work.attempt
        self._execution: Execution | None = None
        self._timers: list[asyncio.TimerHandle] = []
        """Of the attempt, or of the pause before it."""
        self._is_asked_to_stop = False
        self._is_over = False
        self._to_clock = now - int(around.loop.time() * MICROSECONDS_PER_SECOND)
        """What the database's time is ahead of the loop's."""
        self._deadline: asyncio.TimerHandle | None = None

    # --- what happens to it --------------------------------------------------------------------------------

    def start(self) -> None:
        work, spec = self.work, self.work.spec
        if work.cancel_requested:
            self._report(work.canceled())
            return
        if spec.schedule_to_close is not None:
            at = work.scheduled_at + spec.schedule_to_close
            self._deadline = self._at(at, partial(self._out_of_time, TimeoutType.SCHEDULE_TO_CLOSE))
        if spec.schedule_to_start is not None:
            at = self._now() + spec.schedule_to_start
            self._timers.append(self._at(at, partial(self._out_of_time, TimeoutType.SCHEDULE_TO_START)))
        self._around.wait_for_place(self)

    def begin(self) -> None:
        """Its next attempt, in a place of its own."""
        self._stop_timers()
        around = self._around
        definition = around.registry.find(self.work.spec.activity_type)
        if definition is None:
            self._fail(around.registry.not_found(self.work.spec.activity_type))
            return
        task = task_of(self.work, self._attempt)
        context = AttemptContext(
            task,
            _no_heartbeat,
            self._converter,
            threaded=not definition.is_async,
            is_local=True,
            interceptors=around.interceptors,
        )
        if definition.is_async:
            self._execution = CoroutineExecution(
                task, definition, context, around.loop, around.abandoned, self._on_begun, self._on_ended
            )
        else:
            self._execution = ThreadExecution(
                task,
                definition,
                context,
                around.loop,
                around.threads,
                around.abandoned,
                self._on_begun,
                self._on_ended,
            )
        self._execution.start()

    def stop(self, reason: str) -> None:
        """Ask it to; it says what comes of that."""
        if self._is_over or self._is_asked_to_stop:
            return
        self._is_asked_to_stop = True
        if self._execution is None:
            self._report(self.work.canceled())
        else:
            self._execution.cancel(reason)

    def give_up(self) -> None:
        """Nobody waits for it any more."""
        if not self._is_over:
            self._over("nobody waits for it any more")

    # --- an attempt ----------------------------------------------------------------------------------------

    def _on_begun(self) -> None:
        limit = self.work.spec.start_to_close
        if limit is not None:
            late = partial(self._out_of_time, TimeoutType.START_TO_CLOSE)
            self._timers.append(self._around.loop.call_later(limit / MICROSECONDS_PER_SECOND, late))

    def _on_ended(self, result: Payload | None, error: BaseException | None) -> None:
        self._execution = None
        work = self.work
        if result is not None:
            too_large_ = too_large(work.spec.activity_type, result)
            if too_large_ is None:
                self._report(work.completed(result))
            else:
                self._report(work.failed(too_large_, attempt=self._attempt))
            return
        assert error is not None
        if is_a(error, CompleteAsyncError):
            text = "A local activity cannot go on elsewhere: use workflow.execute_activity for what does."
            self._fail(ApplicationError(text, type=CompleteAsyncError.__name__, non_retryable=True))
        elif not is_a(error, (asyncio.CancelledError, CanceledError)):
            self._fail(error)
        elif self._is_asked_to_stop:
            self._report(work.canceled())
        else:
            own_doing = ApplicationError(
                f"{work.spec.activity_type} ended as cancelled, though nobody had cancelled it.",
                type=class_name(error),
            )
            own_doing.__cause__ = error
            self._fail(own_doing)

    def _out_of_time(self, which: TimeoutType) -> None:
        what = which.value.replace("_", "-")
        reason = f"its {what} timeout passed"
        if self._execution is not None:
            self._execution.abandon(reason)
            self._execution = None
        text = f"Attempt {self._attempt} of {self.work.spec.activity_type} was stopped: {reason}."
        self._fail(TimedOutError(text, timeout_type=which), may_retry=which is TimeoutType.START_TO_CLOSE)

    def _fail(self, error: BaseException, *, may_retry: bool = True) -> None:
        """Try again here, if that is soon."""
        work, spec, now = self.work, self.work.spec, self._now()
        failure = carried(task_of(work, self._attempt), self._converter.to_failure(error))
        log.warning(
            "activity_failed",
            error=class_name(error),
            reason=failure.message[:500],
            workflow_id=work.info.workflow_id,
            activity_id=spec.activity_id,
            activity_type=spec.activity_type,
            attempt=self._attempt,
            is_local=True,
        )
        at = next_at(spec, failure, attempt=self._attempt, now=now, began_at=work.scheduled_at)
        may_retry_here = may_retry and not self._is_asked_to_stop and self._around.pauses_here
        if isinstance(at, RetryState) or not may_retry_here or at - now > spec.retry_threshold:
            self._report(work.failed(failure, attempt=self._attempt, may_retry=may_retry))
            return
        self._stop_timers()
        self._around.give_place(self)
        self._attempt += 1
        self._timers.append(self._at(at, partial(self._around.wait_for_place, self)))

    # --- the end -------------------------------------------------------------------------------------------

    def _report(self, outcome: Command) -> None:
        self._over("")
        self._around.ended(self, outcome)

    def _over(self, reason: str) -> None:
        self._is_over = True
        self._stop_timers()
        if self._deadline is not None:
            self._deadline.cancel()
        execution, self._execution = self._execution, None
        if execution is not None:
            execution.abandon(reason)
        self._around.give_place(self)

    def _stop_timers(self) -> None:
        timers, self._timers = self._timers, []
        for timer in timers:
            timer.cancel()

    def _now(self) -> int:
        return self._to_clock + int(self._around.loop.time() * MICROSECONDS_PER_SECOND)

    def _at(self, at: int, callback: partial[None]) -> asyncio.TimerHandle:
        seconds = (at - self._now()) / MICROSECONDS_PER_SECOND
        return self._around.loop.call_later(max(0.0, seconds), callback)


def task_of(work: RunLocalActivity, attempt: int) -> ActivityTask:
    """As a worker would be given it."""
    spec, info = work.spec, work.info
    return ActivityTask(
        workflow_id=info.workflow_id,
        run_id=info.run_id,
        workflow_type=info.workflow_type,
        activity_id=spec.activity_id,
        activity_type=spec.activity_type,
        task_queue=info.task_queue,
        attempt=attempt,
        token=work.token,
        fence=work.fence,
        idempotency_key=f"{info.run_id}/{spec.activity_id}",
        exchange="",
        routing_key="",
        args=spec.args,
        scheduled_at=work.scheduled_at,
        start_to_close=spec.start_to_close,
        schedule_to_close=spec.schedule_to_close,
        headers=spec.headers,
    )


def _no_heartbeat(details: Payload | None) -> None:
    """Nobody waits for one: whoever runs it sees whether it lives."""
