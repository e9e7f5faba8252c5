"""What sagas of tests book and unbook, and the desk that does it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dalsegno import ApplicationError, RetryPolicy, activity, workflow
from tests.workflow_actor.town import NeverDone

ONCE = RetryPolicy(maximum_attempts=1)


@activity.defn
def book(what: str) -> str:
    raise NotImplementedError


@activity.defn
def unbook(what: str, booked: str | None) -> None:
    raise NotImplementedError


@activity.defn
def fix(what: str) -> None:
    raise NotImplementedError


@workflow.defn
class Trip:
    """Books one after the other. What is in `Town.done` says what was undone."""

    @workflow.run
    async def run(self, stops: list[str]) -> str:
        async with workflow.saga() as saga:
            for stop in stops:
                await saga.do(book, stop, undo=unbook, retry_policy=ONCE)
        return "booked"


class Desk:
    """What workers do. `full` cannot be booked, `stuck` cannot be unbooked."""

    def __init__(self, *, full: str = "", stuck: str = "", slow: str = "") -> None:
        self.full, self.stuck, self.slow = full, stuck, slow
        self.tried: list[tuple[Any, ...]] = []

    @property
    def activities(self) -> dict[str, Callable[..., Any]]:
        return {"book": self.book, "unbook": self.unbook, "fix": lambda what: self.tried.append(("fix", what))}

    @property
    def undone(self) -> list[tuple[Any, ...]]:
        return [done[1:] for done in self.tried if done[0] in ("unbook", "fix")]

    def book(self, what: str) -> str:
        self.tried.append(("book", what))
        if what == self.full:
            raise ApplicationError("full", non_retryable=True)
        if what == self.slow:
            raise NeverDone
        return what.upper()

    def unbook(self, what: str, booked: str | None = None) -> None:
        self.tried.append(("unbook", what, booked))
        if what == self.stuck:
            raise ApplicationError("stuck", non_retryable=True)
