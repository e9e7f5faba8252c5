"""Interceptors around one program's code since its last sign: what calls its run method and handlers goes in by
them, and what it asks for goes out by them. Where a host has none, nothing of this is made.

They are made within the step in which the run method is entered, and anew behind each sign, so that a program
that is built from there has the same. What they hand on is stored as ever; their headers go with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from functools import cached_property, partial
from typing import Any, NoReturn

from dalsegno._activity_call import activity_call
from dalsegno._continue_as_new import ContinueAsNewError
from dalsegno._local_activity_call import local_activity_call
from dalsegno._runtime import (
    ActivityCall,
    ActivityHandle,
    ChildWorkflowCall,
    ChildWorkflowHandle,
    ContinueCall,
    ExternalCall,
)
from dalsegno.actors.workflow_actor.program.handlers import at_once
from dalsegno.actors.workflow_actor.program.outbound import (
    activity_input,
    as_activity,
    as_child,
    as_next_run,
    as_signal,
    child_input,
    next_run_input,
    signal_input,
    with_given,
)
from dalsegno.actors.workflow_actor.program.runtime import ActivityRunner, Runtime
from dalsegno.actors.workflow_actor.signals.events import Signaled
from dalsegno.actors.workflow_actor.updates.events import Updated
from dalsegno.definition import HandlerDefinition, WorkflowDefinition
from dalsegno.interceptors.headers import decoded
from dalsegno.interceptors.workflows import (
    ContinueAsNewInput,
    ExecuteWorkflowInput,
    HandleQueryInput,
    HandleSignalInput,
    HandleUpdateInput,
    SignalChildWorkflowInput,
    SignalExternalWorkflowInput,
    StartActivityInput,
    StartChildWorkflowInput,
    StartLocalActivityInput,
    WorkflowInboundInterceptor,
    WorkflowOutboundInterceptor,
)
from dalsegno.payload import Payload
from dalsegno.workflow import Info


class LastWorkflowOutbound(WorkflowOutboundInterceptor):
    """The end of the chain, which does what is asked for."""

    def __init__(self, own_info: Callable[[], Info]) -> None:
        self.info = own_info  # type: ignore[method-assign]

    def continue_as_new(self, input: ContinueAsNewInput) -> NoReturn:
        input._send(input)

    async def signal_child_workflow(self, input: SignalChildWorkflowInput) -> None:
        await input._send(input)

    async def signal_external_workflow(self, input: SignalExternalWorkflowInput) -> None:
        await input._send(input)

    def start_activity(self, input: StartActivityInput) -> ActivityHandle[Any]:
        return input._send(input)

    async def start_child_workflow(self, input: StartChildWorkflowInput) -> ChildWorkflowHandle[Any]:
        return await input._send(input)

    def start_local_activity(self, input: StartLocalActivityInput) -> ActivityHandle[Any]:
        return input._send(input)


class LastWorkflowInbound(WorkflowInboundInterceptor):
    """The other end, where the user's code is. `outbound` is what that asks by, once it was told."""

    def __init__(self) -> None:
        self.outbound: WorkflowOutboundInterceptor | None = None

    def init(self, outbound: WorkflowOutboundInterceptor) -> None:
        self.outbound = outbound

    async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:
        return await input._send(input)

    async def handle_signal(self, input: HandleSignalInput) -> None:
        await input._send(input)

    async def handle_query(self, input: HandleQueryInput) -> Any:
        return await input._send(input)

    def handle_update_validator(self, input: HandleUpdateInput) -> None:
        input._validate(input)

    async def handle_update_handler(self, input: HandleUpdateInput) -> Any:
        return await input._send(input)


class InterceptedRuntime(Runtime):
    """`classes` are the interceptors', the outermost first. They are there from `begin` on."""

    keeps_given = True

    def __init__(self, classes: Sequence[type[WorkflowInboundInterceptor]], *parts: Any) -> None:
        super().__init__(*parts)
        self._classes = classes
        self.activity_call = _activity_call
        self.local_activity_call = _local_activity_call
        self.steps = steps = InterceptedActivities(self.steps, self)
        self.execute_activity, self.start_activity = steps.execute, steps.start
        self._inbound: WorkflowInboundInterceptor | None = None
        self.outbound: WorkflowOutboundInterceptor = LastWorkflowOutbound(lambda: self.own_info)

    def begin(self) -> None:
        """The run method is about to be entered. Raises whatever the interceptors do."""
        last = LastWorkflowInbound()
        inbound: WorkflowInboundInterceptor = last
        for cls in reversed(self._classes):
            inbound = cls(inbound)
        inbound.init(self.outbound)
        if last.outbound is None:
            names = ", ".join(cls.__qualname__ for cls in self._classes)
            raise RuntimeError(
                f"One of the interceptors {names} has an `init` that does not call the next one's."
            )
        self._inbound, self.outbound = inbound, last.outbound

    @property
    def inbound(self) -> WorkflowInboundInterceptor:
        assert self._inbound is not None, "no code has begun"
        return self._inbound

    @cached_property
    def own_info(self) -> Info:
        return self.make_info()

    @property
    def info(self) -> Info:
        return self.outbound.info()

    # --- what comes in -------------------------------------------------------------------------------------

    async def run(self, definition: WorkflowDefinition, instance: Any, *args: Any) -> Any:
        """The run method."""

        async def send(input_: ExecuteWorkflowInput) -> Any:
            return await input_.run_fn(instance, *input_.args)

        return await self.inbound.execute_workflow(
            ExecuteWorkflowInput(definition.cls, definition.run, args, self.headers, send)
        )

    def signaled(self, handler: HandlerDefinition, signal: Signaled, args: Sequence[Any]) -> Callable[[], Any]:
        """Calls the handler of a signal: a coroutine if that is async, or at once. Raises PayloadError for
        headers that cannot be read."""
        own, send = _called(handler, args)
        input_ = HandleSignalInput(signal.name, own, self._decoded(signal.headers), send)
        return _by_kind(
            handler, f"handle_signal of {signal.name!r}", lambda: self.inbound.handle_signal(input_)
        )

    def updated(self, handler: HandlerDefinition, update: Updated, args: Sequence[Any]) -> Any:
        """As `signaled`, of an update."""
        input_ = self._update_input(handler, update, args)
        what = f"handle_update_handler of {update.name!r}"
        return _by_kind(handler, what, lambda: self.inbound.handle_update_handler(input_))()

    def validated(self, handler: HandlerDefinition, update: Updated, args: Sequence[Any]) -> None:
        """Calls its validator, if there is one. Raises what refuses it."""
        self.inbound.handle_update_validator(self._update_input(handler, update, args))

    def queried(
        self, handler: HandlerDefinition, name: str, args: Sequence[Any], headers: Mapping[str, Payload]
    ) -> Any:
        """Calls the handler of a query; its answer, or a coroutine."""
        own, send = _called(handler, args)
        return self.inbound.handle_query(HandleQueryInput("", name, own, self._decoded(headers), send))

    def _update_input(
        self, handler: HandlerDefinition, update: Updated, args: Sequence[Any]
    ) -> HandleUpdateInput:
        own, send = _called(handler, args)
        front = args[: len(args) - len(own)]

        def validate(input_: HandleUpdateInput) -> None:
            if handler.validator is not None:
                handler.validator(*front, *input_.args)

        headers = self._decoded(update.headers)
        return HandleUpdateInput(update.update_id, update.name, own, headers, validate, send)

    def _decoded(self, headers: Mapping[str, Payload]) -> Mapping[str, Payload]:
        return decoded(headers, self.converter) if headers else {}

    # --- what goes out -------------------------------------------------------------------------------------

    def execute_child(self, call: ChildWorkflowCall) -> Coroutine[Any, Any, Any]:
        return self._executed_child(call)

    async def _executed_child(self, call: ChildWorkflowCall) -> Any:
        """The start is not waited for, as it is not without interceptors: who is cancelled meanwhile waits for
        the child's end, and a run goes on as it was whether there are interceptors or not."""

        async def send(input_: StartChildWorkflowInput) -> ChildWorkflowHandle[Any]:
            return self._seldom().children.schedule(as_child(call, input_, self.converter))

        return await (await self.outbound.start_child_workflow(child_input(call, send)))

    def start_child(self, call: ChildWorkflowCall) -> Coroutine[Any, Any, ChildWorkflowHandle[Any]]:
        return self._started_child(call)

    async def _started_child(self, call: ChildWorkflowCall) -> ChildWorkflowHandle[Any]:
        start = super().start_child

        async def send(input_: StartChildWorkflowInput) -> ChildWorkflowHandle[Any]:
            return await start(as_child(call, input_, self.converter))

        return await self.outbound.start_child_workflow(child_input(call, send))

    def ask(self, call: ExternalCall) -> Coroutine[Any, Any, Any]:
        return super().ask(call) if call.asked != "signal" else self._signal(call)

    async def _signal(self, call: ExternalCall) -> None:
        ask = super().ask

        async def send(input_: SignalChildWorkflowInput | SignalExternalWorkflowInput) -> None:
            await ask(as_signal(call, input_, self.converter))

        input_ = signal_input(call, send)
        if isinstance(input_, SignalChildWorkflowInput):
            await self.outbound.signal_child_workflow(input_)
        else:
            await self.outbound.signal_external_workflow(input_)

    def continue_as_new(self, call: ContinueCall) -> NoReturn:
        headers = self.headers

        def send(input_: ContinueAsNewInput) -> NoReturn:
            raise ContinueAsNewError(as_next_run(call, input_, headers, self.converter))

        self.outbound.continue_as_new(next_run_input(call, headers, send))


class InterceptedActivities:
    """Implements ActivityRunner. `steps` are what runs activities."""

    def __init__(self, steps: ActivityRunner, runtime: InterceptedRuntime) -> None:
        self._steps = steps
        self._runtime = runtime

    def start(self, call: ActivityCall, scheduled: Callable[[Any], None] | None = None) -> ActivityHandle[Any]:
        converter, steps, outbound = self._runtime.converter, self._steps, self._runtime.outbound

        def send(input_: StartActivityInput | StartLocalActivityInput) -> ActivityHandle[Any]:
            return steps.start(as_activity(call, input_, converter), scheduled)

        input_ = activity_input(call, converter, send)
        if isinstance(input_, StartLocalActivityInput):
            return outbound.start_local_activity(input_)
        return outbound.start_activity(input_)

    async def execute(self, call: ActivityCall, scheduled: Callable[[Any], None] | None = None) -> Any:
        return await self.start(call, scheduled)


# So that a call that was not awaited is warned of under the name that user code knows.
InterceptedActivities.execute.__qualname__ = "workflow.execute_activity"
InterceptedRuntime._executed_child.__qualname__ = "workflow.execute_child_workflow"
InterceptedRuntime._started_child.__qualname__ = "workflow.start_child_workflow"


def _activity_call(converter: Any, line: str, activity: Any, arg: Any, **options: Any) -> ActivityCall:
    call = activity_call(converter, line, activity, arg, **options)
    return with_given(call, activity, arg, options)


def _local_activity_call(converter: Any, line: str, activity: Any, arg: Any, **options: Any) -> ActivityCall:
    call = local_activity_call(converter, line, activity, arg, **options)
    return with_given(call, activity, arg, options)


def _called(
    handler: HandlerDefinition, args: Sequence[Any]
) -> tuple[Sequence[Any], Callable[[Any], Awaitable[Any]]]:
    """The arguments without the workflow object, and what calls the handler with those of an input."""
    own = args if handler.bound else args[1:]
    call = partial(handler.function, *args[: len(args) - len(own)])

    async def send(input_: Any) -> Any:
        outcome = call(*input_.args)
        return await outcome if asyncio.iscoroutine(outcome) else outcome

    return own, send


def _by_kind(
    handler: HandlerDefinition, what: str, handle: Callable[[], Coroutine[Any, Any, Any]]
) -> Callable[[], Any]:
    """As without interceptors: an async handler gives a coroutine, any other is over when it was called."""
    if handler.is_async:
        return handle
    text = f"An interceptor's {what} waits for something, or the handler does: declare that with `async def`."
    return lambda: at_once(handle(), text)
