"""What user code wants of patches, as events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dalsegno.actors.workflow_actor.patches.events import PatchTaken
from dalsegno.actors.workflow_actor.patches.intents import TakePatch


def _taken(intent: TakePatch, _: bytes) -> PatchTaken:
    return PatchTaken(intent.patch_id)


WANTS: dict[type, Callable[[Any, bytes], PatchTaken]] = {TakePatch: _taken}
"""By its type, what an intent becomes."""
