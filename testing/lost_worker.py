"""A worker that can be lost in the middle of what it does: another takes its place.

A process that dies does not clean up. So the code of async activities stays where it waits: it is not cancelled
then, and nothing of it runs any more. What runs in a thread goes on, as on a machine that is cut off.
"""

from __future__ import annotations

import asyncio
import functools
import types
from collections.abc import Callable, Coroutine, Generator, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from dalsegno import activity
from dalsegno.activity_code.registry import Registry
from dalsegno.definition import EXECUTOR_ATTRIBUTE, NAME_ATTRIBUTE
from dalsegno.testing.crash_points import CrashFault, Crossings, PointKind
from dalsegno.testing.faulty_broker import FaultyBroker
from dalsegno.workers import Worker
from dalsegno.workers.settings import WorkerTiming

AT_ONCE = WorkerTiming(
    suspect_after=0.001, alone_patience=1.0, alone_for=0.001, alone_for_max=0.002, cancel_grace=0.001
)
"""Nobody is to wait for a worker that is lost."""

Start = Callable[[FaultyBroker, Sequence[Callable[..., Any]]], Worker]


class WorkerLife:
    """One process of a worker; `frozen` keeps the code that it died with."""

    def __init__(
        self, broker: FaultyBroker, crossings: Crossings, frozen: list[Coroutine[Any, Any, Any]]
    ) -> None:
        self.broker = broker
        self._crossings = crossings
        self._frozen = frozen

    def mortal(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """An activity whose code ends with this process, where it waits."""
        definition = Registry([function]).find(getattr(function, NAME_ATTRIBUTE, ""))
        assert definition is not None
        if not definition.is_async:
            return function

        @functools.wraps(definition.function)
        async def attempt(*args: Any) -> Any:
            return await self._stepped(definition.function(*args))

        setattr(attempt, NAME_ATTRIBUTE, definition.name)
        setattr(attempt, EXECUTOR_ATTRIBUTE, "thread")
        return attempt

    @types.coroutine
    def _stepped(self, code: Coroutine[Any, Any, Any]) -> Generator[Any, Any, Any]:
        step = functools.partial(code.send, None)
        is_first = True
        while True:
            try:
                awaited = step()
            except StopIteration as end:
                return end.value
            if is_first and self._crosses() and self.broker.lost is not None:
                self.broker.lost()
            is_first = False
            try:
                result = yield awaited
            except BaseException as error:
                if self.broker.is_cut:  # the ruins are cleared away
                    self._frozen.append(code)
                    raise
                step = functools.partial(code.throw, error)
                continue
            if self.broker.is_cut:
                self._frozen.append(code)
                yield from asyncio.get_running_loop().create_future()
            step = functools.partial(code.send, result)

    def _crosses(self) -> bool:
        info = activity.info()
        what = f"{info.attempt} at {info.activity_type} {info.activity_id} of {info.workflow_id!r}"
        return self._crossings.cross(PointKind.ATTEMPT, what) is CrashFault.WORKER_LOST_AMID


class LosableWorker:
    """Implements ActivityWorker. `start` makes a worker of a broker and activities."""

    def __init__(
        self,
        start: Start,
        activities: Sequence[Callable[..., Any]],
        new_broker: Callable[[], FaultyBroker],
        frozen: list[Coroutine[Any, Any, Any]],
    ) -> None:
        self._start = start
        self._activities = activities
        self._new_broker = new_broker
        self._frozen = frozen
        self._current = self._next()
        self._replacing: set[asyncio.Task[None]] = set()

    def _next(self) -> Worker:
        broker = self._new_broker()
        broker.lost = functools.partial(self._lost, broker)
        life = WorkerLife(broker, broker.crossings, self._frozen)
        return self._start(broker, [life.mortal(activity) for activity in self._activities])

    @property
    def under_way(self) -> int:
        return len(self._replacing) or self._current.under_way

    def _lost(self, broker: FaultyBroker) -> None:
        if not broker.is_cut:
            broker.cut()
            task = asyncio.create_task(self._replace(self._current))
            self._replacing.add(task)
            task.add_done_callback(self._replacing.discard)

    async def _replace(self, ruin: Worker) -> None:
        self._current = self._next()
        await self._current.__aenter__()
        await ruin.__aexit__(None, None, None)

    async def __aenter__(self) -> Self:
        await self._current.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while self._replacing:
            await asyncio.wait(self._replacing)
        await self._current.__aexit__(None, None, None)


def cleared(frozen: list[Coroutine[Any, Any, Any]]) -> None:
    """What they do about it is of no interest any more."""
    while frozen:
        with suppress(BaseException):
            frozen.pop().close()
