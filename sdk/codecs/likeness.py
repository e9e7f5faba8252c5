"""Whether two JSON forms say the same, where a value was handed in as another type than its annotation's."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

import msgspec

_TEXTS = (UUID, datetime, date, time, timedelta)
_NUMBERS = (int, float)


def says_the_same(given: Any, restored: Any) -> bool:
    """Whether nothing of `given` is lost or changed in what is restored from it.

    That may have more: defaults of fields that were not given, and the tag of a union. The items of a set have
    no order; moments, durations, UUIDs and Decimals are written in more than one way.
    """
    if type(given) is dict and type(restored) is dict:
        return all(key in restored and says_the_same(part, restored[key]) for key, part in given.items())
    if type(given) is list and type(restored) is list:
        if len(given) != len(restored):
            return False
        return all(map(says_the_same, given, restored)) or _sorted(given) == _sorted(restored)
    if type(given) is bool or type(restored) is bool:
        return given is restored
    if type(given) in _NUMBERS and type(restored) is str:
        return _number(restored) == _number(str(given))
    if type(given) is str and type(restored) is str:
        return given == restored or any(_as(given, kind) == _as(restored, kind) for kind in _TEXTS)
    return bool(given == restored)


def _sorted(parts: list[Any]) -> list[bytes]:
    return sorted(msgspec.json.encode(part, order="deterministic") for part in parts)


def _number(text: str) -> Decimal | None:
    try:
        return Decimal(text)
    except InvalidOperation:
        return None


def _as(text: str, kind: Any) -> Any:
    try:
        return msgspec.convert(text, kind)
    except msgspec.ValidationError:
        return object()  # which is equal to nothing else
