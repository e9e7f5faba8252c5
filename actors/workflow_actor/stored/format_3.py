"""Format 3: updates, and attempts that go on outside of their workers. What format 2 has is the same in both,
so that nothing is lifted; what it has no place for is refused before it is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from dalsegno.actors.workflow_actor.stored.formats import Change, Format, UnwritableError
from dalsegno.actors.workflow_actor.stored.message_pack import MessagePack
from dalsegno.actors.workflow_actor.stored.pieces import LeftOut

NUMBER: Final = 3

_EVENTS = {
    "upd": "an update",
    "upw": "an update",
    "sg1": "a signal with a start",
    "out": "an attempt outside of its worker",
}
_WANTS = frozenset(("ua", "uc"))
_RUN, _RAN, _DUE = "run", "ran", "u"
"""Tags: of events, of what code wants, of the start of a run, of a step, and of what is due to who waits."""

_FIELDS = 20
"""Of a state in format 2. Behind them are those of updates."""
_ACTIVITIES, _ACTIVITY_FIELDS = 7, 24
"""Where a state has its activities, and how many fields each has in format 2."""


def _refuse(what: str = "an update") -> None:
    raise UnwritableError(
        f"{what} can be stored in format 3 only; replace all hosts of older versions, and run `dalsegno init`."
    )


def _require_no_updates(value: Any) -> None:
    if value:
        _refuse()


def _activities(entries: Mapping[int, Any]) -> Mapping[int, Any]:
    if any(any(activity[_ACTIVITY_FIELDS:]) for activity in entries.values()):
        _refuse(_EVENTS["out"])
    return {number: activity[:_ACTIVITY_FIELDS] for number, activity in entries.items()}


def _require_none_due(outstanding: Iterable[Any]) -> None:
    if any(due[0] == _DUE for due, *_ in outstanding):
        _refuse()


def _outstanding(entries: Mapping[Any, Any]) -> Mapping[Any, Any]:
    _require_none_due(entries.values())
    return entries


def _earlier(entries: Iterable[Any]) -> Iterable[Any]:
    _require_none_due(outstanding for _, _, outstanding, *_ in entries)
    return entries


def _record(body: list[Any]) -> list[Any]:
    for event in body[4]:
        tag = event[0]
        if tag in _EVENTS:
            _refuse(_EVENTS[tag])
        if tag == _RAN and any(want[0] in _WANTS for want in event[2]):
            _refuse()
        if tag == _RUN and len(event) > 5:
            _earlier(event[5])
    return body


_LEFT_OUT = LeftOut(_require_no_updates)
_LOWERED_PARTS: Mapping[str, Change] = {
    "activities": _activities,
    "outstanding": _outstanding,
    "earlier": _earlier,
    "updates": _LEFT_OUT,
    "update_outcomes": _LEFT_OUT,
    "updates_admitted": _LEFT_OUT,
}


def _lifted_state(body: list[Any]) -> list[Any]:
    """What a state of format 2 cannot have must not be taken for what one of format 3 has."""
    if len(body) > _FIELDS:
        raise ValueError(f"a state has at most length {_FIELDS}, and this has {len(body)}")
    return body


def _state(body: list[Any]) -> list[Any]:
    _require_no_updates(any(body[_FIELDS:]))
    _outstanding(body[12])
    _earlier(body[13])
    lowered = body[:_FIELDS]
    lowered[_ACTIVITIES] = _activities(body[_ACTIVITIES])
    return lowered


FORMAT_3: Final = Format(
    NUMBER,
    MessagePack(),
    lift={"state": _lifted_state},
    lower={"record": _record, "state": _state},
    lower_parts=_LOWERED_PARTS,
)
