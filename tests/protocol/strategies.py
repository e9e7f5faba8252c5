"""Hypothesis strategies for whatever the protocol can carry, derived from the message classes."""

from __future__ import annotations

import types
from enum import Enum
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
from hypothesis import strategies as st

from dalsegno.broker.protocol.codec import MESSAGE_TYPES
from dalsegno.broker.protocol.limits import MAX_JSON_INTEGER
from dalsegno.broker.protocol.messages import Headers, Name, TaskQueue, Text, Token, WireMessage
from dalsegno.failure import Failure
from dalsegno.payload import JSON_PLAIN, Payload
from dalsegno.search_attributes import AttributeValue
from dalsegno.search_attributes import SearchAttributeIndexedValueType as Type

names = st.text(
    st.characters(codec="utf-8", categories=("L", "N", "P", "S", "M")) | st.just(" "), min_size=1, max_size=60
)
texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=50)
small_integers = st.integers(-MAX_JSON_INTEGER, MAX_JSON_INTEGER)

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.just("$payload"), inner, max_size=3)
    ),
    max_leaves=8,
)
payloads = st.builds(Payload, st.just(JSON_PLAIN), json_values.map(msgspec.json.encode)) | st.builds(
    Payload, st.text(max_size=20), st.binary(max_size=50)
)

attributes = st.one_of(
    st.builds(AttributeValue, st.just(Type.KEYWORD) | st.just(Type.TEXT), texts),
    st.builds(AttributeValue, st.just(Type.INT), small_integers),
    st.builds(AttributeValue, st.just(Type.DOUBLE), st.floats(allow_nan=False, allow_infinity=False)),
    st.builds(AttributeValue, st.just(Type.BOOL), st.booleans()),
    st.builds(AttributeValue, st.just(Type.DATETIME), st.integers(0, 2**50)),
    st.builds(AttributeValue, st.just(Type.KEYWORD_LIST), st.lists(texts, min_size=1, max_size=3).map(tuple)),
)

_BY_ANNOTATION: dict[Any, st.SearchStrategy[Any]] = {
    Name: names,
    TaskQueue: st.from_regex(r"[A-Za-z0-9_.:@#,/+ -]{1,60}", fullmatch=True).filter(
        lambda name: name != "dead"
    ),
    Text: texts,
    Token: st.binary(min_size=16, max_size=64),
    Payload: payloads,
    Headers: st.dictionaries(names, payloads, max_size=2),
    AttributeValue: attributes,
    str: st.text(max_size=20),
    int: small_integers,
    bool: st.booleans(),
    float: st.floats(allow_nan=False, allow_infinity=False),
    type(None): st.none(),
    object: st.none() | small_integers | st.text(max_size=20),
}


def values_of(annotation: Any) -> st.SearchStrategy[Any]:
    """Valid values of a field with that annotation."""
    if annotation in _BY_ANNOTATION:
        return _BY_ANNOTATION[annotation]
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return st.one_of(*map(values_of, sorted(arguments, key=lambda part: part is not type(None))))
    if origin is tuple:
        return st.lists(values_of(arguments[0]), max_size=2).map(tuple)
    if origin is dict:
        return st.dictionaries(values_of(arguments[0]), values_of(arguments[1]), max_size=2)
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin is Annotated:
        return st.integers(arguments[1].ge, arguments[1].le)
    if issubclass(annotation, Enum):
        return st.sampled_from(annotation)
    return structs(annotation)


def structs(cls: type[Any]) -> st.SearchStrategy[Any]:
    return st.builds(cls, **{field.name: values_of(field.type) for field in msgspec.structs.fields(cls)})


_alone = {
    field.name: values_of(field.type)
    for field in msgspec.structs.fields(Failure)
    if field.name not in ("cause", "parts")
}
_BY_ANNOTATION[Failure] = failures = st.recursive(
    st.builds(Failure, **_alone),
    lambda inner: st.builds(Failure, **_alone, cause=inner, parts=st.lists(inner, max_size=2).map(tuple)),
    max_leaves=3,
)

wire_messages: st.SearchStrategy[WireMessage] = st.one_of(*map(structs, MESSAGE_TYPES.values()))
