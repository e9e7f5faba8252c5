"""Context variables that travel: who has called, for which customer, by which request.

customer: ContextVar[str] = ContextVar("customer")
propagated = ContextPropagationInterceptor(customer)

client = await Client.connect(url, interceptors=[propagated])
customer.set("anna")
await client.start(Order.run, order, id="o-1")     # there, too: customer.get() == "anna"
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any, NoReturn, Protocol

from dalsegno import given
from dalsegno.data_converter import DataConverter
from dalsegno.interceptors.activities import ActivityInboundInterceptor, ExecuteActivityInput
from dalsegno.interceptors.client import (
    ClientInterceptor,
    OutboundInterceptor,
    QueryWorkflowInput,
    SignalWorkflowInput,
    StartStandaloneActivityInput,
    StartWorkflowInput,
    StartWorkflowUpdateInput,
    StartWorkflowUpdateWithStartInput,
)
from dalsegno.interceptors.schedules import CreateScheduleInput
from dalsegno.interceptors.worker import WorkerInterceptor, WorkflowInterceptorClassInput
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
from dalsegno.payload import Payload, PayloadConverter
from dalsegno.workflow import ActivityHandle, ChildWorkflowHandle


class WithHeaders(Protocol):
    """Any input that has headers."""

    headers: Mapping[str, Payload]


class ContextPropagationInterceptor(ClientInterceptor, WorkerInterceptor):
    """For clients, workers and hosts, which all need the same. Each variable travels under its own name, in the
    header of that name; one that has no value does not. What is called sees the values of whoever has called:
    a handler those of its signal, query or update, a run those of its start, and so does all that it starts.

    Values travel as arguments do; `types` says what one is restored as, by its variable, where that is no plain
    JSON. Raises TypeError for what is no variable, ValueError for two of one name.
    """

    def __init__(
        self,
        *variables: ContextVar[Any],
        types: Mapping[ContextVar[Any], Any] | None = None,
        payload_converter: PayloadConverter = DataConverter.default.payload_converter,
    ) -> None:
        self._variables: dict[str, ContextVar[Any]] = {}
        for variable in variables:
            if not isinstance(variable, ContextVar):
                raise given.wrong_type("A variable to propagate", variable, "a ContextVar")
            name = given.name("The name of a variable to propagate", variable.name)
            if name in self._variables:
                raise ValueError(f"Two variables to propagate are called {name!r}.")
            self._variables[name] = variable
        self._types = types or {}
        self._converter = payload_converter
        self._workflow_class = type("PropagatingRun", (_PropagatingWorkflow,), {"propagated": self})

    def __reduce__(self) -> tuple[Any, ...]:
        """For the process of a Replayer: by the name that it has in a module, since variables have none."""
        for module in list(sys.modules.values()):
            for name, value in list(getattr(module, "__dict__", {}).items()):
                if value is self:
                    return _found, (module.__name__, name)
        raise TypeError("a ContextPropagationInterceptor has to be at the top level of a module")

    def _put_headers(self, input: WithHeaders) -> None:
        """What the variables have here."""
        unset = object()
        values = {name: variable.get(unset) for name, variable in self._variables.items()}
        said = {name: self._converter.to_payload(value) for name, value in values.items() if value is not unset}
        if said:
            input.headers = {**input.headers, **said}

    def _take_headers(self, input: WithHeaders) -> None:
        """What is called has a context of its own: nothing is put back."""
        for name, variable in self._variables.items():
            payload = input.headers.get(name)
            if payload is not None:
                variable.set(self._converter.from_payload(payload, self._types.get(variable, Any)))

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
        return _PropagatingClient(next, self)

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _PropagatingActivity(next, self)

    def workflow_interceptor_class(
        self,
        input: WorkflowInterceptorClassInput,
    ) -> type[WorkflowInboundInterceptor]:
        return self._workflow_class


def _found(module: str, name: str) -> Any:
    return getattr(importlib.import_module(module), name)


class _PropagatingClient(OutboundInterceptor):
    def __init__(self, next: OutboundInterceptor, propagated: ContextPropagationInterceptor) -> None:
        super().__init__(next)
        self._put_headers = propagated._put_headers

    async def start_workflow(self, input: StartWorkflowInput) -> Any:
        self._put_headers(input)
        return await self.next.start_workflow(input)

    async def signal_workflow(self, input: SignalWorkflowInput) -> None:
        self._put_headers(input)
        await self.next.signal_workflow(input)

    async def query_workflow(self, input: QueryWorkflowInput) -> Any:
        self._put_headers(input)
        return await self.next.query_workflow(input)

    async def start_workflow_update(self, input: StartWorkflowUpdateInput) -> Any:
        self._put_headers(input)
        return await self.next.start_workflow_update(input)

    async def start_update_with_start_workflow(self, input: StartWorkflowUpdateWithStartInput) -> Any:
        self._put_headers(input.start_workflow_input)
        self._put_headers(input.update_workflow_input)
        return await self.next.start_update_with_start_workflow(input)

    async def create_schedule(self, input: CreateScheduleInput) -> Any:
        self._put_headers(input)
        return await self.next.create_schedule(input)

    async def start_activity(self, input: StartStandaloneActivityInput) -> Any:
        self._put_headers(input)
        return await self.next.start_activity(input)


class _PropagatingActivity(ActivityInboundInterceptor):
    def __init__(
        self,
        next: ActivityInboundInterceptor,
        propagated: ContextPropagationInterceptor,
    ) -> None:
        super().__init__(next)
        self._propagated = propagated

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        self._propagated._take_headers(input)
        return await self.next.execute_activity(input)


class _PropagatingWorkflow(WorkflowInboundInterceptor):
    propagated: ContextPropagationInterceptor

    def init(self, outbound: WorkflowOutboundInterceptor) -> None:
        self.next.init(_PropagatingCalls(outbound, self.propagated))

    async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:
        self.propagated._take_headers(input)
        return await self.next.execute_workflow(input)

    async def handle_signal(self, input: HandleSignalInput) -> None:
        self.propagated._take_headers(input)
        await self.next.handle_signal(input)

    async def handle_query(self, input: HandleQueryInput) -> Any:
        self.propagated._take_headers(input)
        return await self.next.handle_query(input)

    def handle_update_validator(self, input: HandleUpdateInput) -> None:
        self.propagated._take_headers(input)
        self.next.handle_update_validator(input)

    async def handle_update_handler(self, input: HandleUpdateInput) -> Any:
        self.propagated._take_headers(input)
        return await self.next.handle_update_handler(input)


class _PropagatingCalls(WorkflowOutboundInterceptor):
    def __init__(
        self,
        next: WorkflowOutboundInterceptor,
        propagated: ContextPropagationInterceptor,
    ) -> None:
        super().__init__(next)
        self._put_headers = propagated._put_headers

    def continue_as_new(self, input: ContinueAsNewInput) -> NoReturn:
        self._put_headers(input)
        self.next.continue_as_new(input)

    async def signal_child_workflow(self, input: SignalChildWorkflowInput) -> None:
        self._put_headers(input)
        await self.next.signal_child_workflow(input)

    async def signal_external_workflow(self, input: SignalExternalWorkflowInput) -> None:
        self._put_headers(input)
        await self.next.signal_external_workflow(input)

    def start_activity(self, input: StartActivityInput) -> ActivityHandle[Any]:
        self._put_headers(input)
        return self.next.start_activity(input)

    async def start_child_workflow(self, input: StartChildWorkflowInput) -> ChildWorkflowHandle[Any]:
        self._put_headers(input)
        return await self.next.start_child_workflow(input)

    def start_local_activity(self, input: StartLocalActivityInput) -> ActivityHandle[Any]:
        self._put_headers(input)
        return self.next.start_local_activity(input)
