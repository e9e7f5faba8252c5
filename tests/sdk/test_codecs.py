"""What may be sent is restored as an equal value of its type, or refused at registration or at the call."""

from __future__ import annotations

import collections
import decimal
import math
from array import array
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from enum import Enum, Flag, IntEnum, StrEnum
from typing import Any, Generic, Literal, NotRequired, TypedDict, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
import pytest

from dalsegno import activity
from dalsegno.codecs.codec import same
from dalsegno.errors import PayloadError
from tests.default_converter import from_payload, to_payload

T = TypeVar("T")
ID = UUID(int=5)


@dataclass
class Card:
    number: str


@dataclass
class Transfer:
    number: str
    days: int = 0


@dataclass
class LongTransfer(Transfer):
    bank: str = ""


@dataclass
class Page(Generic[T]):
    items: list[T]


def _with_more() -> Card:
    card = Card("4")
    card.more = 1  # type: ignore[attr-defined]
    return card


class Name(str):
    __slots__ = ()


class Cents(int):
    pass


class Level(IntEnum):
    HIGH = 2


class Place(Enum):
    HOME = (0, 0)
    AWAY = (1, 2)


class Rate(Enum):
    LOW = 0.5


class Word(StrEnum):
    YES = "yes"


class Point(msgspec.Struct):
    x: int


class FrozenClock(datetime):
    """As the libraries give that hold the clock in tests."""


class Listed(list[int]):
    def __init__(self, items: list[int]) -> None:
        super().__init__(items)
        self.more = 1


class Told(str):
    """It has more than its text."""

    def __init__(self, _: str) -> None:
        self.more = id(self)


@dataclass
class Noted:
    _note: str = ""


class Address(TypedDict):
    street: str
    number: NotRequired[int]


class Rights(Flag):
    READ = 1
    WRITE = 2


def restored(value: Any, hint: Any) -> Any:
    return from_payload(to_payload(value, hint), hint)


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (Card("4"), Card | Transfer),
        (Transfer("4"), Card | Transfer),
        ([Transfer("4", 2), Card("4")], list[Card | Transfer]),
        (str(ID), str | UUID),
        (ID, str | UUID),
        (date(2026, 1, 1), date | datetime),
        (datetime(2026, 1, 1, tzinfo=UTC), date | datetime),
        (Name("tea"), Name),
        (Cents(4), Cents),
        (collections.Counter("tea"), collections.Counter[str]),
        (collections.defaultdict(int, a=1), collections.defaultdict[str, int]),
        (collections.OrderedDict(b=1, a=2), collections.OrderedDict[str, int]),
        (collections.deque([1, 2], 3), collections.deque[int]),
        (Page([ID]), Page[UUID]),
        (Page([Page([Cents(1)])]), Page[Page[Cents]]),
        (Place.AWAY, Place),
        (Rate.LOW, Rate),
        (Rights.READ | Rights.WRITE, Rights),
        (Place.HOME, Literal[Place.HOME]),
        ({(1, 2): "a"}, dict[tuple[int, int], str]),
        ({ID: 1, 5: 2}, dict[UUID | int, int]),
        ({"1": 1}, dict[str | int, int]),
        ({"null": 1, None: 2}, dict[str | None, int]),
        (collections.deque([Point(1)]), collections.deque[Point]),
        ({"$type": "dict[str, str]", "x": "y"}, dict[str, str] | UUID),
        ({0.5: 1}, dict[float, int]),
        ({"street": "x"}, Address),
        ([Noted("a")], list[Noted]),
        (b"x", Literal[b"x", "x"]),
        (2**80, int),
        (decimal.Decimal("NaN"), decimal.Decimal),
        ({(decimal.Decimal("NaN"),), (0,)}, set[tuple[int | decimal.Decimal, ...]]),
        (datetime(2026, 10, 25, 2, 30, tzinfo=timezone(timedelta(hours=1))), datetime),
    ],
)
def test_a_value_is_restored_as_an_equal_one_of_its_type(value: Any, hint: Any) -> None:
    again = restored(value, hint)
    assert same(again, value) or ("NaN" in repr(value) and type(again) is type(value))


@pytest.mark.parametrize(
    ("value", "hint", "arrives"),
    [
        ((1, 2), list[int], [1, 2]),
        (Level.HIGH, int, 2),
        ({"number": "4"}, Transfer, Transfer("4", 0)),
        (1, float, 1.0),
        ([2, 1], set[int], {1, 2}),
        ("2026-01-01T00:00:00+00:00", datetime, datetime(2026, 1, 1, tzinfo=UTC)),
        ((str(ID), ID), list[str | UUID], [str(ID), ID]),
        ([bytearray(b"a")], list[bytes], [b"a"]),
        (Level.HIGH, float, 2.0),
        (Level.HIGH, int | float, 2),
        ({Word.YES: (1,)}, dict[str, list[int]], {"yes": [1]}),
        ((0, 0), Place, Place.HOME),
        (Cents(4), int, 4),
        (4, Cents, Cents(4)),
        (FrozenClock(2026, 1, 1, tzinfo=UTC), datetime, datetime(2026, 1, 1, tzinfo=UTC)),
        ({"items": ({"number": "4"},)}, Page[Card], Page([Card("4")])),
        ({"$type": "Card", "number": "4"}, Card | Transfer, Card("4")),
        ([1, 2], tuple[int, ...], (1, 2)),
        ({"a": 1}, collections.OrderedDict[str, int], collections.OrderedDict(a=1)),
    ],
)
def test_what_says_the_same_in_another_type_arrives_as_annotated(value: Any, hint: Any, arrives: Any) -> None:
    again = restored(value, hint)
    assert again == arrives
    assert type(again) is type(arrives)


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (LongTransfer("4", 1, "b"), Transfer),
        ((_with_more(),), list[Card]),
        ({"a": _with_more()}, dict[str, Card | Transfer]),
        (["YQ=="], list[bytes]),
        (b"a", str),
        (ID, str),
        (Card("4"), Transfer),
        ({"number": "4"}, Card | Transfer),
        ((1, 2), list[int] | set[int]),
        ({1, 2}, list[int]),
        ({"1": 1}, dict[int, int]),
        (datetime(2026, 1, 1), date),
        (datetime(2026, 1, 1, fold=1), datetime),
        (time(1, tzinfo=ZoneInfo("Europe/Berlin")), time),
        (0.1, decimal.Decimal),
        (math.nan, float | None),
        ({math.nan: 1}, dict[float, int]),
        ("\ud800", str),
        (memoryview(array("i", [1])), memoryview),
        (Listed([1]), list[int]),
        ({"number": "4", "more": 1}, Card),
        ([1, 1], set[int]),
        (True, int),
        (_with_more(), Card),
        (2**53 + 1, float),
        (collections.defaultdict(list, a=1), collections.defaultdict[str, int]),
    ],
)
def test_what_would_be_lost_or_changed_is_refused_at_the_call(value: Any, hint: Any) -> None:
    with pytest.raises(PayloadError, match="does not fit its annotation"):
        to_payload(value, hint)


@pytest.mark.parametrize(
    ("value", "hint", "data"),
    [
        ({1: 2, None: 3}, dict[int | None, int], b'{"1":2,"null":3}'),
        ({5: 2}, dict[UUID | int, int], b'{"5":2}'),
        ({"1": 1}, dict[str | int, int], b'[["1",1]]'),
    ],
)
def test_keys_of_several_types_are_an_object_where_each_can_be_read_as_one_thing_only(
    value: Any, hint: Any, data: bytes
) -> None:
    assert to_payload(value, hint).data == data


def test_what_is_refused_says_where_it_is_in_the_value() -> None:
    for value, hint, where in [
        ({"items": [{"number": "4"}, {"number": 5}]}, Page[Card], r"`\$\.items\[1\]\.number`"),
        (([1.0, math.inf],), list[list[float]], r"`\$\[0\]\[1\]`"),
        (Page(["tea", "\ud800"]), Page[str], r"`\$\.items\[1\]`"),
        ([10**5000], list[int], r"`\$\[0\]`"),
        ([[1], {"a": math.nan}], Any, r"`\$\[1\]\[\.\.\.\]`"),
    ]:
        with pytest.raises(PayloadError, match=where):
            to_payload(value, hint)


@pytest.mark.parametrize(
    "value", [{1: "a", "1": "b"}, [{1: "a", "1": "b"}], [_with_more()], Listed([1]), Told("a")]
)
def test_what_would_be_lost_is_refused_without_an_annotation_too(value: Any) -> None:
    with pytest.raises(PayloadError, match="cannot be sent"):
        to_payload(value)
    with pytest.raises(PayloadError):
        to_payload(value, Any)


class Socket:
    pass


def test_what_cannot_be_restored_is_refused_when_it_is_registered_by_function_parameter_and_annotation() -> (
    None
):
    with pytest.raises(TypeError, match=r"Parameter 'line' of .*call is annotated list\[Socket\]"):

        @activity.defn
        def call(line: list[Socket]) -> None:
            raise AssertionError


def test_a_parameter_that_can_only_be_given_by_keyword_is_never_sent_and_may_be_anything() -> None:
    @activity.defn
    def call(text: str, *, line: Socket | None = None) -> str:
        return text if line is None else ""

    assert call("tea") == "tea"
