"""What may be sent is restored as an equal value of its type, or refused at registration or at the call."""

from __future__ import annotations

import collections
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import Enum, Flag, IntEnum
from typing import Any, Generic, Literal, TypeVar
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dalsegno import activity
from dalsegno.codecs.codec import same
from dalsegno.converter import encode_result, from_payload
from dalsegno.errors import PayloadError

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


class Rights(Flag):
    READ = 1
    WRITE = 2


def restored(value: Any, hint: Any) -> Any:
    return from_payload(encode_result(value, hint), hint)


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
    ],
)
def test_a_value_is_restored_as_an_equal_one_of_its_type(value: Any, hint: Any) -> None:
    again = restored(value, hint)
    assert again == value
    assert same(again, value)


@pytest.mark.parametrize(
    ("value", "hint", "arrives"),
    [
        ((1, 2), list[int], [1, 2]),
        (Level.HIGH, int, 2),
        ({"number": "4"}, Transfer, Transfer("4", 0)),
        (1, float, 1.0),
        ([2, 1], set[int], {1, 2}),
        ("2026-01-01T00:00:00+00:00", datetime, datetime(2026, 1, 1, tzinfo=UTC)),
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
        encode_result(value, hint)


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
    assert encode_result(value, hint).data == data


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


_SCALARS: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (int, st.integers(-(2**63), 2**63)),
    (str, st.text()),
    (bool, st.booleans()),
    (float, st.floats(allow_nan=False, allow_infinity=False)),
    (type(None), st.none()),
    (UUID, st.uuids()),
    (date, st.dates()),
    (bytes, st.binary()),
    (Place, st.sampled_from(Place)),
    (Cents, st.integers(-9, 9).map(Cents)),
    (Card, st.builds(Card, st.text())),
    (Transfer, st.builds(Transfer, st.text(), st.integers(-9, 9))),
]


def _grown(inner: st.SearchStrategy[tuple[Any, Any]]) -> st.SearchStrategy[tuple[Any, Any]]:
    return st.one_of(
        inner.map(lambda of: (list[of[0]], st.lists(of[1], max_size=3))),  # type: ignore[name-defined]
        inner.map(lambda of: (dict[str, of[0]], st.dictionaries(st.text(), of[1], max_size=3))),  # type: ignore[name-defined]
        st.tuples(inner, inner).map(lambda two: (two[0][0] | two[1][0], two[0][1] | two[1][1])),
    )


_ANNOTATED = st.recursive(st.sampled_from(_SCALARS), _grown, max_leaves=4).flatmap(
    lambda of: st.tuples(st.just(of[0]), of[1])
)


@given(_ANNOTATED)
def test_any_value_of_any_annotation_is_restored_or_refused_at_the_call(drawn: tuple[Any, Any]) -> None:
    hint, value = drawn
    try:
        payload = encode_result(value, hint)
    except PayloadError:
        return
    again = from_payload(payload, hint)
    assert same(again, value)
