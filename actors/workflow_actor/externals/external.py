"""What a run has asked another workflow for, until that has answered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from msgspec import Struct

from dalsegno.actors.workflow_actor.interface.commands import Asked
from dalsegno.actors.workflow_actor.interface.effects import EffectID
from dalsegno.actors.workflow_actor.interface.run_info import RunInfo
from dalsegno.payload import Payload


class ExternalSpec(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What is asked for. `name` and `args` are a signal's, `reason` is why it is to stop. `child`: the number
    of the child that it is for, whichever of its runs it is."""

    number: int
    asked: Asked
    workflow_id: str
    run_id: str | None = None
    name: str = ""
    args: tuple[Payload, ...] = ()
    reason: str = ""
    child: int | None = None
    headers: dict[str, Payload] = {}


class External(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A request that has no answer yet. `effect` is the message by which it leaves."""

    asked: Asked
    workflow_id: str
    asked_at: int
    effect: EffectID


class RunOfExternals(Protocol):
    """A run's state, as far as it is about them. (It is `run.state.WorkflowState`.)"""

    @property
    def info(self) -> RunInfo: ...
    @property
    def externals(self) -> Mapping[int, External]: ...
