"""What is stored of the memo, for the journal.

How events are stored: see `run.events`.
"""

from __future__ import annotations

from msgspec import Struct

from dalsegno.payload import Payload


class MemoUpserted(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="mu"):
    """None: the run has it no more."""

    memo: dict[str, Payload | None]
