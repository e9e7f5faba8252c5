"""What events make of signals: the part of `run.apply` that is theirs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from dalsegno.actors.workflow_actor.signals.events import FirstSignalReceived, Signaled, SignalReceived


class SignalDraft(Protocol):
    """What signals need of a run's state while it changes. (It is `run.draft.Draft`.)"""

    def give(self, input_: Signaled) -> None: ...
    def give_first(self, input_: Signaled) -> None: ...


def _received(draft: SignalDraft, event: SignalReceived) -> None:
    draft.give(Signaled(name=event.name, args=event.args))


def _first_received(draft: SignalDraft, event: FirstSignalReceived) -> None:
    draft.give_first(Signaled(name=event.name, args=event.args))


APPLY: dict[type, Callable[[Any, Any], None]] = {
    SignalReceived: _received,
    FirstSignalReceived: _first_received,
}
