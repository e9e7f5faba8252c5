"""The shape of all that is stored, in words: what a release must agree about with those before and after it.

`python -m tests.workflow_actor.stored.shapes` writes that of the newest format down.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from msgspec import NODEFAULT, Struct, inspect

from dalsegno.actors.workflow_actor.stored.codec import CODEC, TYPES

FOLDER = Path(__file__).parent / "shapes"


def file_of(format_: int) -> Path:
    return FOLDER / f"format_{format_}.txt"


def shapes() -> str:
    """Each struct with its fields in order, their types and defaults; enumerations with all their values."""
    told: dict[str, str] = {}
    for kind, type_ in TYPES.items():
        told[f"= {kind}"] = _name(inspect.type_info(type_))
        for info in _within(inspect.type_info(type_), set()):
            if isinstance(info, inspect.StructType):
                told[info.cls.__name__] = "\n".join(_struct(info))
            elif isinstance(info, inspect.EnumType):
                told[info.cls.__name__] = " | ".join(repr(member.value) for member in info.cls)
    return "\n\n".join(f"{name}\n{what}" for name, what in sorted(told.items())) + "\n"


def structs() -> dict[type[Struct], inspect.StructType]:
    """All that are stored."""
    seen: set[str] = set()
    found = [info for type_ in TYPES.values() for info in _within(inspect.type_info(type_), seen)]
    return {info.cls: info for info in found if isinstance(info, inspect.StructType)}


def _struct(info: inspect.StructType) -> Iterator[str]:
    form = "array" if info.array_like else "map"
    yield f"  {form}{'' if info.tag is None else f', tagged {info.tag!r}'}"
    for field in info.fields:
        default = ""
        if field.default is not NODEFAULT:
            default = f" = {field.default!r}"
        elif field.default_factory is not NODEFAULT:
            default = f" = {field.default_factory()!r}"
        yield f"  {field.encode_name}: {_name(field.type)}{default}"


def _name(info: inspect.Type) -> str:
    match info:
        case inspect.StructType() | inspect.EnumType():
            return info.cls.__name__
        case inspect.UnionType(types):
            return " | ".join(sorted(_name(part) for part in types))
        case inspect.VarTupleType(item):
            return f"({_name(item)}, ...)"
        case inspect.TupleType(items):
            return f"({', '.join(_name(item) for item in items)})"
        case inspect.ListType(item):
            return f"[{_name(item)}, ...]"
        case inspect.DictType(key, value):
            return f"{{{_name(key)}: {_name(value)}}}"
        case inspect.LiteralType(values):
            return " | ".join(repr(value) for value in sorted(values, key=repr))
        case inspect.IntType() as number:
            return "int" if number.ge is None else f"int {number.ge}..{number.le}"
        case _:
            return type(info).__name__.removesuffix("Type").lower()


def _within(info: inspect.Type, seen: set[str]) -> Iterator[inspect.Type]:
    if isinstance(info, inspect.StructType | inspect.EnumType):
        if info.cls.__name__ in seen:
            return
        seen.add(info.cls.__name__)
        yield info
    parts: tuple[inspect.Type, ...]
    match info:
        case inspect.StructType():
            parts = tuple(field.type for field in info.fields)
        case inspect.UnionType(types):
            parts = types
        case inspect.VarTupleType(item) | inspect.ListType(item):
            parts = (item,)
        case inspect.TupleType(items):
            parts = items
        case inspect.DictType(key, value):
            parts = (key, value)
        case _:
            parts = ()
    for part in parts:
        yield from _within(part, seen)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    file_of(CODEC.newest).write_text(shapes())
