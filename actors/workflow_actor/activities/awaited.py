"""The activities that user code waits for, from the intent to the result, and what cancelling one means.

A task that waits in `execute_activity` is the only one that knows the future it waits for, so when that future
is cancelled it is the task that is being cancelled, and it gets asyncio.CancelledError (see `cancelled`). A
handle is known to many: it may be cancelled by any of them, and awaiting it then gives ActivityError, its cause
a CanceledError.

Where the worker is waited for, the outcome is what it says. If that is a result, a request to cancel the run
has still to be seen (`outlived`); a failure is the cause of the CancelledError that the request makes.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Generator, Iterator
from typing import Any

from msgspec.structs import replace

from dalsegno._call_site import call_site
from dalsegno._runtime import ActivityCall, ActivityHandle
from dalsegno.actors.workflow_actor.activities.cancelled import Cancelled, activity_error, never_began
from dalsegno.actors.workflow_actor.activities.events import ActivityResolved
from dalsegno.actors.workflow_actor.activities.intents import (
    CancelActivity,
    CancelLocalActivity,
    PauseWhenExhausted,
    ScheduleActivity,
    ScheduleLocalActivity,
)
from dalsegno.actors.workflow_actor.interface.retries import RetrySchedule, retry_schedule
from dalsegno.actors.workflow_actor.interface.run_info import RunInfo
from dalsegno.actors.workflow_actor.loop.cancelled_wait import Wake
from dalsegno.actors.workflow_actor.loop.event_loop import RUN_READY, DeterministicLoop
from dalsegno.actors.workflow_actor.loop.intent_ledger import IntentLedger
from dalsegno.data_converter import DataConverter
from dalsegno.error_text import message_of
from dalsegno.errors import ActivityError, CanceledError, PayloadError
from dalsegno.failure import Failure
from dalsegno.priority import at_level

_IDS_KEPT = 64
_DEFAULT_RETRY = RetrySchedule()


class AwaitedActivity:
    """One activity that has been scheduled, and after it those that it falls back to. `future` is what the
    result is set on, until it is cancelled."""

    __slots__ = (
        "activity_id",
        "call",
        "cancel_asked",
        "fell_back",
        "future",
        "interrupted",
        "never_began",
        "number",
        "position",
    )

    def __init__(self, call: ActivityCall, future: asyncio.Future[Any]) -> None:
        self.number = 0
        self.activity_id = ""
        self.call = call
        self.position = 0
        self.future = future
        self.cancel_asked = False
        self.fell_back = False
        """One before this has failed, and may have done something."""
        self.interrupted: asyncio.CancelledError | None = None
        """What the waiting task was cancelled by, if it has a result all the same, and nobody else sees it."""
        self.never_began = False
        """It is known that no worker had it, and that none will."""

    @property
    def activity_type(self) -> str:
        return self.call.activity_type

    def end_unbegun(self) -> None:
        """No worker has had the last of them."""
        self.never_began = not self.fell_back


class StepByHandle:
    """What a saga needs to know of a step that is awaited by its handle."""

    __slots__ = ("_handle", "_pending")

    def __init__(self, pending: AwaitedActivity, handle: StartedActivity) -> None:
        self._pending = pending
        self._handle = handle

    @property
    def never_began(self) -> bool:
        return self._pending.never_began

    @property
    def interrupted(self) -> asyncio.CancelledError | None:
        return self._handle.interrupted


class AwaitedActivities:
    """All activities that user code waits for."""

    __slots__ = ("_by_id", "_converter", "_ledger", "_loop", "_pending", "_priority", "_task_queue", "outlived")

    def __init__(
        self,
        ledger: IntentLedger,
        loop: DeterministicLoop,
        info: RunInfo,
        outlived: Callable[[asyncio.CancelledError], bool],
        converter: DataConverter,
    ) -> None:
        self.outlived = outlived
        self._converter = converter
        self._ledger = ledger
        self._loop = loop
        self._task_queue = info.task_queue
        self._priority = info.priority
        self._pending: dict[int, AwaitedActivity] = {}
        self._by_id: dict[str, AwaitedActivity] = {}
        """Those that are pending, and some that are no longer."""

    @property
    def count(self) -> int:
        return len(self._pending)

    def descriptions(self) -> Iterator[str]:
        """For people: "activity 3 charge_card (orders.py:30)"."""
        for number, pending in self._pending.items():
            line = f" ({pending.call.line})" if pending.call.line else ""
            kind = "activity" if pending.call.local is None else "local activity"
            yield f"{kind} {number} {pending.call.activity_type}{line}"

    def forget(self) -> None:
        self._pending.clear()
        self._by_id.clear()

    async def execute(
        self, call: ActivityCall, scheduled: Callable[[AwaitedActivity], None] | None = None
    ) -> Any:
        """`scheduled` is told of it when it is."""
        pending = AwaitedActivity(call, asyncio.Future(loop=self._loop))
        self._schedule(pending)
        if scheduled is not None:
            scheduled(pending)
        cancelled = Cancelled(pending)
        while True:
            try:
                result = await pending.future
            except asyncio.CancelledError as error:
                cancelled.add(error)
                if pending.future.cancelled():
                    if not self.cancel(pending.number):
                        cancelled.raise_it()
                    # The worker is waited for, so the task goes on waiting, on another future.
                    pending.future = asyncio.Future(loop=self._loop)
                elif (
                    cancelled.request is None or pending.call.cancellation_type != "wait_cancellation_completed"
                ):
                    cancelled.raise_it()
            except ActivityError as failure:
                cancelled.raise_for(failure)
                raise
            except PayloadError:
                if cancelled.request is not None:
                    self.outlived(cancelled.request)
                raise
            else:
                if cancelled.request is None or not self.outlived(cancelled.request):
                    pending.interrupted = cancelled.first
                return result

    def start(self, call: ActivityCall, scheduled: Callable[[Any], None] | None = None) -> StartedActivity:
        """As `execute`."""
        handle = StartedActivity(self, self._loop)
        pending = AwaitedActivity(call, handle)
        self._schedule(pending)
        if scheduled is not None:
            scheduled(StepByHandle(pending, handle))
        handle.activity_number = pending.number  # alone: it must not know who knows it
        handle.activity_type, handle.activity_id = call.activity_type, pending.activity_id
        return handle

    def _schedule(self, pending: AwaitedActivity) -> None:
        ledger, call = self._ledger, pending.call
        number = ledger.next_activity
        activity_id = call.activity_id or str(number)
        self._require_free(activity_id)
        ledger.next_activity = number + 1
        policy = call.retry_policy
        retry = _DEFAULT_RETRY if policy is None else retry_schedule(policy)
        intent: ScheduleActivity | ScheduleLocalActivity
        if call.local is None:
            task_queue, level = call.task_queue or self._task_queue, call.level or self._priority
            intent = ScheduleActivity(
                number=number,
                activity_id=activity_id,
                activity_type=call.activity_type,
                task_queue=task_queue if level is None else at_level(task_queue, level),
                args=call.args,
                start_to_close=call.start_to_close,
                schedule_to_close=call.schedule_to_close,
                schedule_to_start=call.schedule_to_start,
                heartbeat_timeout=call.heartbeat_timeout,
                retry=retry,
                cancellation_type=call.cancellation_type,
                headers=call.headers,
                line=call.line,
            )
        else:
            intent = ScheduleLocalActivity(
                number=number,
                activity_id=activity_id,
                activity_type=call.activity_type,
                args=call.args,
                start_to_close=call.start_to_close,
                schedule_to_close=call.schedule_to_close,
                schedule_to_start=call.schedule_to_start,
                retry=retry,
                retry_threshold=call.local.retry_threshold,
                cancellation_type=call.cancellation_type,
                summary=call.local.summary,
                headers=call.headers,
                line=call.line,
            )
        pending.position = ledger.want_another(intent)
        if call.pauses:
            ledger.want(PauseWhenExhausted(number=number, line=call.line))
        pending.number, pending.activity_id = number, activity_id
        self._pending[number] = self._by_id[activity_id] = pending

    def _require_free(self, activity_id: str) -> None:
        """Workers know an activity by its ID, so no two that are waited for may have the same."""
        other = self._by_id.get(activity_id)
        if other is not None and self._pending.get(other.number) is other:
            raise ValueError(
                f"activity_id {activity_id!r} is taken: activity {other.number} {other.call.activity_type} has "
                "it, and has not ended."
            )
        if len(self._by_id) > 2 * len(self._pending) + _IDS_KEPT:
            self._by_id = {pending.activity_id: pending for pending in self._pending.values()}

    def cancel(self, number: int) -> bool:
        """Stop an activity as its cancellation type says. True when its answer is still to be waited for."""
        pending = self._pending.get(number)
        if pending is None:
            return False
        self._loop.require_may_act("The cancel of an activity's handle")
        kind = pending.call.cancellation_type
        if kind == "abandon":
            del self._pending[pending.number]
            return False
        if not pending.cancel_asked:
            pending.cancel_asked = True
            if self._ledger.take_back(pending.position):  # it never left, so nobody will answer
                if pending.call.pauses:
                    self._ledger.take_back(pending.position + 1)
                pending.end_unbegun()
                del self._pending[pending.number]
                return False
            line = call_site(sys._getframe(1), RUN_READY)
            unwant = CancelActivity if pending.call.local is None else CancelLocalActivity
            self._ledger.want(unwant(number=pending.number, line=line))
        if kind == "wait_cancellation_completed":
            return True
        del self._pending[pending.number]
        return False

    def unfit(self, resolved: ActivityResolved) -> Failure | None:
        """Why the result does not fit what it is to be restored as, if somebody waits for it."""
        pending = self._pending.get(resolved.number)
        if pending is None or resolved.result is None:
            return None
        try:
            self._converter.from_payload(resolved.result, pending.call.result_hint)
        except Exception as error:  # noqa: BLE001 - classes of users are built from what came
            return Failure(message=_unfit(pending, error))
        return None

    def take(self, resolved: ActivityResolved) -> str | None:
        """Hand an activity's outcome to whoever waits. Returns what was never asked for, in words; one that is
        not waited for any more is passed over."""
        pending = self._pending.pop(resolved.number, None)
        if pending is None:
            was_asked_for = 0 < resolved.number < self._ledger.next_activity
            return None if was_asked_for else f"The result of activity {resolved.number}"
        future = pending.future
        if future.done():
            return None
        failure = resolved.failure
        if failure is not None and never_began(failure):
            pending.end_unbegun()
        if failure is None:
            assert resolved.result is not None
            try:
                future.set_result(self._converter.from_payload(resolved.result, pending.call.result_hint))
            except Exception as error:  # noqa: BLE001 - classes of users are built from what came
                future.set_exception(PayloadError(_unfit(pending, error)))
        elif failure.kind == "canceled" and pending.cancel_asked:
            _set_cancelled(future)
        elif pending.call.fallback is not None and failure.kind != "canceled" and not pending.cancel_asked:
            self._fall_back(pending, pending.call.fallback)
        else:
            raised = self._converter.from_failure(failure)
            future.set_exception(
                raised
                if isinstance(raised, ActivityError)
                else activity_error(pending.call.activity_type, pending.activity_id, raised)
            )
        return None

    def _fall_back(self, pending: AwaitedActivity, call: ActivityCall) -> None:
        """The same future waits for another activity. Its ID is that one's: the one before is free."""
        if self._by_id.get(pending.activity_id) is pending:
            del self._by_id[pending.activity_id]
        pending.fell_back |= not pending.never_began
        headers = pending.call.headers
        pending.call = replace(call, headers=headers) if headers else call
        pending.never_began = False
        try:
            self._schedule(pending)
        except ValueError as error:  # its ID is taken
            pending.future.set_exception(error)
            return
        if isinstance(pending.future, StartedActivity):
            handle = pending.future
            handle.activity_number = pending.number
            handle.activity_type, handle.activity_id = call.activity_type, pending.activity_id


# So that a call that was not awaited is warned of under the name that user code knows.
AwaitedActivities.execute.__qualname__ = "workflow.execute_activity"


def _unfit(pending: AwaitedActivity, error: Exception) -> str:
    where = f"The result of activity {pending.number} {pending.call.activity_type}"
    return f"{where}: {message_of(error, 500)}"


def _set_cancelled(future: asyncio.Future[Any]) -> None:
    asyncio.Future.cancel(future)


class StartedActivity(ActivityHandle[Any]):
    """The handle that start_activity returns. As a future it is cancelled by `cancel`, as asyncio's combinators
    expect; whoever awaits it directly learns more (see the module)."""

    activity_number: int
    """Of the last that it has fallen back to."""
    interrupted: asyncio.CancelledError | None = None
    """As of AwaitedActivity."""

    def __init__(self, activities: AwaitedActivities, loop: DeterministicLoop) -> None:
        super().__init__(loop=loop)
        self._activities = activities
        self._hash = loop.next_number()

    def __hash__(self) -> int:
        return self._hash

    def cancel(self, msg: Any = None) -> bool:
        if self.done():
            return False
        if self._activities.cancel(self.activity_number):
            return True
        return super().cancel(msg)

    def __await__(self) -> Generator[Any, None, Any]:
        cancelled = Cancelled(self)
        while not self.done():
            waiter = asyncio.Future[None](loop=self.get_loop())
            wake = Wake(waiter)
            self.add_done_callback(wake)
            try:
                yield from waiter
            except asyncio.CancelledError as error:
                # Nobody but the awaiting task knows the waiter, so it is that task which is being cancelled.
                cancelled.add(error)
                self.remove_done_callback(wake)
                self.cancel()
        if self.cancelled():
            if cancelled.first is not None:
                cancelled.raise_it()
            cause = CanceledError("cancelled through its handle")
            raise activity_error(self.activity_type, self.activity_id, cause)
        # Also where it has a result that cannot be read.
        is_seen = cancelled.request is not None and not isinstance(self.exception(), ActivityError)
        if is_seen and cancelled.request is not None:
            is_seen = self._activities.outlived(cancelled.request)
        if not is_seen:
            self.interrupted = cancelled.first
        try:
            return self.result()
        except ActivityError as failure:
            cancelled.raise_for(failure)
            raise

    __iter__ = __await__
