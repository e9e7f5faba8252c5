"""From an annotation to its codec."""

from __future__ import annotations

import typing
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from functools import lru_cache
from types import UnionType
from typing import Any, get_args, get_origin

import msgspec

from dalsegno.codecs.annotations import field_hints, required_keys, unwrapped
from dalsegno.codecs.blob import Blob
from dalsegno.codecs.codec import Codec, Loss, Misfit, UnsupportedAnnotationError, at, has_more, shown_type
from dalsegno.codecs.containers import ArrayCodec, DictCodec, TupleCodec, array_types, key_texts, mapping_types
from dalsegno.codecs.enums import EnumCodec, LiteralCodec
from dalsegno.codecs.limits import LimitedCodec
from dalsegno.codecs.log import Log
from dalsegno.codecs.objects import NamedTupleCodec, ObjectCodec, TypedDictCodec, has_fields, slots_of
from dalsegno.codecs.piecewise import BlobCodec, LogCodec
from dalsegno.codecs.pydantic_models import ModelCodec, is_model
from dalsegno.codecs.scalars import AnyCodec, ScalarCodec, scalar_codec
from dalsegno.codecs.unions import union_codec

_ANYTHING = (Any, object, typing.Never, typing.NoReturn, typing.Hashable)


def codec_of(hint: Any) -> Codec:
    """The codec of an annotation; kept, as far as annotations have a hash.

    Raises UnsupportedAnnotationError where no value can be restored as it, and what comes of names that don't
    exist.
    """
    try:
        return _kept(hint)
    except TypeError as error:
        if "unhashable" not in str(error):
            raise
        return _Compilation().codec_of(hint)


@lru_cache(maxsize=4096)
def _kept(hint: Any) -> Codec:
    return _Compilation().codec_of(hint)


def write_any(value: Any) -> Any:
    """A value that nothing is annotated for, by what it is itself. Raises Misfit, and what msgspec raises."""
    kind = type(value)
    if kind in (bool, type(None)):
        return value
    if kind in (list, tuple):
        return [at(f"[{index}]", write_any, part) for index, part in enumerate(value)]
    if kind in (set, frozenset):
        return sorted((at("[...]", write_any, part) for part in value), key=msgspec.json.encode)
    if kind is Log:  # who reads it does not know that it is one
        return [at(f"[{index}]", write_any, part) for index, part in enumerate(value)]
    if kind is Blob:
        return write_any(bytes(value))
    if kind is dict:
        texts = key_texts(at("[key]", write_any, key) for key in value)
        if texts is None:
            raise Misfit("Keys of an object in JSON are texts or numbers, which differ as texts, too")
        return {text: at("[...]", write_any, part) for text, part in zip(texts, value.values(), strict=True)}
    if kind is object:  # the annotation `object` takes anything, and would ask here again
        raise Misfit("There is no JSON for a bare `object()`")
    with suppress(UnsupportedAnnotationError, NameError):
        codec = codec_of(_own_hint(kind))
        try:
            return codec.write(value)
        except Loss:
            raise
        except Misfit:
            if isinstance(codec, ScalarCodec):
                raise
    for base in (dict, list, tuple, set, frozenset):
        if isinstance(value, base) and not hasattr(kind, "_fields"):
            if has_more(value):
                raise Loss(f"A {shown_type(kind)} has attributes that a {base.__name__} does not have")
            return write_any(base(value))
    # Objects whose fields hold other values than their annotations say.
    return msgspec.to_builtins(value, str_keys=True, order="deterministic")


def _own_hint(kind: type) -> Any:
    return kind


class _Compilation:
    """One annotation and all that it leads to; classes may lead back to themselves."""

    def __init__(self) -> None:
        self._begun: dict[Any, Codec] = {}

    def codec_of(self, hint: Any) -> Codec:
        shown = hint
        hint = unwrapped(hint)
        origin, args = get_origin(hint), get_args(hint)
        if hint in _ANYTHING:
            return AnyCodec(hint, write_any)
        if origin is typing.Annotated:
            return LimitedCodec(hint, self.codec_of(args[0]))
        if origin in (typing.Union, UnionType):
            return self._union(hint, args)
        if origin is typing.Literal:
            return LiteralCodec(hint, args, self.codec_of)
        kind = origin or hint
        if not isinstance(kind, type):
            raise UnsupportedAnnotationError(f"{shown_type(shown)} is no type that values are made of")
        return self._class(hint, kind, args)

    def _union(self, hint: Any, args: tuple[Any, ...]) -> Codec:
        members: dict[Any, Codec] = {}
        for arg in args:
            plain = unwrapped(arg)
            members.setdefault(plain, self.codec_of(plain))
        return union_codec(hint, list(members.values())) if len(members) > 1 else next(iter(members.values()))

    def _class(self, hint: Any, kind: Any, args: tuple[Any, ...]) -> Codec:
        if issubclass(kind, Enum):
            return EnumCodec(kind)
        if kind is Blob:
            return BlobCodec(self.codec_of(bytes))
        scalar = scalar_codec(kind)
        if scalar is not None:
            return scalar
        if hint in self._begun:
            return self._begun[hint]
        if issubclass(kind, tuple) and hasattr(kind, "_fields"):
            return self._named_tuple(hint, kind)
        if typing.is_typeddict(kind):
            return self._typed_dict(hint, kind)
        if has_fields(kind):
            codec = self._begun[hint] = ObjectCodec(hint, kind)
            _, slots, by_msgspec, after = slots_of(hint, self.codec_of)
            codec.complete(slots, by_msgspec=by_msgspec, after=after)
            return codec
        if is_model(kind):
            return ModelCodec(hint, kind)
        return self._container(hint, kind, args)

    def _named_tuple(self, hint: Any, kind: Any) -> Codec:
        codec = self._begun[hint] = NamedTupleCodec(hint, kind)
        hints = field_hints(hint)[1]
        codec.complete(tuple(self.codec_of(hints.get(name, Any)) for name in kind._fields))
        return codec

    def _typed_dict(self, hint: Any, kind: Any) -> Codec:
        hints = field_hints(hint)[1]
        codec = self._begun[hint] = TypedDictCodec(hint, required_keys(kind, hints))
        codec.complete({name: self.codec_of(of) for name, of in hints.items()})
        return codec

    def _container(self, hint: Any, kind: Any, args: tuple[Any, ...]) -> Codec:
        if kind is tuple and args and not (len(args) == 2 and args[1] is Ellipsis):
            return TupleCodec(hint, [self.codec_of(arg) for arg in args])
        if kind is tuple and hint == tuple[()]:
            return TupleCodec(hint, [])
        if kind is Log:
            return LogCodec(hint, self.codec_of(args[0] if args else Any))
        if arrays := array_types(kind):
            return ArrayCodec(hint, *arrays, self.codec_of(args[0] if args else Any))
        if mappings := mapping_types(kind):
            key = self.codec_of(args[0] if args else Any)
            value = self.codec_of(int if kind is Counter else args[1] if args else Any)
            return DictCodec(hint, *mappings, key, value)
        raise UnsupportedAnnotationError(_why_not(hint, kind))


def _why_not(hint: Any, kind: Any) -> str:
    for base in (dict, list, set, frozenset, tuple):
        if issubclass(kind, base):
            return f"{shown_type(hint)} is a class made from {base.__name__}: use {base.__name__} itself"
    if kind is Callable or kind.__module__ == "collections.abc":
        return f"{shown_type(hint)} is no value that can be sent: send what it is made from"
    return (
        f"nothing says how a {shown_type(hint)} is written and made again: make it a dataclass, or annotate "
        "what it is made from (Any for plain JSON values)"
    )


__all__ = ["Codec", "Misfit", "UnsupportedAnnotationError", "codec_of", "write_any"]
