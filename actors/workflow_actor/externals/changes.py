"""What events make of requests to external workflows: the part of `run.apply` that is theirs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from dalsegno.actors.workflow_actor.externals.events import (
    ExternalAnswered,
    ExternalEnded,
    ExternalTold,
    ExternalUnwanted,
    ExternalWanted,
)
from dalsegno.actors.workflow_actor.externals.external import External
from dalsegno.actors.workflow_actor.externals.sends import ExternalDue
from dalsegno.actors.workflow_actor.interface.effects import EffectID


class ExternalDraft(Protocol):
    """What they need of a run's state while it changes. (It is `run.draft.Draft`.)"""

    @property
    def time(self) -> int: ...
    @property
    def externals(self) -> Mapping[int, External]: ...
    def put_external(self, number: int, external: External) -> None: ...
    def take_external(self, number: int) -> External: ...
    def send(self, due: ExternalDue) -> EffectID: ...
    def drop(self, effects: Iterable[EffectID]) -> None: ...
    def give(self, input_: ExternalTold) -> None: ...


def _wanted(draft: ExternalDraft, want: ExternalWanted) -> None:
    spec = want.spec
    effect = draft.send(ExternalDue(spec))
    draft.put_external(spec.number, External(spec.asked, spec.workflow_id, draft.time, effect))


def _unwanted(draft: ExternalDraft, want: ExternalUnwanted) -> None:
    """What was asked for is done all the same."""
    if want.number in draft.externals:
        draft.take_external(want.number)


def _answered(draft: ExternalDraft, event: ExternalAnswered) -> None:
    draft.drop((draft.take_external(event.number).effect,))
    draft.give(ExternalTold(number=event.number, refusal=event.refusal))


def _ended(draft: ExternalDraft, event: ExternalEnded) -> None:
    draft.drop((draft.take_external(event.number).effect,))
    draft.give(
        ExternalTold(
            number=event.number,
            run_id=event.run_id,
            status=event.status,
            result=event.result,
            failure=event.failure,
        )
    )


APPLY: dict[type, Callable[[Any, Any], None]] = {
    ExternalWanted: _wanted,
    ExternalUnwanted: _unwanted,
    ExternalAnswered: _answered,
    ExternalEnded: _ended,
}
