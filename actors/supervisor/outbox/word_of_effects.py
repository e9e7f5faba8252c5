"""What an instance is told of effects that cannot leave as they are: it decides what becomes of them."""

from __future__ import annotations

from dalsegno.actors.workflow_actor.activities.commands import ResendTask
from dalsegno.actors.workflow_actor.interface.activation import Probe
from dalsegno.actors.workflow_actor.interface.cause import Cause
from dalsegno.actors.workflow_actor.interface.commands import FailEffect, Park
from dalsegno.actors.workflow_actor.interface.effects import EffectID

PARKED_FOR = 10_000_000
"""Microseconds after which a parked effect is looked at again."""


def parked(run_id: str, effect_id: EffectID, *, now: int) -> Cause:
    """It has to wait, and must not hold up the mail that caused it."""
    return Cause(Park(effects=(effect_id,), retry_at=now + PARKED_FOR, run_id=run_id), name="park")


def unsendable(run_id: str, effect_id: EffectID, reason: str) -> Cause:
    return Cause(FailEffect(effect=effect_id, reason=reason, run_id=run_id), name="unsendable")


def lost(probe: Probe) -> Cause:
    """Its task was sent, and its queue is empty though no worker has it."""
    again = ResendTask(activity_id=probe.activity_id, attempt=probe.attempt, task=probe.task)
    return Cause(again, name="lost task")
