"""Values without parts: what JSON has itself, what it has as text, and small subclasses of these."""

from __future__ import annotations

import math
import pathlib
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from types import NoneType
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

from dalsegno.codecs.codec import Codec, KeyForm, Loss, Misfit, has_more, shown_type

BINARY = (bytes, bytearray, memoryview)
_NATIVE: dict[type, tuple[int, KeyForm | None]] = {
    NoneType: (0, None),
    bool: (1, None),
    int: (2, "int"),
    float: (3, "float"),
    UUID: (10, "str"),
    datetime: (11, "str"),
    date: (12, "str"),
    time: (13, "str"),
    timedelta: (14, "str"),
    Decimal: (15, "str"),
    str: (40, "str"),
    bytes: (41, None),
    bytearray: (42, None),
    memoryview: (43, None),
}
_JSON = frozenset({str, int, float, bool, NoneType})
_BITS_OF_SHORT_NUMBERS = 2_000
_MINUTE = timedelta(minutes=1)
_PLAIN = (str, int, bool, NoneType, bytes, UUID, date, timedelta, Decimal, float)


class AnyCodec(Codec):
    """Whatever JSON gives: what is not annotated stays as it was read."""

    by_msgspec = True
    rank = 90

    def __init__(self, hint: Any, write_any: Callable[[Any], Any]) -> None:
        super().__init__(hint)
        self._write_any = write_any

    def suits(self, value: Any) -> bool:
        return True

    def exact(self, value: Any) -> bool:
        return is_json(value)

    def write(self, value: Any) -> Any:
        return self._write_any(value)

    def coerce(self, value: Any) -> Any:
        return value

    def read(self, data: Any) -> Any:
        return data


class ScalarCodec(Codec):
    """A type that msgspec knows."""

    by_msgspec = True

    def __init__(self, kind: type) -> None:
        super().__init__(kind)
        self._kind = kind
        self.rank, self.key_form = _NATIVE[kind]
        self.plain = kind if kind in _PLAIN else None

    def suits(self, value: Any) -> bool:
        kind = type(value)
        if kind is memoryview and (value.format != "B" or value.ndim != 1):
            return False  # it would be restored as one of bytes
        return kind is self._kind or (self._kind is float and kind is int)

    def exact(self, value: Any) -> bool:
        kind = type(value)
        if kind is not self._kind:
            return self._kind is float and kind is int and _is_float(value)
        if kind is datetime or kind is time:
            return _why_not_moment(value) is None
        return kind is not memoryview or self.suits(value)

    def write(self, value: Any) -> Any:
        if not self.suits(value):
            raise self.refuse(value)
        if not self.exact(value):
            if self._kind is float:
                raise Misfit("An int that is no float exactly is where float is annotated")
            assert isinstance(value, datetime | time)
            raise Loss(_why_not_moment(value) or "")
        if why := _why_not_json(value):
            raise Misfit(why)
        return msgspec.to_builtins(value)

    def coerce(self, value: Any) -> Any:
        """From an equal instance of a subclass, text for what is text in JSON, a whole number for a float or
        Decimal. A text is no bytes, though, and True no number."""
        if type(value) is self._kind:
            return value
        if type(value) is str and self._kind in _TEXTS:
            return self.read(value)
        if self._kind in BINARY and isinstance(value, BINARY):
            return self._kind(value)
        whole = isinstance(value, int) and not isinstance(value, bool)
        if self._kind is Decimal and whole:
            return Decimal(int(value))
        if self._kind is float and whole and _is_float(value):
            return float(value)
        plain = _BASES.get(self._kind)
        if plain is None or not isinstance(value, self._kind) or isinstance(value, bool) or has_more(value):
            raise self.refuse(value)
        made = plain(value)
        if not _equal(made, value):
            raise Loss(f"A {shown_type(type(value))} made a {self.name} is not equal to it")
        return made

    def read(self, data: Any) -> Any:
        kind = type(data)
        if kind is self._kind:
            return data
        if kind in BINARY and self._kind in BINARY:
            return self._kind(data)
        from_number = self._kind is float and kind is int
        if not from_number and (kind is not str or self._kind in (NoneType, bool, int, float)):
            raise self.refuse(data)
        try:
            return msgspec.convert(data, self._kind)
        except msgspec.ValidationError:
            raise Misfit(f"Expected `{self.name}`, got something else") from None


def is_json(value: Any) -> bool:
    """Whether it is of the types that JSON gives back; of texts and numbers without JSON nothing is said."""
    kind = type(value)
    if kind in _JSON:
        return True
    if kind is dict:
        if set(map(type, value)) - {str}:
            return False
        value = value.values()
    elif kind is not list:
        return False
    return set(map(type, value)) <= _JSON or all(map(is_json, value))


def _why_not_json(value: Any) -> str | None:
    try:
        if type(value) is float and not math.isfinite(value):
            return "NaN or an infinity, which JSON does not have,"
        if type(value) is str:
            value.encode()
        elif type(value) is int and value.bit_length() > _BITS_OF_SHORT_NUMBERS:
            str(value)
    except UnicodeEncodeError:
        return "A string that is not valid Unicode"
    except ValueError:
        return "An int with more digits than Python reads"
    return None


def _is_float(number: int) -> bool:
    try:
        return float(number) == number
    except OverflowError:
        return False


def _why_not_moment(moment: datetime | time) -> str | None:
    """What of a zone JSON has no form for: it has the offset alone."""
    if moment.tzinfo is None:
        return "A `fold` without a zone has no JSON form: give it its zone" if moment.fold else None
    offset = moment.utcoffset()
    if offset is None:
        return f"A {type(moment).__name__} in a zone that does not say its offset has no JSON form"
    if offset % _MINUTE:
        return "A UTC offset that is not of whole minutes has no JSON form: use astimezone(UTC)"
    return None


_TEXTS = (UUID, datetime, date, time, timedelta, Decimal)
_BASES: Mapping[type, Callable[[Any], Any]] = {
    str: str.__str__,
    int: int.__int__,
    float: float.__float__,
    UUID: lambda value: UUID(int=value.int),
    datetime: lambda value: datetime.combine(datetime.date(value), datetime.timetz(value)),
    timedelta: lambda value: timedelta(value.days, value.seconds, value.microseconds),
    Decimal: Decimal,
}
"""How the plain value is got from an instance of a subclass."""


def _equal(made: Any, value: Any) -> bool:
    try:
        return bool(made == value)
    except Exception:  # noqa: BLE001 - a subclass of the user's may raise anything
        return False


class SubclassCodec(Codec):
    """A class of the user's that is a str, int, float or bytes: written as that, and made from it again."""

    BASES: Mapping[type, tuple[int, KeyForm | None, Callable[[Any], Any]]] = {
        str: (45, "str", str.__str__),
        int: (5, "int", int.__int__),
        float: (6, "float", float.__float__),
        bytes: (46, None, lambda value: bytes(memoryview(value))),
    }

    def __init__(self, kind: type, base: type) -> None:
        super().__init__(kind)
        self._kind = kind
        self.rank, self.key_form, self._plain = self.BASES[base]
        self._base = ScalarCodec(base)

    def suits(self, value: Any) -> bool:
        return type(value) is self._kind

    def exact(self, value: Any) -> bool:
        return False

    def write(self, value: Any) -> Any:
        if not self.suits(value):
            raise self.refuse(value)
        plain = self._plain(value)
        again = self._made(plain)
        if self._plain(again) != plain or getattr(again, "__dict__", {}) != getattr(value, "__dict__", {}):
            raise Loss(f"A {self.name} made again from its {self._base.name} is not the same")
        return self._base.write(plain)

    def coerce(self, value: Any) -> Any:
        if type(value) is self._kind:
            return value
        made = self.read(value)
        if self._plain(made) != value:
            raise Misfit(f"A {self.name} made from the {self._base.name} is not equal to it")
        return made

    def read(self, data: Any) -> Any:
        return self._made(self._base.read(data))

    def _made(self, plain: Any) -> Any:
        try:
            made: Any = self._kind(plain)
        except Exception as error:  # noqa: BLE001 - the user's class may raise anything
            raise Misfit(
                f"{self.name} cannot be made from a {self._base.name} ({type(error).__name__})"
            ) from None
        if type(made) is not self._kind:
            raise Misfit(f"{self.name} made from a {self._base.name} is a {type(made).__qualname__}")
        return made


class TextCodec(Codec):
    """A type that is made from its text: paths, and names of time zones."""

    key_form: KeyForm | None = "str"
    rank = 44

    def __init__(self, kind: type) -> None:
        super().__init__(kind)
        self._kind: Any = kind
        self._type = ZoneInfo if kind is ZoneInfo else type(kind("x"))

    def suits(self, value: Any) -> bool:
        return type(value) is self._type

    def exact(self, value: Any) -> bool:
        return False

    def write(self, value: Any) -> Any:
        if not self.suits(value):
            raise self.refuse(value)
        text = value.key if self._kind is ZoneInfo else str(value)
        if text is None:
            raise Misfit("A ZoneInfo without a key has no name to be found by")
        return text

    def coerce(self, value: Any) -> Any:
        if type(value) is self._type:
            return value
        if isinstance(value, pathlib.PurePath) and self._kind is not ZoneInfo:
            made = self._kind(value)
            same_text = made == value
        else:
            made = self.read(value)
            same_text = str(made) == value
        if not same_text:
            raise Misfit(f"A {self.name} made from the value says something else")
        return made

    def read(self, data: Any) -> Any:
        if type(data) is not str:
            raise self.refuse(data)
        try:
            return self._kind(data)
        except Exception:  # noqa: BLE001 - a zone that is not installed, a name that is none
            raise Misfit(f"Expected `{self.name}`, got something else") from None


PATHS = (
    pathlib.PurePath,
    pathlib.PurePosixPath,
    pathlib.PureWindowsPath,
    pathlib.Path,
    type(pathlib.Path("x")),
)


def scalar_codec(kind: type) -> Codec | None:
    """For a class that is, or that derives from, a type without parts; None for any other."""
    if kind in _NATIVE:
        return ScalarCodec(kind)
    if kind is ZoneInfo or kind in PATHS:
        return TextCodec(kind)
    for base in SubclassCodec.BASES:
        if issubclass(kind, base):
            return SubclassCodec(kind, base)
    return None
