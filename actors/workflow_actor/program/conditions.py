"""What tasks wait for with workflow.wait_condition."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Iterator
from typing import Any

from dalsegno._runtime import WorkflowRuntime
from dalsegno.actors.workflow_actor.loop.event_loop import DeterministicLoop
from dalsegno.actors.workflow_actor.loop.refusals import ReadOnlyRefusal

_WHERE = "the function given to workflow.wait_condition"


class Condition:
    """`line` is where it is waited for."""

    __slots__ = ("future", "holds", "line")

    def __init__(self, holds: Callable[[], bool], future: asyncio.Future[None], line: str) -> None:
        self.holds = holds
        self.future = future
        self.line = line


class Conditions:
    """Those of one program, in the order they were first waited for."""

    __slots__ = ("_context", "_loop", "_waited_for")

    def __init__(self, loop: DeterministicLoop, context: contextvars.Context) -> None:
        self._loop = loop
        self._context = context
        self._waited_for: list[Condition] = []

    def add(self, holds: Callable[[], bool], line: str) -> asyncio.Future[None]:
        future = asyncio.Future[None](loop=self._loop)
        self._waited_for.append(Condition(holds, future, line))
        return future

    def wake(self, runtime: WorkflowRuntime) -> bool:
        """Ask all, in turn. Whoever is woken runs until idle before the next is asked, so that each finds its
        condition true. False when nobody was woken."""
        if not self._waited_for:
            return False
        loop = self._loop
        woken = False
        for condition in tuple(self._waited_for):
            if not condition.future.done() and self._wake_one(condition, runtime):
                woken = True
                loop.run_ready()
                if loop.interrupted:
                    break
        self._waited_for = [condition for condition in self._waited_for if not condition.future.done()]
        return woken

    def wake_first(self, runtime: WorkflowRuntime) -> bool:
        """Let the first of them whose condition holds be ready to run. False when there is none."""
        waiting = (condition for condition in self._waited_for if not condition.future.done())
        return any(self._wake_one(condition, runtime) for condition in waiting)

    def _wake_one(self, condition: Condition, runtime: WorkflowRuntime) -> bool:
        try:
            if not self._holds(condition, runtime):
                return False
        except Exception as error:  # noqa: BLE001 - whoever waits gets what the user's function raised
            condition.future.set_exception(error)
        else:
            condition.future.set_result(None)
        return True

    def _holds(self, condition: Condition, runtime: WorkflowRuntime) -> bool:
        return self._context.run(self.hold, condition.holds, runtime)

    def hold(self, holds: Callable[[], bool], runtime: WorkflowRuntime) -> bool:
        """Ask one, in the context that is current."""
        self._loop.refuse(ReadOnlyRefusal(runtime, _WHERE))
        try:
            answer: Any = holds()
            if asyncio.iscoroutine(answer):  # it would always be true
                answer.close()
                raise TypeError(f"{_WHERE} gave a coroutine: it must not be async.")
            return bool(answer)
        finally:
            self._loop.allow(runtime)

    @property
    def count(self) -> int:
        return sum(not one.future.done() for one in self._waited_for)

    def descriptions(self) -> Iterator[str]:
        """For people."""
        return (f"condition at {one.line}" for one in self._waited_for if not one.future.done())

    def forget(self) -> None:
        self._waited_for.clear()
