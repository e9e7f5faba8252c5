"""`dalsegno deadlines`: what is late, or will be."""

from __future__ import annotations

from collections.abc import Sequence

from dalsegno.broker.protocol.messages import ListedDeadline
from dalsegno.cli.asking import look
from dalsegno.cli.options import Source
from dalsegno.cli.output import moment, print_json, say, table
from dalsegno.client import Looking


def list_(source: Source, timeout: float, *, at_risk: bool, limit: int, as_json: bool) -> None:
    async def first(looking: Looking) -> tuple[list[ListedDeadline], bool]:
        found: list[ListedDeadline] = []
        async for one in looking.deadlines(at_risk=at_risk, page_size=min(limit + 1, 250)):
            if len(found) == limit:
                return found, True
            found.append(one)
        return found, False

    found, has_more = look(source, timeout, first)
    if as_json:
        for one in found:
            print_json(one)
    elif found:
        show(found)
    else:
        say("No deadline is at risk." if at_risk else "No deadline is open.")
    if has_more and not as_json:
        say(f"These are the first {limit}; --limit shows more.")


def show(found: Sequence[ListedDeadline]) -> None:
    table(
        ["workflow ID", "type", "workflow is", "deadline", "state", "due (UTC)"],
        [
            (
                one.workflow_id,
                one.workflow_type,
                one.workflow_status,
                one.name,
                one.status.replace("_", " "),
                moment(one.due_at),
            )
            for one in found
        ],
    )
