"""What events make of child workflows: the part of `run.apply` that is theirs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from msgspec.structs import replace

from dalsegno.actors.workflow_actor.children.child import ChildWorkflow, RunOfChildren
from dalsegno.actors.workflow_actor.children.events import (
    ChildAsked,
    ChildBegun,
    ChildClosed,
    ChildRefused,
    ChildTold,
    ChildUnwanted,
    ChildWanted,
)
from dalsegno.actors.workflow_actor.children.sends import ChildDue, ChildStartDue, ChildStopDue, Stop
from dalsegno.actors.workflow_actor.interface.effects import EffectID

CANCELLED = "the parent workflow cancelled it"
PARENT_ENDED = "the parent workflow has ended"


class ChildDraft(Protocol):
    """What child workflows need of a run's state while it changes. (It is `run.draft.Draft`.)"""

    @property
    def time(self) -> int: ...
    @property
    def state(self) -> RunOfChildren: ...
    @property
    def children(self) -> Mapping[int, ChildWorkflow]: ...
    def put_child(self, number: int, child: ChildWorkflow) -> None: ...
    def take_child(self, number: int) -> ChildWorkflow: ...
    def send(self, due: ChildDue) -> EffectID: ...
    def drop(self, effects: Iterable[EffectID]) -> None: ...
    def give(self, input_: ChildTold) -> None: ...


def _wanted(draft: ChildDraft, want: ChildWanted) -> None:
    number, spec = want.number, want.spec
    start = draft.send(ChildStartDue(number, spec, draft.state.info.root))
    child = ChildWorkflow(spec.workflow_id, spec.workflow_type, want.close_policy, draft.time, start=start)
    draft.put_child(number, child)


def _unwanted(draft: ChildDraft, want: ChildUnwanted) -> None:
    """One that has ended already, though user code has not been told yet, stays so."""
    child = draft.children.get(want.number)
    if child is None:
        return
    draft.send(ChildStopDue(want.number, child.workflow_id, "cancel", CANCELLED, want.is_waited_for))
    if want.is_waited_for:
        draft.put_child(want.number, replace(child, is_asked_to_stop=True))


def _begun(draft: ChildDraft, event: ChildBegun) -> None:
    child = draft.children[event.number]
    _forget_start(draft, child)
    draft.put_child(event.number, replace(child, run_id=event.run_id, start=None))
    draft.give(ChildTold(number=event.number, run_id=event.run_id))


def _refused(draft: ChildDraft, event: ChildRefused) -> None:
    _forget_start(draft, draft.take_child(event.number))
    draft.give(ChildTold(number=event.number, run_id=event.run_id, refusal=(event.code, event.reason)))


def _asked(draft: ChildDraft, event: ChildAsked) -> None:
    draft.put_child(event.number, replace(draft.children[event.number], is_asked_to_stop=False))
    draft.give(ChildTold(number=event.number, is_asked=True))


def _closed(draft: ChildDraft, event: ChildClosed) -> None:
    _forget_start(draft, draft.take_child(event.number))
    draft.give(
        ChildTold(
            number=event.number,
            run_id=event.run_id,
            status=event.status,
            result=event.result,
            failure=event.failure,
        )
    )


def _forget_start(draft: ChildDraft, child: ChildWorkflow) -> None:
    """It has said something, so that its start has come."""
    if child.start is not None:
        draft.drop((child.start,))


def close(draft: ChildDraft) -> None:
    """The run ends: with its children is done what was said when they were started, also with those whose start
    has not left yet, which comes before."""
    for number, child in draft.children.items():
        if child.close_policy != "abandon":
            how: Stop = "terminate" if child.close_policy == "terminate" else "cancel"
            draft.send(ChildStopDue(number, child.workflow_id, how, PARENT_ENDED))


APPLY: dict[type, Callable[[Any, Any], None]] = {
    ChildWanted: _wanted,
    ChildUnwanted: _unwanted,
    ChildBegun: _begun,
    ChildRefused: _refused,
    ChildAsked: _asked,
    ChildClosed: _closed,
}
