"""How user code sees the search attributes of its run, and sets them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from msgspec import Struct

from dalsegno.actors.workflow_actor.attributes.changes import merged
from dalsegno.actors.workflow_actor.attributes.intents import UpsertAttributes
from dalsegno.search_attributes import AttributeValue, why_too_much


class AttributesLedger(Protocol):
    """(It is `loop.intent_ledger.IntentLedger`.)"""

    def want_another(self, intent: UpsertAttributes) -> int: ...


class OwnAttributes(Struct):
    """Of the run, as its code has set them so far."""

    now: Mapping[str, AttributeValue]
    ledger: AttributesLedger

    def upsert(self, changes: Mapping[str, AttributeValue | None], line: str) -> None:
        """Raises ValueError where it would be too much for one run."""
        after = merged(self.now, changes)
        if (why := why_too_much(after)) is not None:
            raise ValueError(f"workflow.upsert_search_attributes: {why}.")
        self.ledger.want_another(UpsertAttributes(attributes=dict(changes), line=line))
        self.now = after
