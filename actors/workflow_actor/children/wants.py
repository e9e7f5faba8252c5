"""What user code wants of child workflows, as events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dalsegno.actors.workflow_actor.children.events import ChildUnwanted, ChildWant, ChildWanted
from dalsegno.actors.workflow_actor.children.intents import CancelChild, StartChild


def _wanted(intent: StartChild, _: bytes) -> ChildWanted:
    return ChildWanted(intent.number, intent.spec, intent.close_policy)


def _unwanted(intent: CancelChild, _: bytes) -> ChildUnwanted:
    return ChildUnwanted(intent.number, intent.is_waited_for)


WANTS: dict[type, Callable[[Any, bytes], ChildWant]] = {StartChild: _wanted, CancelChild: _unwanted}
"""By its type, what an intent becomes."""
