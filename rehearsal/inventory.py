"""What modules define, as data: workflows, what they are told and asked, their state, and activities. Two of
these can be compared (`difference`), also where their modules could not be imported in one process."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, is_typeddict

import msgspec
from msgspec import Struct

from dalsegno.codecs import shown_type
from dalsegno.codecs.annotations import field_hints, required_keys
from dalsegno.converter import Signature, signature_of
from dalsegno.definition import NAME_ATTRIBUTE, HandlerDefinition, WorkflowDefinition
from dalsegno.errors import PayloadError
from dalsegno.signed_state import version_of, versioned_class

FORMAT = 2
DYNAMIC = "(dynamic)"
MEMBER = "a member"
CLASS = "a class"
ENUM = "an enum"


class FieldShape(Struct, frozen=True):
    """Of a class of the user's. `types` are the members of its annotation, and `forms` the same without the
    names of classes that have fields: those are compared by them. One with a default may be left out."""

    types: tuple[str, ...]
    is_required: bool
    forms: tuple[str, ...] = ()


class ParameterShape(Struct, frozen=True):
    """As FieldShape. `fields`: what its classes consist of, by their paths ("item.sku")."""

    name: str
    types: tuple[str, ...]
    is_required: bool
    forms: tuple[str, ...]
    fields: dict[str, FieldShape] = {}


class CallShape(Struct, frozen=True):
    """What may be sent to a callable, by position, and what comes back, as a parameter of who reads it."""

    parameters: tuple[ParameterShape, ...]
    takes_rest: bool
    result: ParameterShape


class WorkflowShape(Struct, frozen=True):
    """`state_version` is None where run has another shape than what a sign keeps."""

    place: str
    run: CallShape
    signals: dict[str, CallShape]
    queries: dict[str, CallShape]
    updates: dict[str, CallShape]
    state_version: int | None = None
    migrates_state: bool = False


class Inventory(Struct, frozen=True):
    dalsegno_inventory: int
    workflows: dict[str, WorkflowShape]
    activities: dict[str, CallShape]


def inventory_of(
    workflows: Iterable[WorkflowDefinition], activities: Iterable[Callable[..., Any]]
) -> Inventory:
    """Raises DefinitionError for annotations that cannot be resolved."""
    shapes = {}
    for definition in workflows:
        definition.resolve()
        shapes[definition.name or DYNAMIC] = _workflow(definition)
    return Inventory(
        FORMAT,
        shapes,
        {getattr(activity, NAME_ATTRIBUTE) or DYNAMIC: _call(_signature(activity)) for activity in activities},
    )


def _signature(activity: Callable[..., Any]) -> Signature:
    called: Any = activity if inspect.isroutine(activity) else getattr(activity, "__call__")  # noqa: B004, B009
    return signature_of(called)


def _workflow(definition: WorkflowDefinition) -> WorkflowShape:
    version, migrates = None, False
    if definition.state_hint is not None:
        version = version_of(definition.state_hint)
        migrates = hasattr(versioned_class(definition.state_hint), "migrate_state")
    return WorkflowShape(
        definition.place,
        _call(definition.run_signature),
        _handlers(definition.signals),
        _handlers(definition.queries),
        _handlers(definition.updates),
        version,
        migrates,
    )


def _handlers(handlers: Mapping[str | None, HandlerDefinition]) -> dict[str, CallShape]:
    return {name or DYNAMIC: _call(handler.signature) for name, handler in handlers.items()}


def _call(signature: Signature) -> CallShape:
    return CallShape(
        tuple(
            _parameter(parameter.name, parameter.type_hint, is_required=number < signature.required)
            for number, parameter in enumerate(signature.parameters)
        ),
        signature.rest is not None,
        _parameter("result", signature.returns, is_required=True),
    )


def _parameter(name: str, hint: Any, *, is_required: bool) -> ParameterShape:
    return ParameterShape(name, _members(hint), is_required, _forms(hint), dict(_fields(hint, "", ())))


def _members(hint: Any) -> tuple[str, ...]:
    return tuple(sorted(map(shown_type, _parts(hint))))


def _forms(hint: Any) -> tuple[str, ...]:
    """With one for each member: of two classes one may be gone."""
    return tuple(sorted(map(_form, _parts(hint))))


def _parts(hint: Any) -> tuple[Any, ...]:
    if get_origin(hint) is Annotated:
        hint = hint.__origin__
    if get_origin(hint) in (Union, UnionType):
        return tuple(part for one in get_args(hint) for part in _parts(one))
    return tuple(Literal[one] for one in get_args(hint)) if get_origin(hint) is Literal else (hint,)


def _form(hint: Any) -> str:
    cls = get_origin(hint) or hint
    if isinstance(cls, type) and issubclass(cls, Enum):
        return ENUM
    if _required(cls) is not None:
        return CLASS
    arguments = get_args(hint)
    if get_origin(hint) is Literal or not arguments:
        return shown_type(hint)
    return f"{shown_type(cls)}[{', '.join(' | '.join(sorted(set(_forms(one)))) for one in arguments)}]"


def _fields(hint: Any, path: str, within: tuple[Any, ...]) -> Iterator[tuple[str, FieldShape]]:
    """Of all classes in the annotation, and in those of their fields."""
    cls = get_origin(hint) or hint
    if cls in within:
        return
    if isinstance(cls, type) and issubclass(cls, Enum):
        for member in cls:
            # It travels as its value.
            value = repr(member.value) if isinstance(member.value, str | int | float) else ""
            shown = f"{MEMBER} {value}".rstrip()
            yield f"{path}{member.name}", FieldShape((shown,), is_required=False, forms=(value,))
        return
    found = _own_fields(hint, cls)
    for name, (of, is_required) in found.items():
        yield f"{path}{name}", FieldShape(_members(of), is_required, _forms(of))
        yield from _fields(of, f"{path}{name}.", (*within, cls))
    if not found:
        for part in get_args(hint):
            yield from _fields(part, path, within)


def _own_fields(hint: Any, cls: Any) -> dict[str, tuple[Any, bool]]:
    """By name: its annotation, and whether it must be there."""
    needed = _required(cls)
    if needed is None:
        return {}
    try:
        _, hints = field_hints(hint)
    except (NameError, AttributeError, TypeError, SyntaxError) as error:
        raise PayloadError(f"The annotations of {shown_type(cls)} cannot be resolved: {error}.") from error
    if is_typeddict(cls):
        must = required_keys(cls, hints)
        return {name: (of, name in must) for name, of in hints.items()}
    if issubclass(cls, Struct):
        hints = {field.encode_name: hints.get(field.name, Any) for field in msgspec.structs.fields(cls)}
    return {name: (hints.get(name, Any), is_needed) for name, is_needed in needed.items()}


def _required(cls: Any) -> dict[str, bool] | None:
    """The fields of a class that has some, and whether each must be there."""
    if not isinstance(cls, type):
        return None
    if issubclass(cls, Struct):
        return {field.encode_name: field.required for field in msgspec.structs.fields(cls)}
    if dataclasses.is_dataclass(cls):
        missing = dataclasses.MISSING
        return {
            field.name: field.default is missing and field.default_factory is missing
            for field in dataclasses.fields(cls)
        }
    if is_typeddict(cls):
        return dict.fromkeys(cls.__annotations__, True)
    if issubclass(cls, tuple) and hasattr(cls, "_field_defaults"):
        return {name: name not in cls._field_defaults for name in getattr(cls, "_fields", ())}
    if (attributes := getattr(cls, "__attrs_attrs__", None)) is not None:
        return {one.name: repr(one.default) == "NOTHING" for one in attributes}
    if (models := getattr(cls, "model_fields", None)) is not None:
        return {name: field.is_required() for name, field in models.items()}
    return None
