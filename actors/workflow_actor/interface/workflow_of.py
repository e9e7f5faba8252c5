"""Runs of other workflows, as one knows another by."""

from __future__ import annotations

from msgspec import Struct


class WorkflowOf(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="w"):
    """A run of another workflow; `number` is what that run knows by it: what it has asked for. It is told
    through its partition, which is always there, and can be stored since format 2."""

    workflow_id: str
    run_id: str
    number: int


class RootOf(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The run that has no parent, and that all of a child's parents come from."""

    workflow_id: str
    run_id: str
