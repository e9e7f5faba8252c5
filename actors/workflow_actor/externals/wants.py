"""What user code wants of external workflows, as events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dalsegno.actors.workflow_actor.externals.events import ExternalUnwanted, ExternalWant, ExternalWanted
from dalsegno.actors.workflow_actor.externals.intents import AskExternal, ForgetExternal


def _wanted(intent: AskExternal, _: bytes) -> ExternalWanted:
    return ExternalWanted(intent.spec)


def _unwanted(intent: ForgetExternal, _: bytes) -> ExternalUnwanted:
    return ExternalUnwanted(intent.number)


WANTS: dict[type, Callable[[Any, bytes], ExternalWant]] = {AskExternal: _wanted, ForgetExternal: _unwanted}
"""By its type, what an intent becomes."""
