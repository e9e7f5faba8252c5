"""A large body of MessagePack as the same value as ever, in steps: it is split into its parts, and those are
read some at a time. To split reads no values, and takes a tenth of the time. What is not large is read at once.

A large map of a state comes to be one in chunks, as it would be after its first change.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable, Mapping
from functools import cache, partial
from typing import Any, Union, get_args, get_origin, get_type_hints

from msgspec import Raw, Struct
from msgspec.msgpack import Decoder

from dalsegno.actors.workflow_actor.interface.steps import PORTION, Steps
from dalsegno.actors.workflow_actor.run.chunked_map import DICT_MAX, ChunkedMap

PORTION_BYTES = 32 * 1024
"""As much is read at once: some 0.3 ms."""

Part = Raw | memoryview
"""The bytes of one value, which are copied nowhere."""
Read = Callable[[Part], Steps[Any]]


def splitting(part: Part, type_: Any) -> Steps[Any]:
    """The value of that type. Raises what msgspec raises, and LookupError, TypeError or ValueError, for what is
    broken, and for some of what is only written otherwise than by us: to be read at once, or refused."""
    read = _reader_of(type_) if len(part) > PORTION_BYTES else None
    if read is None:
        return _decoder_of(type_).decode(part)
    value = yield from read(part)
    return value


@cache
def _decoder_of(type_: Any) -> Decoder[Any]:
    return Decoder(type_)


@cache
def _reader_of(type_: Any) -> Read | None:
    """How one that is large is read. None: at once. So is what consists of plain values: that takes little."""
    origin, args = get_origin(type_), get_args(type_)
    if origin in (Union, types.UnionType):
        members = [member for member in args if member is not types.NoneType]
        return _reader_of(members[0]) if len(members) == 1 else _reader_of_structs(members)
    if origin in (dict, Mapping) and _has_parts(args[1]):
        return partial(_entries, *args, in_chunks=origin is Mapping)
    if origin is tuple and args[1:] == (...,) and _has_parts(args[0]):
        return partial(_items, args[0])
    return _reader_of_structs([type_])


def _reader_of_structs(members: list[Any]) -> Read | None:
    """Of one of these, told from each other by their tags."""
    if not all(_is_struct(member) and member.__struct_config__.array_like for member in members):
        return None
    by_tag = {member.__struct_config__.tag: member for member in members}
    return None if None in by_tag and len(by_tag) > 1 else partial(_fields, by_tag)


def _is_struct(type_: Any) -> bool:
    return isinstance(type_, type) and issubclass(type_, Struct)


def _has_parts(type_: Any) -> bool:
    """There are structs in it."""
    return _is_struct(type_) or any(map(_has_parts, get_args(type_)))


def _fields(by_tag: Mapping[Any, type[Struct]], part: Part) -> Steps[Any]:
    parts: list[Raw] = _decoder_of(list[Raw]).decode(part)
    yield
    type_ = by_tag[None if None in by_tag else _decoder_of(Any).decode(parts.pop(0))]
    types_ = _types_of(type_)
    if len(parts) > len(types_):
        raise ValueError("it has more fields than are known")
    fields: dict[str, Any] = {}
    for field, (name, its_type) in zip(parts, types_, strict=False):
        fields[name] = yield from splitting(field, its_type)
    return type_(**fields)


@cache
def _types_of(type_: type[Struct]) -> list[tuple[str, Any]]:
    hints = get_type_hints(type_)
    return [(name, hints[name]) for name in type_.__struct_fields__]


def _entries(key: Any, value: Any, part: Part, *, in_chunks: bool) -> Steps[Any]:
    parts: dict[Any, Raw] = _decoder_of(dict[key, Raw]).decode(part)
    yield
    values = yield from _values(value, parts.values())
    entries: Any = dict(zip(parts, values, strict=True))
    if in_chunks and len(entries) > DICT_MAX:
        entries = ChunkedMap.of(entries)
    yield
    return entries


def _items(item: Any, part: Part) -> Steps[Any]:
    parts: list[Raw] = _decoder_of(list[Raw]).decode(part)
    yield
    values = yield from _values(item, parts)
    return tuple(values)


def _values(type_: Any, parts: Iterable[Raw]) -> Steps[list[Any]]:
    decode = _decoder_of(type_).decode
    values: list[Any] = []
    size = number = 0
    for part in parts:
        size, number = size + len(part), number + 1
        if len(part) > PORTION_BYTES:
            values.append((yield from splitting(part, type_)))
        else:
            values.append(decode(part))
        if size > PORTION_BYTES or number == PORTION:
            yield
            size = number = 0
    yield
    return values
