"""`explore`: ends that nobody has meant are found, and shrunk."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

import pytest
from hypothesis import find
from hypothesis.errors import ResolutionFailed

from dalsegno import ActivityError, activity, workflow
from dalsegno.client import WorkflowHandle
from dalsegno.errors import ConfigurationError
from dalsegno.testing import UnhandledEndError
from dalsegno.testing.exploring import (
    Completed,
    Failed,
    Story,
    TimePassed,
    UpdateSent,
    explore,
    stories,
)


@dataclass(frozen=True)
class Item:
    name: str
    cents: int


@activity.defn
async def price(item: Item) -> int:
    raise NotImplementedError


@workflow.defn
class Priced:
    @workflow.run
    async def run(self, item: Item) -> float:
        try:
            cents = await workflow.execute_activity(price, item, start_to_close_timeout=10)
        except ActivityError:
            return 0.0
        return item.cents / cents


def test_what_an_activity_may_come_to_is_tried() -> None:
    with pytest.raises(UnhandledEndError, match=r"is suspended: .*ZeroDivisionError") as found:
        explore(Priced, activities=[price])
    story = found.value.story
    assert isinstance(story, Story)
    assert story.steps == () and story.outcomes["price"][-1] == Completed(0)


@workflow.defn
class Forgetful:
    @workflow.run
    async def run(self) -> None:
        await asyncio.get_running_loop().create_future()


@workflow.defn
class Stubborn:
    @workflow.run
    async def run(self) -> None:
        while True:
            with suppress(asyncio.CancelledError):
                await workflow.sleep(timedelta(days=100))

    @workflow.signal
    def go_on(self) -> None: ...


@workflow.defn(failure_exception_types=[Exception])
class Declared:
    @workflow.run
    async def run(self, names: list[str]) -> str:
        return names[2]


def test_runs_that_never_end_that_cannot_be_cancelled_and_that_fail_by_a_bug_are_found() -> None:
    with pytest.raises(UnhandledEndError, match="still open"):
        explore(Forgetful, examples=3)
    with pytest.raises(UnhandledEndError, match="after it was cancelled"):
        explore(Stubborn, examples=3)
    with pytest.raises(UnhandledEndError, match="fails by a bug: list index"):
        explore(Declared, examples=5)


@workflow.defn
class Counter:
    def __init__(self) -> None:
        self.total = 0

    @workflow.run
    async def run(self) -> int:
        with suppress(TimeoutError):
            await workflow.wait_condition(lambda: self.total > 2, timeout=timedelta(days=30))
        return self.total

    @workflow.update
    async def add(self, number: int) -> int:
        self.total += max(number, 0)
        await asyncio.sleep(1)
        return self.total


def test_a_sound_workflow_passes_and_the_users_own_check_is_asked() -> None:
    seen: list[int] = []

    async def check(handle: WorkflowHandle[int], story: Story) -> None:
        seen.append(await handle.result())

    explore(Counter, must_end=True, check=check, examples=15)
    assert len(seen) >= 15 and max(seen) > 0


def test_stories_are_made_of_what_a_workflow_is_told_and_of_what_its_activities_come_to() -> None:
    told = stories(Counter)
    assert find(told, lambda story: story.has("add")).steps == (UpdateSent("add", (0,)),)
    assert find(told, lambda story: any(isinstance(step, TimePassed) for step in story.steps)).args == ()
    failing = find(stories(Priced, [price]), lambda story: Failed(False) in story.outcomes["price"])
    assert failing.args == (Item("", 0),)


def test_a_type_without_values_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(hint: type) -> None:
        raise ResolutionFailed(hint)

    monkeypatch.setattr("hypothesis.strategies.from_type", unknown)
    with pytest.raises(ConfigurationError, match=r"no values for what price returns"):
        explore(Priced, activities=[price])
