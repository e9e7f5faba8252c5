"""The child workflows that user code waits for, from the intent to the end, and what cancelling one means.

Whoever awaits a child may be cancelled, and then the child is, as its cancellation type says. By a request to
cancel the run the task sees an error that is a ChildWorkflowError, too (see `cancelled`); by its own handle it
sees ChildWorkflowError, its cause a CanceledError.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Generator, Iterator
from typing import Any

from dalsegno._call_site import call_site
from dalsegno._runtime import ChildWorkflowCall, ChildWorkflowHandle
from dalsegno.actors.workflow_actor.children.cancelled import CancelledChild, child_error
from dalsegno.actors.workflow_actor.children.child import ChildWorkflowSpec
from dalsegno.actors.workflow_actor.children.events import ChildTold
from dalsegno.actors.workflow_actor.children.intents import CancelChild, StartChild
from dalsegno.actors.workflow_actor.interface.retries import retry_schedule
from dalsegno.actors.workflow_actor.interface.run_info import RunInfo
from dalsegno.actors.workflow_actor.loop.cancelled_wait import Wake
from dalsegno.actors.workflow_actor.loop.event_loop import RUN_READY, DeterministicLoop
from dalsegno.actors.workflow_actor.loop.intent_ledger import IntentLedger
from dalsegno.data_converter import DataConverter
from dalsegno.error_text import message_of
from dalsegno.errors import (
    ApplicationError,
    CanceledError,
    FailureError,
    PayloadError,
    WorkflowAlreadyStartedError,
)
from dalsegno.failure import why_not_tried_again
from dalsegno.policies import WorkflowStatus
from dalsegno.priority import at_level


class AwaitedChildren:
    """All child workflows that user code waits for. `ask`: how something is sent to one."""

    __slots__ = ("_converter", "_info", "_ledger", "_loop", "_pending", "outlived")

    def __init__(
        self,
        ledger: IntentLedger,
        loop: DeterministicLoop,
        info: RunInfo,
        outlived: Callable[[asyncio.CancelledError], object],
        converter: DataConverter,
    ) -> None:
        self.outlived = outlived
        self._converter = converter
        self._info = info
        self._ledger = ledger
        self._loop = loop
        self._pending: dict[int, StartedChild] = {}

    @property
    def count(self) -> int:
        return len(self._pending)

    def descriptions(self) -> Iterator[str]:
        """For people: "child 3 Shipment shipment-7 (orders.py:30)"."""
        for number, child in self._pending.items():
            line = f" ({child.call.line})" if child.call.line else ""
            yield f"child {number} {child.call.workflow_type} {child.id}{line}"

    def forget(self) -> None:
        self._pending.clear()

    async def execute(self, call: ChildWorkflowCall) -> Any:
        return await self.schedule(call)

    async def start(self, call: ChildWorkflowCall) -> StartedChild:
        """Returns when it has begun."""
        child = self.schedule(call)
        child.begun = begun = asyncio.Future[None](loop=self._loop)
        cancelled = CancelledChild(call)
        while not begun.done():
            try:
                await begun
            except asyncio.CancelledError as error:
                cancelled.add(error)
                if not self.cancel(child.number):
                    cancelled.raise_it()
                if begun.cancelled():  # it is waited for, so the task goes on waiting, on another future
                    child.begun = begun = asyncio.Future[None](loop=self._loop)
            except FailureError as failure:
                cancelled.raise_for(failure)
                raise
        if cancelled.first is not None:
            cancelled.raise_it()
        return child

    def schedule(self, call: ChildWorkflowCall) -> StartedChild:
        """It is asked for, and nothing is waited for."""
        ledger, info = self._ledger, self._info
        if call.workflow_id == info.workflow_id:
            raise WorkflowAlreadyStartedError(
                f"The child workflow was given the ID {call.workflow_id!r}, which is that of its parent: give "
                "it one of its own.",
                workflow_id=call.workflow_id,
                run_id=info.run_id,
            )
        number = ledger.next_request
        ledger.next_request = number + 1
        task_queue, level = call.task_queue or info.task_queue, call.level or info.priority
        spec = ChildWorkflowSpec(
            call.workflow_id,
            call.workflow_type,
            task_queue if level is None else at_level(task_queue, level),
            call.args,
            call.memo,
            call.execution_timeout,
            call.reuse_policy,
            call.last_result,
            call.run_timeout,
            None if call.retry_policy is None else retry_schedule(call.retry_policy),
            call.delay,
            call.search_attributes,
            call.last_failure,
            call.headers,
        )
        intent = StartChild(number=number, spec=spec, close_policy=call.close_policy, line=call.line)
        child = StartedChild(self, self._loop, call, number, ledger.want_another(intent))
        self._pending[number] = child
        return child

    def cancel(self, number: int) -> bool:
        """Stop a child as its cancellation type says. True when its word is still to be waited for."""
        child = self._pending.get(number)
        if child is None:
            return False
        self._loop.require_may_act("The cancel of a child workflow's handle")
        kind = child.call.cancellation_type
        if kind == "abandon":
            del self._pending[number]
            return False
        if not child.cancel_asked:
            child.cancel_asked = True
            if self._ledger.take_back(child.position):  # it never left, so nobody will answer
                del self._pending[number]
                return False
            is_waited_for = kind == "wait_cancellation_requested"
            line = call_site(sys._getframe(1), RUN_READY)
            self._ledger.want(CancelChild(number=number, is_waited_for=is_waited_for, line=line))
        if kind == "try_cancel":
            del self._pending[number]
            return False
        return True

    def take(self, told: ChildTold) -> str | None:
        """Hand what is known of a child to whoever waits. Returns what was never asked for, in words; one
        that is not waited for any more is passed over."""
        child = self._pending.get(told.number)
        if child is None:
            was_asked_for = 0 < told.number < self._ledger.next_request
            return None if was_asked_for else f"The word of child {told.number}"
        if told.refusal is not None:
            del self._pending[told.number]
            child.could_not_begin(self._refused(child, told, *told.refusal))
        elif told.is_asked:
            if child.call.cancellation_type == "wait_cancellation_requested":
                del self._pending[told.number]
                child.has_begun()
                child.was_cancelled()
        elif told.status is None:
            child.first_execution_run_id = told.run_id
            child.has_begun()
        else:
            del self._pending[told.number]
            child.first_execution_run_id = child.first_execution_run_id or told.run_id
            child.has_begun()
            self._end(child, told)
        return None

    def _refused(self, child: StartedChild, told: ChildTold, code: str, reason: str) -> Exception:
        if code == WorkflowAlreadyStartedError.code:
            text = f"The child workflow {child.id!r} could not be started: {reason}"
            return WorkflowAlreadyStartedError(text, workflow_id=child.id, run_id=told.run_id)
        cause = ApplicationError(f"It could not be started: {reason}", type=code, non_retryable=True)
        return child_error(child.call, "", cause)

    def _end(self, child: StartedChild, told: ChildTold) -> None:
        if child.done():
            return
        failure, converter = told.failure, self._converter.of_other_workflow(child.id)
        if failure is None and told.result is not None and told.status is WorkflowStatus.COMPLETED:
            try:
                child.set_result(converter.from_payload(told.result, child.call.result_hint))
            except Exception as error:  # noqa: BLE001 - classes of users are built from what came
                where = f"The result of child workflow {child.call.workflow_type} {child.id}"
                child.fail(PayloadError(f"{where}: {message_of(error, 500)}"))
        elif told.status is WorkflowStatus.CANCELED and child.cancel_asked:
            child.was_cancelled()
        else:
            cause = (
                ApplicationError(f"it ended as {told.status}")
                if failure is None
                else converter.from_failure(failure)
            )
            why = None if told.status is None else why_not_tried_again(told.status, failure)
            child.fail(child_error(child.call, told.run_id, cause, why))


# So that a call that was not awaited is warned of under the name that user code knows.
AwaitedChildren.execute.__qualname__ = "workflow.execute_child_workflow"
AwaitedChildren.start.__qualname__ = "workflow.start_child_workflow"


class StartedChild(ChildWorkflowHandle[Any]):
    """The handle that start_child_workflow returns. As a future it is cancelled by `cancel`, as asyncio's
    combinators expect; whoever awaits it directly learns more (see the module)."""

    def __init__(
        self,
        children: AwaitedChildren,
        loop: DeterministicLoop,
        call: ChildWorkflowCall,
        number: int,
        position: int,
    ) -> None:
        super().__init__(loop=loop)
        self.id = call.workflow_id
        self.first_execution_run_id = None
        self.call = call
        self.number = number
        self.position = position
        self.cancel_asked = False
        self.begun: asyncio.Future[None] | None = None
        """What its start waits for, if that is waited for."""
        self._children = children
        self._hash = loop.next_number()

    def __hash__(self) -> int:
        return self._hash

    def has_begun(self) -> None:
        if self.begun is not None and not self.begun.done():
            self.begun.set_result(None)

    def could_not_begin(self, error: Exception) -> None:
        """Who waits for its beginning is told so, or who waits for its end."""
        if self.begun is None:
            self.fail(error)
        elif not self.begun.done():
            self.begun.set_exception(error)

    def fail(self, error: Exception) -> None:
        if not self.done():
            self.set_exception(error)
            # Who starts a child and lets it go may not care how it ends.
            self._log_traceback = False

    def was_cancelled(self) -> None:
        asyncio.Future.cancel(self)

    def cancel(self, msg: Any = None) -> bool:
        if self.done():
            return False
        if self._children.cancel(self.number):
            return True
        return super().cancel(msg)

    def __await__(self) -> Generator[Any, None, Any]:
        cancelled = CancelledChild(self.call)
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
            run_id = self.first_execution_run_id or ""
            raise child_error(self.call, run_id, CanceledError("cancelled through its handle"))
        # Also where it has a result that cannot be read.
        if cancelled.request is not None and not isinstance(self.exception(), FailureError):
            self._children.outlived(cancelled.request)
        try:
            return self.result()
        except FailureError as failure:
            cancelled.raise_for(failure)
            raise

    __iter__ = __await__
