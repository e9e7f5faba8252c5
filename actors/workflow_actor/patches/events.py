"""What is stored of patches, for the journal.

How events are stored: see `run.events`.
"""

from __future__ import annotations

from msgspec import Struct


class PatchTaken(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="pat"):
    """The patch counts for the run from here on."""

    patch_id: str
