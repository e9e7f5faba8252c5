"""Interceptors of one list stand around each other, see what is called, and may change it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from dalsegno import Payload, activity, workflow
from dalsegno.errors import ConfigurationError
from dalsegno.interceptors import (
    ActivityInboundInterceptor,
    ActivityOutboundInterceptor,
    ClientInterceptor,
    ExecuteActivityInput,
    ExecuteWorkflowInput,
    HandleSignalInput,
    OutboundInterceptor,
    QueryWorkflowInput,
    SignalWorkflowInput,
    StartActivityInput,
    StartChildWorkflowInput,
    StartLocalActivityInput,
    StartWorkflowInput,
    WorkerInterceptor,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
    WorkflowOutboundInterceptor,
)
from dalsegno.testing import WorkflowEnvironment
from dalsegno.workers import Worker
from dalsegno.workflow import ActivityHandle, ChildWorkflowHandle

SEEN: list[str] = []


@activity.defn
async def double(number: int) -> int:
    activity.heartbeat(number)
    SEEN.append(f"double {number} in {activity.info().workflow_id}")
    return 2 * number


@activity.defn
def triple(number: int) -> int:
    activity.heartbeat(number)
    SEEN.append(f"triple {number}, on the loop: {threading.current_thread() is threading.main_thread()}")
    return 3 * number


@workflow.defn
class Sum:
    def __init__(self) -> None:
        self.more = 0

    @workflow.run
    async def run(self, number: int, *, kind: str = "") -> int:
        first, second, third = await asyncio.gather(
            workflow.execute_activity(double, number, heartbeat_timeout=60),
            workflow.execute_activity(triple, number),
            workflow.execute_local_activity(double, number),
        )
        await workflow.wait_condition(lambda: self.more > 0)
        return first + second + third + self.more

    @workflow.signal
    def add(self, number: int) -> None:
        self.more += number

    @workflow.query
    def total(self, plus: int) -> int:
        return self.more + plus


@workflow.defn
class Small:
    @workflow.run
    async def run(self, number: int) -> int:
        return number


@workflow.defn
class Parent:
    @workflow.run
    async def run(self) -> int:
        result: int = await workflow.execute_child_workflow(Small.run, 1, id="small")
        return result


class Noting(ClientInterceptor, WorkerInterceptor):
    """Notes what passes it, under its name."""

    def __init__(self, name: str) -> None:
        self.name = name

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
        return NotingClient(next, self.name)

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return NotingActivity(next, self.name)

    def workflow_interceptor_class(
        self, input: WorkflowInterceptorClassInput
    ) -> type[WorkflowInboundInterceptor]:
        return type("OfThis", (NotingRun,), {"name": self.name})


class NotingClient(OutboundInterceptor):
    def __init__(self, next: OutboundInterceptor, name: str) -> None:
        super().__init__(next)
        self._name = name

    async def start_workflow(self, input: StartWorkflowInput) -> Any:
        SEEN.append(f"{self._name} starts {input.workflow} {list(input.args)}")
        return await super().start_workflow(input)


class NotingActivity(ActivityInboundInterceptor):
    def __init__(self, next: ActivityInboundInterceptor, name: str) -> None:
        super().__init__(next)
        self._name = name

    def init(self, outbound: ActivityOutboundInterceptor) -> None:
        super().init(NotingBeats(outbound, self._name))

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        await asyncio.sleep(0)  # on the loop, also around a function that has a thread
        return await super().execute_activity(input)


class NotingBeats(ActivityOutboundInterceptor):
    def __init__(self, next: ActivityOutboundInterceptor, name: str) -> None:
        super().__init__(next)
        self._name = name

    def info(self) -> activity.Info:
        return replace(self.next.info(), workflow_id=f"{self._name}/{self.next.info().workflow_id}")

    def heartbeat(self, *details: Any) -> None:
        SEEN.append(f"{self._name} beats {details}")
        self.next.heartbeat(*details)


class NotingRun(WorkflowInboundInterceptor):
    name = ""

    async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:
        if not workflow.unsafe.is_replaying():
            SEEN.append(f"{self.name} runs {input.type.__name__} {list(input.args)}")
        return await super().execute_workflow(input)


@asynccontextmanager
async def environment(
    *interceptors: ClientInterceptor | WorkerInterceptor,
) -> AsyncIterator[WorkflowEnvironment]:
    SEEN.clear()
    async with (
        await WorkflowEnvironment.start_time_skipping(interceptors=interceptors) as env,
        env.worker(workflows=[Sum, Small, Parent], activities=[double, triple]),
    ):
        yield env


async def test_the_first_of_a_list_is_the_outermost() -> None:
    async with environment(Noting("a"), Noting("b")) as env:
        handle = await env.client.start_workflow(Sum.run, 5, id="w")
        await handle.signal(Sum.add, 1)
        assert await handle.result() == 36
    assert SEEN[:4] == ["a starts Sum [5]", "b starts Sum [5]", "a runs Sum [5]", "b runs Sum [5]"]
    rest = SEEN[4:]
    assert rest.count("double 5 in b/a/w") == 2
    assert "triple 5, on the loop: False" in rest
    # What the activity asks goes by the innermost first.
    assert rest.index("b beats (5,)") < rest.index("a beats (5,)")


class Changing(ClientInterceptor, WorkerInterceptor):
    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
        return ChangingClient(next)

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return ChangingActivity(next)

    def workflow_interceptor_class(
        self, input: WorkflowInterceptorClassInput
    ) -> type[WorkflowInboundInterceptor]:
        return ChangingRun


class ChangingClient(OutboundInterceptor):
    async def start_workflow(self, input: StartWorkflowInput) -> Any:
        input.args = [number + 1 for number in input.args]
        input.options = {**input.options, "memo": {"by": "interceptor"}}
        return await self.next.start_workflow(input)

    async def signal_workflow(self, input: SignalWorkflowInput) -> None:
        input.args = [10]
        await self.next.signal_workflow(input)

    async def query_workflow(self, input: QueryWorkflowInput) -> Any:
        input.args = [100]
        return -await self.next.query_workflow(input)


class ChangingActivity(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        return 1000 + await self.next.execute_activity(input)


class ChangingRun(WorkflowInboundInterceptor):
    def init(self, outbound: WorkflowOutboundInterceptor) -> None:
        self.next.init(ChangingCalls(outbound))

    async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:
        return -await self.next.execute_workflow(input)

    async def handle_signal(self, input: HandleSignalInput) -> None:
        await self.next.handle_signal(replace(input, args=[2 * input.args[0]]))


class ChangingCalls(WorkflowOutboundInterceptor):
    def start_activity(self, input: StartActivityInput) -> ActivityHandle[Any]:
        assert (input.start_to_close_timeout, input.task_queue) == (timedelta(seconds=600), None)
        return self.next.start_activity(replace(input, activity="double", args=[7], activity_id=None))

    def start_local_activity(self, input: StartLocalActivityInput) -> ActivityHandle[Any]:
        return self.next.start_local_activity(replace(input, args=[0]))

    async def start_child_workflow(self, input: StartChildWorkflowInput) -> ChildWorkflowHandle[Any]:
        return await self.next.start_child_workflow(replace(input, args=[41], id=f"{input.id}-2"))


async def test_what_is_called_and_what_comes_of_it_may_be_changed() -> None:
    async with environment(Changing()) as env:
        handle = await env.client.start_workflow(Sum.run, 5, id="w")
        await handle.signal(Sum.add, 1)
        # Two activities become double(7), the local one double(0); each has 1000 more. The signal is 2 * 10.
        assert await handle.result() == -(1014 + 1014 + 1000 + 20)
        assert await handle.query(Sum.total, 1) == -120
        assert list((await handle.describe()).memo) == ["by"]
    assert {line for line in SEEN if line.startswith("double")} == {"double 7 in w", "double 0 in w"}


class OfChildren(WorkerInterceptor):
    def workflow_interceptor_class(
        self, input: WorkflowInterceptorClassInput
    ) -> type[WorkflowInboundInterceptor]:
        return CallsAlone


class CallsAlone(WorkflowInboundInterceptor):
    def init(self, outbound: WorkflowOutboundInterceptor) -> None:
        self.next.init(ChangingCalls(outbound))


async def test_a_child_may_be_another_one() -> None:
    async with environment(OfChildren()) as env:
        assert await env.client.execute_workflow(Parent.run, id="p") == 41
        assert await env.client.get_workflow_handle("small-2").result() == 41


class Faulty(WorkerInterceptor):
    def __init__(self, cls: Any) -> None:
        self._cls = cls

    def workflow_interceptor_class(self, input: WorkflowInterceptorClassInput) -> Any:
        return self._cls


class Deaf(WorkflowInboundInterceptor):
    def init(self, outbound: WorkflowOutboundInterceptor) -> None:
        """It tells nobody."""


class Sleepy(WorkflowInboundInterceptor):
    async def handle_signal(self, input: HandleSignalInput) -> None:
        await workflow.sleep(1)
        await self.next.handle_signal(input)


class Careless(WorkflowInboundInterceptor):
    def init(self, outbound: WorkflowOutboundInterceptor) -> None:
        self.next.init(CarelessCalls(outbound))


class CarelessCalls(WorkflowOutboundInterceptor):
    def start_activity(self, input: StartActivityInput) -> ActivityHandle[Any]:
        input.headers = {"customer": "anna"}  # type: ignore[dict-item]
        return self.next.start_activity(input)


@pytest.mark.parametrize(
    ("cls", "reason"),
    [
        (Deaf, "One of the interceptors Deaf has an `init` that does not call the next one's"),
        (Sleepy, "An interceptor's handle_signal of 'add' waits for something"),
        (Careless, "The header 'customer' must be a Payload, as payload_converter.to_payload"),
    ],
)
async def test_an_interceptor_s_bug_suspends_its_workflow_as_one_of_the_code_does(
    cls: Any, reason: str
) -> None:
    async with environment(Faulty(cls)) as env:
        with pytest.raises(Exception, match=reason):
            handle = await env.client.start_workflow(Sum.run, 5, id="w")
            await handle.signal(Sum.add, 1)
            await handle.result()
        assert (await env.client.get_workflow_handle("w").describe()).status == "suspended"


@pytest.mark.parametrize(
    ("given", "error"),
    [
        (Noting, "interceptors must be a list of WorkerInterceptor"),
        ([Noting], "must hold objects, not the class Noting"),
        (["x"], "must hold objects of subclasses of WorkerInterceptor, not 'x'"),
    ],
)
def test_what_is_no_interceptor_is_refused(given: Sequence[Any], error: str) -> None:
    with pytest.raises(ConfigurationError, match=error):
        Worker("embedded:x", activities=[double], interceptors=given)


async def test_what_is_no_class_of_interceptors_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="must return a subclass of WorkflowInboundInterceptor"):
        await WorkflowEnvironment.start_local(interceptors=[Faulty("no class")])


async def test_headers_without_an_interceptor_harm_nobody_and_code_may_read_those_of_its_run() -> None:
    class Sending(ClientInterceptor):
        def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
            return SendingClient(next)

    class SendingClient(OutboundInterceptor):
        async def start_workflow(self, input: StartWorkflowInput) -> Any:
            input.headers = {"customer": Payload("json/plain", b'"anna"')}
            return await self.next.start_workflow(input)

        async def signal_workflow(self, input: SignalWorkflowInput) -> None:
            input.headers = {"customer": Payload("json/plain", b'"ben"')}
            await self.next.signal_workflow(input)

    @workflow.defn
    class Reading:
        @workflow.run
        async def run(self) -> str:
            header = workflow.info().headers["customer"]
            customer: str = workflow.payload_converter().from_payload(header, str)
            return customer

    async with environment(Sending()) as env, env.worker(workflows=[Reading]):
        assert await env.client.execute_workflow(Reading.run, id="r") == "anna"
        handle = await env.client.start_workflow(Sum.run, 5, id="w")
        await handle.signal(Sum.add, 1)
        assert await handle.result() == 36


async def test_a_call_has_room_for_so_many_headers() -> None:
    class Sending(ClientInterceptor):
        def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
            return SendingMany(next)

    class SendingMany(OutboundInterceptor):
        async def start_workflow(self, input: StartWorkflowInput) -> Any:
            input.headers = {str(number): Payload("json/plain", b"1") for number in range(65)}
            return await self.next.start_workflow(input)

    async with environment(Sending()) as env:
        with pytest.raises(ValueError, match="room for 64 headers, and is given 65"):
            await env.client.start_workflow(Sum.run, 5, id="w")
