"""The client: starts workflows and finds them again.

async with Client.connect("amqp://localhost") as client:
    handle = await client.start(OrderWorkflow.run, order, id=f"order-{order.id}")
    await handle.signal(OrderWorkflow.approve, "alice")
    receipt = await handle.result()
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack, overload
from uuid import uuid4

from dalsegno import given
from dalsegno.broker.held_bytes import HELD_BYTES
from dalsegno.broker.port import Broker
from dalsegno.broker.protocol.ids import run_id
from dalsegno.broker.protocol.messages import Reply, StartWorkflow
from dalsegno.broker.url import open_broker
from dalsegno.client.async_activities import AsyncActivityHandle, named_by
from dalsegno.client.conversation import Conversation, sendable
from dalsegno.client.declaring import Declaring
from dalsegno.client.engine import BrokerEngine
from dalsegno.client.handle import WorkflowHandle
from dalsegno.client.in_transaction import write_in_transaction
from dalsegno.client.links import Links
from dalsegno.client.results import await_end, outcome_of
from dalsegno.client.scheduling import Scheduling
from dalsegno.client.standalone import StartingActivities
from dalsegno.client.start_options import (
    NO_HEADERS,
    StartOptions,
    StartOptionsAndArgs,
    result_type_said,
    start_by_input,
    start_input,
    start_message,
)
from dalsegno.client.suspensions import OnSuspended, warn
from dalsegno.client.timings import ClientTimings
from dalsegno.client.with_start import UpdatingWithStart
from dalsegno.data_converter import DataConverter
from dalsegno.data_converter import required as required_converter
from dalsegno.interceptors.client import NOT_INTERCEPTED, ClientInterceptor, StartWorkflowInput, intercepting
from dalsegno.loop_clock import LoopClock, checked_clock
from dalsegno.observer import Observer, contained
from dalsegno.payload import Payload
from dalsegno.policies import WorkflowIDConflictPolicy
from dalsegno.targets import Target

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
E = TypeVar("E")
R = TypeVar("R")

TIMEOUT_SECONDS = 10.0
"""For everything but waiting for a result."""


class Client(Scheduling, UpdatingWithStart, StartingActivities, Declaring):
    """One connection to a namespace, for any number of tasks of one event loop.

    It outlives what happens to the broker: requests wait for it to come back, as long as their time allows.
    """

    def __init__(
        self,
        broker: Broker,
        *,
        data_converter: DataConverter = DataConverter.default,
        observer: Observer | None = None,
        clock: LoopClock | None = None,
        timeout: float = TIMEOUT_SECONDS,
        timings: ClientTimings | None = None,
        on_suspended: OnSuspended = warn,
        interceptors: Sequence[ClientInterceptor] = (),
    ) -> None:
        """`Client.connect` is the usual way. `timeout` (seconds) holds where a call gives none. All that the
        client times goes by its `clock`, which is the event loop if none is given."""
        patience = given.patience("timeout", timeout)
        links = Links(broker, timings or ClientTimings(), contained(observer), checked_clock(clock))
        converter = required_converter("data_converter", data_converter)
        engine = self._engine_over(links, converter, patience, on_suspended)
        super().__init__(replace(engine, outbound=intercepting(interceptors)) if interceptors else engine)

    def _engine_over(
        self, links: Links, converter: DataConverter, timeout: float | None, on_suspended: OnSuspended
    ) -> BrokerEngine:
        """Whom it asks."""
        return BrokerEngine(links, converter, timeout, on_suspended)

    @classmethod
    def connect(
        cls,
        broker_url: str,
        *,
        data_converter: DataConverter = DataConverter.default,
        observer: Observer | None = None,
        clock: LoopClock | None = None,
        timeout: float = TIMEOUT_SECONDS,
        on_suspended: OnSuspended = warn,
        interceptors: Sequence[ClientInterceptor] = (),
    ) -> Connecting:
        """Connect to the broker: `client = await Client.connect(url)`, or `async with Client.connect(url)`.

        URLs are amqp://user:password@host/virtual-host, or embedded:///path/of/broker.db. Raises
        ConfigurationError for what a person must mend (URL, password, a namespace that is not there), and
        BrokerUnavailableError when the broker is not reached in time.

        `data_converter` says how values travel; hosts and workers need the same (docs/payloads.md).

        `on_suspended` is called with workflow ID and reason while a result is waited for and the workflow is
        suspended, once for each reason. By default it logs a warning. `interceptors` stand around what is asked
        (docs/client.md), the first outermost.
        """
        broker = open_broker(given.plain("broker_url", broker_url), held_bytes=HELD_BYTES)
        return Connecting(
            cls(
                broker,
                data_converter=data_converter,
                observer=observer,
                clock=clock,
                timeout=timeout,
                on_suspended=on_suspended,
                interceptors=interceptors,
            )
        )

    async def close(self) -> None:
        """Calls that are under way end with RuntimeError. Closing twice is ordinary."""
        await self._engine.links.close()

    async def __aenter__(self) -> Self:
        try:
            await self._engine.links.connect(timeout=self._engine.timeout)
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @overload
    async def start(
        self, workflow: Callable[[Any], Awaitable[R]], /, **options: Unpack[StartOptions]
    ) -> WorkflowHandle[R]: ...
    @overload
    async def start(
        self, workflow: Callable[[Any, A], Awaitable[R]], a: A, /, **options: Unpack[StartOptions]
    ) -> WorkflowHandle[R]: ...
    @overload
    async def start(
        self, workflow: Callable[[Any, A, B], Awaitable[R]], a: A, b: B, /, **options: Unpack[StartOptions]
    ) -> WorkflowHandle[R]: ...
    @overload
    async def start(
        self,
        workflow: Callable[[Any, A, B, C], Awaitable[R]],
        a: A,
        b: B,
        c: C,
        /,
        **options: Unpack[StartOptions],
    ) -> WorkflowHandle[R]: ...
    @overload
    async def start(
        self,
        workflow: Callable[[Any, A, B, C, D], Awaitable[R]],
        a: A,
        b: B,
        c: C,
        d: D,
        /,
        **options: Unpack[StartOptions],
    ) -> WorkflowHandle[R]: ...
    @overload
    async def start(
        self,
        workflow: Callable[[Any, A, B, C, D, E], Awaitable[R]],
        a: A,
        b: B,
        c: C,
        d: D,
        e: E,
        /,
        **options: Unpack[StartOptions],
    ) -> WorkflowHandle[R]: ...
    @overload
    async def start(
        self, workflow: Callable[..., Awaitable[R]], /, *, args: Sequence[Any], **options: Unpack[StartOptions]
    ) -> WorkflowHandle[R]: ...
    @overload
    async def start(
        self, workflow: str | type[Any], /, *arguments: Any, **options: Unpack[StartOptionsAndArgs]
    ) -> WorkflowHandle[Any]: ...
    async def start(
        self, workflow: Target, /, *arguments: Any, **options: Unpack[StartOptionsAndArgs]
    ) -> WorkflowHandle[Any]:
        """Start a workflow, given by its run method, its class or its name; returns when the start is durable.

        `options` are those of StartOptions. A workflow whose type no host knows is accepted all the same: the
        handle's `status` is then SUSPENDED, with the reason, and it runs once a host has the code. Raises
        WorkflowAlreadyStartedError where the policies don't allow another run.

        With a `connection` it returns when the start is written in that transaction; after its commit a host
        sends it on, within a second. What the policies don't allow is then done nowhere, and nobody is told:
        give an ID of its own. See docs/client.md.
        """
        return await self._start(workflow, arguments, options)

    async def _start(
        self, workflow: Target, arguments: Sequence[Any], options: StartOptionsAndArgs
    ) -> WorkflowHandle[Any]:
        """By way of the interceptors, if there are any."""
        if self._engine.outbound is NOT_INTERCEPTED:
            return await self._begin(workflow, arguments, options)

        async def send(said: StartWorkflowInput) -> WorkflowHandle[Any]:
            return await self._begin(*start_by_input(said, workflow, options), said.headers)

        said = start_input(workflow, arguments, options, send)
        handle: WorkflowHandle[Any] = await self._engine.outbound.start_workflow(said)
        return handle

    async def _begin(
        self,
        workflow: Target,
        arguments: Sequence[Any],
        options: StartOptionsAndArgs,
        headers: Mapping[str, Payload] = NO_HEADERS,
    ) -> WorkflowHandle[Any]:
        connection, converter = options.get("connection"), self._engine.converter
        if connection is not None:
            return await self._start_in_transaction(connection, workflow, arguments, options, headers)
        message = start_message(workflow, arguments, options, ("accepted",), converter, headers)
        with Conversation(self._engine.links, self._engine.converter) as conversation:
            reply = await self._accepted(conversation, message, options)
        return WorkflowHandle(
            self._engine,
            reply.workflow_id or message.workflow_id,
            run_id=reply.run_id,
            pinned=False,
            result_type=result_type_said(workflow, options, self._engine.converter),
            status=reply.status,
            suspended_reason=reply.reason,
        )

    async def _start_in_transaction(
        self,
        connection: Any,
        workflow: Target,
        arguments: Sequence[Any],
        options: StartOptionsAndArgs,
        headers: Mapping[str, Payload],
    ) -> WorkflowHandle[Any]:
        message = start_message(workflow, arguments, options, (), self._engine.converter, headers)
        message_id = _message_id(options)
        may_be_another = message.conflict_policy is WorkflowIDConflictPolicy.USE_EXISTING
        if (stored := self._engine.converter._stored) is not None:
            await stored.kept(message)  # whether the transaction commits or not
        await write_in_transaction(connection, sendable(message), message_id, options.get("schema"))
        return WorkflowHandle(
            self._engine,
            message.workflow_id,
            run_id=None if may_be_another else run_id(message.workflow_id, message_id),
            pinned=False,
            result_type=result_type_said(workflow, options, self._engine.converter),
            end=self._engine.end_of_expected,
        )

    @overload
    async def execute(
        self, workflow: Callable[[Any], Awaitable[R]], /, **options: Unpack[StartOptions]
    ) -> R: ...
    @overload
    async def execute(
        self, workflow: Callable[[Any, A], Awaitable[R]], a: A, /, **options: Unpack[StartOptions]
    ) -> R: ...
    @overload
    async def execute(
        self, workflow: Callable[[Any, A, B], Awaitable[R]], a: A, b: B, /, **options: Unpack[StartOptions]
    ) -> R: ...
    @overload
    async def execute(
        self,
        workflow: Callable[[Any, A, B, C], Awaitable[R]],
        a: A,
        b: B,
        c: C,
        /,
        **options: Unpack[StartOptions],
    ) -> R: ...
    @overload
    async def execute(
        self,
        workflow: Callable[[Any, A, B, C, D], Awaitable[R]],
        a: A,
        b: B,
        c: C,
        d: D,
        /,
        **options: Unpack[StartOptions],
    ) -> R: ...
    @overload
    async def execute(
        self,
        workflow: Callable[[Any, A, B, C, D, E], Awaitable[R]],
        a: A,
        b: B,
        c: C,
        d: D,
        e: E,
        /,
        **options: Unpack[StartOptions],
    ) -> R: ...
    @overload
    async def execute(
        self, workflow: Callable[..., Awaitable[R]], /, *, args: Sequence[Any], **options: Unpack[StartOptions]
    ) -> R: ...
    @overload
    async def execute(
        self, workflow: str | type[Any], /, *arguments: Any, **options: Unpack[StartOptionsAndArgs]
    ) -> Any: ...
    async def execute(
        self, workflow: Target, /, *arguments: Any, **options: Unpack[StartOptionsAndArgs]
    ) -> Any:
        """Start a workflow and wait for its result, however long it takes; see `start` and a handle's `result`.

        `timeout` is for the start. To limit the whole, use `asyncio.timeout`; the workflow goes on anyway.
        """
        if options.get("connection") is not None:
            raise TypeError(
                "A start in your transaction happens after its commit: start it, commit, and await the result."
            )
        if self._engine.outbound is not NOT_INTERCEPTED:
            return await (await self._start(workflow, arguments, options)).result()
        message = start_message(workflow, arguments, options, ("accepted", "result"), self._engine.converter)
        result_type = result_type_said(workflow, options, self._engine.converter)

        with self._engine.waiting() as conversation:
            accepted = await self._accepted(conversation, message, options)
            conversation.heard(accepted)
            run_id = accepted.run_id
            # Sent to us when the run ends; if our link breaks before that, only asking helps.
            reply = await conversation.further(Reply, "result", conversation.timings.ask_again)
            if reply is None or reply.error is not None:
                reply = await await_end(conversation, message.workflow_id, run_id, timeout=None)
        return outcome_of(reply, message.workflow_id, run_id, result_type, self._engine.converter)

    async def _accepted(
        self, conversation: Conversation, message: StartWorkflow, options: StartOptionsAndArgs
    ) -> Reply:
        return await conversation.ask(
            Reply,
            message,
            message_id=_message_id(options),
            timeout=options.get("timeout", self._engine.timeout),
            kind="accepted",
        )

    def get_async_activity_handle(
        self,
        *,
        workflow_id: str | None = None,
        run_id: str | None = None,
        activity_id: str | None = None,
        task_token: bytes | None = None,
    ) -> AsyncActivityHandle:
        """A handle to say how an activity ends that goes on outside of its worker
        (`activity.raise_complete_async`).

        It is named by `activity.info().task_token`, or by `activity_id` and `workflow_id` (and `run_id`, if it
        is to be none but that run's); a standalone activity by its `activity_id` alone. Nothing is asked yet.
        """
        return named_by(self._engine, workflow_id, run_id, activity_id, task_token)

    start_workflow = start
    execute_workflow = execute
    """Temporal's names for the same."""


def _message_id(options: StartOptionsAndArgs) -> str:
    drawn = options.get("message_id")
    return str(uuid4()) if drawn is None else given.name("message_id", drawn)


class Connecting:
    """What `Client.connect` gives: to be awaited, or entered with `async with`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def __await__(self) -> Generator[Any, None, Client]:
        return self._client.__aenter__().__await__()

    async def __aenter__(self) -> Client:
        return await self._client.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.close()
