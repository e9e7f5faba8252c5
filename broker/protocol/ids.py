"""IDs that are derived, never drawn, so that whoever publishes again publishes the same.

All are UUIDv5 (RFC 4122: SHA-1, name-based) in namespaces that the protocol fixes. The parts of a name are
joined with a NUL, which no ID may contain.
"""

from __future__ import annotations

from uuid import UUID, uuid5

RUN_NAMESPACE = UUID("8f5e0bbb-6a1c-5d0e-9b6e-2a4c1f7d9e01")
MESSAGE_NAMESPACE = UUID("8f5e0bbb-6a1c-5d0e-9b6e-2a4c1f7d9e02")


def run_id(workflow_id: str, message_id: str | None) -> str:
    """The run that a start begins. Without a message ID it depends on the workflow ID alone: one run ever."""
    name = workflow_id if message_id is None else f"{workflow_id}\0{message_id}"
    return str(uuid5(RUN_NAMESPACE, name))


def effect_message_id(run_id: str, sequence: int, index: int) -> str:
    """The message ID of effect `index` of activation `sequence` of a run."""
    return str(uuid5(MESSAGE_NAMESPACE, f"{run_id}\0{sequence}\0{index}"))
