"""Queries that have killed hosts: what their strikes are counted by, and how they are refused from then on. A
handler harms nobody but who asks it, so it has a mark of its own."""

from __future__ import annotations

from dalsegno.actors.workflow_actor.queries.commands import Query

QUERY = "query "
"""No other mark begins so: those of messages begin with their type, which has a dot."""

DYNAMIC_QUERY = "the handler of all other queries"
"""Its mark, whatever name it is asked by."""


def handler_mark(handler: str | None) -> str:
    """It is the handler that is at fault, and one may take many names: None is that which takes all others."""
    return DYNAMIC_QUERY if handler is None else QUERY + handler


def is_query_mark(mark: str) -> bool:
    return mark.startswith(QUERY) or mark == DYNAMIC_QUERY


def struck_refusal(query: Query, workflow_id: str, reason: str, *, is_open: bool) -> tuple[str, str]:
    """`reason`: how its handler has killed hosts. `is_open`: its run can be resumed."""
    text = (
        f"the query {query.name!r} is not run for workflow {workflow_id!r} any more: {reason}. Deploy code "
        "in which its handler is mended"
    )
    if is_open:
        text += f", or `dalsegno workflow resume {workflow_id}` to have it tried again"
    return "query_failed", f"{text}; the workflow itself and its other queries go on"
