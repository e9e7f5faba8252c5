"""Workflows that go on as other runs."""

from __future__ import annotations

from dalsegno import ApplicationError, activity, workflow


@workflow.defn
class Relay:
    """Goes on as another run each time it is told to, with what it has heard."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.goes_on = False

    @workflow.run
    async def run(self, heard: list[str]) -> list[str]:
        self.heard = heard + self.heard
        await workflow.wait_condition(lambda: self.goes_on or "end" in self.heard)
        if "end" not in self.heard:
            workflow.continue_as_new(self.heard)
        return self.heard

    @workflow.signal
    def hear(self, word: str) -> None:
        self.heard.append(word)

    @workflow.signal
    def go_on(self) -> None:
        self.goes_on = True

    @workflow.update
    async def wait_for(self, word: str) -> int:
        await workflow.wait_condition(lambda: word in self.heard)
        return self.heard.index(word)

    @workflow.query
    def so_far(self) -> list[str]:
        return self.heard


@workflow.defn
class Stubborn:
    """Fails until its third attempt, or waits for ever in its first."""

    @workflow.run
    async def run(self, waits: bool) -> list[str]:
        info = workflow.info()
        if waits and info.attempt == 1:
            await workflow.wait_condition(lambda: False)
        if info.attempt < 3:
            raise ApplicationError(f"attempt {info.attempt}")
        return [info.first_execution_run_id, str(workflow.get_last_failure())]


@activity.defn
async def length_of(word: str) -> int:
    return len(word)


@workflow.defn
class Countdown:
    """Goes on at once, as often as it is told."""

    @workflow.run
    async def run(self, left: int) -> str:
        if left:
            workflow.continue_as_new(left - 1)
        return workflow.info().run_id
