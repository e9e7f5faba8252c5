"""What user code wants of search attributes, as events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dalsegno.actors.workflow_actor.attributes.events import SearchAttributesUpserted
from dalsegno.actors.workflow_actor.attributes.intents import UpsertAttributes


def _upserted(intent: UpsertAttributes, _: bytes) -> SearchAttributesUpserted:
    return SearchAttributesUpserted(intent.attributes)


WANTS: dict[type, Callable[[Any, bytes], SearchAttributesUpserted]] = {UpsertAttributes: _upserted}
"""By its type, what an intent becomes."""
