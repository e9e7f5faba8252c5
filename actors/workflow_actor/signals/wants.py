"""What user code wants of signals, as events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dalsegno.actors.workflow_actor.signals.events import SignalQuarantined
from dalsegno.actors.workflow_actor.signals.intents import SetSignalAside


def _set_aside(intent: SetSignalAside, _: bytes) -> SignalQuarantined:
    return SignalQuarantined(intent.place, intent.name, intent.args, intent.reason)


WANTS: dict[type, Callable[[Any, bytes], SignalQuarantined]] = {SetSignalAside: _set_aside}
"""By its type, what an intent becomes."""
