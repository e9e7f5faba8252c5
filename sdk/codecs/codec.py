"""What every codec can do: say whether a value is what its annotation says, write it as JSON, and read it back.

msgspec does the work wherever it can: a codec is `native` when msgspec restores, from the bytes that it writes
itself, what the annotation says. The others take the value apart (`write`) and put it together again (`read`),
by way of the builtin types that JSON has.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from enum import Enum
from functools import cached_property
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

import msgspec

KeyForm = Literal["str", "int", "float"]


class Misfit(Exception):  # noqa: N818
    """A value that is not what its annotation says. The text names types and never holds the value."""

    def __init__(self, why: str, path: str = "") -> None:
        super().__init__(why)
        self.why = why
        self.path = path

    def below(self, step: str) -> Misfit:
        """The same, seen from what holds it."""
        return type(self)(self.why, step + self.path)

    def __str__(self) -> str:
        return f"{self.why} at `${self.path}`"


class Loss(Misfit):
    """A value of the right type that has more to it than would be restored."""


class UnsupportedAnnotationError(Exception):
    """An annotation that no value can be restored as. The text says why, and what to use instead."""


class Codec(ABC):
    """For one annotation."""

    by_msgspec: bool = False
    """Whether msgspec can restore such a value, if it can restore the parts."""
    lacks: bool = False
    """Whether msgspec may leave a field that has its default to the class when it decodes."""
    rank: int = 50
    """In a union, lower ones are tried first on what carries no tag: the special before the general."""
    key_form: KeyForm | None = None
    """As what it stands as the key of a JSON object; None: it cannot."""
    plain: type | None = None
    """The type of all its values, where nothing else is to be looked at."""
    of_class: bool = False
    """Whether it is a class with fields: two of them in a union are always told apart by a tag."""

    def __init__(self, hint: Any) -> None:
        self.hint = hint

    def parts(self) -> Iterable[Codec]:
        """The codecs of what its values hold."""
        return ()

    @cached_property
    def reachable(self) -> tuple[Codec, ...]:
        """This, and the codecs of all that its values hold."""
        pending: list[Codec] = [self]
        found: dict[int, Codec] = {}
        while pending:
            codec = pending.pop()
            if id(codec) not in found:
                found[id(codec)] = codec
                pending.extend(codec.parts())
        return tuple(found.values())

    @cached_property
    def native(self) -> bool:
        """Whether msgspec restores these values, with all that they hold."""
        return all(codec.by_msgspec for codec in self.reachable) and builds(self.hint)

    @cached_property
    def may_lack(self) -> bool:
        """Whether objects among these values may lack fields for which their class answers."""
        return any(codec.lacks for codec in self.reachable)

    @property
    def name(self) -> str:
        return shown_type(self.hint)

    @abstractmethod
    def suits(self, value: Any) -> bool:
        """Whether the value's own type is right; of what it holds nothing is said."""

    @abstractmethod
    def exact(self, value: Any) -> bool:
        """Whether msgspec writes the value, as it is, so that it is restored. False means: ask `write`."""

    @abstractmethod
    def write(self, value: Any) -> Any:
        """The value in the types of JSON. Raises Misfit."""

    @abstractmethod
    def coerce(self, value: Any) -> Any:
        """One of its values that says the same as what was handed in, itself where it is one: a list for a
        tuple, a member for its value. Nothing is lost or changed by it, but the type. Raises Misfit."""

    @abstractmethod
    def read(self, data: Any) -> Any:
        """The value from the types of JSON. Raises Misfit."""

    def refuse(self, value: Any) -> Misfit:
        return Misfit(f"Expected `{self.name}`, got `{shown_type(type(value))}`")


def has_more(value: Any) -> bool:
    """Whether an instance of a subclass has attributes, which its base would not have."""
    return bool(getattr(value, "__dict__", None)) and not isinstance(value, Enum)


def at(step: str, convert: Callable[[Any], Any], part: Any) -> Any:
    """A part of a value, converted; a Misfit says where it was."""
    try:
        return convert(part)
    except Misfit as misfit:
        raise misfit.below(step) from None


def shown_type(hint: Any) -> str:
    if isinstance(hint, type) and not hasattr(hint, "__args__"):
        return "None" if hint is type(None) else hint.__qualname__.rpartition("<locals>.")[2]
    if hint is Ellipsis:
        return "..."
    arguments = [repr(one) if isinstance(one, str | int) else shown_type(one) for one in get_args(hint)]
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        return " | ".join(arguments)
    if origin is None or not arguments:
        return str(hint).replace("typing.", "")
    return f"{getattr(origin, '__name__', origin)}[{', '.join(arguments)}]"


def builds(hint: Any) -> bool:
    """Whether msgspec can restore values of this annotation."""
    try:
        msgspec.json.Decoder(hint)
    except Exception:  # noqa: BLE001 - annotations run code of the user's: whatever it raises, msgspec cannot
        return False
    return True


def same(one: Any, other: Any) -> bool:
    """Equal, and of the same types, all the way down."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return len(one) == len(other) and all(
            same(key, key2) and same(one[key], other[key2])
            for key, key2 in zip(sorted(one, key=repr), sorted(other, key=repr), strict=True)
        )
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)
