"""Requests to external workflows, as people see them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dalsegno.actors.workflow_actor.externals.external import External
from dalsegno.actors.workflow_actor.interface.commands import Asked

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
