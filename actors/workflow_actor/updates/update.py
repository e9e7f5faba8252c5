"""An update in a run's state: open until it has an outcome, which is kept by its ID as long as the run is.

*Admitted* when it is recorded, *accepted* when its validator has let it pass, *completed* with an outcome. What
is refused before it is recorded leaves nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Protocol

from msgspec import Struct

from dalsegno.actors.workflow_actor.interface.recipients import QueueOf
from dalsegno.failure import Failure
from dalsegno.payload import Payload

UpdateStage = Literal["admitted", "accepted", "completed"]

STAGES: tuple[UpdateStage, ...] = ("admitted", "accepted", "completed")
"""In their order."""

OPEN_MAX = 2_000
"""Updates of one run that may be open at once. More are refused."""

AWAITERS_MAX = 20
"""Callers that are told by themselves how far one update has come: what they are told holds its outcome, and
is kept for each until it is confirmed. Who comes later is not, and asks."""

OUTCOMES_MAX = 10_000
"""Of the newest so many of a run the outcomes are kept; what is older is unknown, and would be a new one."""

OUTCOMES_DROPPED = 500
"""When there are so many more, these are dropped at once: which are oldest is looked for seldom."""


class UpdateAwaiter(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Who is to be told when it has come so far."""

    recipient: QueueOf
    stage: UpdateStage


class OpenUpdate(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """`number` counts the run's updates from 1."""

    number: int
    name: str
    admitted_at: int
    is_accepted: bool = False
    awaiters: tuple[UpdateAwaiter, ...] = ()


class UpdateOutcome(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A result, or why there is none. `number` as in OpenUpdate."""

    number: int
    name: str
    completed_at: int
    result: Payload | None = None
    failure: Failure | None = None

    @property
    def age_key(self) -> tuple[int, int]:
        """The oldest outcome has the least. One that was long in coming is new all the same."""
        return self.completed_at, self.number


class RunOfUpdates(Protocol):
    """A run's state, as far as it is about them. (It is `run.state.WorkflowState`.)"""

    @property
    def updates(self) -> Mapping[str, OpenUpdate]: ...
    @property
    def update_outcomes(self) -> Mapping[str, UpdateOutcome]: ...


def stage_of(state: RunOfUpdates, update_id: str) -> UpdateStage | None:
    """None for one that is not known."""
    if update_id in state.update_outcomes:
        return "completed"
    known = state.updates.get(update_id)
    if known is None:
        return None
    return "accepted" if known.is_accepted else "admitted"


def has_come_to(stage: UpdateStage | None, wanted: UpdateStage) -> bool:
    return stage is not None and STAGES.index(stage) >= STAGES.index(wanted)
