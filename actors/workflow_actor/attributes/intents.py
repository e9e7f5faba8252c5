"""What user code asks for."""

from __future__ import annotations

from msgspec import Struct

from dalsegno.search_attributes import AttributeValue


class UpsertAttributes(Struct, frozen=True, kw_only=True):
    """None: the run is to have it no more."""

    attributes: dict[str, AttributeValue | None]
    line: str = ""

    @property
    def digest(self) -> str:
        return f"upsert search attributes {', '.join(self.attributes)}"
