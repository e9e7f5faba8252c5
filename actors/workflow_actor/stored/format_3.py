"""Format 3: updates, compensations, child workflows and requests to other workflows, search attributes, local
activities, deadlines, incidents, attempts that go on outside of their workers, cancel requests that say how
they are seen, runs that follow each other.

What format 2 has is the same in both, so that nothing is lifted. Fields that are new are at the end: one that
says nothing is cut off, and what format 2 has no place for is refused before it is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, Final

import msgspec

from dalsegno.actors.workflow_actor.interface.run_info import RunInfo
from dalsegno.actors.workflow_actor.run.events import CancelReceived, RunClosed, RunStarted
from dalsegno.actors.workflow_actor.run.inputs import CancelRequested, SignedState
from dalsegno.actors.workflow_actor.run.state import WorkflowState
from dalsegno.actors.workflow_actor.stored.formats import Change, Format, UnwritableError, to_body
from dalsegno.actors.workflow_actor.stored.message_pack import MessagePack
from dalsegno.actors.workflow_actor.stored.pieces import LeftOut
from dalsegno.name_rules import is_level

NUMBER: Final = 3

_EVENTS = {
    "upd": "an update",
    "upw": "an update",
    "sg1": "a signal with a start",
    "sst": "a signal in quarantine",
    "qs": "a signal in quarantine",
    "out": "an attempt outside of its worker",
    **dict.fromkeys(("aex", "anew"), "an incident"),
    "dly": "a run that begins later",
    **dict.fromkeys(("kbeg", "kref", "kask", "kend", "xans", "xend"), "the word of another workflow"),
    **dict.fromkeys(("lbg", "lre", "lok", "ler"), "a local activity"),
    **dict.fromkeys(("dlr", "dlo"), "a deadline"),
}
_WANTS = {
    "ua": "an update",
    "uc": "an update",
    "sq": "a signal in quarantine",
    "cp": "a compensation",
    "cd": "a compensation",
    "cb": "a compensation",
    "cs": "a compensation",
    **dict.fromkeys(("kid", "kidx", "ext", "extx"), "what is asked of another workflow"),
    "ap": "an incident",
    "sa": "a search attribute",
    "mu": "another memo",
    "pat": "a patch",
    **dict.fromkeys(("dls", "dlm"), "a deadline"),
    **dict.fromkeys(("la", "lx"), "a local activity"),
}
_DUES = {"u": "an update", **dict.fromkeys(("kid", "kidx", "ext"), "what is asked of another workflow")}
"""By their tags, what format 2 has not: events, what code wants, and what is due to somebody."""

_SAID = {
    "as_failure": "that a cancel request fails what is awaited",
    "cancel_as_failure": "that a cancel request fails what is awaited",
    "search_attributes": "a search attribute",
    "attributes": "a search attribute",
    "memo": "another memo",
    "patches": "a patch",
    "deadlines": "a deadline",
    "updates": "an update",
    "update_outcomes": "an update",
    "updates_admitted": "an update",
    "incidents": "an incident",
    "incidents_opened": "an incident",
    "priority": "a priority",
    "headers": "what is said by headers",
}
"""By their names, what fields say. Of others the name is told."""

_RUN, _RAN, _SIGN, _ACTIVITY = "run", "ran", "s", "a"
"""Tags of the start of a run, of a step, and of a sign and an activity that it wants."""

_TASK_QUEUE = 3
"""Where it stands in what was asked for of an activity."""

_FIELDS = 20
"""Of a state in format 2."""
_INFO, _SIGNED, _LOG, _ACTIVITIES, _OUTSTANDING, _EARLIER = 0, 4, 5, 7, 12, 13
"""Where they stand in a state."""
_ACTIVITY_FIELDS = 24
"""How many fields each has in format 2."""


def _refuse(what: str) -> None:
    raise UnwritableError(
        f"{what} can be stored in format 3 only; replace all hosts of older versions, and run `dalsegno init`."
    )


def _default(field: msgspec.structs.FieldInfo) -> Any:
    factory = field.default_factory
    return to_body(field.default if factory is msgspec.NODEFAULT else factory())


def _cutting(struct: type[msgspec.Struct], fields: int) -> Change:
    """To the fields of format 2. What is cut off must say nothing."""
    tagged = struct.__struct_config__.tag is not None
    known = msgspec.structs.fields(struct)[fields:]
    return partial(_cut, tagged + fields, [(field.name, _default(field)) for field in known])


def _cut(length: int, known: list[tuple[str, Any]], value: Any) -> Any:
    body = to_body(value)
    for found, (name, default) in zip(body[length:], known, strict=False):
        if found != default:
            _refuse(_SAID.get(name, f"what is said by {name!r}"))
    return body[:length]


_info, _signed_fields = _cutting(RunInfo, 7), _cutting(SignedState, 9)
_SIGNALS = 7
"""Where those stand in a sign that nothing has handled."""


def _headless(fields: int) -> Change:
    """Of what has nothing but headers behind the fields of format 2."""
    return partial(_cut, fields, [("headers", {})])


_spec, _signal = _headless(11), _headless(3)
"""Of an activity; and a signal, with its tag."""


def _signed(signed: Any) -> Any:
    body = _signed_fields(signed)
    body[_SIGNALS] = [_changed(_CHANGED_INPUTS, signal) for signal in body[_SIGNALS]]
    return body


_CHANGED: Mapping[str, Change] = {
    _RUN: _cutting(RunStarted, 5),
    "end": _cutting(RunClosed, 3),
    "can": _cutting(CancelReceived, 2),
    "sig": _signal,
}
"""By their tags, events that have more fields here."""

_CHANGED_INPUTS: Mapping[str, Change] = {
    "cancel": _cutting(CancelRequested, 2),
    "signal": _signal,
}


def _activities(entries: Mapping[int, Any]) -> Mapping[int, Any]:
    for activity in entries.values():
        if any(activity[_ACTIVITY_FIELDS + 1 :]):
            _refuse(_EVENTS["aex"])
        if any(activity[_ACTIVITY_FIELDS:]):
            _refuse(_EVENTS["out"])
        _require_no_level(activity[0])
    return {number: [_spec(activity[0]), *activity[1:_ACTIVITY_FIELDS]] for number, activity in entries.items()}


def _require_none_due(outstanding: Iterable[Any]) -> None:
    for due, *_ in outstanding:
        if due[0] in _DUES:
            _refuse(_DUES[due[0]])


def _outstanding(entries: Mapping[Any, Any]) -> Mapping[Any, Any]:
    _require_none_due(entries.values())
    return entries


def _earlier(entries: Iterable[Any]) -> Iterable[Any]:
    _require_none_due(outstanding for _, _, outstanding, *_ in entries)
    return entries


def _log_entries(entries: Iterable[list[Any]]) -> list[Any]:
    return [[time, _changed(_CHANGED_INPUTS, input_), *more] for time, input_, *more in entries]


def _changed(changes: Mapping[str, Change], body: list[Any]) -> Any:
    change = changes.get(body[0])
    return body if change is None else change(body)


def _require_no_level(spec: list[Any]) -> None:
    """In format 2 there are no levels of task queues: hosts that write it send no task to one."""
    if is_level(spec[_TASK_QUEUE]):
        _refuse(_SAID["priority"])


def _want(want: list[Any]) -> list[Any]:
    tag = want[0]
    if tag in _WANTS:
        _refuse(_WANTS[tag])
    if tag == _ACTIVITY:
        _require_no_level(want[1])
        return [tag, _spec(want[1]), *want[2:]]
    return [tag, _signed(want[1]), *want[2:]] if tag == _SIGN else want


def _event(event: list[Any]) -> list[Any]:
    tag, *others = _changed(_CHANGED, event)
    if tag in _EVENTS:
        _refuse(_EVENTS[tag])
    if tag == _RAN:
        others[1] = list(map(_want, others[1]))
    if tag == _RUN:
        _earlier(others[4] if len(others) > 4 else ())
        others[0] = _info(others[0])
    return [tag, *others]


def _record(body: list[Any]) -> list[Any]:
    return [*body[:4], list(map(_event, body[4])), *body[5:]]


def _require_default(default: Any, name: str, value: Any) -> None:
    if value != default:
        _refuse(_SAID.get(name, f"what is said by {name!r}"))


_LOWERED_PARTS: Mapping[str, Change] = {
    "info": _info,
    "signed": _signed,
    "log": _log_entries,
    "activities": _activities,
    "outstanding": _outstanding,
    "earlier": _earlier,
    **{
        field.name: LeftOut(partial(_require_default, _default(field), field.name))
        for field in msgspec.structs.fields(WorkflowState)[_FIELDS:]
    },
}


def _lifted_state(body: list[Any]) -> list[Any]:
    """What a state of format 2 cannot have must not be taken for what one of format 3 has."""
    if len(body) > _FIELDS:
        raise ValueError(f"a state has at most length {_FIELDS}, and this has {len(body)}")
    return body


_state_fields = _cutting(WorkflowState, _FIELDS)


def _state(body: list[Any]) -> list[Any]:
    lowered: list[Any] = _state_fields(body)
    _outstanding(lowered[_OUTSTANDING])
    _earlier(lowered[_EARLIER])
    chunks, *tail = lowered[_LOG]
    lowered[_LOG] = [[_log_entries(chunk) for chunk in chunks], *map(_log_entries, tail)]
    for place, change in ((_INFO, _info), (_SIGNED, _signed), (_ACTIVITIES, _activities)):
        lowered[place] = change(lowered[place])
    return lowered


FORMAT_3: Final = Format(
    NUMBER,
    MessagePack(),
    lift={"state": _lifted_state},
    lower={"record": _record, "state": _state},
    lower_parts=_LOWERED_PARTS,
)
