"""What user code wants of signals, as events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from dalsegno.actors.workflow_actor.signals.events import SignalQuarantined
from dalsegno.actors.workflow_actor.signals.intents import SetSignalAside


def _set_aside(intent: SetSignalAside, _: bytes) -> SignalQuarantined:
    return SignalQuarantined(intent.place, intent.name, intent.args, intent.reason, intent.headers)


WANTS: dict[type, Callable[[Any, bytes], SignalQuarantined]] = {SetSignalAside: _set_aside}
"""By its type, what an intent becomes."""


def _over_sign(want: SignalQuarantined) -> SignalQuarantined:
    return replace(want, place=-1)


OVER_SIGN: dict[type, Callable[[Any], SignalQuarantined]] = {SignalQuarantined: _over_sign}
"""By its type, what a want becomes that the last sign of its step comes after: its place was in what was given
since an earlier one, perhaps of the same step, of which nothing is kept."""
