"""Why a query has no answer."""

from __future__ import annotations

from collections.abc import Sequence

from dalsegno.definition import HandlerDefinition
from dalsegno.error_text import storable
from dalsegno.errors import QueryFailedError
from dalsegno.failure import Failure

REASON_CHARACTERS_MAX = 8_000
"""Less than what an answer has room for."""


class QueryHandlerError(QueryFailedError):
    """A query handler raised; `failure` is what."""

    def __init__(self, reason: str, failure: Failure) -> None:
        super().__init__(storable(reason, REASON_CHARACTERS_MAX))
        self.failure = failure


def no_handler(workflow_type: str, name: str, known: Sequence[str], handler: HandlerDefinition | None) -> str:
    """What to say where there is no `handler`, or none yet. `known` are those that there are."""
    if handler is not None:
        return f"{workflow_type} has not begun to run yet, so it cannot answer the query {name!r}."
    there_are = f"it has {', '.join(map(repr, known))}" if known else "it has none"
    return f"{workflow_type} has no handler for the query {name!r}; {there_are}."
