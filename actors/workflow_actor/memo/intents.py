"""What user code asks for."""

from __future__ import annotations

from msgspec import Struct

from dalsegno.payload import Payload


class UpsertMemo(Struct, frozen=True, kw_only=True):
    """None: the run is to have it no more."""

    memo: dict[str, Payload | None]
    line: str = ""

    @property
    def digest(self) -> str:
        return f"upsert memo {', '.join(self.memo)}"
