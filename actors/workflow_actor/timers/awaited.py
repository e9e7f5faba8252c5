"""The timers that user code waits for, from the intent to the callback. Whoever made them
holds a timer of asyncio."""

from __future__ import annotations

import asyncio
import contextvars
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from dalsegno._call_site import call_site
from dalsegno.actors.workflow_actor.loop.event_loop import RUN_READY, DeterministicLoop
from dalsegno.actors.workflow_actor.loop.intent_ledger import IntentLedger
from dalsegno.actors.workflow_actor.timers.events import TimerFired
from dalsegno.actors.workflow_actor.timers.intents import CancelTimer, StartTimer
from dalsegno.policies import MICROSECONDS_PER_SECOND

FIRE_AT_MAX = 253_402_300_799 * MICROSECONDS_PER_SECOND
"""The end of the year 9999, in microseconds since 1970: what datetimes can show."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class WorkflowTimer(asyncio.TimerHandle):
    """A durable timer. `line` is where user code asked for it."""

    __slots__ = ("fire_at", "line", "number", "position")

    number: int
    position: int
    fire_at: int
    line: str

    def fire(self) -> None:
        """Let its callback run, after what is ready to run."""
        loop: DeterministicLoop = self._loop  # type: ignore[attr-defined]
        loop.ready(self)


class AwaitedTimers:
    """All timers that user code waits for, by their numbers. Implements LoopTimers."""

    __slots__ = ("_ledger", "_pending")

    def __init__(self, ledger: IntentLedger) -> None:
        self._ledger = ledger
        self._pending: dict[int, WorkflowTimer] = {}

    def start(
        self,
        loop: DeterministicLoop,
        fire_at: int,
        callback: Any,
        args: Any,
        context: contextvars.Context | None,
    ) -> WorkflowTimer:
        ledger = self._ledger
        if loop.refusal is not None:
            loop.refusal.refuse("A timer")
        if fire_at > FIRE_AT_MAX:
            raise ValueError("A timer must fire before the year 10000; to wait without end, wait for an Event.")
        timer = WorkflowTimer(fire_at / MICROSECONDS_PER_SECOND, callback, args, loop, context)
        timer.number = number = ledger.next_timer
        timer.fire_at = fire_at
        timer.line = call_site(sys._getframe(2), RUN_READY)
        ledger.next_timer = number + 1
        timer.position = ledger.want_another(StartTimer(number=number, fire_at=fire_at, line=timer.line))
        self._pending[number] = timer
        return timer

    def cancelled(self, loop: DeterministicLoop, timer: WorkflowTimer) -> None:
        if timer.number not in self._pending:
            return
        loop.require_may_act("TimerHandle.cancel")
        del self._pending[timer.number]
        if loop.dropped:
            return
        if not self._ledger.take_back(timer.position):
            line = call_site(sys._getframe(3), RUN_READY)
            self._ledger.want(CancelTimer(number=timer.number, line=line))

    def take(self, fired: TimerFired) -> str | None:
        """Let its callback run. Returns what was never asked for, in words; one that is not waited for any more
        is passed over."""
        timer = self._pending.pop(fired.number, None)
        if timer is not None:
            timer.fire()
        elif not 0 < fired.number < self._ledger.next_timer:
            return f"Timer {fired.number}"
        return None

    @property
    def count(self) -> int:
        return len(self._pending)

    def descriptions(self) -> Iterator[str]:
        """For people: "timer 2 until 2023-11-14T22:13:20.000+00:00 (orders.py:30)"."""
        return map(_described, self._pending.values())

    def forget(self) -> None:
        self._pending.clear()


def _described(timer: WorkflowTimer) -> str:
    due = (_EPOCH + timedelta(microseconds=timer.fire_at)).isoformat(timespec="milliseconds")
    return f"timer {timer.number} until {due}" + (f" ({timer.line})" if timer.line else "")
