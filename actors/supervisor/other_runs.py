"""Requests about a run that is not its workflow's current one: read from the database, answered, forgotten."""

from __future__ import annotations

import asyncio
import os

import structlog

from dalsegno.actors.supervisor import translate
from dalsegno.actors.supervisor.outbox import Outbox, Shipment
from dalsegno.actors.supervisor.store_threads import StoreThreads
from dalsegno.actors.supervisor.stored import instance_of
from dalsegno.actors.workflow_actor.cause import AwaitOutcome, Cause
from dalsegno.actors.workflow_actor.commands import Caller, Describe, Query
from dalsegno.actors.workflow_actor.effects import AnswerEffect, Effect, ResultEffect
from dalsegno.actors.workflow_actor.program_port import Code
from dalsegno.errors import DalsegnoError
from dalsegno.persistence.port import LoadedInstance

log = structlog.get_logger()


class OtherRuns:
    """Such runs are closed: nothing about them can change, so reading them needs no lease."""

    def __init__(self, outbox: Outbox, store: StoreThreads, code: Code, history_limit: int) -> None:
        self._outbox = outbox
        self._store = store
        self._code = code
        self._history_limit = history_limit
        self._tasks: set[asyncio.Task[None]] = set()

    def answer(self, workflow_id: str, cause: Cause) -> None:
        task = asyncio.get_running_loop().create_task(self._answer(workflow_id, cause))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, workflow_id: str, cause: Cause) -> None:
        command = cause.command
        assert isinstance(command, AwaitOutcome | Describe | Query)
        caller, run_id = command.caller, command.run_id
        if caller is None or run_id is None:
            cause.done()
            return
        try:
            row = await self._store.fetch(lambda reader: reader.load_run(run_id))
        except DalsegnoError as error:
            # Its sender asks again; the message itself comes again only when the channel closes.
            log.warning("other_run_not_read", run_id=run_id, reason=str(error))
            cause.done()
            return
        if row is None or row.workflow_id != workflow_id:
            text = f"workflow {workflow_id!r} has no run {run_id!r}"
            self._send(_refusal(caller, workflow_id, "not_found", text), caller, cause)
            return
        # User code must not run inside a task of this loop.
        asyncio.get_running_loop().call_soon(self._run, row, cause, caller)

    def _run(self, row: LoadedInstance, cause: Cause, caller: Caller) -> None:
        try:
            effect = self._effect(row, cause, caller)
        except DalsegnoError as error:
            effect = _refusal(caller, row.workflow_id, "rejected", str(error))
        self._send(effect, caller, cause)

    def _effect(self, row: LoadedInstance, cause: Cause, caller: Caller) -> Effect:
        instance = instance_of(row, self._code, history_limit=self._history_limit)
        command = cause.command
        if isinstance(command, AwaitOutcome):
            outcome = instance.outcome()
            assert outcome is not None, "a run that is not current is closed"
            status, result, failure = outcome
            return ResultEffect(
                caller=caller,
                workflow_id=row.workflow_id,
                run_id=row.run_id,
                status=status,
                result=result,
                failure=failure,
            )
        state = instance.state
        assert state is not None
        (activation,) = instance.activate(command, now=state.time, entropy=os.urandom(32), held=True)
        ((_, effect),) = activation.effects
        instance.discard_program()
        return effect

    def _send(self, effect: Effect, caller: Caller, cause: Cause) -> None:
        message_id = translate.answer_message_id(caller, cause.message_id, "other run")
        message = translate.to_message(effect, message_id)
        self._outbox.send([Shipment(message, translate.address_of(effect), causes=[cause])])
        cause.done()


def _refusal(caller: Caller, workflow_id: str, code: str, text: str) -> AnswerEffect:
    return AnswerEffect(
        caller=caller,
        kind="answer",
        workflow_id=workflow_id,
        run_id=None,
        status=None,
        error=(code, text),
    )
