"""Defects of the engine met by one instance: its actor is thrown away, and what it was told is told to another.

A message that crashes its actor again and again goes to the dead letters. An instance whose actors crash beyond
the restart intensity, whatever they are told, is suspended. User code's own errors never come here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from dalsegno._log import get_logger
from dalsegno.actors.supervisor.intake import Rejected
from dalsegno.actors.supervisor.restart_intensity import Intensity, RestartHistory
from dalsegno.actors.workflow_actor.actor import WorkflowActor
from dalsegno.actors.workflow_actor.cause import Cause
from dalsegno.actors.workflow_actor.commands import Suspend

log = get_logger()

CAUSE_FAILURES_LIMIT = 3
"""A message that crashes its actor this often goes to the dead letters."""

INTENSITY = Intensity()


class Engine(Protocol):
    """What is used of the engine here."""

    def monotonic(self) -> float: ...

    def reject(self, rejected: Rejected, cause: Cause) -> None: ...


class Wards(Protocol):
    """The partition's instances."""

    partition: int
    epoch: int

    def restart(
        self,
        actor: WorkflowActor,
        causes: Sequence[Cause],
        *,
        delay_seconds: float = 0.0,
        one_by_one: bool = False,
    ) -> WorkflowActor: ...


class Crashes:
    """Counts those of one partition, by instance."""

    def __init__(self, engine: Engine, wards: Wards) -> None:
        self._engine = engine
        self._wards = wards
        self._histories: dict[str, RestartHistory] = {}

    def met(
        self, actor: WorkflowActor, others: Sequence[Cause], suspects: Sequence[Cause], error: BaseException
    ) -> None:
        """`actor` was handling `suspects`; `others` are void with it and blameless."""
        wards = self._wards
        log.error(
            "workflow_actor_failed",
            workflow_id=actor.workflow_id,
            partition=wards.partition,
            epoch=wards.epoch,
            exc_info=error,
        )
        causes = [*others, *(cause for cause in suspects if self._may_try_again(cause, error))]
        delay = self._histories.setdefault(actor.workflow_id, RestartHistory(INTENSITY)).failed(
            self._engine.monotonic()
        )
        successor = wards.restart(
            actor,
            causes,
            delay_seconds=INTENSITY.maximum_delay_seconds if delay is None else delay,
            one_by_one=len(suspects) > 1,
        )
        if delay is None:
            reason = f"the engine crashed over it {INTENSITY.restarts + 1} times in short time: {error!r}"
            successor.actor_inbox.put_back(Cause(Suspend(reason=reason, struck=True), name="crashes"))

    def _may_try_again(self, cause: Cause, error: BaseException) -> bool:
        cause.failures += 1
        if cause.failures < CAUSE_FAILURES_LIMIT or not cause.held:
            return True
        cause.retry()
        self._engine.reject(Rejected(f"it crashes its actor: {error!r}", "rejected"), cause)
        cause.done()
        return False

    def forget(self, workflow_id: str) -> None:
        self._histories.pop(workflow_id, None)
