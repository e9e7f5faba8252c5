"""Lists, tuples, sets, deques, and dicts of all kinds.

An annotation that is only an interface (`Sequence`, `Mapping`, `Iterable`, ...) takes what has it, and gives a
list, set or dict.
"""

from __future__ import annotations

import collections
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

import msgspec

from dalsegno.codecs.codec import Codec, Loss, Misfit, at, has_more, same
from dalsegno.codecs.log import Log
from dalsegno.codecs.unions import UnionCodec

_ENCODER = msgspec.json.Encoder(order="deterministic")
_ARRAYS = (list, tuple, collections.deque)
_SETS = (set, frozenset)
_MAPPINGS = (dict, collections.OrderedDict, collections.defaultdict, collections.Counter)


class ArrayCodec(Codec):
    """`made` is the type that comes out, `taken` those that may be handed in."""

    def __init__(self, hint: Any, made: type, taken: tuple[type, ...], item: Codec) -> None:
        super().__init__(hint)
        self._made: Any = made
        self._taken = taken
        self._item = item
        self._is_set = made in _SETS
        # A set has no order, which a list would have; and a deque has a length that others have not.
        self._given = (*taken, list, tuple, Log, *(_SETS if self._is_set else ()))
        self.rank = 61 if self._is_set else 60
        self.by_msgspec = made is not collections.deque

    def parts(self) -> Iterable[Codec]:
        return (self._item,)

    def suits(self, value: Any) -> bool:
        return type(value) in self._taken

    def exact(self, value: Any) -> bool:
        if not self.native or type(value) not in self._taken or type(value) is collections.deque:
            return False
        if self._item.plain is not None and not set(map(type, value)) - {self._item.plain}:
            return True
        return all(map(self._item.exact, value))

    def write(self, value: Any) -> Any:
        if not self.suits(value):
            raise self.refuse(value)
        written = [at(f"[{index}]", self._item.write, one) for index, one in enumerate(value)]
        if type(value) in _SETS:
            written.sort(key=msgspec.json.encode)  # not every type has an order; its JSON has one
        if self._made is collections.deque and value.maxlen is not None:
            return {"maxlen": value.maxlen, "items": written}
        return written

    def coerce(self, value: Any) -> Any:
        if not isinstance(value, self._given) or has_more(value):
            raise self.refuse(value)
        parts = [at(f"[{index}]", self._item.coerce, one) for index, one in enumerate(value)]
        if isinstance(value, collections.deque):
            return collections.deque(parts, value.maxlen)
        if isinstance(value, _SETS):
            parts.sort(key=lambda one: _ENCODER.encode(self._item.write(one)))
        made = self._of(parts)
        if len(made) != len(parts):
            raise Misfit(f"Expected `{self.name}`, got a value twice")
        return made

    def read(self, data: Any) -> Any:
        longest = None
        if self._made is collections.deque and type(data) is dict and data.keys() == {"maxlen", "items"}:
            longest, data = data["maxlen"], data["items"]
        if type(data) is not list or not (longest is None or type(longest) is int):
            raise self.refuse(data)
        parts = [at(f"[{index}]", self._item.read, one) for index, one in enumerate(data)]
        if self._made is collections.deque:
            return collections.deque(parts, longest)
        return self._of(parts)

    def _of(self, parts: list[Any]) -> Any:
        try:
            return self._made(parts)
        except TypeError:
            raise Misfit(f"A part of {self.name} has no hash, so that it cannot be in a set") from None


class TupleCodec(Codec):
    """A tuple whose places have a type each."""

    rank = 59

    def __init__(self, hint: Any, items: Sequence[Codec]) -> None:
        super().__init__(hint)
        self._items = items
        self.by_msgspec = True

    def parts(self) -> Iterable[Codec]:
        return self._items

    def suits(self, value: Any) -> bool:
        return type(value) is tuple

    def exact(self, value: Any) -> bool:
        return (
            self.native
            and type(value) is tuple
            and len(value) == len(self._items)
            and all(item.exact(part) for item, part in zip(self._items, value, strict=True))
        )

    def write(self, value: Any) -> Any:
        if type(value) is not tuple:
            raise self.refuse(value)
        self._require_length(value)
        return [at(f"[{i}]", item.write, value[i]) for i, item in enumerate(self._items)]

    def coerce(self, value: Any) -> Any:
        if not isinstance(value, list | tuple) or has_more(value):
            raise self.refuse(value)
        self._require_length(value)
        return tuple(at(f"[{i}]", item.coerce, value[i]) for i, item in enumerate(self._items))

    def read(self, data: Any) -> Any:
        if type(data) is not list:
            raise self.refuse(data)
        self._require_length(data)
        return tuple(at(f"[{i}]", item.read, data[i]) for i, item in enumerate(self._items))

    def _require_length(self, value: Sequence[Any]) -> None:
        if len(value) != len(self._items):
            raise Misfit(f"Expected `{self.name}`, got {len(value)} values")


class DictCodec(Codec):
    """A JSON object where its keys can be that, and where their order does not matter; else pairs."""

    rank = 70

    def __init__(self, hint: Any, made: type, taken: tuple[type, ...], key: Codec, value: Codec) -> None:
        super().__init__(hint)
        self._made: Any = made
        self._taken = taken
        self._key = key
        self._value = value
        self._as_object = key.key_form is not None and made is not collections.OrderedDict
        self._mixed_keys = isinstance(key, UnionCodec)
        self._open_keys = key.rank == 90  # of what is not annotated: JSON's own
        self.by_msgspec = made is dict and (self._as_object or self._open_keys)
        self._empty = _factory_of(value) if made is collections.defaultdict else None

    def parts(self) -> Iterable[Codec]:
        return (self._key, self._value)

    def suits(self, value: Any) -> bool:
        return type(value) in self._taken

    def exact(self, value: Any) -> bool:
        if not self.native or type(value) not in self._taken:
            return False
        key, part = self._key, self._value
        if not (key.plain is not None and not set(map(type, value)) - {key.plain}) and not all(
            map(key.exact, value)
        ):
            return False
        if self._open_keys and not all(type(one) is str for one in value):
            return False
        if key.key_form == "float" and not all(map(math.isfinite, value)):
            return False
        if part.plain is not None and not set(map(type, value.values())) - {part.plain}:
            return True
        return all(map(part.exact, value.values()))

    def write(self, value: Any) -> Any:
        if not self.suits(value):
            raise self.refuse(value)
        if self._made is collections.defaultdict:
            self._require_factory(value)
        pairs = [
            [at("[key]", self._key.write, key), at("[...]", self._value.write, part)]
            for key, part in value.items()
        ]
        if self._open_keys and (texts := key_texts(key for key, _ in pairs)) is not None:
            return dict(zip(texts, (part for _, part in pairs), strict=True))
        if not self._as_object and self._made is not collections.OrderedDict:
            named = self._named(value, pairs)
            if named is not None:
                return named
            # (In an order that is the same however the dict was made.)
            return sorted(pairs, key=lambda pair: _ENCODER.encode(pair[0]))
        if self._as_object:
            return {key if type(key) is str else msgspec.json.encode(key).decode(): part for key, part in pairs}
        return pairs

    def read(self, data: Any) -> Any:
        if type(data) is dict:
            pairs = [[at("[key]", self._read_key, key), part] for key, part in data.items()]
        elif type(data) is list and all(type(pair) is list and len(pair) == 2 for pair in data):
            pairs = [[at("[key]", self._key.read, key), part] for key, part in data]
        else:
            raise self.refuse(data)
        return self._of([key, at("[...]", self._value.read, part)] for key, part in pairs)

    def coerce(self, value: Any) -> Any:
        if not isinstance(value, dict) or has_more(value):
            raise self.refuse(value)
        if isinstance(value, collections.defaultdict) and self._made is collections.defaultdict:
            self._require_factory(value)
        made = self._of(
            [at("[key]", self._key.coerce, key), at("[...]", self._value.coerce, part)]
            for key, part in value.items()
        )
        if len(made) != len(value):
            raise Misfit(f"Two keys are the same in a {self.name}")
        return made

    def _of(self, pairs: Iterable[list[Any]]) -> Any:
        made = collections.defaultdict(self._empty) if self._made is collections.defaultdict else self._made()
        for key, part in pairs:
            try:
                made[key] = part
            except TypeError:
                raise Misfit(f"A key of {self.name} has no hash") from None
        return made

    def _named(self, value: Any, pairs: list[list[Any]]) -> dict[str, Any] | None:
        """An object, where keys are of several types and the text of each can be read as nothing else."""
        if not self._mixed_keys:
            return None
        named: dict[str, Any] = {}
        for key, (written, part) in zip(value, pairs, strict=True):
            if type(written) in (dict, list):
                return None
            text = written if type(written) is str else msgspec.json.encode(written).decode()
            try:
                if text in named or not same(self._read_key(text), key):
                    return None
            except Misfit:
                return None
            named[text] = part
        return named

    def _read_key(self, key: str) -> Any:
        if self._mixed_keys:
            try:
                decoded = msgspec.json.decode(key)
                if type(decoded) not in (str, dict, list) and msgspec.json.encode(decoded).decode() == key:
                    return self._key.read(decoded)
            except (msgspec.DecodeError, UnicodeEncodeError, Misfit):
                pass  # it is a text
            return self._key.read(key)
        if self._key.key_form in ("int", "float"):
            try:
                return self._key.read(msgspec.json.decode(key))
            except (msgspec.DecodeError, UnicodeEncodeError):
                raise self._key.refuse(key) from None
        return self._key.read(key)

    def _require_factory(self, value: Any) -> None:
        mine, its = self._empty, value.default_factory
        if its is mine:
            return
        # That of a nested defaultdict is a function, and can only be compared by what it makes.
        if mine is not None and callable(its) and _nested(self._value):
            made, other = mine(), its()
            if same(made, other) and made.default_factory is other.default_factory:
                return
        raise Loss(
            f"The default_factory of a {self.name} must be {getattr(mine, '__name__', 'None')}, "
            "the type of its values, or it cannot be restored"
        )


def key_texts(keys: Iterable[Any]) -> list[str] | None:
    """Keys as JSON has them; None if one is no text or number, or two have the same text."""
    texts: list[str] = []
    for key in keys:
        if type(key) not in (str, int, float):
            return None
        texts.append(key if type(key) is str else msgspec.json.encode(key).decode())
    return texts if len(set(texts)) == len(texts) else None


def _nested(value: Codec) -> bool:
    return isinstance(value, DictCodec) and value._made is collections.defaultdict


def _factory_of(value: Codec) -> Callable[[], Any] | None:
    """What a defaultdict of such values makes where there is none."""
    if isinstance(value, DictCodec):
        made, empty = value._made, value._empty
        return (lambda: collections.defaultdict(empty)) if made is collections.defaultdict else made
    if isinstance(value, ArrayCodec):
        return cast("Callable[[], Any]", value._made)
    return value.plain if value.plain in (int, str, float, bool, bytes) else None


def array_types(origin: Any) -> tuple[type, tuple[type, ...]] | None:
    """What comes out for an annotation, and what may be handed in."""
    abc = collections.abc
    if origin in (list, set, frozenset, tuple, collections.deque):
        return origin, (origin,)
    if origin in (abc.Sequence, abc.Iterable, abc.Collection, abc.Reversible, abc.Container):
        return list, (*_ARRAYS, *(() if origin is abc.Sequence else _SETS))
    if origin is abc.MutableSequence:
        return list, (list, collections.deque)
    if origin in (abc.Set, abc.MutableSet):
        return set, _SETS if origin is abc.Set else (set,)
    return None


def mapping_types(origin: Any) -> tuple[type, tuple[type, ...]] | None:
    if origin in _MAPPINGS:
        return origin, (origin,)
    if origin in (collections.abc.Mapping, collections.abc.MutableMapping):
        return dict, _MAPPINGS
    return None
