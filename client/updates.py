"""Updates, as their client sees them: sent to one workflow, answered by its code, found again by their IDs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar, cast, overload
from uuid import uuid4

from dalsegno import given
from dalsegno.broker.protocol.messages import AwaitUpdate, Reply, UpdateWorkflow
from dalsegno.client.decoding import decoded
from dalsegno.client.engine import EnginePort
from dalsegno.converter import result_hint
from dalsegno.errors import WorkflowUpdateFailedError
from dalsegno.handler_types import UpdateOf
from dalsegno.interceptors.client import StartWorkflowUpdateInput
from dalsegno.interceptors.headers import encoded
from dalsegno.policies import WorkflowUpdateStage
from dalsegno.targets import UNSET, Target, encode_as, name_of, one_by_one_or_args, result_type_of

Q = TypeVar("Q")
R = TypeVar("R", covariant=True)
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
E = TypeVar("E")


class WorkflowUpdateHandle(Generic[R]):
    """One update: `id` is its own, `workflow_run_id` the run that has taken it."""

    def __init__(
        self,
        engine: EnginePort,
        update_id: str,
        *,
        workflow_id: str,
        workflow_run_id: str | None,
        result_type: Any,
        known: Reply | None = None,
    ) -> None:
        self.id = update_id
        self.workflow_id = workflow_id
        self.workflow_run_id = workflow_run_id
        self._engine = engine
        self._result_type = result_type
        self._known = known if known is not None and known.update_stage == "completed" else None

    async def result(self, *, timeout: float | None = None) -> R:
        """What the handler returned. Waits for `timeout` seconds, or for ever; the outcome stays known as long
        as the run is kept, open or closed.

        Raises WorkflowUpdateFailedError when the handler failed, the update was refused, or its run ended
        before it; WorkflowNotFoundError where no such update is known.
        """
        if self._known is None:
            question = AwaitUpdate(workflow_id=self.workflow_id, run_id=self.workflow_run_id, update_id=self.id)
            self._known = await self._engine.update_outcome(question, timeout=timeout)
        known, converter = self._known, self._engine.converter.of_workflow(self.workflow_id)
        if known.failure is not None:
            said = decoded(known.failure, converter).message
            raise WorkflowUpdateFailedError(
                f"The update {self.id!r} of workflow {self.workflow_id!r} failed: {said}"
            ) from converter.from_failure(known.failure)
        result: Any = None if known.result is None else converter.from_payload(known.result, self._result_type)
        return cast(R, result)

    def __repr__(self) -> str:
        return f"<WorkflowUpdateHandle id={self.id!r} workflow_id={self.workflow_id!r}>"


class UpdatedWorkflow:
    """The part of a workflow's handle that updates it."""

    def __init__(
        self, engine: EnginePort, workflow_id: str, *, run_id: str | None, command_run_id: str | None
    ) -> None:
        self.id = workflow_id
        self.run_id = run_id
        self._engine = engine
        self._command_run_id = command_run_id

    @overload
    async def execute_update(
        self,
        update: UpdateOf[Callable[[], Q]],
        /,
        *,
        id: str | None = None,
        result_type: Any = None,
        timeout: float | None = None,
    ) -> Q: ...
    @overload
    async def execute_update(
        self,
        update: UpdateOf[Callable[[A], Q]],
        a: A,
        /,
        *,
        id: str | None = None,
        result_type: Any = None,
        timeout: float | None = None,
    ) -> Q: ...
    @overload
    async def execute_update(
        self,
        update: UpdateOf[Callable[[A, B], Q]],
        a: A,
        b: B,
        /,
        *,
        id: str | None = None,
        result_type: Any = None,
        timeout: float | None = None,
    ) -> Q: ...
    @overload
    async def execute_update(
        self,
        update: UpdateOf[Callable[[A, B, C], Q]],
        a: A,
        b: B,
        c: C,
        /,
        *,
        id: str | None = None,
        result_type: Any = None,
        timeout: float | None = None,
    ) -> Q: ...
    @overload
    async def execute_update(
        self,
        update: UpdateOf[Callable[[A, B, C, D], Q]],
        a: A,
        b: B,
        c: C,
        d: D,
        /,
        *,
        id: str | None = None,
        result_type: Any = None,
        timeout: float | None = None,
    ) -> Q: ...
    @overload
    async def execute_update(
        self,
        update: UpdateOf[Callable[[A, B, C, D, E], Q]],
        a: A,
        b: B,
        c: C,
        d: D,
        e: E,
        /,
        *,
        id: str | None = None,
        result_type: Any = None,
        timeout: float | None = None,
    ) -> Q: ...
    @overload
    async def execute_update(
        self,
        update: UpdateOf[Callable[..., Q]],
        /,
        *,
        args: Sequence[Any],
        id: str | None = None,
        result_type: Any = None,
        timeout: float | None = None,
    ) -> Q: ...
    @overload
    async def execute_update(
        self,
        update: str,
        /,
        *arguments: Any,
        arg: Any = ...,
        args: Sequence[Any] = ...,
        id: str | None = None,
        result_type: Any = None,
        timeout: float | None = None,
    ) -> Any: ...
    async def execute_update(
        self,
        update: Any,
        /,
        *arguments: Any,
        arg: Any = UNSET,
        args: Sequence[Any] = (),
        id: str | None = None,  # noqa: A002 - as in the Temporal SDK
        result_type: Any = None,
        timeout: float | None = None,
    ) -> Any:
        """Send an update, and wait for what its handler returns, however long that takes; `timeout` (seconds)
        is for it to be taken. Another with the same `id` is the same: it is handled once, and answered each
        time.

        Raises WorkflowUpdateFailedError when it is refused (by its validator; because it does not fit, or there
        is no such handler) or its handler fails: `cause` is why. Otherwise as a handle's other commands.
        """
        stage = WorkflowUpdateStage.COMPLETED
        handle = await self._send_update(
            update, one_by_one_or_args("An update", arguments, args, arg), id, result_type, timeout, stage
        )
        return await handle.result()

    @overload
    async def start_update(
        self,
        update: UpdateOf[Callable[[], Q]],
        /,
        *,
        wait_for_stage: WorkflowUpdateStage,
        id: str | None = None,
        result_type: Any = None,
        timeout: float | None = None,
    ) -> WorkflowUpdateHandle[Q]: ...
    @overload
    async def start_update(
        self,
        update: UpdateOf[Callable[[A], Q]],
        a: A,
        /,
        *,
        wait_for_stage: WorkflowUpdateStage,
        id: str | None = None,
        result_type: Any = None,
        timeout: float | None = None,
    ) -> WorkflowUpdateHandle[Q]: ...
    @overload
    async def start_update(
        self,
        update: UpdateOf[Callable[[A, B], Q]],
        a: A,
        b: B,
        /,
        *,
        wait_for_stage: WorkflowUpdateStage,
        id: str | None = None,
        result_type: Any = None,
        timeout: float | None = None,
    ) -> WorkflowUpdateHandle[Q]: ...
    @overload
    async def start_update(
        self,
        update: UpdateOf[Callable[[A, B, C], Q]],
        a: A,
        b: B,
        c: C,
        /,
        *,
        wait_for_stage: WorkflowUpdateStage,
        id: str | None = None,
        result_type: Any = None,
        timeout: float | None = None,
    ) -> WorkflowUpdateHandle[Q]: ...
    @overload
    async def start_update(
        self,
        update: UpdateOf[Callable[[A, B, C, D], Q]],
        a: A,
        b: B,
        c: C,
        d: D,
        /,
        *,
        wait_for_stage: WorkflowUpdateStage,
        id: str | None = None,
        result_type: Any = None,
        timeout: float | None = None,
    ) -> WorkflowUpdateHandle[Q]: ...
    @overload
    async def start_update(
        self,
        update: UpdateOf[Callable[[A, B, C, D, E], Q]],
        a: A,
        b: B,
        c: C,
        d: D,
        e: E,
        /,
        *,
        wait_for_stage: WorkflowUpdateStage,
        id: str | None = None,
        result_type: Any = None,
        timeout: float | None = None,
    ) -> WorkflowUpdateHandle[Q]: ...
    @overload
    async def start_update(
        self,
        update: UpdateOf[Callable[..., Q]],
        /,
        *,
        args: Sequence[Any],
        wait_for_stage: WorkflowUpdateStage,
        id: str | None = None,
        result_type: Any = None,
        timeout: float | None = None,
    ) -> WorkflowUpdateHandle[Q]: ...
    @overload
    async def start_update(
        self,
        update: str,
        /,
        *arguments: Any,
        arg: Any = ...,
        args: Sequence[Any] = ...,
        wait_for_stage: WorkflowUpdateStage,
        id: str | None = None,
        result_type: Any = None,
        timeout: float | None = None,
    ) -> WorkflowUpdateHandle[Any]: ...
    async def start_update(
        self,
        update: Any,
        /,
        *arguments: Any,
        wait_for_stage: WorkflowUpdateStage,
        arg: Any = UNSET,
        args: Sequence[Any] = (),
        id: str | None = None,  # noqa: A002 - as in the Temporal SDK
        result_type: Any = None,
        timeout: float | None = None,
    ) -> WorkflowUpdateHandle[Any]:
        """As `execute_update`, but wait only until it has come to `wait_for_stage`: ACCEPTED, when its
        validator has let it pass, or COMPLETED. Raises WorkflowUpdateFailedError when it is refused; a failure
        of its handler is told by the handle's `result`."""
        stage = given.choice("wait_for_stage", wait_for_stage, WorkflowUpdateStage)
        return await self._send_update(
            update, one_by_one_or_args("An update", arguments, args, arg), id, result_type, timeout, stage
        )

    def get_update_handle(
        self,
        id: str,  # noqa: A002 - as in the Temporal SDK
        *,
        workflow_run_id: str | None = None,
        result_type: Any = Any,
    ) -> WorkflowUpdateHandle[Any]:
        """An update that was sent before, by its ID; nobody is asked. `workflow_run_id` is that of this handle
        if none is given."""
        return WorkflowUpdateHandle(
            self._engine,
            given.name("id", id),
            workflow_id=self.id,
            workflow_run_id=self.run_id if workflow_run_id is None else workflow_run_id,
            result_type=result_hint(result_type, self._engine.converter),
        )

    def get_update_handle_for(
        self,
        update: Target,
        id: str,  # noqa: A002 - as in the Temporal SDK
        *,
        workflow_run_id: str | None = None,
    ) -> WorkflowUpdateHandle[Any]:
        """As `get_update_handle`, with the result that the update's method returns."""
        hint = result_type_of(update)
        return self.get_update_handle(id, workflow_run_id=workflow_run_id, result_type=hint)

    async def _send_update(
        self,
        update: Target,
        arguments: Sequence[Any],
        update_id: str | None,
        result_type: Any,
        timeout: float | None,
        stage: WorkflowUpdateStage,
    ) -> WorkflowUpdateHandle[Any]:
        engine, run_id = self._engine, self._command_run_id
        hint = result_hint(result_type_of(update) if result_type is None else result_type, engine.converter)
        known_by = str(uuid4()) if update_id is None else given.name("id", update_id)

        async def send(said: StartWorkflowUpdateInput) -> WorkflowUpdateHandle[Any]:
            converter = engine.converter.of_workflow(said.id)
            command = UpdateWorkflow(
                workflow_id=said.id,
                run_id=said.run_id,
                name=given.plain("name", said.update),
                args=encode_as(update, said.update, said.args, converter),
                update_id=given.name("id", said.update_id),
                wait_for=said.wait_for_stage.value,
                headers=encoded(said.headers, converter),
            )
            reply = await engine.update(command, timeout=timeout)
            return WorkflowUpdateHandle(
                engine,
                said.update_id,
                workflow_id=said.id,
                workflow_run_id=reply.run_id or said.run_id,
                result_type=said.ret_type,
                known=reply,
            )

        name = name_of(update)
        said = StartWorkflowUpdateInput(self.id, run_id, known_by, name, arguments, stage, {}, hint, send)
        handle: WorkflowUpdateHandle[Any] = await engine.outbound.start_workflow_update(said)
        return handle
