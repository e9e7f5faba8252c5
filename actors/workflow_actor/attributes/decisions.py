"""What of search attributes does not fit the namespace."""

from __future__ import annotations

from collections.abc import Iterable

from dalsegno.actors.workflow_actor.attributes.intents import UpsertAttributes
from dalsegno.actors.workflow_actor.interface.commands import Start
from dalsegno.actors.workflow_actor.interface.intent import Intent
from dalsegno.search_attributes import Declared, why_too_much, why_unfit

NOT_YET = "search attributes cannot be stored yet: replace all hosts of older versions, and run `dalsegno init`"
"""As long as the namespace is written in a format that has no place for them."""


def refused(start: Start, declared: Declared, *, storable: bool) -> tuple[str, str] | None:
    """Why a start cannot be taken; None if it can. `storable`: the format that is written has a place for
    them."""
    why = why_unfit(start.search_attributes, declared) or why_too_much(start.search_attributes)
    if why is None and not storable:
        why = NOT_YET
    return None if why is None else ("rejected", why)


def stuck_at(intents: Iterable[Intent], declared: Declared, *, storable: bool) -> str | None:
    """Why code cannot go on that wants these, with the line; None if it can."""
    for intent in intents:
        if isinstance(intent, UpsertAttributes):
            why = why_unfit(intent.attributes, declared) or (None if storable else NOT_YET)
            if why is not None:
                return f"workflow.upsert_search_attributes at {intent.line}: {why}"
    return None
