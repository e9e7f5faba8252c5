"""Around activities with `executor="process"` interceptors stand in the process, in copies."""

from __future__ import annotations

import os
import threading
from multiprocessing import process
from typing import Any

import pytest

from dalsegno import RetryPolicy, activity, workflow
from dalsegno.activity_code.processes.spawning import INHERITING
from dalsegno.errors import ActivityError, ApplicationError, ConfigurationError
from dalsegno.interceptors import (
    ActivityInboundInterceptor,
    ActivityOutboundInterceptor,
    ContextPropagationInterceptor,
    ExecuteActivityInput,
    WorkerInterceptor,
)
from dalsegno.testing import WorkflowEnvironment
from dalsegno.workers import Worker
from tests.propagated import ask_in_process, customer, propagated


@activity.defn(executor="process")
def told(what: str) -> list[Any]:
    activity.heartbeat("begun")
    return [what, os.getpid(), threading.current_thread() is threading.main_thread()]


class Marking(WorkerInterceptor):
    """Says where it was, and which heartbeats passed it."""

    def __init__(self, mark: str) -> None:
        self.mark = mark

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return MarkingActivity(next, self.mark)


class MarkingActivity(ActivityInboundInterceptor):
    def __init__(self, next: ActivityInboundInterceptor, mark: str) -> None:
        super().__init__(next)
        self.mark = mark
        self.beats: list[Any] = []

    def init(self, outbound: ActivityOutboundInterceptor) -> None:
        self.next.init(MarkingBeats(outbound, self.beats))

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        if input.args == ["refused"]:
            raise ApplicationError("Not with us.", non_retryable=True)
        if input.fn is told:
            input.args = [f"{input.args[0]} {self.mark}"]
        result = await self.next.execute_activity(input)
        return [*result, os.getpid(), *self.beats] if input.fn is told else result


class MarkingBeats(ActivityOutboundInterceptor):
    def __init__(self, next: ActivityOutboundInterceptor, beats: list[Any]) -> None:
        super().__init__(next)
        self.beats = beats

    def heartbeat(self, *details: Any) -> None:
        self.beats.extend(details)
        self.next.heartbeat(*details)


class Locked(Marking):
    def __init__(self) -> None:
        super().__init__("locked")
        self.lock = threading.Lock()


class NotThere(Marking):
    def __setstate__(self, state: dict[str, Any]) -> None:
        if getattr(process.current_process(), INHERITING, False):
            raise LookupError("no such collector")


@workflow.defn
class Asking:
    @workflow.run
    async def run(self) -> list[Any]:
        refused = ""
        try:
            await workflow.execute_activity(ask_in_process, "refused", start_to_close_timeout=60)
        except ActivityError as error:
            refused = str(error.__cause__)
        return [
            await workflow.execute_activity(ask_in_process, "asks", start_to_close_timeout=60),
            refused,
            *await workflow.execute_activity(told, "by", start_to_close_timeout=60, heartbeat_timeout=60),
        ]


@workflow.defn
class Failing:
    @workflow.run
    async def run(self) -> str:
        try:
            await workflow.execute_activity(
                told, "x", start_to_close_timeout=60, retry_policy=RetryPolicy(maximum_attempts=1)
            )
        except ActivityError as error:
            return str(error.__cause__)
        return ""


async def test_the_chain_is_around_the_code_in_its_process_and_what_it_sets_is_there() -> None:
    interceptors = [propagated, Marking("one"), Marking("two")]
    async with (
        await WorkflowEnvironment.start_time_skipping(interceptors=interceptors) as env,
        env.worker(workflows=[Asking], activities=[ask_in_process, told]),
    ):
        customer.set("Anna")
        asked, refused, what, pid, in_main_thread, inner, *rest = await env.client.execute_workflow(
            Asking.run, id="w"
        )
    assert (asked, refused) == ("asks Anna", "Not with us.")
    assert (what, in_main_thread) == ("by one two", True)
    assert pid == inner != os.getpid()
    assert rest == ["begun", pid, "begun"]


async def test_an_interceptor_that_cannot_be_made_in_the_process_is_the_reason_why_the_activity_fails() -> None:
    async with (
        await WorkflowEnvironment.start_time_skipping(interceptors=[NotThere("x")]) as env,
        env.worker(workflows=[Failing], activities=[told]),
    ):
        failed = await env.client.execute_workflow(Failing.run, id="w")
    assert "did not begin: it could not begin: LookupError: no such collector" in failed


@pytest.mark.parametrize("interceptor", [Locked(), ContextPropagationInterceptor(customer)])
def test_one_that_pickle_does_not_take_is_refused_when_the_worker_is_made(interceptor: Any) -> None:
    with pytest.raises(
        ConfigurationError, match=rf"The interceptor {type(interceptor).__name__} cannot be given"
    ):
        Worker("embedded:x", activities=[told], interceptors=[interceptor])
