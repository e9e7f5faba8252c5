"""What the annotations of a class or function mean: names resolved, type parameters filled in."""

from __future__ import annotations

import sys
import types
import typing
from collections.abc import Callable, Mapping
from inspect import CO_OPTIMIZED
from types import FrameType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints
from weakref import WeakKeyDictionary

LOCAL = "<locals>"
_TRANSPARENT = (typing.Final, typing.ClassVar, typing.Required, typing.NotRequired)

_local_names: WeakKeyDictionary[Any, Mapping[str, Any]] = WeakKeyDictionary()
"""Of classes and functions that were made inside a function: the types that they could see there."""


def local_names(frame: FrameType) -> dict[str, Any]:
    """The local variables of the function that `frame` is in, and of the classes in it that are being made."""
    found: dict[str, Any] = {}
    at: FrameType | None = frame
    while at is not None and at.f_locals is not at.f_globals:
        found = {**at.f_locals, **found}
        if at.f_code.co_flags & CO_OPTIMIZED:
            break  # a function; what is not is the body of a class
        at = at.f_back
    return found


def remember_locals(target: Any, names: Mapping[str, Any]) -> None:
    """Keep the types among `names`, the local variables where `target` was decorated, for what is local too."""
    if LOCAL not in getattr(target, "__qualname__", ""):
        return
    found = {name: value for name, value in names.items() if _is_type(value)}
    for one in (target, *found.values()):
        if LOCAL in getattr(one, "__qualname__", ""):
            _local_names[one] = {**_local_names.get(one, {}), **found}


def _is_type(value: Any) -> bool:
    kinds = (type, types.GenericAlias, types.UnionType, TypeVar, typing.NewType)
    return isinstance(value, kinds) or get_origin(value) is not None or _is_alias(value)


def hints_of(target: Any) -> dict[str, Any]:
    """The annotations of a class or function. Raises NameError and others where they cannot be resolved."""
    seen: dict[str, Any] = {}
    bases = target.__mro__ if isinstance(target, type) else (target,)
    for one in reversed(bases):
        try:
            seen.update(_local_names.get(one, {}))
        except TypeError:
            continue  # it cannot be referred to weakly, so nothing was kept of it
        if isinstance(one, type) and LOCAL in one.__qualname__:
            seen.setdefault(one.__name__, one)
    return get_type_hints(target, None, seen or None, include_extras=True)


def field_hints(hint: Any) -> tuple[type, dict[str, Any]]:
    """A class, perhaps given with its parameters, and the annotations of its fields with these filled in."""
    cls = get_origin(hint) or hint
    filled = _parameters(hint)
    return cls, {name: substitute(of, filled) for name, of in hints_of(cls).items()}


def required_keys(cls: Any, hints: Mapping[str, Any]) -> frozenset[str]:
    """Of a TypedDict with these annotations. (It does not know of its own where they were texts.)"""
    said = {name: get_origin(_without_metadata(hint)) for name, hint in hints.items()}
    return frozenset(
        name
        for name, origin in said.items()
        if origin is typing.Required or (origin is not typing.NotRequired and name in cls.__required_keys__)
    )


def _without_metadata(hint: Any) -> Any:
    return hint.__origin__ if get_origin(hint) is typing.Annotated else hint


def _parameters(hint: Any) -> dict[Any, Any]:
    """What each type variable of a class and of its bases stands for."""
    cls = get_origin(hint) or hint
    own = dict(zip(getattr(cls, "__parameters__", ()), get_args(hint), strict=False))
    found = dict(own)
    for base in getattr(cls, "__orig_bases__", ()):
        if get_origin(base) not in (None, typing.Generic, typing.Protocol):
            found.update(_parameters(substitute(base, own)))
    return found


def substitute(hint: Any, filled: Mapping[Any, Any]) -> Any:
    if not filled:
        return hint
    if isinstance(hint, TypeVar):
        return filled.get(hint, hint)
    parameters = getattr(hint, "__parameters__", ())
    if not parameters or (isinstance(hint, type) and not get_args(hint)):
        return hint
    return hint[tuple(filled.get(one, one) for one in parameters)]


def _is_alias(hint: Any) -> bool:
    return type(hint).__name__ == "TypeAliasType"


def unwrapped(hint: Any) -> Any:
    """Without what says nothing about values: NewType, Final, Required, aliases, and metadata but msgspec's."""
    while True:
        origin = get_origin(hint)
        if hint is None:
            return type(None)
        if isinstance(hint, typing.NewType):
            hint = hint.__supertype__
        elif _is_alias(hint):
            hint = hint.__value__
        elif origin is not None and _is_alias(origin):
            parameters = dict(zip(origin.__type_params__, get_args(hint), strict=False))
            hint = substitute(origin.__value__, parameters)
        elif origin in _TRANSPARENT or (origin is typing.Annotated and not _has_limits(hint)):
            hint = get_args(hint)[0]
        elif isinstance(hint, TypeVar):
            hint = hint.__bound__ if hint.__bound__ is not None else _constraints(hint)
        elif hint is typing.LiteralString:
            return str
        else:
            return hint


def _has_limits(hint: Any) -> bool:
    msgspec = sys.modules["msgspec"]
    return any(isinstance(one, msgspec.Meta) for one in hint.__metadata__)


def _constraints(variable: TypeVar) -> Any:
    return typing.Union[variable.__constraints__] if variable.__constraints__ else Any  # noqa: UP007


CodecOf = Callable[[Any], Any]
