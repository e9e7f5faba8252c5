"""Workflows that send what is large by all ways that there are."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from dalsegno import RetryPolicy, activity, workflow

LARGE = "large " * 40_000
MINUTE = timedelta(minutes=1)
SOON = RetryPolicy(initial_interval=timedelta(milliseconds=10))


@activity.defn
async def enlarge(text: str) -> str:
    return f"{text}!"


@activity.defn
def enlarge_in_thread(text: str) -> str:
    return f"{text}?"


@activity.defn(executor="process")
def enlarge_in_process(text: str) -> str:
    return f"{text}."


@dataclass
class Told:
    texts: list[str] = field(default_factory=list)
    runs: int = 0
    signs: int = 0
    is_over: bool = False


@workflow.defn
class Child:
    @workflow.run
    async def run(self, text: str) -> str:
        return await workflow.execute_local_activity(enlarge, text, start_to_close_timeout=MINUTE)


@workflow.defn
class Teller:
    """Told by signals and updates; its state goes over a sign, and over to another run."""

    def __init__(self) -> None:
        self.told = Told()

    @workflow.run
    async def run(self, told: Told) -> str:
        told.texts += self.told.texts  # of updates that came before all else
        self.told = told
        if not told.runs:
            told.runs += 1
            text = await workflow.execute_child_workflow(
                Child.run, LARGE, id=f"{workflow.info().workflow_id}-child"
            )
            self.told.texts.append(text)
            workflow.continue_as_new(self.told)
        if not told.signs:
            told.signs += 1
            options = {"start_to_close_timeout": MINUTE, "retry_policy": SOON}
            told.texts.append(await workflow.execute_activity(enlarge_in_thread, LARGE, **options))
            told.texts.append(await workflow.execute_activity(enlarge, LARGE, **options))
            workflow.checkpoint(self.told)
        await workflow.wait_condition(lambda: self.told.is_over and workflow.all_handlers_finished())
        return "".join(text[-1] for text in self.told.texts) + LARGE

    @workflow.signal
    def tell(self, text: str) -> None:
        self.told.texts.append(text)

    @workflow.update
    async def ask(self, text: str) -> str:
        self.told.texts.append(text)
        return f"{text}:"

    @workflow.signal
    def end(self) -> None:
        self.told.is_over = True


@workflow.defn
class Waiting:
    """What it was given is read again when it comes back."""

    def __init__(self) -> None:
        self.is_over = False

    @workflow.run
    async def run(self, text: str) -> int:
        self.text = text
        await workflow.wait_condition(lambda: self.is_over)
        return len(text)

    @workflow.signal
    def say(self, text: str) -> None:
        self.said = text

    @workflow.query
    def echo(self, text: str) -> list[str]:
        return [text, self.text]

    @workflow.signal
    def end(self) -> None:
        self.is_over = True


@workflow.defn
class Making:
    @workflow.run
    async def run(self, count: int) -> str:
        return "x" * count
