"""Annotations that can be sent, built by recursion, and the values that are of them."""

from __future__ import annotations

import collections
import pathlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, Flag, IntEnum, StrEnum
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, TypedDict, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

import attrs
import msgspec
import pydantic
from hypothesis import strategies as st

T = TypeVar("T")


@dataclass
class Card:
    number: str


@dataclass
class Transfer:
    number: str
    days: int = 0


@dataclass(frozen=True)
class Money:
    amount: Decimal
    currency: str = "EUR"


@dataclass
class Tree:
    children: list[Tree] = field(default_factory=list)
    left: Tree | None = None
    label: str | UUID = ""


@dataclass
class Page(Generic[T]):
    items: list[T]


@attrs.define
class Parcel:
    weight: float
    _note: str | None = None
    tags: list[str] = attrs.field(factory=list)


class Point(msgspec.Struct):
    x: int
    y: float = 0.0


class Contact(pydantic.BaseModel):
    name: str
    since: date | None = None
    tags: list[str] = []


class Address(TypedDict, total=False):
    street: str
    moved: date


class Range(NamedTuple):
    low: int
    high: Decimal = Decimal(0)


class Name(str):
    __slots__ = ()


class Cents(int):
    pass


class Level(IntEnum):
    HIGH = 2


class Word(StrEnum):
    YES = "yes"


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Place(Enum):
    HOME = (0, 0)
    AWAY = (1, 2)


class Rate(Enum):
    LOW = 0.5


class Rights(Flag):
    READ = 1
    WRITE = 2


Iban = NewType("Iban", str)
Age = Annotated[int, msgspec.Meta(ge=0)]

Annotation = tuple[Any, st.SearchStrategy[Any]]
"""With its values."""

_text = st.text(max_size=4) | st.sampled_from(
    ["yes", "red", "1", "true", "null", "1.5", "PT1S", "2026-01-01", "$type"]
)
_zones = st.none() | st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
_floats = st.floats(allow_nan=False, allow_infinity=False)
_decimals = st.decimals() | st.sampled_from([Decimal("-0"), Decimal("1E+3"), Decimal("sNaN"), Decimal("1.50")])
_trees = st.recursive(
    st.builds(Tree, label=_text | st.uuids()),
    lambda inner: st.builds(Tree, st.lists(inner, max_size=2), st.none() | inner, _text | st.uuids()),
    max_leaves=3,
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | _floats | _text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_text, inner, max_size=3),
    max_leaves=4,
)

HASHABLE: list[Annotation] = [
    (int, st.integers() | st.just(2**80)),
    (str, _text),
    (bool, st.booleans()),
    (float, _floats),
    (type(None), st.none()),
    (UUID, st.uuids()),
    (date, st.dates()),
    (datetime, st.datetimes(timezones=_zones).map(lambda moment: moment.replace(fold=0))),
    (time, st.times(timezones=_zones).map(lambda moment: moment.replace(fold=0))),
    (timedelta, st.timedeltas()),
    (Decimal, _decimals.filter(lambda number: not number.is_snan())),
    (bytes, st.binary(max_size=4)),
    (Level, st.sampled_from(Level)),
    (Word, st.sampled_from(Word)),
    (Colour, st.sampled_from(Colour)),
    (Place, st.sampled_from(Place)),
    (Rate, st.sampled_from(Rate)),
    (Rights, st.sampled_from([Rights(0), Rights.READ, Rights.READ | Rights.WRITE])),
    (Cents, st.integers(-9, 9).map(Cents)),
    (Name, _text.map(Name)),
    (Iban, _text.map(Iban)),
    (Age, st.integers(0, 9)),
    (Money, st.builds(Money, st.decimals(allow_nan=False))),
    (Range, st.builds(Range, st.integers(-9, 9), st.decimals(allow_nan=False))),
    (Literal["red", 1, True], st.sampled_from(["red", 1, True])),
    (Literal[Place.AWAY, None], st.sampled_from([Place.AWAY, None])),
    (pathlib.PurePosixPath, _text.filter(lambda text: "\0" not in text).map(pathlib.PurePosixPath)),
    (ZoneInfo, st.just("UTC").map(ZoneInfo)),
]
OTHERS: list[Annotation] = [
    (Decimal, _decimals),
    (bytearray, st.binary(max_size=4).map(bytearray)),
    (Card, st.builds(Card, _text)),
    (Transfer, st.builds(Transfer, _text, st.integers(-9, 9))),
    (Parcel, st.builds(Parcel, _floats, st.none() | _text, st.lists(_text, max_size=2))),
    (Point, st.builds(Point, st.integers(-9, 9), _floats)),
    (Contact, st.builds(Contact, name=_text, since=st.none() | st.dates(), tags=st.lists(_text, max_size=2))),
    (Address, st.fixed_dictionaries({}, optional={"street": _text, "moved": st.dates()})),
    (Tree, _trees),
    (Any, json_values),
]


def _lists(of: Annotation) -> st.SearchStrategy[Any]:
    return st.lists(of[1], max_size=3)


def _union(one: Annotation, other: Annotation) -> Annotation:
    if Any in (one[0], other[0]):
        return one
    return one[0] | other[0], one[1] | other[1]


def _of_parts(inner: st.SearchStrategy[Annotation]) -> st.SearchStrategy[Annotation]:
    """Hashable, if the parts are."""
    return st.one_of(
        inner.map(lambda of: (tuple[of[0], ...], _lists(of).map(tuple))),  # type: ignore[name-defined]
        inner.map(lambda of: (of[0] | None, of[1] | st.none())),
        st.tuples(inner, inner).map(lambda two: (tuple[two[0][0], two[1][0]], st.tuples(two[0][1], two[1][1]))),
        st.tuples(inner, inner).map(lambda two: _union(*two)),
    )


def _of_keys(inner: st.SearchStrategy[Annotation]) -> st.SearchStrategy[Annotation]:
    return st.one_of(
        inner.map(lambda of: (set[of[0]], _lists(of).map(set))),  # type: ignore[name-defined]
        inner.map(lambda of: (frozenset[of[0]], _lists(of).map(frozenset))),  # type: ignore[name-defined]
        inner.map(
            lambda of: (collections.Counter[of[0]], _lists(of).map(collections.Counter))  # type: ignore[name-defined]
        ),
    )


def _mappings(two: tuple[Annotation, Annotation]) -> st.SearchStrategy[Annotation]:
    (key, keys), (value, values) = two
    plain = st.dictionaries(keys, values, max_size=3)
    return st.sampled_from(
        [
            (dict[key, value], plain),
            (Mapping[key, value], plain),
            (collections.OrderedDict[key, value], plain.map(collections.OrderedDict)),
        ]
    )


def _containers(inner: st.SearchStrategy[Annotation]) -> st.SearchStrategy[Annotation]:
    return st.one_of(
        _of_parts(inner),
        _of_keys(keys),
        st.tuples(keys, inner).flatmap(_mappings),
        inner.map(lambda of: (list[of[0]], _lists(of))),  # type: ignore[name-defined]
        inner.map(lambda of: (Sequence[of[0]], _lists(of))),  # type: ignore[name-defined]
        inner.map(lambda of: (Page[of[0]], _lists(of).map(Page))),  # type: ignore[name-defined]
        inner.map(
            lambda of: (collections.deque[of[0]], _lists(of).map(lambda parts: collections.deque(parts, 4)))  # type: ignore[name-defined]
        ),
        inner.map(
            lambda of: (
                collections.defaultdict[str, list[of[0]]],  # type: ignore[name-defined]
                st.dictionaries(_text, _lists(of), max_size=2).map(lambda d: collections.defaultdict(list, d)),
            )
        ),
    )


keys = st.recursive(st.sampled_from(HASHABLE), _of_parts, max_leaves=3)
annotations = st.recursive(st.sampled_from(HASHABLE + OTHERS), _containers, max_leaves=4)


def with_a_value(annotation: Annotation) -> st.SearchStrategy[tuple[Any, Any]]:
    return st.tuples(st.just(annotation[0]), annotation[1])
