"""What users may pass for a workflow, signal or query: a name, or the decorated class or function itself."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from dalsegno import given
from dalsegno.converter import Signature, encode_args, return_type, signature_of
from dalsegno.data_converter import DataConverter
from dalsegno.definition import DYNAMIC_NAME, described
from dalsegno.payload import Payload

Target = str | type[Any] | Callable[..., Any]

UNSET: Any = object()
"""Stands for what was not given."""

NAME = "__dalsegno_name__"
RUN = "__dalsegno_run__"
"""The decorators' marks."""


def name_of(target: Target) -> str:
    """Raises TypeError for what has no name in dalsegno."""
    if isinstance(target, str):
        return given.plain("name", target)
    name = getattr(target, NAME, None)
    if not isinstance(name, str):
        raise TypeError(
            f"{described(target)!r} has no name in dalsegno: decorate it "
            "(@workflow.defn, @workflow.signal, @workflow.query), or pass the name as a string."
        )
    if name == DYNAMIC_NAME:
        raise TypeError(
            f"{described(target)} is dynamic, it takes all names: pass the one you mean as a string."
        )
    return name


def result_type_of(target: Target) -> Any:
    """The return annotation, of a class that of its run method; Any for a name. Raises PayloadError."""
    if isinstance(target, str):
        return Any
    return return_type(_run_method(target) if isinstance(target, type) else target)


def encode_arguments(target: Target, args: Sequence[Any], converter: DataConverter) -> tuple[Payload, ...]:
    """The arguments as `target` takes them, so far as it is more than a name.

    Raises TypeError for a wrong number, PayloadError for what it would not be given as it is.
    """
    signature = None if isinstance(target, str) else _signature(getattr(target, "__func__", target))
    if signature is not None and not signature.accepts(len(args)):
        raise TypeError(f"{signature.name} takes {signature.expected}, but is given {len(args)}.")
    return encode_args(name_of(target), args, converter, signature)


def encode_as(target: Target, name: str, args: Sequence[Any], converter: DataConverter) -> tuple[Payload, ...]:
    """As `encode_arguments`, for what is called `name` by now, which may still be `target`."""
    return encode_arguments(target if name == name_of(target) else name, args, converter)


def signal_call(
    converter: DataConverter, signal: Target, arguments: Sequence[Any], args: Sequence[Any], arg: Any
) -> tuple[str, tuple[Payload, ...]]:
    """A signal's name, and its arguments, given one by one or as `args`. Raises as encode_arguments."""
    values = one_by_one_or_args("A signal", arguments, args, arg)
    return name_of(signal), encode_arguments(signal, values, converter)


def one_by_one_or_args(what: str, arguments: Sequence[Any], args: Any, arg: Any = UNSET) -> Sequence[Any]:
    """`what` is given them, for people; a single one may be given as `arg`, as the Temporal SDK calls it.
    Raises TypeError for more than one way."""
    values = given.arguments("args", args)
    ways = bool(arguments) + bool(values) + (arg is not UNSET)
    if ways > 1:
        raise TypeError(f"{what} is given its arguments one by one or as args=[...], not both.")
    return arguments or values or (() if arg is UNSET else (arg,))


def _signature(target: type[Any] | Callable[..., Any]) -> Signature:
    return signature_of(_run_method(target) if isinstance(target, type) else target, method=True)


@lru_cache(maxsize=1024)
def _run_method(workflow_class: type[Any]) -> Callable[..., Any]:
    for _, member in inspect.getmembers_static(workflow_class):
        if getattr(member, RUN, False):
            method: Callable[..., Any] = member
            return method
    raise TypeError(f"{workflow_class.__qualname__} has no run method: decorate it with @workflow.run.")
