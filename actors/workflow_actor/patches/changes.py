"""What events make of the patches of a run: the part of `run.apply` that is theirs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from dalsegno.actors.workflow_actor.patches.events import PatchTaken


class PatchedState(Protocol):
    @property
    def patches(self) -> tuple[str, ...]: ...


class PatchDraft(Protocol):
    """The state as it is being made. (It is `run.draft.Draft`.)"""

    @property
    def state(self) -> PatchedState: ...

    def change(self, **fields: Any) -> None: ...


def _taken(draft: PatchDraft, want: PatchTaken) -> None:
    draft.change(patches=(*draft.state.patches, want.patch_id))


APPLY: dict[type, Callable[[Any, Any], None]] = {PatchTaken: _taken}
