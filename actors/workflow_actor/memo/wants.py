"""What user code wants of the memo, as events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dalsegno.actors.workflow_actor.memo.events import MemoUpserted
from dalsegno.actors.workflow_actor.memo.intents import UpsertMemo


def _upserted(intent: UpsertMemo, _: bytes) -> MemoUpserted:
    return MemoUpserted(intent.memo)


WANTS: dict[type, Callable[[Any, bytes], MemoUpserted]] = {UpsertMemo: _upserted}
"""By its type, what an intent becomes."""
