"""What events make of signals: the part of `run.apply` that is theirs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from msgspec.structs import replace

from dalsegno.actors.workflow_actor.signals.events import (
    FirstSignalReceived,
    QuarantineSettled,
    Signaled,
    SignalQuarantined,
    SignalReceived,
    SignalStruck,
)
from dalsegno.actors.workflow_actor.signals.set_aside import QuarantinedSignal


class SignalDraft(Protocol):
    """What signals need of a run's state while it changes. (It is `run.draft.Draft`.)"""

    def give(self, input_: Signaled) -> None: ...
    def give_first(self, input_: Signaled) -> None: ...
    def set_aside(self, place: int, name: str) -> None: ...
    def put_quarantined(self, signal: QuarantinedSignal, number: int | None = None) -> None: ...
    def take_quarantined(self, number: int) -> QuarantinedSignal: ...
    @property
    def time(self) -> int: ...


def _received(draft: SignalDraft, event: SignalReceived) -> None:
    draft.give(Signaled(name=event.name, args=event.args, headers=event.headers))


def _first_received(draft: SignalDraft, event: FirstSignalReceived) -> None:
    draft.give_first(Signaled(name=event.name, args=event.args, headers=event.headers))


def _quarantined(draft: SignalDraft, want: SignalQuarantined) -> None:
    if want.place >= 0:
        draft.set_aside(want.place, want.name)
    draft.put_quarantined(
        QuarantinedSignal(want.name, want.args, want.reason, draft.time, headers=want.headers)
    )


def _struck(draft: SignalDraft, event: SignalStruck) -> None:
    struck = QuarantinedSignal(event.name, event.args, event.reason, draft.time, True, event.headers)
    draft.put_quarantined(struck)


def _settled(draft: SignalDraft, event: QuarantineSettled) -> None:
    signal = draft.take_quarantined(event.number)
    if event.action == "edit":
        draft.put_quarantined(replace(signal, args=event.args), event.number)
    elif event.action == "retry":
        draft.give(Signaled(name=signal.name, args=signal.args, headers=signal.headers))


APPLY: dict[type, Callable[[Any, Any], None]] = {
    SignalReceived: _received,
    FirstSignalReceived: _first_received,
    SignalQuarantined: _quarantined,
    SignalStruck: _struck,
    QuarantineSettled: _settled,
}
