"""How user code sees the memo of its run, and changes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from msgspec import Struct

from dalsegno.actors.workflow_actor.memo.changes import changed
from dalsegno.actors.workflow_actor.memo.intents import UpsertMemo
from dalsegno.payload import Payload

MEMO_BYTES_MAX = 256 * 1024
"""What `describe` shows of one."""


class MemoLedger(Protocol):
    """(It is `loop.intent_ledger.IntentLedger`.)"""

    def want_another(self, intent: UpsertMemo) -> int: ...


class OwnMemo(Struct):
    """Of the run, as its code has changed it so far."""

    now: Mapping[str, Payload]
    ledger: MemoLedger

    def upsert(self, changes: Mapping[str, Payload | None], line: str) -> None:
        """Raises ValueError where it would be too much for one run."""
        after = changed(self.now, changes)
        size = sum(len(key.encode()) + len(value.data) for key, value in after.items())
        if size > MEMO_BYTES_MAX:
            raise ValueError(
                f"workflow.upsert_memo: the memo would be of {size:,} bytes, but may be of {MEMO_BYTES_MAX:,}."
            )
        self.ledger.want_another(UpsertMemo(memo=dict(changes), line=line))
        self.now = after
