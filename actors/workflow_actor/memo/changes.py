"""What events make of the memo: the part of `run.apply` that is theirs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from dalsegno.actors.workflow_actor.memo.events import MemoUpserted
from dalsegno.payload import Payload


class MemoState(Protocol):
    @property
    def memo_now(self) -> Mapping[str, Payload]: ...


class MemoDraft(Protocol):
    """The state as it is being made. (It is `run.draft.Draft`.)"""

    @property
    def state(self) -> MemoState: ...

    def change(self, **fields: Any) -> None: ...


def changed(memo: Mapping[str, Payload], changes: Mapping[str, Payload | None]) -> dict[str, Payload]:
    both = {**memo, **changes}
    return {key: value for key, value in both.items() if value is not None}


def _upserted(draft: MemoDraft, want: MemoUpserted) -> None:
    draft.change(memo=changed(draft.state.memo_now, want.memo))


APPLY: dict[type, Callable[[Any, Any], None]] = {MemoUpserted: _upserted}
