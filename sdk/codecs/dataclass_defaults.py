"""Fields that a dataclass left at their default, put where msgspec looks for them.

msgspec leaves a plain default (`days: int = 30`) to the class when it decodes a dataclass without slots, and
encodes what is in the instance's `__dict__`. A decoded value would be stored without such fields, and take up
whatever default the next deployment has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from inspect import getattr_static
from types import NoneType
from typing import Any, NamedTuple
from uuid import UUID

_LEAVES: frozenset[type] = frozenset(
    {str, int, float, bool, NoneType, bytes, datetime, date, time, timedelta, Decimal, UUID}
)
"""Types that hold nothing further. Others, too, but these are the frequent ones."""
_LEAF_ANNOTATIONS = (str, int, float, bool, "str", "int", "float", "bool")
"""A tuple, because not every annotation has a hash."""


class _Shape(NamedTuple):
    held: Callable[[Any], Iterable[Any]] | None
    """What is to be looked through in an object of the type, if anything."""
    defaulted: Mapping[str, Callable[[], Any] | None]
    """The fields that an instance may lack because its class answers for them, with the default_factory."""


def lacks_defaults(cls: type) -> bool:
    """Whether an instance that msgspec decoded may lack fields."""
    return bool(_shape(cls).defaulted)


def fill_defaults(value: Any) -> bool:
    """Give every dataclass in `value` the fields that it lacks; whether any did.

    Who reads attributes sees no change, but where a default_factory overrides a plain default of a base
    class: there msgspec leaves an instance with the base's.
    """
    filled = False
    pending, seen = [value], set[int]()  # `seen`, because a __post_init__ can have tied a knot
    while pending:
        part = pending.pop()
        kind: Any = type(part)
        held, defaulted = _shape(kind)
        if defaulted and not defaulted.keys() <= vars(part).keys():
            _fill(part, defaulted)
            filled = True
        if held is not None and id(part) not in seen:
            seen.add(id(part))
            pending.extend([one for one in held(part) if type(one) not in _LEAVES])
    return filled


def fill_own(part: Any) -> None:
    """The same for one dataclass alone."""
    kind: Any = type(part)
    defaulted = _shape(kind).defaulted
    if not defaulted.keys() <= vars(part).keys():
        _fill(part, defaulted)


def _fill(part: Any, defaulted: Mapping[str, Callable[[], Any] | None]) -> None:
    own = vars(part)  # it takes what a frozen class would refuse
    for name, factory in defaulted.items():
        if name not in own:
            own[name] = factory() if factory else getattr(part, name)


@lru_cache(maxsize=4096)
def _shape(kind: Any) -> _Shape:
    if issubclass(kind, dict):
        return _Shape(dict.values, {})
    if issubclass(kind, list | tuple | set | frozenset):
        return _Shape(iter, {})
    if not is_dataclass(kind):
        return _Shape(_attributes(getattr(kind, "__struct_fields__", ())), {})
    names = [field.name for field in fields(kind) if field.type not in _LEAF_ANNOTATIONS]
    answering = [field for field in fields(kind) if _class_answers(kind, field)]
    return _Shape(_attributes(names), {field.name: _factory(field) for field in answering})


def _attributes(names: Sequence[str]) -> Callable[[Any], Iterable[Any]] | None:
    return (lambda part: [getattr(part, name, None) for name in names]) if names else None


def _class_answers(kind: Any, field: Field[Any]) -> bool:
    """Whether an attribute that an instance lacks is read from its class. (A slot is not.)"""
    attribute = getattr_static(kind, field.name, MISSING)
    return attribute is not MISSING and not hasattr(type(attribute), "__set__")


def _factory(field: Field[Any]) -> Callable[[], Any] | None:
    return None if field.default_factory is MISSING else field.default_factory
