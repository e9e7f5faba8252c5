"""A schedule is a workflow with all that it knows at its sign: one of years is as small as one of today.

What it starts are children that it abandons: they go on whatever becomes of it. It waits for the end of one of
them at most, by its overlap policy; after a sign that is set meanwhile it waits anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from itertools import count
from typing import cast

from dalsegno import workflow
from dalsegno._children import start_after
from dalsegno.data_converter import DataConverter
from dalsegno.errors import (
    ApplicationError,
    CanceledError,
    ChildWorkflowError,
    FailureError,
    PayloadError,
    TerminatedError,
    TimedOutError,
    WorkflowAlreadyStartedError,
    WorkflowFailedError,
)
from dalsegno.payload import RawValue
from dalsegno.policies import ChildWorkflowCancellationType, ParentClosePolicy
from dalsegno.priority import Priority
from dalsegno.schedules.book import (
    CHANGED,
    INVALID,
    SCHEDULE,
    ScheduleBook,
    WaitingStart,
    WrittenSchedule,
    is_own,
    require_backfills,
    require_new,
    require_possible,
)
from dalsegno.schedules.deciding import (
    ask_for_start,
    begin,
    has_completed,
    has_ended,
    has_failed,
    needs_refill,
    next_wake,
    refill,
    set_paused,
    settle,
    take_due,
    told_of_last,
    was_started,
    write_anew,
)
from dalsegno.schedules.policies import ScheduleOverlapPolicy
from dalsegno.schedules.schedule import (
    ScheduleActionExecutionStartWorkflow,
    ScheduleBackfill,
)
from dalsegno.search_attributes import shown_attributes

TURNS = 50
"""After which a sign is set, for what came before is needed no more."""
TURNS_MAX = 500
"""Likewise, while something runs, whose end is to be waited for anew."""
STARTS_AT_ONCE = 20
ALLOW_ALL = ScheduleOverlapPolicy.ALLOW_ALL
STOPPED = "It is time for the next one of its schedule."
_STOPPED_ERRORS = (CanceledError, TerminatedError)


# What no schedule can be made of was not sent by a client of ours, and no other code will ever take it.
@workflow.defn(name=SCHEDULE, failure_exception_types=[PayloadError])
class ScheduleWorkflow:
    """`book` has what the user has written; see `ScheduleBook`."""

    @workflow.init
    def __init__(self, book: ScheduleBook) -> None:
        self._book = book
        self._is_asked = False
        """Whether somebody has asked for something since it was last looked at."""
        self._watch: asyncio.Task[None] | None = None
        """Waits for the end of what runs."""

    @workflow.run
    async def run(self, book: ScheduleBook) -> None:
        if not is_own(book, workflow.info().start_time, workflow.now()):
            self._begin()
        if book.running is not None:
            self._watch = asyncio.create_task(self._hear(self._end_of_running(book.running)))
        for turn in count():
            self._is_asked = False
            if self._watch is not None and self._watch.done():
                self._watch = None
            take_due(book, workflow.now())
            # Rather before something is started than while it runs.
            if needs_refill(book) or turn >= (TURNS if book.running is None else TURNS_MAX):
                break
            await self._act()
            if not needs_refill(book):
                await self._wait()
        await self._stop_watching()
        refill(book, self._id, workflow.now())
        if needs_refill(book):  # there is much to make up for: others shall come to their turn
            await workflow.sleep(timedelta(milliseconds=1))
        workflow.checkpoint(book)

    @property
    def _id(self) -> str:
        return workflow.info().workflow_id.removeprefix(f"{SCHEDULE}.")

    def _begin(self) -> None:
        book = self._book
        with _refusing():
            require_new(book)
            require_possible(book.written)
            book.backfills = require_backfills(book.backfills)
        begin(book, workflow.now())

    async def _wait(self) -> None:
        """Until something is to be done."""
        wake, watch = next_wake(self._book), self._watch
        with suppress(TimeoutError):
            await workflow.wait_condition(
                lambda: self._is_asked or (watch is not None and watch.done()),
                timeout=None if wake is None else max(timedelta(), wake - workflow.now()),
            )

    # What it does

    async def _act(self) -> None:
        acts = settle(self._book)
        if acts.stop is not None and self._book.running is not None:
            self._book.stopping = acts.stop
            await self._stop(self._book.running, acts.stop)
        for first in range(0, len(acts.beside), STARTS_AT_ONCE):
            starts = acts.beside[first : first + STARTS_AT_ONCE]
            for child in await asyncio.gather(*map(self._start, starts)):
                if child is not None:
                    child.cancel()  # to wait for it no longer
        if acts.alone is not None and (child := await self._start(acts.alone)) is not None:
            self._watch = asyncio.create_task(self._hear(child))

    async def _start(self, start: WaitingStart) -> workflow.ChildWorkflowHandle[RawValue] | None:
        book = self._book
        action = book.written.action
        workflow_id = action.workflow_id(start.nominal)
        last = (None, None) if start.overlap is ALLOW_ALL else told_of_last(book)
        try:
            child = await start_after(
                action.workflow,
                *last,
                action.headers,
                args=action.args,
                id=workflow_id,
                task_queue=action.task_queue,
                memo=action.memo,
                execution_timeout=action.execution_timeout,
                run_timeout=action.run_timeout,
                retry_policy=None if action.retry_policy is None else action.retry_policy.policy,
                search_attributes=shown_attributes(action.search_attributes),
                priority=Priority(action.priority),
                parent_close_policy=ParentClosePolicy.ABANDON,
                cancellation_type=ChildWorkflowCancellationType.ABANDON,
                result_type=RawValue,
            )
        except asyncio.CancelledError:
            raise
        except (ChildWorkflowError, WorkflowAlreadyStartedError) as error:
            workflow.logger.warning("The schedule could not start workflow %s: %s", workflow_id, error)
            self._book.skipped += 1
            return None
        run_id = child.first_execution_run_id or ""
        was_started(self._book, start, workflow_id, run_id, workflow.now())
        return child

    async def _stop(self, running: ScheduleActionExecutionStartWorkflow, how: ScheduleOverlapPolicy) -> None:
        # Whichever run it is at: it may have gone on as another, or be tried again.
        other = workflow.get_external_workflow_handle(running.workflow_id)
        with suppress(ApplicationError):  # it has ended already
            if how is ScheduleOverlapPolicy.TERMINATE_OTHER:
                await other.terminate(reason=STOPPED)
            else:
                await other.cancel(reason=STOPPED)

    async def _end_of_running(self, running: ScheduleActionExecutionStartWorkflow) -> RawValue:
        """Of what was started before the sign."""
        other = workflow.get_external_workflow_handle(
            running.workflow_id, run_id=running.first_execution_run_id
        )
        return cast(RawValue, await other.result(result_type=RawValue))

    async def _hear(self, end: Awaitable[RawValue]) -> None:
        """What has become of the one that runs."""
        book = self._book
        try:
            result = await end
        except asyncio.CancelledError:
            raise
        except (ChildWorkflowError, WorkflowFailedError) as error:
            running = book.running
            has_ended(book, workflow.now())
            cause = error.__cause__
            if (
                running is not None
                and isinstance(cause, FailureError)
                and not isinstance(cause, _STOPPED_ERRORS)
            ):
                what = "timeout" if isinstance(cause, TimedOutError) else "failure"
                why = f"{what}: {running.workflow_id}: {cause.message}"
                has_failed(book, why, DataConverter.default.to_failure(cause))
        except ApplicationError:  # nobody knows any more
            has_ended(book, workflow.now())
        else:
            has_ended(book, workflow.now())
            has_completed(book, result.payload)

    async def _stop_watching(self) -> None:
        """A sign may be set only when nothing is waited for."""
        if self._watch is not None:
            self._watch.cancel()
            with suppress(asyncio.CancelledError):
                await self._watch

    # What it is asked

    @workflow.query
    def describe(self) -> ScheduleBook:
        return self._book

    @workflow.update
    def pause(self, note: str) -> None:
        set_paused(self._book, workflow.now(), True, note)
        self._is_asked = True

    @workflow.update
    def unpause(self, note: str) -> None:
        set_paused(self._book, workflow.now(), False, note)
        self._is_asked = True

    @workflow.update
    def trigger(self, overlap: ScheduleOverlapPolicy | None) -> None:
        with _refusing():
            ask_for_start(self._book, workflow.now(), overlap)
        self._is_asked = True

    @workflow.update
    def backfill(self, backfills: list[ScheduleBackfill]) -> None:
        with _refusing():
            self._book.backfills = require_backfills([*self._book.backfills, *backfills])
        self._is_asked = True

    @workflow.update
    def update(self, written: WrittenSchedule, revision: int | None) -> None:
        """`revision` is that of the book that `written` is made from; None takes the place of whatever is."""
        if revision is not None and revision != self._book.revision:
            raise ApplicationError("The schedule has changed since it was looked at.", type=CHANGED)
        with _refusing():
            require_possible(written)
        write_anew(self._book, workflow.now(), written)
        self._is_asked = True


@contextmanager
def _refusing() -> Iterator[None]:
    """What cannot be, whoever has sent it."""
    try:
        yield
    except (TypeError, ValueError) as error:
        raise ApplicationError(str(error), type=INVALID, non_retryable=True) from None
