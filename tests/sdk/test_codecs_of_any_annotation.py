"""For every annotation: its values come back as they were, others as what they say, or not at all."""

from __future__ import annotations

import base64
import collections
import copy
import dataclasses
import math
import pathlib
from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import attrs
import msgspec
import pydantic
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dalsegno.broker.protocol.codec import CBOR, JSON, decode, encode
from dalsegno.broker.protocol.messages import ActivityCompleted
from dalsegno.codecs import UnsupportedAnnotationError, codec_of
from dalsegno.errors import PayloadError
from dalsegno.payload import Payload
from tests.default_converter import from_payload, to_payload
from tests.sdk.annotations import Cents, Name, annotations, with_a_value

TEXTS = (UUID, datetime, date, time, timedelta, Decimal)
BINARY = (bytes, bytearray)
SETS = (set, frozenset)
ARRAYS = (list, tuple, collections.deque, *SETS)


def fields(value: Any) -> dict[str, Any]:
    """By name, of whatever has fields."""
    if dataclasses.is_dataclass(value):
        if hasattr(value, "more"):
            return dict(vars(value))
        return {one.name: getattr(value, one.name) for one in dataclasses.fields(value)}
    if attrs.has(type(value)):
        return attrs.asdict(value, recurse=False)
    if isinstance(value, msgspec.Struct):
        return msgspec.structs.asdict(value)
    return dict(value) if isinstance(value, pydantic.BaseModel) else {}


def paired(ones: Iterable[Any], others: Iterable[Any], alike: Any) -> bool:
    """Whether each of the ones is alike to another one of the others, and none is left."""
    left = list(others)
    for one in ones:
        found = next((index for index, other in enumerate(left) if alike(one, other)), None)
        if found is None:
            return False
        del left[found]
    return not left


def identical(one: Any, other: Any) -> bool:
    """In type and value, all the way down; for instants in their offset, too."""
    if type(one) is not type(other):
        return False
    match one:
        case float():
            return math.copysign(1, one) == math.copysign(1, other) and one == other
        case Decimal():
            return one.as_tuple() == other.as_tuple()
        case datetime():
            return one.utcoffset() == other.utcoffset() and one.replace(tzinfo=None) == other.replace(
                tzinfo=None
            )
        case dict():
            same_factory = getattr(one, "default_factory", 0) == getattr(other, "default_factory", 0)
            ordered = not isinstance(one, collections.OrderedDict) or all(map(identical, one, other))
            return same_factory and ordered and paired(one.items(), other.items(), identical)
        case set() | frozenset():
            return paired(one, other, identical)
        case list() | tuple() | collections.deque():
            same_length = getattr(one, "maxlen", 0) == getattr(other, "maxlen", 0)
            return same_length and len(one) == len(other) and all(map(identical, one, other))
    return identical(fields(one), fields(other)) if fields(one) else one == other


def says_the_same(given: Any, arrived: Any) -> bool:
    """What docs/payloads.md allows of a value whose type is not the one that is annotated."""
    if identical(given, arrived):
        return True
    if isinstance(arrived, Enum):
        return any(identical(given, one) for one in (arrived.value, arrived.name))
    if isinstance(given, bool) or isinstance(arrived, bool):
        return False
    if isinstance(arrived, BINARY):
        return isinstance(given, BINARY) and given == arrived
    if isinstance(given, str) and isinstance(arrived, TEXTS):
        return identical(msgspec.convert(given, type(arrived)), arrived)
    if isinstance(given, str | pathlib.PurePath) and isinstance(arrived, pathlib.PurePath | ZoneInfo):
        return str(given) == str(arrived)
    if isinstance(given, str | int | float) and isinstance(arrived, str | int | float | Decimal):
        return given == arrived
    if isinstance(given, SETS) or isinstance(arrived, SETS):
        return (
            isinstance(given, ARRAYS) and isinstance(arrived, ARRAYS) and paired(given, arrived, says_the_same)
        )
    if isinstance(given, ARRAYS) and isinstance(arrived, ARRAYS):
        return len(given) == len(arrived) and all(map(says_the_same, given, arrived))
    if isinstance(given, dict) and isinstance(arrived, dict):
        return paired(given.items(), arrived.items(), says_the_same) or "$type" in given
    if isinstance(given, dict) and (own := fields(arrived)):
        return "$type" in given or all(
            key in own and says_the_same(part, own[key]) for key, part in given.items()
        )
    own = fields(given)
    return type(given) is type(arrived) and bool(own) and says_the_same(own, fields(arrived))


def disguises(value: Any) -> st.SearchStrategy[Any]:
    """The value in other types, in its parts, too: some say the same, some nearly."""
    match value:
        case Enum():
            return st.sampled_from([value, value.value, value.name])
        case bool():
            return st.sampled_from([value, int(value), str(value)])
        case int():
            return st.sampled_from([value, Cents(value), Decimal(value), str(value), bool(value)])
        case float():
            return st.sampled_from([value, Decimal(value), str(value), int(value)])
        case bytes() | bytearray():
            return st.sampled_from([value, bytes(value), bytearray(value), base64.b64encode(value).decode()])
        case str():
            return st.sampled_from([value, str(value), Name(value), value.encode("utf-8", "replace")])
        case dict():
            return st.tuples(
                st.sampled_from([dict, collections.OrderedDict, lambda pairs: [list(pair) for pair in pairs]]),
                st.tuples(*(st.tuples(disguises(key), disguises(part)) for key, part in value.items())),
            ).map(lambda made: _tried(made[0], made[1], value))
        case list() | tuple() | set() | frozenset() | collections.deque():
            return st.tuples(
                st.sampled_from([*ARRAYS, lambda parts: [*parts, *parts]]), st.tuples(*map(disguises, value))
            ).map(lambda made: _tried(made[0], made[1], value))
        case _ if own := fields(value):
            parts = st.fixed_dictionaries({name: disguises(part) for name, part in own.items()})
            return st.tuples(st.sampled_from([dict, _with_parts(value), _with_more(value)]), parts).map(
                lambda made: made[0](made[1])
            )
    return st.sampled_from([value, str(value)])


def _tried(kind: Any, parts: Any, value: Any) -> Any:
    try:
        return kind(parts)
    except TypeError:  # a part has no hash
        return value


def _with_parts(value: Any) -> Any:
    def made(parts: dict[str, Any]) -> Any:
        if not dataclasses.is_dataclass(value):
            return value
        changed = copy.copy(value)
        for name, part in parts.items():
            object.__setattr__(changed, name, part)
        return changed

    return made


def _with_more(value: Any) -> Any:
    def made(parts: dict[str, Any]) -> Any:
        if not dataclasses.is_dataclass(value):
            return {**parts, "more": 1}
        changed = copy.copy(value)
        object.__setattr__(changed, "more", 1)
        return changed

    return made


def sent(payload: Payload, content_type: str) -> Payload:
    message = ActivityCompleted(
        workflow_id="w", run_id="r", activity_id="a", attempt=1, token=bytes(16), result=payload
    )
    received = decode(encode(message, message_id="m", content_type=content_type))
    assert isinstance(received, ActivityCompleted)
    return received.result


def is_supported(hint: Any) -> bool:
    try:
        codec_of(hint)
    except UnsupportedAnnotationError:
        return False
    return True


@pytest.mark.parametrize("content_type", [CBOR, JSON])
@settings(deadline=None)
@given(annotations.flatmap(with_a_value))
def test_a_value_of_its_annotation_comes_back_as_it_was(content_type: str, drawn: tuple[Any, Any]) -> None:
    hint, value = drawn
    assume(is_supported(hint))
    again = from_payload(sent(to_payload(value, hint), content_type), hint)
    assert identical(value, again), (value, again)


@settings(deadline=None, max_examples=200)
@given(st.tuples(annotations, annotations).flatmap(lambda two: st.tuples(st.just(two[0][0]), two[1][1])))
def test_a_value_of_another_annotation_arrives_as_what_it_says_or_is_refused(drawn: tuple[Any, Any]) -> None:
    require_the_same_or_refused(*drawn)


@settings(deadline=None, max_examples=200)
@given(
    annotations.flatmap(with_a_value).flatmap(lambda drawn: st.tuples(st.just(drawn[0]), disguises(drawn[1])))
)
def test_a_value_in_other_types_arrives_as_what_it_says_or_is_refused(drawn: tuple[Any, Any]) -> None:
    require_the_same_or_refused(*drawn)


def require_the_same_or_refused(hint: Any, value: Any) -> None:
    assume(is_supported(hint) and "Any" not in str(hint))  # as which all arrives as JSON has it
    try:
        payload = to_payload(value, hint)
    except PayloadError:
        return
    again = from_payload(payload, hint)
    assert says_the_same(value, again), (value, again)
    assert identical(from_payload(to_payload(again, hint), hint), again)
