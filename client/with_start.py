"""An update that comes with the start of its workflow, both or none.

operation = WithStartWorkflowOperation(
    Basket.run, id=f"basket-{customer}", id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING
)
size = await client.execute_update_with_start_workflow(Basket.add, book, start_workflow_operation=operation)
basket = await operation.workflow_handle()
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any, Generic, TypeVar, Unpack
from uuid import uuid4

from dalsegno import given
from dalsegno.client.engine import BrokerEngine, EnginePort
from dalsegno.client.errors import NoAnswerError
from dalsegno.client.handle import WorkflowHandle
from dalsegno.client.start_options import (
    StartOptionsAndArgs,
    check_options,
    result_type_said,
    start_by_input,
    update_start_input,
    update_with_start_message,
)
from dalsegno.client.updates import WorkflowUpdateHandle
from dalsegno.converter import result_hint
from dalsegno.errors import WorkflowUpdateFailedError
from dalsegno.interceptors.client import (
    StartWorkflowUpdateWithStartInput,
    UpdateWithStartUpdateWorkflowInput,
)
from dalsegno.policies import WorkflowUpdateStage
from dalsegno.targets import UNSET, Target, name_of, one_by_one_or_args, result_type_of

R = TypeVar("R")

_NOT_WITH_AN_UPDATE = ("connection", "schema", "start_signal", "start_signal_args")


class WithStartWorkflowOperation(Generic[R]):
    """The start that an update comes with: what `Client.start` is given, with an `id_conflict_policy`, which
    says what is done where a run with this ID is open. FAIL refuses both; USE_EXISTING updates that run;
    TERMINATE_EXISTING starts another in its place. It is good for one update.

    Raises TypeError for options that a start has not, or not with an update, and where there is no policy.
    """

    def __init__(self, workflow: Target, /, *arguments: Any, **options: Unpack[StartOptionsAndArgs]) -> None:
        check_options(arguments, options)
        for name in _NOT_WITH_AN_UPDATE:
            if options.get(name):
                raise TypeError(f"A start that an update comes with has no option {name!r}.")
        if "id_conflict_policy" not in options:
            raise TypeError(
                "A start that an update comes with needs an id_conflict_policy: it says what is done where a "
                "run with this ID is open."
            )
        self._start = workflow, arguments, options
        self._is_used = False
        self._is_over = asyncio.Event()
        self._handle: WorkflowHandle[R] | None = None
        self._error: Exception | None = None

    async def workflow_handle(self) -> WorkflowHandle[R]:
        """The workflow, as soon as it is known to be there: waits for the update to be sent and taken. Raises
        what kept the start from being."""
        await self._is_over.wait()
        if self._handle is None:
            assert self._error is not None
            raise self._error
        return self._handle

    def _begin(self) -> tuple[Target, Sequence[Any], StartOptionsAndArgs]:
        """For the client. Raises RuntimeError the second time."""
        if self._is_used:
            raise RuntimeError(
                "This WithStartWorkflowOperation was used before: make one for each update with a start."
            )
        self._is_used = True
        return self._start

    def _succeeded(self, engine: EnginePort, workflow_id: str, run_id: str | None) -> None:
        """For the client."""
        self._handle = WorkflowHandle(
            engine,
            workflow_id,
            run_id=run_id,
            pinned=False,
            result_type=result_type_said(self._start[0], self._start[2], engine.converter),
        )
        self._is_over.set()

    def _failed(self, error: Exception) -> None:
        """For the client."""
        self._error = error
        self._is_over.set()


class UpdatingWithStart:
    """The part of a client that starts and updates in one."""

    _engine: BrokerEngine

    async def execute_update_with_start_workflow(
        self,
        update: Target,
        /,
        *arguments: Any,
        start_workflow_operation: WithStartWorkflowOperation[Any],
        arg: Any = UNSET,
        args: Sequence[Any] = (),
        id: str | None = None,  # noqa: A002 - as in the Temporal SDK
        result_type: Any = None,
        timeout: float | None = None,
    ) -> Any:
        """Send an update with the start of its workflow, in one message: both are recorded, or none. Waits for
        what the update's handler returns; `timeout` (seconds) is for the message to be taken.

        A workflow that is started with it handles the update before the first step of its run method. Raises
        as a handle's `execute_update`, and WorkflowAlreadyStartedError where the policies don't allow it.
        """
        handle = await self._send(
            update,
            one_by_one_or_args("An update", arguments, args, arg),
            start_workflow_operation,
            WorkflowUpdateStage.COMPLETED,
            id,
            result_type,
            timeout,
        )
        return await handle.result()

    async def start_update_with_start_workflow(
        self,
        update: Target,
        /,
        *arguments: Any,
        start_workflow_operation: WithStartWorkflowOperation[Any],
        wait_for_stage: WorkflowUpdateStage,
        arg: Any = UNSET,
        args: Sequence[Any] = (),
        id: str | None = None,  # noqa: A002 - as in the Temporal SDK
        result_type: Any = None,
        timeout: float | None = None,
    ) -> WorkflowUpdateHandle[Any]:
        """As `execute_update_with_start_workflow`, but wait only until it has come to `wait_for_stage`."""
        stage = given.choice("wait_for_stage", wait_for_stage, WorkflowUpdateStage)
        values = one_by_one_or_args("An update", arguments, args, arg)
        return await self._send(update, values, start_workflow_operation, stage, id, result_type, timeout)

    async def _send(
        self,
        update: Target,
        values: Sequence[Any],
        operation: WithStartWorkflowOperation[Any],
        stage: WorkflowUpdateStage,
        update_id: str | None,
        result_type: Any,
        timeout: float | None,
    ) -> WorkflowUpdateHandle[Any]:
        if not isinstance(operation, WithStartWorkflowOperation):
            raise given.wrong_type("start_workflow_operation", operation, "a WithStartWorkflowOperation")
        engine, start = self._engine, operation._begin()
        try:
            type_hint = result_hint(
                result_type_of(update) if result_type is None else result_type, engine.converter
            )
            known_by = str(uuid4()) if update_id is None else given.name("id", update_id)
            said = StartWorkflowUpdateWithStartInput(
                update_start_input(*start),
                UpdateWithStartUpdateWorkflowInput(known_by, name_of(update), values, stage, {}, type_hint),
                partial(self._send_said, update, start, timeout),
            )
            handle: WorkflowUpdateHandle[Any] = await engine.outbound.start_update_with_start_workflow(said)
        except WorkflowUpdateFailedError:  # by the open run
            operation._succeeded(engine, start[2]["id"], None)
            raise
        except asyncio.CancelledError:  # whoever waits for the workflow would wait for ever
            operation._failed(NoAnswerError("The update with this start was cancelled before it was answered."))
            raise
        except Exception as error:
            operation._failed(error)
            raise
        operation._succeeded(engine, handle.workflow_id, handle.workflow_run_id)
        return handle

    async def _send_said(
        self,
        update: Target,
        start: tuple[Target, Sequence[Any], StartOptionsAndArgs],
        timeout: float | None,
        said: StartWorkflowUpdateWithStartInput,
    ) -> WorkflowUpdateHandle[Any]:
        engine, of_start, of_update = self._engine, said.start_workflow_input, said.update_workflow_input
        options = start[2]
        command = update_with_start_message(
            start_by_input(of_start, start[0], options),
            update if of_update.update == name_of(update) else of_update.update,
            of_update.args,
            update_id=given.name("id", of_update.update_id),
            wait_for=of_update.wait_for_stage,
            converter=engine.converter,
            headers=(of_start.headers, of_update.headers),
        )
        drawn = options.get("message_id")
        message_id = str(uuid4()) if drawn is None else given.name("message_id", drawn)
        limit = options.get("timeout") if timeout is None else timeout
        reply = await engine.update(command, message_id=message_id, timeout=limit)
        return WorkflowUpdateHandle(
            engine,
            of_update.update_id,
            workflow_id=command.workflow_id,
            workflow_run_id=reply.run_id,
            result_type=of_update.ret_type,
            known=reply,
        )
