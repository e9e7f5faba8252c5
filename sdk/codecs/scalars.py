"""Values without parts: what JSON has itself, what it has as text, and small subclasses of these."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from types import NoneType
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

from dalsegno.codecs.codec import Codec, KeyForm, Loss, Misfit

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
_MINUTE = timedelta(minutes=1)
_PLAIN = (str, int, bool, NoneType, bytes, UUID, date, timedelta, Decimal, float)


class AnyCodec(Codec):
    """Whatever JSON gives: what is not annotated stays as it was read."""

    by_msgspec = True
    lacks = True
    rank = 90

    def __init__(self, hint: Any, write_any: Callable[[Any], Any]) -> None:
        super().__init__(hint)
        self._write_any = write_any

    def suits(self, value: Any) -> bool:
        return True

    def exact(self, value: Any) -> bool:
        return True

    def write(self, value: Any) -> Any:
        return self._write_any(value)

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
        return kind is self._kind or (self._kind is float and kind is int)

    def exact(self, value: Any) -> bool:
        kind = type(value)
        if kind is not self._kind:
            return self._kind is float and kind is int and _is_float(value)
        return not (kind is datetime or kind is time) or _whole_minutes(value)

    def write(self, value: Any) -> Any:
        if not self.suits(value):
            raise self.refuse(value)
        if not self.exact(value):
            if self._kind is float:
                raise Misfit("An int that is no float exactly is where float is annotated")
            raise Loss("A UTC offset that is not of whole minutes has no JSON form: use astimezone(UTC)")
        return msgspec.to_builtins(value)

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


def _is_float(number: int) -> bool:
    try:
        return float(number) == number
    except OverflowError:
        return False


def _whole_minutes(moment: datetime | time) -> bool:
    if moment.tzinfo is None:
        return True
    offset = moment.utcoffset()
    return offset is None or not offset % _MINUTE


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
