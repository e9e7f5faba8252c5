"""One kill: what is to happen, and the stories around it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from dalsegno import Client
from tests.crash.crossing import Manner, Page
from tests.crash.ledger import Ledger
from tests.crash.point import Need, Point
from tests.crash.points import number_of
from tests.crash.post import Post
from tests.crash.processes import Life
from tests.crash.recorder import Recorder
from tests.crash.story import Story
from tests.system.stack import until

PASSED_SECONDS = 60.0
"""For a point to be passed; then the test is wrong, or the table."""
STORIES_MAX = 8


class NeverPassedError(AssertionError):
    """A kill that did not happen proves nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """`tidied`: a parent deletes the dead host's row, as `dalsegno host` does; else its lease has to run out.
    `supervised`: under a real `dalsegno host`, which starts its child again by itself."""

    point: Point
    passing: int = 1
    manner: Manner = Manner.KILLED
    tidied: bool = True
    supervised: bool = False

    def __str__(self) -> str:
        how = ["asked, then killed"] if self.manner is Manner.ASKED_THEN_KILLED else []
        how += [] if self.tidied else ["nobody tidies up"]
        how += ["under a parent"] if self.supervised else []
        return f"{self.point.number} {self.point.name}:{self.passing}" + (f" ({', '.join(how)})" if how else "")


class Scene:
    """The stories around one kill; a context manager that leaves none of them behind."""

    def __init__(
        self, kill: Kill, prefix: str, client: Client, post: Post, *, ledger: Ledger, recorder: Recorder
    ) -> None:
        self.kill = kill
        self.client = client
        self.prefix = prefix
        self.expected_runs: dict[str, int] = {}
        self.wrong: list[str] = []
        self.letters = 0
        self._post = post
        self._ledger = ledger
        self._recorder = recorder
        self._stories: list[Story] = []
        self._playing: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._playing:
            task.cancel()
        await asyncio.gather(*self._playing, return_exceptions=True)

    def arm(self, page: Page) -> None:
        point = self.kill.point
        page.arm(number_of(point), passing=self.kill.passing, manner=self.kill.manner)

    def begin(self) -> None:
        """Another story."""
        story = Story(
            f"{self.prefix}-{len(self._stories)}",
            self.client,
            self._post,
            ledger=self._ledger,
            recorder=self._recorder,
            need=self.kill.point.need,
        )
        if self.kill.point.need not in (Need.TAKE_OVER, Need.STOP):
            story.may_end.set()
        self._stories.append(story)
        self._playing.append(asyncio.create_task(story.play()))

    async def until_under_way(self) -> None:
        await until(
            lambda: self._failed() or all(story.under_way.is_set() for story in self._stories), "work goes on"
        )

    def _failed(self) -> bool:
        """Raises what a story has met."""
        for task in self._playing:
            if task.done():
                task.result()
        return False

    async def until_dead(self, victim: Life, *, child_only: bool = False) -> None:
        """More stories begin until the point was passed as often as it takes."""

        def is_dead() -> bool:
            self._failed()
            if victim.page.has_died and (child_only or not victim.is_running):
                return True
            if not victim.is_running and not victim.page.has_died:
                raise NeverPassedError(
                    f"{victim.name} ended without passing {self.kill}:\n{victim.log[-4000:]}"
                )
            if self._playing[-1].done() and not victim.page.has_died and len(self._stories) < STORIES_MAX:
                self.begin()
            return False

        try:
            await until(is_dead, f"{self.kill} is passed", seconds=PASSED_SECONDS)
        except TimeoutError:
            told = f"{victim.name} passed {self.kill} {victim.page.passed} times:\n{victim.log[-4000:]}"
            raise NeverPassedError(told) from None

    async def until_played(self) -> None:
        """Every story is over; nothing is under way any more."""
        for story in self._stories:
            story.may_end.set()
        await asyncio.gather(*self._playing)
        for story in self._stories:
            self.wrong += story.wrong
            story.wrong = []
            self.expected_runs |= story.expected_runs
            self.letters += story.letters
            story.letters = 0
            story.letters = 0
