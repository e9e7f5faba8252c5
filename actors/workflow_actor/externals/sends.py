"""What leaves for external workflows. It holds all that is to be said: it may have to be said when the run is
over, and another there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from msgspec import Struct

from dalsegno.actors.workflow_actor.externals.external import ExternalSpec, RunOfExternals
from dalsegno.actors.workflow_actor.interface.effects import DurableEffect


class ExternalEffect(DurableEffect, frozen=True, kw_only=True):
    """`workflow_id` is who asks."""

    to_workflow: ClassVar[bool] = True
    workflow_id: str
    spec: ExternalSpec


class ExternalDue(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="ext"):
    spec: ExternalSpec


def _effect_of(run: RunOfExternals, due: ExternalDue, run_id: str) -> ExternalEffect:
    return ExternalEffect(run_id=run_id, workflow_id=run.info.workflow_id, spec=due.spec)


EFFECTS: dict[type, Callable[[Any, Any, str], DurableEffect]] = {ExternalDue: _effect_of}
"""By state, what is due, and run: the message that leaves."""
