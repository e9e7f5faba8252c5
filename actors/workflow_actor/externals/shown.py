"""Requests to external workflows, as people see them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from dalsegno.actors.workflow_actor.externals.external import External
from dalsegno.actors.workflow_actor.interface.commands import Asked

SHOWN_MAX = 20
"""A description has to fit into a message."""

WORDS: dict[Asked, str] = {
    "signal": "the answer to a signal to workflow",
    "cancel": "the answer to a cancel request to workflow",
    "terminate": "the answer to a termination of workflow",
    "end": "the end of workflow",
    "start": "the start of workflow",
}


def waited_for(externals: Mapping[int, External]) -> Iterator[str]:
    """For people: as far as the state tells."""
    return (f"{WORDS[external.asked]} {external.workflow_id}" for external in externals.values())


def described(externals: Mapping[int, External]) -> tuple[dict[str, Any], ...]:
    """The first few."""
    return tuple(
        {"asked": external.asked, "workflow_id": external.workflow_id, "asked_at": external.asked_at}
        for external in islice(externals.values(), SHOWN_MAX)
    )
