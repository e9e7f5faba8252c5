"""Workflows and activities whose hosts and workers hand a context variable on."""

from __future__ import annotations

from contextvars import ContextVar

from dalsegno import activity, workflow
from dalsegno.interceptors import ContextPropagationInterceptor

customer: ContextVar[str] = ContextVar("customer", default="nobody")
propagated = ContextPropagationInterceptor(customer)


@activity.defn
async def ask_late(what: str) -> str:
    return f"{what} {customer.get()}"


@activity.defn
def ask_in_thread(what: str) -> str:
    return f"{what} {customer.get()}"


@activity.defn(executor="process")
def ask_in_process(what: str) -> str:
    return f"{what} {customer.get()}"


@workflow.defn
class Inner:
    @workflow.run
    async def run(self) -> str:
        return f"child {customer.get()}"


@workflow.defn
class Outer:
    def __init__(self) -> None:
        self.heard = ""

    @workflow.run
    async def run(self, rounds: int) -> list[str]:
        if rounds:
            workflow.continue_as_new(rounds - 1)
        await workflow.wait_condition(lambda: bool(self.heard))
        return [
            f"run {customer.get()}",
            self.heard,
            await workflow.execute_activity(ask_late, "activity", start_to_close_timeout=30),
            await workflow.execute_activity(ask_in_thread, "thread", start_to_close_timeout=30),
            await workflow.execute_local_activity(ask_late, "local", start_to_close_timeout=30),
            await workflow.execute_child_workflow(Inner.run),
        ]

    @workflow.signal
    def hear(self) -> None:
        self.heard = f"signal {customer.get()}"

    @workflow.query
    def who(self) -> str:
        return customer.get()

    @workflow.update
    def name(self) -> str:
        return customer.get()
