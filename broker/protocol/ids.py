"""IDs that are derived, never drawn, so that whoever publishes again publishes the same.

All are UUIDv5 (RFC 4122: SHA-1, name-based) in namespaces that the protocol fixes. The parts of a name are
joined with a NUL, which no ID may contain.
"""

from __future__ import annotations

from hashlib import sha1
from uuid import UUID

RUN_NAMESPACE = UUID("8f5e0bbb-6a1c-5d0e-9b6e-2a4c1f7d9e01")
MESSAGE_NAMESPACE = UUID("8f5e0bbb-6a1c-5d0e-9b6e-2a4c1f7d9e02")

_RUN, _MESSAGE = RUN_NAMESPACE.bytes, MESSAGE_NAMESPACE.bytes
_VARIANTS = "89ab"
"""The first digit of the fourth group: two bits are the variant of RFC 4122."""


def run_id(workflow_id: str, message_id: str | None) -> str:
    """The run that a start begins. Without a message ID it depends on the workflow ID alone: one run ever."""
    name = workflow_id if message_id is None else f"{workflow_id}\0{message_id}"
    return _uuid5(_RUN, name)


def effect_message_id(run_id: str, sequence: int, index: int) -> str:
    """The message ID of effect `index` of activation `sequence` of a run."""
    return _uuid5(_MESSAGE, f"{run_id}\0{sequence}\0{index}")


def derived_message_id(*parts: str) -> str:
    """The same parts give the same ID: whatever is sent again is the same message."""
    return _uuid5(_MESSAGE, "\0".join(parts))


def _uuid5(namespace: bytes, name: str) -> str:
    # As str(uuid.uuid5(...)), which takes ten times as long; there is one for each message.
    text = sha1(namespace + name.encode(), usedforsecurity=False).hexdigest()
    variant = _VARIANTS[int(text[16], 16) & 3]
    return f"{text[:8]}-{text[8:12]}-5{text[13:16]}-{variant}{text[17:20]}-{text[20:32]}"
