"""A handle: one workflow, as its client sees it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload
from uuid import uuid4

from dalsegno import given
from dalsegno.broker.protocol.messages import (
    CancelWorkflow,
    DescribeWorkflow,
    Description,
    QueryWorkflow,
    Reply,
    ResumeWorkflow,
    SignalWorkflow,
    SuspendWorkflow,
    TerminateWorkflow,
    ToWorkflow,
)
from dalsegno.client.decoding import decoded
from dalsegno.client.engine import EnginePort
from dalsegno.client.explaining import ExplainedWorkflow
from dalsegno.client.incidents import IncidentsOfWorkflow
from dalsegno.client.quarantine import QuarantineOfWorkflow
from dalsegno.client.results import outcome_of
from dalsegno.client.updates import UpdatedWorkflow
from dalsegno.converter import result_hint
from dalsegno.data_converter import DataConverter
from dalsegno.errors import InvalidMessageError
from dalsegno.handler_types import QueryOf, SignalOf
from dalsegno.interceptors.client import (
    CancelWorkflowInput,
    DescribeWorkflowInput,
    QueryWorkflowInput,
    SignalWorkflowInput,
    TerminateWorkflowInput,
)
from dalsegno.interceptors.headers import encoded
from dalsegno.policies import QueryRejectCondition, WorkflowStatus
from dalsegno.targets import UNSET, encode_as, name_of, one_by_one_or_args, result_type_of

R = TypeVar("R", covariant=True)
Q = TypeVar("Q")
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
E = TypeVar("E")


class WorkflowHandle(UpdatedWorkflow, QuarantineOfWorkflow, IncidentsOfWorkflow, ExplainedWorkflow, Generic[R]):
    """What can be asked of one workflow.

    A handle from `Client.start` waits for the result of the run that it started; its signals and other commands
    go to the workflow ID's current run. A handle with a run ID of its own (`Client.get_workflow_handle`) means
    that run in everything.

    Commands change something and are carried out once: they carry a message ID, drawn unless you give one. A
    command that failed with a TransientError may have been carried out or not; give it the same `message_id`
    again and it will not be done twice. All methods raise the subclasses of CommandRejectedError when the
    engine refuses, and NoAnswerError or BrokerUnavailableError when `timeout` seconds are over.
    """

    if not TYPE_CHECKING:

        @classmethod
        def __class_getitem__(cls, of: Any) -> Any:
            """Temporal's has the workflow's class first: the annotation `WorkflowHandle[Order, str]` stays."""
            return super().__class_getitem__(of[-1] if isinstance(of, tuple) else of)

    def __init__(
        self,
        engine: EnginePort,
        workflow_id: str,
        *,
        run_id: str | None,
        pinned: bool,
        result_type: Any,
        status: WorkflowStatus | None = None,
        suspended_reason: str | None = None,
        end: Callable[..., Awaitable[Reply]] | None = None,
    ) -> None:
        """`end` is asked for the run's end, instead of the engine's."""
        super().__init__(engine, workflow_id, run_id=run_id, command_run_id=run_id if pinned else None)
        self.status = status
        """As it was when the workflow was started; None for a handle that came about otherwise."""
        self.suspended_reason = suspended_reason
        """Why a workflow that was started does not run, such as that no host knows its type yet."""
        self._result_type = result_type
        self._converter = engine.converter.of_workflow(workflow_id)
        self._end = end or engine.end

    async def result(self, *, follow_runs: bool = True, timeout: float | None = None) -> R:
        """What the run returned, as its return annotation says if the workflow was given as a class or method.

        Of a run that goes on as another, or is tried again, it is that of the last; with `follow_runs=False`
        it is of this run alone: WorkflowContinuedAsNewError where it goes on.

        Waits for `timeout` seconds, or for ever, through restarts of hosts and broker. While the workflow is
        suspended, a warning says so with the reason (see `Client.connect`), and the waiting goes on. Raises
        WorkflowFailedError when the run ends otherwise, with the reason as `__cause__`, and NoAnswerError (a
        TimeoutError) when time is up.

        Of a run that was started in a transaction: raises WorkflowNotFoundError if hosts do not have it
        for a minute, as when the transaction was not committed.
        """
        reply = await self._end(self.id, self.run_id, timeout=timeout, follow_runs=follow_runs)
        result: R = outcome_of(reply, self.id, self.run_id, self._result_type, self._converter)
        return result

    @overload
    async def signal(
        self,
        signal: SignalOf[Callable[[], Any]],
        /,
        *,
        message_id: str | None = None,
        timeout: float | None = None,
    ) -> None: ...
    @overload
    async def signal(
        self,
        signal: SignalOf[Callable[[A], Any]],
        a: A,
        /,
        *,
        message_id: str | None = None,
        timeout: float | None = None,
    ) -> None: ...
    @overload
    async def signal(
        self,
        signal: SignalOf[Callable[[A, B], Any]],
        a: A,
        b: B,
        /,
        *,
        message_id: str | None = None,
        timeout: float | None = None,
    ) -> None: ...
    @overload
    async def signal(
        self,
        signal: SignalOf[Callable[[A, B, C], Any]],
        a: A,
        b: B,
        c: C,
        /,
        *,
        message_id: str | None = None,
        timeout: float | None = None,
    ) -> None: ...
    @overload
    async def signal(
        self,
        signal: SignalOf[Callable[[A, B, C, D], Any]],
        a: A,
        b: B,
        c: C,
        d: D,
        /,
        *,
        message_id: str | None = None,
        timeout: float | None = None,
    ) -> None: ...
    @overload
    async def signal(
        self,
        signal: SignalOf[Callable[[A, B, C, D, E], Any]],
        a: A,
        b: B,
        c: C,
        d: D,
        e: E,
        /,
        *,
        message_id: str | None = None,
        timeout: float | None = None,
    ) -> None: ...
    @overload
    async def signal(
        self,
        signal: SignalOf[Callable[..., Any]],
        /,
        *,
        args: Sequence[Any],
        message_id: str | None = None,
        timeout: float | None = None,
    ) -> None: ...
    @overload
    async def signal(
        self,
        signal: str,
        /,
        *arguments: Any,
        arg: Any = ...,
        args: Sequence[Any] = ...,
        message_id: str | None = None,
        timeout: float | None = None,
    ) -> None: ...
    async def signal(
        self,
        signal: Any,
        /,
        *arguments: Any,
        arg: Any = UNSET,
        args: Sequence[Any] = (),
        message_id: str | None = None,
        timeout: float | None = None,
    ) -> None:
        """Returns when the signal is durable. Signals sent one after the other keep their order."""

        async def send(said: SignalWorkflowInput) -> None:
            converter = self._converter_of(said.id)
            command = SignalWorkflow(
                workflow_id=said.id,
                run_id=said.run_id,
                name=given.plain("name", said.signal),
                args=encode_as(signal, said.signal, said.args, converter),
                headers=encoded(said.headers, converter),
            )
            await self._tell(command, message_id, timeout)

        values = one_by_one_or_args("A signal", arguments, args, arg)
        said = SignalWorkflowInput(self.id, self._command_run_id, name_of(signal), values, {}, send)
        await self._engine.outbound.signal_workflow(said)

    @overload
    async def query(
        self, query: QueryOf[Callable[[], Q]], /, *, result_type: Any = None, timeout: float | None = None
    ) -> Q: ...
    @overload
    async def query(
        self,
        query: QueryOf[Callable[[A], Q]],
        a: A,
        /,
        *,
        result_type: Any = None,
        reject_condition: QueryRejectCondition = QueryRejectCondition.NONE,
        timeout: float | None = None,
    ) -> Q: ...
    @overload
    async def query(
        self,
        query: QueryOf[Callable[[A, B], Q]],
        a: A,
        b: B,
        /,
        *,
        result_type: Any = None,
        reject_condition: QueryRejectCondition = QueryRejectCondition.NONE,
        timeout: float | None = None,
    ) -> Q: ...
    @overload
    async def query(
        self,
        query: QueryOf[Callable[[A, B, C], Q]],
        a: A,
        b: B,
        c: C,
        /,
        *,
        result_type: Any = None,
        reject_condition: QueryRejectCondition = QueryRejectCondition.NONE,
        timeout: float | None = None,
    ) -> Q: ...
    @overload
    async def query(
        self,
        query: QueryOf[Callable[[A, B, C, D], Q]],
        a: A,
        b: B,
        c: C,
        d: D,
        /,
        *,
        result_type: Any = None,
        reject_condition: QueryRejectCondition = QueryRejectCondition.NONE,
        timeout: float | None = None,
    ) -> Q: ...
    @overload
    async def query(
        self,
        query: QueryOf[Callable[[A, B, C, D, E], Q]],
        a: A,
        b: B,
        c: C,
        d: D,
        e: E,
        /,
        *,
        result_type: Any = None,
        reject_condition: QueryRejectCondition = QueryRejectCondition.NONE,
        timeout: float | None = None,
    ) -> Q: ...
    @overload
    async def query(
        self,
        query: QueryOf[Callable[..., Q]],
        /,
        *,
        args: Sequence[Any],
        result_type: Any = None,
        reject_condition: QueryRejectCondition = QueryRejectCondition.NONE,
        timeout: float | None = None,
    ) -> Q: ...
    @overload
    async def query(
        self,
        query: str,
        /,
        *arguments: Any,
        arg: Any = ...,
        args: Sequence[Any] = ...,
        result_type: Any = None,
        reject_condition: QueryRejectCondition = QueryRejectCondition.NONE,
        timeout: float | None = None,
    ) -> Any: ...
    async def query(
        self,
        query: Any,
        /,
        *arguments: Any,
        arg: Any = UNSET,
        args: Sequence[Any] = (),
        result_type: Any = None,
        reject_condition: QueryRejectCondition = QueryRejectCondition.NONE,
        timeout: float | None = None,
    ) -> Any:
        """Ask the workflow's code; it sees every signal that was sent before. Closed runs answer too, but for
        those that the `reject_condition` excludes: WorkflowQueryRejectedError then.

        The answer has the query's return annotation, or `result_type` where that is given. Raises
        QueryFailedError when the handler raises (its `cause` is what) or there is none of that name, TypeError
        where no answer can be restored as the `result_type`.
        """

        async def send(said: QueryWorkflowInput) -> Any:
            converter = self._converter_of(said.id)
            command = QueryWorkflow(
                workflow_id=said.id,
                run_id=said.run_id,
                name=given.plain("name", said.query),
                args=encode_as(query, said.query, said.args, converter),
                reject_condition=given.choice("reject_condition", said.reject_condition, QueryRejectCondition),
                headers=encoded(said.headers, converter),
            )
            reply = await self._engine.tell(command, timeout=timeout)
            return None if reply.result is None else converter.from_payload(reply.result, said.ret_type)

        name, run_id = name_of(query), self._command_run_id
        hint = result_hint(result_type_of(query) if result_type is None else result_type, self._converter)
        values = one_by_one_or_args("A query", arguments, args, arg)
        said = QueryWorkflowInput(self.id, run_id, name, values, reject_condition, {}, hint, send)
        return await self._engine.outbound.query_workflow(said)

    async def cancel(
        self, reason: str = "", *, message_id: str | None = None, timeout: float | None = None
    ) -> None:
        """Ask the workflow to stop: its code sees asyncio.CancelledError and may clean up or go on."""

        async def send(said: CancelWorkflowInput) -> None:
            why = given.plain("reason", said.reason)
            command = CancelWorkflow(workflow_id=said.id, run_id=said.run_id, reason=why)
            await self._tell(command, message_id, timeout)

        said = CancelWorkflowInput(self.id, self._command_run_id, reason, send)
        await self._engine.outbound.cancel_workflow(said)

    async def terminate(
        self, reason: str = "", *, message_id: str | None = None, timeout: float | None = None
    ) -> None:
        """End the workflow now; its code has no say."""

        async def send(said: TerminateWorkflowInput) -> None:
            why = given.plain("reason", said.reason)
            command = TerminateWorkflow(workflow_id=said.id, run_id=said.run_id, reason=why)
            await self._tell(command, message_id, timeout)

        said = TerminateWorkflowInput(self.id, self._command_run_id, reason, send)
        await self._engine.outbound.terminate_workflow(said)

    async def suspend(
        self, reason: str = "", *, message_id: str | None = None, timeout: float | None = None
    ) -> None:
        """Stop running the workflow's code; what is sent to it is recorded until it is resumed."""
        command = SuspendWorkflow(
            workflow_id=self.id, run_id=self._command_run_id, reason=given.plain("reason", reason)
        )
        await self._tell(command, message_id, timeout)

    async def resume(self, *, message_id: str | None = None, timeout: float | None = None) -> None:
        """Run the code of a suspended workflow again; it works off what was recorded meanwhile."""
        command = ResumeWorkflow(workflow_id=self.id, run_id=self._command_run_id)
        await self._tell(command, message_id, timeout)

    async def describe(self, *, timeout: float | None = None) -> Description:
        """State, activities, timers and more. Times in it are whole microseconds since 1970, UTC."""

        async def send(said: DescribeWorkflowInput) -> Description:
            command = DescribeWorkflow(workflow_id=said.id, run_id=said.run_id)
            reply = await self._engine.tell(command, timeout=timeout)
            if reply.description is None:
                raise InvalidMessageError("the answer to workflow.describe has no description")
            return decoded(reply.description, self._converter_of(said.id))

        said = DescribeWorkflowInput(self.id, self._command_run_id, send)
        description: Description = await self._engine.outbound.describe_workflow(said)
        return description

    def _converter_of(self, workflow_id: str) -> DataConverter:
        return self._converter if workflow_id == self.id else self._engine.converter.of_workflow(workflow_id)

    async def _tell(self, command: ToWorkflow, message_id: str | None, timeout: float | None) -> None:
        known = str(uuid4()) if message_id is None else given.name("message_id", message_id)
        await self._engine.tell(command, message_id=known, timeout=timeout)

    @property
    def result_run_id(self) -> str | None:
        """Temporal's name for the `run_id` of a workflow that was started."""
        return self.run_id

    @property
    def first_execution_run_id(self) -> str | None:
        """Likewise: the run that the start began."""
        return self.run_id

    def __repr__(self) -> str:
        return f"<WorkflowHandle id={self.id!r} run_id={self.run_id!r}>"
