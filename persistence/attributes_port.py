"""The part of the store port for those who declare search attributes."""

from __future__ import annotations

from typing import Final, Protocol

from dalsegno.search_attributes import Declared, SearchAttributeIndexedValueType

INCIDENTS: Final = "Incidents"
"""How many incidents of a run are open: an attribute of all namespaces, which is not declared, and which only
the engine sets."""


class SearchAttributes(Protocol):
    """The attributes of the namespace. Hosts hear of a change within their next look at the cluster."""

    def declared(self) -> Declared:
        """In the order of their names."""

    def add(self, name: str, type_: SearchAttributeIndexedValueType) -> bool:
        """Declare one; False where it was. CommandRejectedError for a name that cannot be, or that has another
        type."""

    def remove(self, name: str, *, force: bool = False) -> int:
        """Take a declaration back, by `force` also from runs that have the attribute, of which so many rows
        went. CommandRejectedError where there is none, or runs have it."""

    def close(self) -> None: ...
