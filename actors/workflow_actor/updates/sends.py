"""What leaves for an update: how far it has come, to who waits for that."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from msgspec import Struct

from dalsegno.actors.workflow_actor.interface.commands import Caller
from dalsegno.actors.workflow_actor.interface.effects import DurableEffect
from dalsegno.actors.workflow_actor.interface.run_info import RunInfo
from dalsegno.actors.workflow_actor.updates.shown import UpdateStanding
from dalsegno.actors.workflow_actor.updates.update import UpdateOutcome


class UpdateEffect(DurableEffect, frozen=True, kw_only=True):
    """It has come so far, for who waits for that."""

    caller: Caller
    workflow_id: str
    standing: UpdateStanding


class UpdateDue(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="u"):
    """It holds all that is to be said: it may have to be said when the run is over, and another there."""

    update_id: str
    client: Caller
    outcome: UpdateOutcome | None = None
    """None: it is accepted."""


class UpdatingRun(Protocol):
    @property
    def info(self) -> RunInfo: ...


def update_effect(state: UpdatingRun, due: UpdateDue, run_id: str) -> UpdateEffect:
    return UpdateEffect(
        run_id=run_id,
        caller=due.client,
        workflow_id=state.info.workflow_id,
        standing=UpdateStanding(due.update_id, "accepted" if due.outcome is None else "completed", due.outcome),
    )


EFFECTS: dict[type, Callable[[Any, Any, str], DurableEffect]] = {UpdateDue: update_effect}
