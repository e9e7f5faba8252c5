"""What is stored of search attributes, for the journal.

How events are stored: see `run.events`.
"""

from __future__ import annotations

from msgspec import Struct

from dalsegno.search_attributes import AttributeValue


class SearchAttributesUpserted(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="sa"):
    """None: the run has it no more."""

    attributes: dict[str, AttributeValue | None]
