"""Defects of the engine met by one instance: its actor is thrown away, and what it was told is told to another.

An instance that a message crashes again and again, or whose actors crash beyond the restart intensity whatever
they are told, is shown as suspended: a stand-in takes its mail, of which nothing is lost. It is tried again.
User code's own errors never come here.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence

from dalsegno._log import get_logger
from dalsegno.actors.supervisor.deliveries.mail import is_in_the_database
from dalsegno.actors.supervisor.failing.restart_intensity import Intensity, RestartHistory
from dalsegno.actors.supervisor.upcalls import Replaceable
from dalsegno.actors.supervisor.world import Clock
from dalsegno.actors.workflow_actor.actor import WorkflowActor
from dalsegno.actors.workflow_actor.interface.cause import Cause

log = get_logger()

CAUSE_FAILURES_LIMIT = 3
"""An instance that a message crashes this often is not tried with it for a while."""

INTENSITY = Intensity()


class Crashes:
    """Counts those of one partition, by instance. `halt` puts a stand-in in one's place."""

    def __init__(
        self,
        clock: Clock,
        children: Replaceable,
        halt: Callable[[WorkflowActor, Sequence[Cause], str], None],
    ) -> None:
        self._clock = clock
        self._children = children
        self._halt = halt
        self._histories: dict[str, RestartHistory] = {}

    def met(
        self, actor: WorkflowActor, others: Sequence[Cause], suspects: Sequence[Cause], error: BaseException
    ) -> None:
        """`actor` was handling `suspects`; `others` are void with it and blameless."""
        children = self._children
        log.error(
            "workflow_actor_failed",
            workflow_id=actor.workflow_id,
            partition=children.partition.number,
            epoch=children.epoch,
            exc_info=error,
        )
        causes = [*others, *suspects]
        for cause in suspects:
            cause.failures += 1
        delay = self._histories.setdefault(actor.workflow_id, RestartHistory(INTENSITY)).failed(
            self._clock.monotonic()
        )
        if delay is None or any(_is_hopeless(cause) for cause in suspects):
            self.forget(actor.workflow_id)
            self._halt(actor, causes, f"a defect of dalsegno, met again and again: {_shown(error)}")
        else:
            children.restart(actor, causes, delay_seconds=delay, one_by_one=len(suspects) > 1)

    def forget(self, workflow_id: str) -> None:
        self._histories.pop(workflow_id, None)


def _is_hopeless(cause: Cause) -> bool:
    """It has been tried often enough. What waits in the database has been before."""
    return cause.held and (cause.failures >= CAUSE_FAILURES_LIMIT or is_in_the_database(cause))


def _shown(error: BaseException) -> str:
    """With the line of ours where it was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}: {str(error)[:500]}{where}"
