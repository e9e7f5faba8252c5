"""Enums and literals. An enum whose values are all texts, or all whole numbers, is written as its value, any
other by the name of its member."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from enum import Enum
from types import NoneType
from typing import Any

import msgspec

from dalsegno.codecs.codec import Codec, KeyForm, Misfit, UnsupportedAnnotationError, builds, same


class EnumCodec(Codec):
    """An enum. What came from elsewhere may also give the member's value."""

    def __init__(self, kind: type[Enum]) -> None:
        super().__init__(kind)
        self._kind = kind
        self.by_msgspec = builds(kind)
        if not kind.__members__:
            raise UnsupportedAnnotationError("it is an enum without members")
        numbers = self.by_msgspec and all(isinstance(member.value, int) for member in kind.__members__.values())
        self.rank = 8
        self.key_form: KeyForm | None = "int" if numbers else "str"

    def suits(self, value: Any) -> bool:
        return isinstance(value, self._kind)

    def exact(self, value: Any) -> bool:
        return self.native and isinstance(value, self._kind)

    def write(self, value: Any) -> Any:
        if not self.suits(value):
            raise self.refuse(value)
        if self.native:
            return msgspec.to_builtins(value.value)
        return value.name

    def coerce(self, value: Any) -> Any:
        if isinstance(value, self._kind):
            return value
        for member in self._kind.__members__.values():
            if type(member.value) is type(value) and member.value == value:
                return member
        if type(value) is int or (type(value) is str and not self.native):
            return self.read(value)  # several flags together; the name of a member
        raise self.refuse(value)

    def read(self, data: Any) -> Any:
        if self.native:
            try:
                return msgspec.convert(data, self._kind)
            except (msgspec.ValidationError, ValueError, TypeError):
                raise Misfit(f"Expected `{self.name}`, got something else") from None
        if isinstance(data, str) and data in self._kind.__members__:
            return self._kind[data]
        for member in self._kind.__members__.values():
            try:
                written = msgspec.to_builtins(member.value)
            except TypeError:
                continue
            if type(written) is type(data) and written == data:
                return member
        raise Misfit(f"Expected `{self.name}`, got something else")


class LiteralCodec(Codec):
    """The values of a Literal, each written as its own type is."""

    def __init__(self, hint: Any, values: Iterable[Any], codec_of: Callable[[Any], Codec]) -> None:
        super().__init__(hint)
        self._members = [(value, codec_of(type(value))) for value in values]
        self._written = [codec.write(value) for value, codec in self._members]
        for index, written in enumerate(self._written):
            if any(type(other) is type(written) and other == written for other in self._written[:index]):
                raise UnsupportedAnnotationError(
                    "two of its values have the same JSON form: annotate their types instead"
                )
        kinds = {type(value) for value, _ in self._members}
        self.by_msgspec = kinds <= {str, int, bool, NoneType}
        self.rank = 7
        forms = {codec.key_form for _, codec in self._members}
        self.key_form = forms.pop() if len(forms) == 1 else None

    def _index(self, value: Any) -> int | None:
        for index, (member, _) in enumerate(self._members):
            if type(member) is type(value) and member == value:
                return index
        return None

    def suits(self, value: Any) -> bool:
        return self._index(value) is not None

    def exact(self, value: Any) -> bool:
        return self.native and self._index(value) is not None

    def write(self, value: Any) -> Any:
        index = self._index(value)
        if index is None:
            raise Misfit(f"Expected `{self.name}`, got another value, of type {type(value).__qualname__}")
        return self._written[index]

    def coerce(self, value: Any) -> Any:
        index = self._index(value)
        if index is not None:
            return value
        for member, codec in self._members:
            with suppress(Misfit):
                if same(codec.coerce(value), member):
                    return member
        raise Misfit(f"Expected `{self.name}`, got another value, of type {type(value).__qualname__}")

    def read(self, data: Any) -> Any:
        for (member, _), written in zip(self._members, self._written, strict=True):
            if type(written) is type(data) and written == data:
                return member
        raise Misfit(f"Expected `{self.name}`, got something else")
