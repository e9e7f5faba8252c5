"""Objects with fields: dataclasses, attrs classes, msgspec Structs, NamedTuples and TypedDicts."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from inspect import getattr_static
from operator import attrgetter
from types import MemberDescriptorType
from typing import Any

import msgspec

from dalsegno.codecs.annotations import CodecOf, field_hints
from dalsegno.codecs.codec import Codec, Loss, Misfit, UnsupportedAnnotationError, at, has_more, same
from dalsegno.codecs.dataclass_defaults import fill_own, lacks_defaults

NOTHING: Any = object()


@dataclass(frozen=True, slots=True)
class Slot:
    """One field: its name in Python and in JSON, and what it is when it is not given."""

    name: str
    key: str
    codec: Codec
    default: Callable[[], Any] | None
    required: bool


class ObjectCodec(Codec):
    """A class whose instances are what their fields are."""

    rank = 30
    of_class = True

    def __init__(self, hint: Any, cls: type) -> None:
        super().__init__(hint)
        self._cls = cls
        self.slots: tuple[Slot, ...] = ()

    def complete(self, slots: tuple[Slot, ...], *, by_msgspec: bool, after: str) -> None:
        """Its fields, which may lead back to it. `after` is the method that is called when an object is made,
        where the class has it."""
        cls = self._cls
        self.slots = slots
        # (What begins with an underscore it leaves out where it writes an attrs class or a dataclass.)
        hidden = any(slot.name.startswith("_") for slot in slots) and not issubclass(cls, msgspec.Struct)
        self.by_msgspec = by_msgspec and not hidden
        self._after = after
        self.lacks = lacks_defaults(cls)
        self._ran = bool(after) and hasattr(cls, after)
        self._known = frozenset(slot.name for slot in slots)
        self._count = len(slots)
        self._names = [slot.name for slot in slots]
        self._get = attrgetter(*self._names) if slots else None

    def parts(self) -> Iterable[Codec]:
        return [slot.codec for slot in self.slots]

    @cached_property
    def _plains(self) -> tuple[type, ...] | None:
        plains = tuple(slot.codec.plain for slot in self.slots)
        return None if None in plains else plains  # type: ignore[return-value]

    @cached_property
    def _decoder(self) -> msgspec.json.Decoder[Any]:
        return msgspec.json.Decoder(self.hint)

    @cached_property
    def _cached(self) -> frozenset[str]:
        """What a cached_property keeps beside the fields, and can find out again."""
        names = {name for base in self._cls.__mro__ for name in vars(base)}
        return frozenset(n for n in names if isinstance(getattr_static(self._cls, n), cached_property))

    def suits(self, value: Any) -> bool:
        return type(value) is self._cls

    def exact(self, value: Any) -> bool:
        if type(value) is not self._cls or not self.native:
            return False
        own = getattr(value, "__dict__", None)
        if own is not None and len(own) != self._count:
            if len(own) > self._count:
                return False
            if self.lacks:  # it was decoded by other means than ours
                fill_own(value)
        try:
            held = self._get(value) if self._get is not None else ()
        except AttributeError:
            return False
        if self._count == 1:
            held = (held,)
        if self._plains is None or tuple(map(type, held)) != self._plains:
            for slot, part in zip(self.slots, held, strict=True):
                if not slot.codec.exact(part):
                    return False
        if own is not None and not own.keys() <= self._known:
            return False
        return not self._ran or self._survives(value)

    def write(self, value: Any) -> Any:
        if type(value) is not self._cls:
            raise self.refuse(value)
        self._require_no_more(value)
        data: dict[str, Any] = {}
        for slot in self.slots:
            part = getattr(value, slot.name, NOTHING)
            if part is NOTHING:
                if slot.required:
                    raise Misfit(f"A {self.name} has no value in its field {slot.name!r}")
                continue
            data[slot.key] = at(f".{slot.name}", slot.codec.write, part)
        if (self._ran or self._described) and not self._same_fields(value, self.read(data)):
            raise self._changes()
        return data

    def read(self, data: Any) -> Any:
        if type(data) is not dict:
            raise self.refuse(data)
        return self._made((slot, _field(slot, data, slot.codec.read)) for slot in self.slots)

    def coerce(self, value: Any) -> Any:
        if type(value) is self._cls:
            self._require_no_more(value)
            return self._filled(
                (slot, at(f".{slot.name}", slot.codec.coerce, getattr(value, slot.name)))
                for slot in self.slots
                if hasattr(value, slot.name)
            )
        if not isinstance(value, dict) or has_more(value):
            raise self.refuse(value)
        if more := value.keys() - {slot.key for slot in self.slots}:
            raise Misfit(f"{self.name} has no field {min(map(str, more))[:40]!r}")
        return self._made((slot, _field(slot, value, slot.codec.coerce)) for slot in self.slots)

    def _made(self, parts: Iterable[tuple[Slot, Any]]) -> Any:
        made = self._filled(parts)
        if self._ran and not issubclass(self._cls, msgspec.Struct):
            self._refused_by_class(getattr(made, self._after))
        return made

    def _filled(self, parts: Iterable[tuple[Slot, Any]]) -> Any:
        cls: Any = self._cls
        values = {slot.name: part for slot, part in parts if part is not NOTHING}
        if issubclass(cls, msgspec.Struct):  # which can be made in no other way
            return self._refused_by_class(partial(cls, **values))
        made = cls.__new__(cls)
        for name, value in values.items():
            object.__setattr__(made, name, value)  # a frozen class refuses any other way
        return made

    def _refused_by_class(self, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except (ValueError, TypeError) as error:
            raise Misfit(f"{self.name}.{self._after} refuses the values ({type(error).__name__})") from None

    @cached_property
    def _described(self) -> bool:
        """Whether a field is behind a descriptor of the user's, which keeps its value where it likes."""
        found = (getattr_static(self._cls, name, None) for name in self._names)
        return any(hasattr(type(one), "__set__") and not isinstance(one, MemberDescriptorType) for one in found)

    def _require_no_more(self, value: Any) -> None:
        extra = getattr(value, "__dict__", {}).keys() - self._known - self._cached
        if extra and not self._described:
            raise Loss(f"A {self.name} has the attribute {min(extra)!r}, which is not one of its fields")

    def _survives(self, value: Any) -> bool:
        """Whether what `__post_init__` does to the fields when the value is read leaves them as they are."""
        try:
            again = self._decoder.decode(msgspec.json.encode(value))
        except (msgspec.ValidationError, TypeError, ValueError, OverflowError):
            return False
        return self._same_fields(value, again)

    def _same_fields(self, one: Any, other: Any) -> bool:
        pairs = ((getattr(one, name, NOTHING), getattr(other, name, NOTHING)) for name in self._names)
        return all(same_deep(*pair) for pair in pairs)

    def _changes(self) -> Misfit:
        runs = f"{self.name}.{self._after}" if self._ran else f"A descriptor of {self.name}"
        return Misfit(f"{runs} runs again when the value is read, and changes it")


def same_deep(one: Any, other: Any) -> bool:
    by_identity: Any = type(one).__eq__
    if type(one) is type(other) and by_identity is object.__eq__ and hasattr(one, "__dict__"):
        return vars(one).keys() == vars(other).keys() and all(
            same_deep(part, vars(other)[name]) for name, part in vars(one).items()
        )
    return same(one, other)


def _field(slot: Slot, data: Mapping[str, Any], convert: Callable[[Any], Any]) -> Any:
    if slot.key in data:
        return at(f".{slot.key}", convert, data[slot.key])
    if slot.default is not None:
        return slot.default()
    if slot.required:
        raise Misfit(f"Object missing required field `{slot.key}`")
    return NOTHING


class NamedTupleCodec(Codec):
    """As an array."""

    rank = 58

    by_msgspec = True

    def __init__(self, hint: Any, cls: Any) -> None:
        super().__init__(hint)
        self._cls = cls
        self._items: tuple[Codec, ...] = ()
        self._required = len(cls._fields) - len(cls._field_defaults)

    def complete(self, items: tuple[Codec, ...]) -> None:
        self._items = items

    def parts(self) -> Iterable[Codec]:
        return self._items

    def suits(self, value: Any) -> bool:
        return type(value) is self._cls

    def exact(self, value: Any) -> bool:
        if type(value) is not self._cls or not self.native:
            return False
        return all(item.exact(part) for item, part in zip(self._items, value, strict=True))

    def write(self, value: Any) -> Any:
        if type(value) is not self._cls:
            raise self.refuse(value)
        return [self._part(item.write, i, value) for i, item in enumerate(self._items)]

    def read(self, data: Any) -> Any:
        if type(data) is not list or not self._required <= len(data) <= len(self._items):
            raise self.refuse(data)
        return self._cls(*(self._part(self._items[i].read, i, data) for i in range(len(data))))

    def coerce(self, value: Any) -> Any:
        if type(value) not in (self._cls, tuple, list) or not self._required <= len(value) <= len(self._items):
            raise self.refuse(value)
        return self._cls(*(self._part(self._items[i].coerce, i, value) for i in range(len(value))))

    def _part(self, convert: Callable[[Any], Any], index: int, whole: Any) -> Any:
        return at(f".{self._cls._fields[index]}", convert, whole[index])


class TypedDictCodec(Codec):
    """A dict of these keys. Others are refused when it is sent, and left out when it is read."""

    rank = 31
    of_class = True

    by_msgspec = True

    def __init__(self, hint: Any, required: frozenset[str]) -> None:
        super().__init__(hint)
        self._parts: Mapping[str, Codec] = {}
        self._required = required

    def complete(self, parts: Mapping[str, Codec]) -> None:
        self._parts = parts

    def parts(self) -> Iterable[Codec]:
        return self._parts.values()

    def suits(self, value: Any) -> bool:
        return type(value) is dict and self._required <= value.keys() <= self._parts.keys()

    def exact(self, value: Any) -> bool:
        if not self.native or not self.suits(value):
            return False
        return all(self._parts[key].exact(part) for key, part in value.items())

    def write(self, value: Any) -> Any:
        if type(value) is not dict:
            raise self.refuse(value)
        self._require_no_more(value)
        return self._converted(value, "write")

    def coerce(self, value: Any) -> Any:
        if not isinstance(value, dict) or has_more(value):
            raise self.refuse(value)
        self._require_no_more(value)
        return self._converted(value, "coerce")

    def read(self, data: Any) -> Any:
        if type(data) is not dict:
            raise self.refuse(data)
        return self._converted({key: part for key, part in data.items() if key in self._parts}, "read")

    def _converted(self, given: Mapping[str, Any], how: str) -> dict[str, Any]:
        for key in self._required - given.keys():
            raise Misfit(f"Object missing required field `{key}`")
        made: dict[str, Any] = {}
        for key, part in given.items():
            made[key] = at(f".{key}", getattr(self._parts[key], how), part)
        return made

    def _require_no_more(self, value: Mapping[Any, Any]) -> None:
        if more := value.keys() - self._parts.keys():
            raise Misfit(f"{self.name} has no key {min(map(str, more))[:40]!r}")


def has_fields(kind: Any) -> bool:
    known = dataclasses.is_dataclass(kind) or hasattr(kind, "__attrs_attrs__")
    return known or issubclass(kind, msgspec.Struct)


def slots_of(hint: Any, codec_of: CodecOf) -> tuple[type, tuple[Slot, ...], bool, str]:
    """The class, its fields, whether msgspec may do it, and the method that is called when one is made."""
    cls, hints = field_hints(hint)
    kind: Any = cls
    if issubclass(cls, msgspec.Struct):
        config = kind.__struct_config__
        slots = []
        for field in msgspec.structs.fields(kind):
            default = _default(field.default, field.default_factory, msgspec.NODEFAULT)
            codec = codec_of(hints.get(field.name, field.type))
            slots.append(Slot(field.name, field.encode_name, codec, default, field.required))
        plain = not config.array_like and config.tag is None
        if not plain and not all(slot.codec.by_msgspec for slot in slots):
            raise UnsupportedAnnotationError(
                "it is a tagged or array-like Struct with fields that msgspec cannot restore"
            )
        return cls, tuple(slots), True, "__post_init__"
    if dataclasses.is_dataclass(cls):
        fields = [
            Slot(
                field.name,
                field.name,
                codec_of(hints[field.name]),
                _default(field.default, field.default_factory, dataclasses.MISSING),
                field.init
                and field.default is dataclasses.MISSING
                and field.default_factory is dataclasses.MISSING,
            )
            for field in dataclasses.fields(cls)
        ]
        # The values of init-only variables are not kept, so nothing can be made of them again: the fields are.
        only_init = any(
            getattr(field, "_field_type", None) is dataclasses._FIELD_INITVAR  # type: ignore[attr-defined]
            for field in kind.__dataclass_fields__.values()
        )
        return cls, tuple(fields), not only_init, "" if only_init else "__post_init__"
    attributes = kind.__attrs_attrs__
    slots = [_attribute(one, codec_of(hints.get(one.name, Any))) for one in attributes]
    return cls, tuple(slots), True, "__attrs_post_init__"


def _attribute(attribute: Any, codec: Codec) -> Slot:
    default = attribute.default
    nothing = type(default).__name__ in ("_Nothing", "NothingType")
    if nothing:
        return Slot(attribute.name, attribute.name, codec, None, attribute.init)
    factory = getattr(default, "factory", None)
    if factory is not None and default.takes_self:
        return Slot(attribute.name, attribute.name, codec, None, True)
    return Slot(attribute.name, attribute.name, codec, factory or (lambda: default), False)


def _default(value: Any, factory: Any, missing: Any) -> Callable[[], Any] | None:
    if factory is not missing:
        return factory  # type: ignore[no-any-return]
    return None if value is missing else (lambda: value)
