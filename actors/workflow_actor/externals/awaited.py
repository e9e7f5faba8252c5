"""What user code asks of other workflows, and waits for: that a signal or a cancel request has come, or their
end."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

from dalsegno._runtime import ExternalCall
from dalsegno.actors.workflow_actor.externals.events import ExternalTold
from dalsegno.actors.workflow_actor.externals.external import ExternalSpec
from dalsegno.actors.workflow_actor.externals.intents import AskExternal, ForgetExternal
from dalsegno.actors.workflow_actor.externals.shown import WORDS
from dalsegno.actors.workflow_actor.loop.event_loop import DeterministicLoop
from dalsegno.actors.workflow_actor.loop.intent_ledger import IntentLedger
from dalsegno.data_converter import DataConverter
from dalsegno.error_text import message_of
from dalsegno.errors import ApplicationError, PayloadError, WorkflowFailedError
from dalsegno.policies import WorkflowStatus

NOT_FOUND = "ExternalWorkflowExecutionNotFound"
"""The type of the error where there is no such workflow, or none that is open."""


class AwaitedExternals:
    """All requests that user code waits for."""

    __slots__ = ("_converter", "_ledger", "_loop", "_pending")

    def __init__(self, ledger: IntentLedger, loop: DeterministicLoop, converter: DataConverter) -> None:
        self._ledger = ledger
        self._loop = loop
        self._converter = converter
        self._pending: dict[int, tuple[ExternalCall, asyncio.Future[Any]]] = {}

    @property
    def count(self) -> int:
        return len(self._pending)

    def descriptions(self) -> Iterator[str]:
        for call, _ in self._pending.values():
            line = f" ({call.line})" if call.line else ""
            yield f"{WORDS[call.asked]} {call.workflow_id}{line}"

    def forget(self) -> None:
        self._pending.clear()

    async def ask(self, call: ExternalCall) -> Any:
        """Who has waited for an end, and does so again, is told by the request that was made then: who polls
        asks once."""
        ledger = self._ledger
        number = self._asked_before(call)
        position = None
        if number is None:
            number, position = self._asked_anew(call)
        future: asyncio.Future[Any] = asyncio.Future(loop=self._loop)
        self._pending[number] = call, future
        try:
            return await future
        except asyncio.CancelledError:
            if self._pending.pop(number, None) is None:
                raise
            if position is not None and ledger.take_back(position):
                raise
            target = call.workflow_id, call.run_id
            if call.asked == "end" and not any(asked[:2] == target for asked in ledger.asked_ends):
                ledger.asked_ends += ((*target, number),)
            else:
                ledger.want(ForgetExternal(number=number))
            raise

    def _asked_before(self, call: ExternalCall) -> int | None:
        """The number of the request by which that end is told already."""
        if call.asked != "end":
            return None
        target, asked_ends = (call.workflow_id, call.run_id), self._ledger.asked_ends
        number = next((asked[2] for asked in asked_ends if asked[:2] == target), None)
        self._ledger.asked_ends = tuple(asked for asked in asked_ends if asked[2] != number)
        return number

    def _asked_anew(self, call: ExternalCall) -> tuple[int, int]:
        """The request's number, and its place among what is wanted."""
        ledger = self._ledger
        number = ledger.next_request
        ledger.next_request = number + 1
        spec = ExternalSpec(
            number,
            call.asked,
            call.workflow_id,
            call.run_id,
            call.name,
            call.args,
            call.reason,
            call.child_number,
            call.headers,
        )
        return number, ledger.want_another(AskExternal(spec=spec, line=call.line))

    def take(self, told: ExternalTold) -> str | None:
        """Hand the answer to whoever waits. Returns what was never asked for, in words; one that is not waited
        for any more is passed over."""
        call, future = self._pending.pop(told.number, (None, None))
        if call is None or future is None:
            ends = self._ledger.asked_ends
            self._ledger.asked_ends = tuple(asked for asked in ends if asked[2] != told.number)
            was_asked_for = 0 < told.number < self._ledger.next_request
            return None if was_asked_for else f"The answer to external {told.number}"
        if future.done():
            return None
        if told.refusal is not None:
            future.set_exception(_refused(call, *told.refusal))
        elif told.status is None:
            future.set_result(None)
        else:
            self._end(call, future, told)
        return None

    def _end(self, call: ExternalCall, future: asyncio.Future[Any], told: ExternalTold) -> None:
        failure, converter = told.failure, self._converter.of_other_workflow(call.workflow_id)
        if failure is None and told.result is not None and told.status is WorkflowStatus.COMPLETED:
            try:
                future.set_result(converter.from_payload(told.result, call.result_hint))
            except Exception as error:  # noqa: BLE001 - classes of users are built from what came
                where = f"The result of workflow {call.workflow_id!r}"
                future.set_exception(PayloadError(f"{where}: {message_of(error, 500)}"))
            return
        failed = WorkflowFailedError(
            f"workflow {call.workflow_id!r} {_ended_as(told)}", workflow_id=call.workflow_id, run_id=told.run_id
        )
        if failure is not None:
            failed.__cause__ = converter.from_failure(failure)
        future.set_exception(failed)


def _ended_as(told: ExternalTold) -> str:
    if told.status is WorkflowStatus.COMPLETED:
        return "has completed, but its result cannot be told"
    return f"did not complete: it ended as {told.status}"


def _refused(call: ExternalCall, code: str, reason: str) -> ApplicationError:
    is_there = code not in ("not_found", "closed")
    return ApplicationError(reason, type=code if is_there else NOT_FOUND)
