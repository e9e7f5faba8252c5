"""Format 2: MessagePack instead of CBOR, and recipients where format 1 had the callers that are clients.

What becomes of a body is said for one recipient, both ways; where recipients stand is the same in both formats.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, Final

from dalsegno.actors.workflow_actor.stored.formats import Change, Format, UnwritableError
from dalsegno.actors.workflow_actor.stored.message_pack import MessagePack

NUMBER: Final = 2

_CALLER = {"reply_to": None, "correlation_id": None, "content_type": "", "tell_suspended": False}
"""The fields of a caller in format 1, a map, with what one stands for that is left out; None: it may not be."""
_QUEUE, _RUN, _CALLER_ADDED, _RESULT = "q", "run", "cal", "r"
_STATE = {"outstanding": 12, "earlier": 13, "recipients": 14}
"""Where they stand in a state."""


def _lifted(caller: dict[str, Any]) -> list[Any]:
    if unknown := caller.keys() - _CALLER.keys():
        raise ValueError(f"a caller has no {', '.join(map(str, unknown))}")
    fields = [
        caller[name] if default is None else caller.get(name, default) for name, default in _CALLER.items()
    ]
    return [_QUEUE, fields]


def _lowered(recipient: list[Any]) -> dict[str, Any]:
    tag, *parts = recipient
    if tag != _QUEUE:
        raise UnwritableError(
            f"workflow {parts[0]!r} is to be told how a run has ended, which can be stored in format 2 only; "
            "replace all hosts of older versions, and run `dalsegno init`."
        )
    return dict(zip(_CALLER, parts[0], strict=True))


def _recipients(of: Change, recipients: Iterable[Any]) -> list[Any]:
    return [of(recipient) for recipient in recipients]


def _outstanding(of: Change, entry: list[Any]) -> list[Any]:
    due, *others = entry
    match due:
        case [tag, recipient, *outcome] if tag == _RESULT:
            return [[tag, of(recipient), *outcome], *others]
    return entry


def _all_outstanding(of: Change, entries: Mapping[Any, Any]) -> dict[Any, Any]:
    return {effect: _outstanding(of, entry) for effect, entry in entries.items()}


def _earlier(of: Change, entries: Iterable[Any]) -> list[Any]:
    return [
        [run_id, effect, _outstanding(of, outstanding), *since]
        for run_id, effect, outstanding, *since in entries
    ]


def _event(of: Change, event: list[Any]) -> list[Any]:
    match event:
        case [tag, info, args, recipients, python, *earlier] if tag == _RUN:
            changed = [_earlier(of, entries) for entries in earlier[:1]]
            return [tag, info, args, _recipients(of, recipients), python, *changed, *earlier[1:]]
        case [tag, recipient, *more] if tag == _CALLER_ADDED:
            return [tag, of(recipient), *more]
    return event


def _record(of: Change, body: list[Any]) -> list[Any]:
    *head, events = body[:5]
    return [*head, [_event(of, event) for event in events], *body[5:]]


def _parts(of: Change) -> dict[str, Change]:
    return {
        "outstanding": partial(_all_outstanding, of),
        "earlier": partial(_earlier, of),
        "recipients": partial(_recipients, of),
    }


def _state(parts: Mapping[str, Change], body: list[Any]) -> list[Any]:
    changed = list(body)
    for name, place in _STATE.items():
        changed[place] = parts[name](body[place])
    return changed


_LOWERED_PARTS = _parts(_lowered)

FORMAT_2: Final = Format(
    NUMBER,
    MessagePack(),
    lift={"record": partial(_record, _lifted), "state": partial(_state, _parts(_lifted))},
    lower={"record": partial(_record, _lowered), "state": partial(_state, _LOWERED_PARTS)},
    lower_parts=_LOWERED_PARTS,
)
