"""Updates as others see them."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any

from msgspec import Struct

from dalsegno.actors.workflow_actor.updates.update import (
    OpenUpdate,
    RunOfUpdates,
    UpdateOutcome,
    UpdateStage,
    stage_of,
)

SHOWN_MAX = 20
"""IDs and names come from outside, and a description has to fit into a message."""


def described(updates: Mapping[str, OpenUpdate]) -> tuple[dict[str, Any], ...]:
    """The first few."""
    return tuple(
        {
            "update_id": update_id,
            "name": update.name,
            "stage": "accepted" if update.is_accepted else "admitted",
            "admitted_at": update.admitted_at,
        }
        for update_id, update in islice(updates.items(), SHOWN_MAX)
    )


class UpdateStanding(Struct, frozen=True):
    """How far an update has come, for who asks for it. `outcome` when it is completed."""

    update_id: str
    stage: UpdateStage
    outcome: UpdateOutcome | None = None


def standing(state: RunOfUpdates, update_id: str) -> UpdateStanding | None:
    """None for one that is not known."""
    stage = stage_of(state, update_id)
    return None if stage is None else UpdateStanding(update_id, stage, state.update_outcomes.get(update_id))
