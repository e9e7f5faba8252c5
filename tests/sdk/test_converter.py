"""Values and arguments survive the way through payloads, or are refused in words."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum, StrEnum
from typing import Any, Literal, NamedTuple, Self, TypedDict
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dalsegno.converter import return_type, signature_of
from dalsegno.errors import (
    PayloadError,
)
from dalsegno.payload import BINARY_PLAIN, JSON_PLAIN, Payload
from tests.default_converter import decode_args, encode_args, from_payload, to_payload


class Colour(Enum):
    RED = "red"


class Currency(StrEnum):
    EUR = "EUR"


@dataclass(frozen=True)
class Item:
    sku: str
    price: Decimal
    thumbnail: bytes = b""


@dataclass
class Order:
    id: UUID
    items: list[Item]
    placed_at: datetime
    currency: Currency = Currency.EUR
    tags: set[str] = field(default_factory=set)
    parent: Order | None = None


class Point(msgspec.Struct):
    x: int
    y: float


class Address(TypedDict):
    street: str


class Range(NamedTuple):
    low: int
    high: int


ORDER = Order(
    UUID(int=7),
    [Item("a", Decimal("1.10"), b"\x00\xff")],
    datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC),
    tags={"new", "gift"},
    parent=Order(UUID(int=8), [], datetime(2020, 1, 1)),
)


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (None, None),
        (True, bool),
        (2**80, int),
        (1.5, float),
        ("", str),
        ("é\u2028😀", str),
        (b"\x00\xff", bytes),
        (b"", bytes | None),
        (ORDER, Order),
        (Point(1, 2.5), Point),
        ({"street": "x"}, Address),
        (Range(1, 2), Range),
        (Colour.RED, Colour),
        (UUID(int=1), UUID),
        (Decimal("0.10"), Decimal),
        (date(2026, 2, 28), date),
        (timedelta(days=1, microseconds=1), timedelta),
        ((1, "a"), tuple[int, str]),
        ({3, 1, 2}, set[int]),
        (frozenset({"b", "a"}), frozenset[str]),
        ({1: "a"}, dict[int, str]),
        ([b"x"], list[bytes]),
        ([Item("a", Decimal(1)), None], list[Item | None]),
        ("red", Literal["red", "blue"]),
        (3, int | str),
    ],
)
def test_a_value_comes_back_as_its_annotation_says(value: Any, hint: Any) -> None:
    restored = from_payload(to_payload(value), hint)
    assert restored == value
    assert type(restored) is type(value)


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(json_like)
def test_json_like_values_come_back_without_an_annotation(value: Any) -> None:
    assert from_payload(to_payload(value)) == value


def test_bytes_travel_as_they_are() -> None:
    assert to_payload(bytearray(b"\x00")) == Payload(BINARY_PLAIN, b"\x00")
    assert from_payload(Payload(BINARY_PLAIN, b"\x00")) == b"\x00"


def test_a_payload_is_passed_on_untouched() -> None:
    own = Payload("protobuf/order", b"\x08\x01")
    assert to_payload(own) is own
    assert from_payload(own, Payload) is own


def test_equal_values_give_equal_bytes_in_processes_that_hash_differently() -> None:
    program = (
        "from dalsegno import DataConverter\n"
        "value = {'tags': {chr(n) for n in range(97, 110)}, 'a': {'z', 'b'}}\n"
        "print(DataConverter.default.to_payload(value).data.decode())"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1


class Unknown:
    def __repr__(self) -> str:
        return "secret"


def itself() -> list[Any]:
    loop: list[Any] = []
    loop.append(loop)
    return loop


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (Unknown(), "type Unknown cannot be sent"),
        ([Unknown()], "objects of type Unknown"),
        (math.nan, "NaN"),
        ({"secret": [1.0, -math.inf]}, "infinity"),
        (Point(1, math.nan), "NaN"),
        ("secret\ud800", "not valid Unicode"),
        ({("secret", 2): 1}, "Keys of an object"),
        ({Unknown(), "secret"}, "type set cannot be sent"),
        (itself(), "contains itself"),
        (1j, "complex"),
        (object(), "no JSON for a bare `object()`"),
        ({"secret": [object()]}, "no JSON for a bare `object()`"),
    ],
)
def test_a_value_that_cannot_travel_is_refused_by_type_and_not_quoted(value: Any, words: str) -> None:
    with pytest.raises(PayloadError) as caught:
        to_payload(value)
    assert words in str(caught.value)
    assert "secret" not in str(caught.value)


def test_none_beside_ordinary_floats_is_no_nan() -> None:
    assert from_payload(to_payload([None, 1.5])) == [None, 1.5]


@pytest.mark.parametrize(
    ("payload", "hint", "words"),
    [
        (Payload(JSON_PLAIN, b'"secret"'), int, "Expected `int`, got `str` at `$`"),
        (Payload(JSON_PLAIN, b'{"x":1,"y":"secret"}'), Point, "at `$.y`"),
        (Payload(JSON_PLAIN, b'{"x":1}'), Point, "missing required field `y`"),
        (Payload(JSON_PLAIN, b'"secret"'), Colour, "Invalid value at `$`"),
        (Payload(JSON_PLAIN, b'["secret - at x"]'), list[Colour], "Invalid value at `$[0]`"),
        (Payload(JSON_PLAIN, b'"secret"'), datetime, "at `$`"),
        (Payload(JSON_PLAIN, b"secret"), Any, "not valid JSON"),
        (Payload(JSON_PLAIN, b'"\xff"'), Any, "not valid JSON"),
        (Payload(JSON_PLAIN, b"[" * 100_000), Any, "not valid JSON"),
        (Payload(BINARY_PLAIN, b"secret"), str, "Expected `str`, got `bytes`"),
        (Payload("zip", b"secret"), Any, "encoding 'zip'"),
        (Payload(JSON_PLAIN, b"1"), Point | Item, "Expected `Point | Item`"),
        (Payload(JSON_PLAIN, b"1"), Point | Unknown, "No value can be restored as"),
    ],
)
def test_bytes_that_do_not_fit_say_where_and_not_what(payload: Payload, hint: Any, words: str) -> None:
    with pytest.raises(PayloadError) as caught:
        from_payload(payload, hint)
    assert words in str(caught.value)
    assert "secret" not in str(caught.value)


# --- arguments ---------------------------------------------------------------------------------------------


async def charge(order: Order, amount: int = 1, *rest: str, note: str = "") -> Decimal:
    raise NotImplementedError


class Cart:
    async def run(self, items: list[Item]) -> None:
        raise NotImplementedError


def test_arguments_are_restored_from_annotations() -> None:
    payloads = encode_args("charge", [ORDER, 5, "a", "b"])
    assert decode_args(charge, payloads) == [ORDER, 5, "a", "b"]
    assert decode_args(charge, payloads[:1]) == [ORDER]


def test_a_method_is_sent_everything_but_itself() -> None:
    items = [Item("a", Decimal(1))]
    assert decode_args(Cart.run, encode_args("run", [items]), method=True) == [items]
    assert decode_args(Cart().run, encode_args("run", [items])) == [items]


def test_arguments_without_annotations_are_plain_json() -> None:
    def plain(a, b):  # type: ignore[no-untyped-def]
        raise NotImplementedError

    assert decode_args(plain, encode_args("plain", [(1, 2), {"a": None}])) == [[1, 2], {"a": None}]


def no_arguments() -> None: ...
def one_argument(a: int) -> None: ...
def two_arguments(a: int, b: int) -> None: ...
def one_or_two(a: int, b: int = 1) -> None: ...
def one_or_more(a: int, *b: int) -> None: ...


@pytest.mark.parametrize(
    ("function", "sent", "words"),
    [
        (no_arguments, 1, "no_arguments takes no arguments, but was sent 1"),
        (one_argument, 2, "takes 1 argument, but was sent 2"),
        (two_arguments, 1, "takes 2 arguments, but was sent 1"),
        (one_or_two, 3, "takes 1 to 2 arguments, but was sent 3"),
        (one_or_more, 0, "takes 1 or more arguments, but was sent 0"),
    ],
)
def test_a_wrong_number_of_arguments_is_told(function: Callable[..., Any], sent: int, words: str) -> None:
    with pytest.raises(PayloadError, match=words):
        decode_args(function, encode_args("f", [1] * sent))


def test_the_argument_that_does_not_fit_is_named() -> None:
    with pytest.raises(
        PayloadError, match=r"Argument 2 \('b'\) of two_arguments: .* Expected `int`, got `str`"
    ):
        decode_args(two_arguments, encode_args("f", [1, "x"]))


def test_the_argument_that_cannot_be_sent_is_named() -> None:
    with pytest.raises(PayloadError, match="Argument 2 of charge: A value of type Unknown"):
        encode_args("charge", [1, Unknown()])


def test_a_signature_that_cannot_be_served_is_refused_in_words() -> None:
    def keyword_only(*, a: int) -> None: ...

    def unresolved(a: DoesNotExist) -> None: ...  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(PayloadError, match=r"'a' of .* can only be given by keyword"):
        signature_of(keyword_only)
    with pytest.raises(PayloadError, match=r"annotations of .* cannot be resolved: name 'DoesNotExist'"):
        signature_of(unresolved)


class Annotated:
    async def run(self: Self, name: str) -> int:
        return len(name)


def test_what_a_method_says_of_its_object_is_not_looked_at() -> None:
    assert return_type(Annotated.run) is int


def test_the_return_annotation_of_a_coroutine_is_what_the_await_gives() -> None:
    assert return_type(charge) is Decimal
    assert return_type(lambda: 1) is Any
