"""What user code hands over, looked at when it is handed over.

Each function is given what the value is called, and the value; it returns it in the plain type that is stored
and sent (a str for a StrEnum, an int for numpy's), or raises TypeError or ValueError, in a sentence that names
both and says what is expected. Nothing else in here is raised, whatever the value's own methods do.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping, Sequence
from datetime import timedelta
from enum import StrEnum
from functools import lru_cache
from numbers import Real
from typing import Any, TypeVar, cast

from dalsegno.name_rules import NAME_BYTES_MAX, why_not_name, why_not_task_queue

E = TypeVar("E", bound=StrEnum)

Duration = float | int | timedelta
"""Seconds, or a timedelta."""

MICROSECONDS_MAX = 2**53
"""What messages can carry (285 years). Longer durations are cut to it."""
_SHOWN_CHARACTERS_MAX = 60
_MICROSECOND = timedelta(microseconds=1)


def shown(value: object) -> str:
    """A value in a sentence: short, and without surprises."""
    try:
        text = ascii(value) if isinstance(value, str) and not value.isprintable() else repr(value)
        text = str.__str__(text).encode("utf-8", "backslashreplace").decode()
    except BaseException:  # noqa: BLE001 - a user's __repr__ may raise anything
        text = f"a {type.__dict__['__name__'].__get__(type(value))} that cannot be shown"
    return text if len(text) <= _SHOWN_CHARACTERS_MAX else text[: _SHOWN_CHARACTERS_MAX - 3] + "..."


def wrong_type(what: str, value: object, expected: str) -> TypeError:
    return TypeError(f"{what} must be {expected}, not {shown(value)}.")


def wrong_value(what: str, value: object, expected: str) -> ValueError:
    return ValueError(f"{what} must be {expected}, not {shown(value)}.")


# Texts


def text(what: str, value: object, *, characters: int | None = None) -> str:
    """Without what neither UTF-8 nor databases can keep."""
    plain = _text(what, value, "text")
    if "\0" in plain:
        raise ValueError(f"{what} {shown(plain)} has a NUL character, which cannot be stored.")
    try:
        plain.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{what} {shown(plain)} is not valid Unicode: it has a lone surrogate.") from None
    if characters is not None and len(plain) > characters:
        raise ValueError(f"{what} may have {characters} characters, but {shown(plain)} has {len(plain)}.")
    return plain


def plain(what: str, value: object) -> str:
    """Any text, which somebody else looks at."""
    return _text(what, value, "text")


def name(what: str, value: object) -> str:
    """A name or ID. Its rule is that of the receivers."""
    plain = _text(what, value, f"a text of 1 to {NAME_BYTES_MAX} bytes")
    why = _why_not_name(plain)
    if why is not None:
        raise ValueError(
            f"{what} {shown(plain)} {why}: it must be printable text of 1 to {NAME_BYTES_MAX} bytes."
        )
    return plain


def task_queue(what: str, value: object) -> str:
    plain = _text(what, value, "the name of a task queue")
    why = _why_not_task_queue(plain)
    if why is not None:
        raise ValueError(f"{what} {shown(plain)} {why}.")
    return plain


def _text(what: str, value: object, expected: str) -> str:
    if type(value) is str:
        return value
    if isinstance(value, str):
        return str.__str__(value)  # the very characters, whatever the subclass shows of itself
    raise wrong_type(what, value, expected)


_why_not_name = lru_cache(maxsize=4096)(why_not_name)
_why_not_task_queue = lru_cache(maxsize=1024)(why_not_task_queue)


# Numbers


def flag(what: str, value: object) -> bool:
    if value is True or value is False:
        return value
    raise wrong_type(what, value, "True or False")


def whole(what: str, value: object, *, least: int, most: int) -> int:
    """A whole number, of any type that is one by itself: 3.0 and True are none."""
    expected = f"a whole number from {least:,} to {most:,}"
    if isinstance(value, bool):
        raise wrong_type(what, value, expected)
    try:
        number = int.__index__(operator.index(cast(Any, value)))
    except Exception:  # noqa: BLE001 - whatever its own method raises, it is no number
        raise wrong_type(what, value, expected) from None
    if not least <= number <= most:
        raise wrong_value(what, value, expected)
    return number


def number(what: str, value: object, *, least: float = -math.inf) -> float:
    """A finite number."""
    expected = "a finite number" + ("" if least == -math.inf else f" of {least:g} or more")
    plain = _float(what, value, expected)
    if not (least <= plain < math.inf) or plain == -math.inf:
        raise wrong_value(what, value, expected)
    return plain


def _float(what: str, value: object, expected: str) -> float:
    if type(value) is float:
        return value
    if isinstance(value, bool):
        raise wrong_type(what, value, expected)
    try:
        if type(value) is int:
            return float(value)
        if isinstance(value, float):
            return float.__float__(value)
        if isinstance(value, Real) and not hasattr(value, "__index__"):
            return float.__float__(float(value))
        return float(operator.index(cast(Any, value)))
    except OverflowError:
        return math.inf
    except Exception:  # noqa: BLE001 - whatever its own method raises, it is no number
        raise wrong_type(what, value, expected) from None


# Durations


def seconds(what: str, value: object, *, positive: bool = False) -> float:
    """A duration (seconds, or a timedelta) that is finite and not negative; `positive`: more than 0."""
    plain = _seconds(what, value)
    _require_span(what, value, plain, positive)
    return plain


def microseconds(what: str, value: object, *, positive: bool = False) -> int:
    """The same in whole microseconds, at most MICROSECONDS_MAX."""
    return min(uncut_microseconds(what, value, positive=positive), MICROSECONDS_MAX)


def uncut_microseconds(what: str, value: object, *, positive: bool = False) -> int:
    """Rounded up, so that a deadline is never early."""
    if type(value) is int and value > 0:
        return value * 1_000_000
    if isinstance(value, timedelta):
        span = timedelta.__floordiv__(value, _MICROSECOND)
        _require_span(what, value, span, positive)
        return span
    plain = _seconds(what, value)
    _require_span(what, value, plain, positive)
    scaled = plain * 1_000_000
    return math.ceil(scaled) if scaled < math.inf else math.ceil(plain) * 1_000_000


def span(what: str, value: object) -> float:
    """A duration that is finite, and may be negative, which is no time at all."""
    plain = _seconds(what, value)
    if not math.isfinite(plain):
        raise wrong_value(what, value, "a finite duration")
    return plain


def patience(what: str, value: object) -> float | None:
    """How many seconds somebody waits; None and infinity are without end."""
    plain = None if value is None else _seconds(what, value)
    if plain is None or plain == math.inf:
        return None
    if math.isnan(plain):
        raise wrong_value(what, value, "a duration")
    return plain


def _seconds(what: str, value: object) -> float:
    if isinstance(value, timedelta):
        return timedelta.total_seconds(value)
    return _float(what, value, "a duration: seconds, or a timedelta")


def _require_span(what: str, value: object, span: float, positive: bool) -> None:
    if not (0 <= span < math.inf) or (positive and span <= 0):
        least = "of more than 0 seconds" if positive else "of 0 seconds or more"
        raise wrong_value(what, value, f"a finite duration {least}")


# Choices and collections


def choice(what: str, value: object, choices: type[E]) -> E:
    """A member of an enum, or its value."""
    if isinstance(value, choices):
        return value
    expected = f"one of {', '.join(f'{choices.__name__}.{member.name}' for member in choices)}"
    if not isinstance(value, str):
        raise wrong_type(what, value, expected)
    try:
        return choices(str.__str__(value))
    except ValueError:
        raise wrong_value(what, value, expected) from None


def arguments(what: str, value: object) -> tuple[Any, ...]:
    """Several values in order. A text is refused: args=("hello") is one without its comma."""
    if type(value) is tuple:
        return value
    if isinstance(value, str | bytes | bytearray) or not isinstance(value, Sequence):
        raise wrong_type(what, value, "a list or tuple of arguments")
    return tuple(value)


def mapping(what: str, value: object) -> Mapping[Any, Any]:
    if not isinstance(value, Mapping):
        raise wrong_type(what, value, "a dict")
    return value
