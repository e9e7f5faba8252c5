"""Format 3: updates, compensations, attempts that go on outside of their workers, and cancel requests that say
how they are seen. What format 2 has is the same in both, so that nothing is lifted; what it has no place for is
refused before it is written.
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
_WANTS = {
    "ua": "an update",
    "uc": "an update",
    "cp": "a compensation",
    "cd": "a compensation",
    "cb": "a compensation",
    "cs": "a compensation",
}
_RUN, _RAN, _DUE = "run", "ran", "u"
"""Tags: of events, of what code wants, of the start of a run, of a step, and of what is due to who waits."""

_CANCEL, _CANCELLED, _SIGN = "can", "cancel", "s"
_LENGTHS: Mapping[str, int] = {_CANCEL: 3, _CANCELLED: 3, "signed": 9}
"""How many items there are in format 2 of what has more here: of events and inputs by their tags (which count),
and of the state of a sign. What is behind them must be as it is by default."""

_FIELDS = 20
"""Of a state in format 2. Behind them are those of updates and compensations."""
_SIGNED, _LOG = 4, 5
"""Where they stand in a state."""
_ACTIVITIES, _ACTIVITY_FIELDS = 7, 24
"""Where a state has its activities, and how many fields each has in format 2."""


def _refuse(what: str = "an update, or a compensation,") -> None:
    raise UnwritableError(
        f"{what} can be stored in format 3 only; replace all hosts of older versions, and run `dalsegno init`."
    )


def _require_nothing(value: Any) -> None:
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


def _cut(body: list[Any], kind: str) -> list[Any]:
    length = _LENGTHS[kind]
    if any(body[length:]):
        _refuse("that a cancel request fails what is awaited, or what a sign keeps of a saga,")
    return body[:length]


def _event(event: list[Any]) -> list[Any]:
    match event:
        case [tag, *_] if tag == _CANCEL:
            return _cut(event, tag)
        case [tag, digests, wants, *more] if tag == _RAN:
            signs = (want[0] == _SIGN for want in wants)
            return [tag, digests, [_sign(want) for want in wants], *more] if any(signs) else event
    return event


def _sign(want: list[Any]) -> list[Any]:
    return [want[0], _signed(want[1]), *want[2:]] if want[0] == _SIGN else want


def _signed(signed: list[Any]) -> list[Any]:
    return _cut(signed, "signed")


def _log_entries(entries: Iterable[list[Any]]) -> list[Any]:
    return [
        [time, _cut(input_, _CANCELLED) if input_[0] == _CANCELLED else input_, *more]
        for time, input_, *more in entries
    ]


def _record(body: list[Any]) -> list[Any]:
    for event in body[4]:
        tag = event[0]
        if tag in _EVENTS:
            _refuse(_EVENTS[tag])
        for want in event[2] if tag == _RAN else ():
            if want[0] in _WANTS:
                _refuse(_WANTS[want[0]])
        if tag == _RUN and len(event) > 5:
            _earlier(event[5])
    return [*body[:4], [_event(event) for event in body[4]], *body[5:]]


_LEFT_OUT = LeftOut(_require_nothing)
_LOWERED_PARTS: Mapping[str, Change] = {
    "activities": _activities,
    "signed": _signed,
    "log": _log_entries,
    "outstanding": _outstanding,
    "earlier": _earlier,
    "updates": _LEFT_OUT,
    "update_outcomes": _LEFT_OUT,
    "updates_admitted": _LEFT_OUT,
    "compensations": _LEFT_OUT,
    "compensating": _LEFT_OUT,
}


def _lifted_state(body: list[Any]) -> list[Any]:
    """What a state of format 2 cannot have must not be taken for what one of format 3 has."""
    if len(body) > _FIELDS:
        raise ValueError(f"a state has at most length {_FIELDS}, and this has {len(body)}")
    return body


def _state(body: list[Any]) -> list[Any]:
    _require_nothing(any(body[_FIELDS:]))
    _outstanding(body[12])
    _earlier(body[13])
    lowered = body[:_FIELDS]
    lowered[_ACTIVITIES] = _activities(body[_ACTIVITIES])
    chunks, *tail = body[_LOG]
    lowered[_LOG] = [[_log_entries(chunk) for chunk in chunks], *map(_log_entries, tail)]
    lowered[_SIGNED] = _signed(body[_SIGNED])
    return lowered


FORMAT_3: Final = Format(
    NUMBER,
    MessagePack(),
    lift={"state": _lifted_state},
    lower={"record": _record, "state": _state},
    lower_parts=_LOWERED_PARTS,
)
