"""Bugs to plant that show only where hosts of two releases work side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from unittest.mock import patch

from dalsegno.actors.supervisor.partition.partition import PartitionSupervisor
from dalsegno.actors.workflow_actor.run.state import WorkflowState
from dalsegno.actors.workflow_actor.stored import format_3
from dalsegno.actors.workflow_actor.stored.formats import Kind
from tests.simulation.faults import TWO_RELEASES
from tests.simulation.store_model import StoreModel
from tests.workflow_actor.stored.two_releases import FIRST, CBOROfBothReleases

Plant = Callable[[], AbstractContextManager[Any]]

NEVER = 1e9
"""Seconds between two."""

FIELDS = format_3._FIELDS
"""Of a state in the formats before it."""

_format_found = PartitionSupervisor.format_found
_dumps = CBOROfBothReleases.dumps
_body = CBOROfBothReleases.body


@contextmanager
def raise_granted_without_asking_the_live_hosts() -> Iterator[None]:
    def raise_format(self: StoreModel) -> int:
        self.format_written = max(self.format_written, self.format_asked)
        return self.format_written

    asked_often = patch.dict(TWO_RELEASES, {"newer format asked for": 3.0, "newer format forced": NEVER})
    with patch.object(StoreModel, "raise_format", raise_format), asked_often:
        yield


@contextmanager
def newer_row_treated_as_corrupt() -> Iterator[None]:
    def format_found(self: PartitionSupervisor, workflow_id: str, written: int) -> None:
        _format_found(self, workflow_id, FIRST.number)

    forced_often = patch.dict(
        TWO_RELEASES, {"newer format forced": 2.0, "host replaced by the other release": 3.0}
    )
    with patch.object(PartitionSupervisor, "format_found", format_found), forced_often:
        yield


@contextmanager
def field_appended_without_a_new_format() -> Iterator[None]:
    """By the newer release. Whoever does not know it passes it over, and writes the state back without it. It
    shows only where both write one run; so that hosts are replaced often."""

    def dumps(self: CBOROfBothReleases, kind: Kind, format_: int, value: Any) -> bytes:
        if kind == "state" and not isinstance(value, WorkflowState):
            value = [*value, "new"]  # lowered by the newer release
        return _dumps(self, kind, format_, value)

    def body(self: CBOROfBothReleases, kind: Kind, blob: bytes) -> Any:
        found = _body(self, kind, blob)
        return found[:FIELDS] if kind == "state" else found

    replaced_often = patch.dict(
        TWO_RELEASES,
        {
            "host replaced by the other release": 1.0,
            "newer format asked for": NEVER,
            "newer format forced": NEVER,
        },
    )
    with patch.multiple(CBOROfBothReleases, dumps=dumps, body=body), replaced_often:
        yield


RELEASE_BUGS: dict[Plant, set[str]] = {
    raise_granted_without_asking_the_live_hosts: {"format"},
    newer_row_treated_as_corrupt: {"newer"},
    field_appended_without_a_new_format: {"fields"},
}
"""Each with the invariants that may find it."""
