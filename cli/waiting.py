"""Waiting for a run to end: who waits is told why it takes so long, and that the time is up."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from shlex import quote
from typing import Any

from dalsegno.broker.protocol.messages import Description
from dalsegno.broker.protocol.replies import OpenIncident
from dalsegno.cli.asking import NotEndedError
from dalsegno.cli.output import plain
from dalsegno.client import WorkflowHandle
from dalsegno.errors import CommandRejectedError, TransientError

FIRST_LOOK_SECONDS = 0.5
LOOK_SECONDS = 5.0
"""Between looks at a workflow that is waited for: it may be suspended, and then waiting may be in vain."""
LAST_LOOK_SECONDS = 1.0
"""What the last look may take, when the time is up and nothing is known."""


class WaitLimit:
    """When a command is to end; `seconds` None is never."""

    def __init__(self, seconds: float | None) -> None:
        self.seconds = seconds
        self._at = None if seconds is None else time.monotonic() + seconds

    def left(self) -> float | None:
        return None if self._at is None else max(0.0, self._at - time.monotonic())


@asynccontextmanager
async def waiting(handle: WorkflowHandle[Any], deadline: WaitLimit) -> AsyncIterator[None]:
    """Wait inside of it. Raises NotEndedError, which says what the workflow does instead of ending, when the
    deadline is over; meanwhile people are told, once for each reason, why it does not end."""
    watch = _Watch(handle)
    watching = asyncio.create_task(watch.run())
    try:
        async with asyncio.timeout(deadline.left()) as scope:
            yield
    except TimeoutError as error:
        if not scope.expired():
            raise
        raise NotEndedError(await watch.at_the_end(deadline)) from error
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


class _Watch:
    def __init__(self, handle: WorkflowHandle[Any]) -> None:
        self._handle = handle
        self._told: str | None = None
        self._told_incidents: set[tuple[str, int]] = set()
        """Of which run, which has its own numbers, and which."""
        self._seen: Description | None = None
        if handle.suspended_reason is not None:
            self._tell_suspended(handle.suspended_reason)

    async def run(self) -> None:
        pause = FIRST_LOOK_SECONDS
        while True:
            await asyncio.sleep(pause)
            pause = LOOK_SECONDS
            if await self._look():
                self._tell()

    async def at_the_end(self, deadline: WaitLimit) -> str:
        if self._seen is None:
            await self._look(LAST_LOOK_SECONDS)
        name = repr(self._handle.id)
        return f"Workflow {name} has not ended within {deadline.seconds:g} s{_instead(self._seen)}."

    async def _look(self, timeout: float | None = None) -> bool:
        try:
            self._seen = await self._handle.describe(timeout=timeout)
        except (TransientError, CommandRejectedError):
            return False  # whoever waits for the result is told, if it lasts
        return True

    def _tell(self) -> None:
        assert self._seen is not None
        reason = self._seen.suspended_reason
        if reason is not None:
            self._tell_suspended(reason)
            return
        if not self._seen.status.goes_on:
            return
        for incident in self._seen.incidents:
            self._tell_incident(self._seen.run_id, incident)
        doing = _doing(self._seen)
        if doing and doing != self._told and sys.stderr.isatty():
            print(f"{plain(self._handle.id)} is running: {doing} (still waiting)", file=sys.stderr, flush=True)
        self._told = doing

    def _tell_incident(self, run_id: str, incident: OpenIncident) -> None:
        """Its result does not come before somebody has said what is to be done."""
        if (run_id, incident.number) in self._told_incidents:
            return
        self._told_incidents.add((run_id, incident.number))
        failure = "" if incident.last_failure is None else f": {incident.last_failure.message}"
        what = f"incident {incident.number}, {incident.activity_type} failed{failure}".rstrip(".")
        command = f"dalsegno incidents show {quote(self._handle.id)} {incident.number}"
        told = f"{plain(self._handle.id)} waits for a person: {plain(what)}; {plain(command)} (still waiting)"
        print(told, file=sys.stderr, flush=True)

    def _tell_suspended(self, reason: str) -> None:
        if reason != self._told:
            told = f"{plain(self._handle.id)} is suspended: {plain(reason.rstrip('.'))} (still waiting)"
            print(told, file=sys.stderr, flush=True)
        self._told = reason


def _instead(seen: Description | None) -> str:
    """What it does instead of ending, as the end of a sentence."""
    if seen is None:
        return ""
    if seen.suspended_reason is not None:
        return f": it is suspended: {seen.suspended_reason.rstrip('.')}"
    doing = _doing(seen)
    return f": {doing}" if doing and seen.status.goes_on else ""


def _doing(seen: Description) -> str:
    """What a running workflow waits for, and what went wrong with that last."""
    parts = [f"it waits for {plain(', '.join(seen.waiting_for))}"] if seen.waiting_for else []
    for activity in seen.pending_activities:
        if activity.last_failure is not None:
            name = f"{activity.activity_type} #{activity.activity_id}"
            parts.append(plain(f"attempt {activity.attempt} of {name} after {activity.last_failure.message}"))
    return "; ".join(parts)
