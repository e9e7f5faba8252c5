"""What user code asks for."""

from __future__ import annotations

from msgspec import Struct


class TakePatch(Struct, frozen=True, kw_only=True):
    """The patch counts for the run from here on."""

    patch_id: str
    line: str = ""

    @property
    def digest(self) -> str:
        return f"take patch {self.patch_id}"
