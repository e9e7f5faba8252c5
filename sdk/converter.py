"""Arguments and results: from a callable's annotations to payloads and back.

Workflows, signals, queries, activities and the client all come here, so that a value means the same
everywhere. What single values and errors become is up to the DataConverter that each of them is given.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, get_args

from dalsegno.codecs import UnsupportedAnnotationError, codec_of, shown_type
from dalsegno.codecs.annotations import hints_of, remember_locals
from dalsegno.data_converter import DataConverter
from dalsegno.errors import PayloadCodecError, PayloadError, PayloadLostError, PayloadStoreError
from dalsegno.payload import Payload, RawValue


@dataclass(frozen=True, slots=True)
class Parameter:
    name: str
    type_hint: Any


@dataclass(frozen=True, slots=True)
class Signature:
    """What may be sent to a callable, by position, and what comes back."""

    name: str
    parameters: tuple[Parameter, ...]
    required: int
    """How many of them have no default."""
    rest: Parameter | None
    """`*args`, for whatever is left over."""
    returns: Any

    def accepts(self, count: int) -> bool:
        return self.required <= count and (self.rest is not None or count <= len(self.parameters))

    def parameter(self, index: int) -> Parameter | None:
        """The one that takes the argument at `index`, from 0."""
        return self.parameters[index] if index < len(self.parameters) else self.rest

    @property
    def expected(self) -> str:
        """How many arguments there may be, in words."""
        most = len(self.parameters)
        if self.rest is not None:
            return f"{self.required} or more arguments"
        if self.required != most:
            return f"{self.required} to {most} arguments"
        return "1 argument" if most == 1 else f"{most or 'no'} arguments"


def signature_of(target: Callable[..., Any], *, method: bool = False) -> Signature:
    """The signature of a function, or of a `method` found on its class, whose first parameter is left out.

    Raises PayloadError where an annotation names what does not exist, or where a parameter cannot be given by
    position. Resolved once per callable, so classes may be named before they are defined.
    """
    return _signature_of(target, method)


@lru_cache(maxsize=4096)
def _signature_of(target: Callable[..., Any], method: bool) -> Signature:
    name = getattr(target, "__qualname__", repr(target))
    try:
        hints = hints_of(target)
    except (NameError, AttributeError, TypeError, SyntaxError) as error:
        raise PayloadError(
            f"The annotations of {name} cannot be resolved: {error}. Import what they name at run time, not "
            "only for type checkers."
        ) from error
    all_parameters = list(inspect.signature(target).parameters.values())[1 if method else 0 :]
    positional: list[Parameter] = []
    required = 0
    rest: Parameter | None = None
    for parameter in all_parameters:
        described = Parameter(parameter.name, hints.get(parameter.name, Any))
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            positional.append(described)
            required += parameter.default is parameter.empty
        elif parameter.kind is parameter.VAR_POSITIONAL:
            rest = described
        elif parameter.kind is parameter.KEYWORD_ONLY and parameter.default is parameter.empty:
            raise PayloadError(
                f"Parameter {parameter.name!r} of {name} can only be given by keyword, but arguments travel "
                "by position. Give it a default, or take the * out of the signature."
            )
    # What can be given by keyword only is never sent, and may be anything.
    for sent in (*positional, *(() if rest is None else (rest,))):
        _require_restorable(name, sent.name, sent.type_hint)
    returns = hints.get("return", Any)
    _require_restorable(name, "return", returns)
    return Signature(name, tuple(positional), required, rest, returns)


def _require_restorable(name: str, parameter: str, hint: Any) -> None:
    what = f"The result of {name}" if parameter == "return" else f"Parameter {parameter!r} of {name}"
    if (refused := _why_not_restored(f"{what} is annotated {shown_type(hint)}", hint)) is not None:
        raise refused[0] from refused[1]


def _why_not_restored(told: str, hint: Any) -> tuple[PayloadError, Exception] | None:
    try:
        codec_of(hint)
    except UnsupportedAnnotationError as error:
        return PayloadError(f"{told}, which cannot be restored: {error}."), error
    except (NameError, AttributeError, TypeError, SyntaxError) as error:
        why = f"{told}, whose own annotations cannot be resolved: {error}. "
        return PayloadError(why + "Import what they name at run time, not only for type checkers."), error
    return None


def result_hint(hint: Any, converter: DataConverter) -> Any:
    """A `result_type` that was handed in. Raises TypeError where no result could be restored as it: before
    anything has run. What a converter of the user's own may know is not judged."""
    if (
        converter.knows_annotations
        and (refused := _why_not_restored(f"result_type is {shown_type(hint)}", hint)) is not None
    ):
        raise TypeError(str(refused[0])) from None
    return hint


def require_restorable(target: Callable[..., Any], names: Mapping[str, Any], *, method: bool = False) -> None:
    """Look at the annotations of what is being decorated; `names` are the local variables where that is done.

    Raises TypeError where a value cannot be restored as one of them. What is not defined yet is looked at again
    when a host or worker starts.
    """
    remember_locals(target, names)
    try:
        _signature_of(target, method)
    except PayloadError as error:
        if isinstance(error.__cause__, UnsupportedAnnotationError):
            raise TypeError(str(error)) from None


def return_type(target: Callable[..., Any]) -> Any:
    """The annotated return type of a method, or Any. (Of an `async def` that is what the await gives.)"""
    return _signature_of(target, True).returns


def encode_args(
    name: str,
    args: Sequence[Any],
    converter: DataConverter,
    signature: Signature | None = None,
) -> tuple[Payload, ...]:
    """The arguments for what is called `name`; its `signature`, unless it is known by its name alone.

    Raises PayloadError that says which of them cannot be sent, or would not arrive as what it is.
    """
    payloads: list[Payload] = []
    for index, value in enumerate(args):
        parameter = None if signature is None else signature.parameter(index)
        try:
            payloads.append(converter.to_payload(value, Any if parameter is None else parameter.type_hint))
        except PayloadError as error:
            called = "" if parameter is None else f" ({parameter.name!r})"
            raise _kind(error)(f"Argument {index + 1}{called} of {name}: {error}") from error
    return tuple(payloads)


def dynamic_args(hint: Any, payloads: Sequence[Payload], converter: DataConverter) -> list[Any]:
    """What comes to code that takes all names, in one list: for a `Sequence[RawValue]` as it came, otherwise as
    plain JSON values."""
    item = RawValue if RawValue in (hint, *get_args(hint)) else Any
    return [converter.from_payload(payload, item) for payload in payloads]


def decode_args(
    target: Callable[..., Any] | Signature,
    payloads: Sequence[Payload],
    converter: DataConverter,
    *,
    method: bool = False,
) -> list[Any]:
    """The positional arguments to call `target` with; `method` as for signature_of.

    Raises PayloadError for a wrong number, and for what does not fit its annotation.
    """
    signature = target if isinstance(target, Signature) else _signature_of(target, method)
    if not signature.accepts(len(payloads)):
        raise PayloadError(f"{signature.name} takes {signature.expected}, but was sent {len(payloads)}.")
    values: list[Any] = []
    for index, payload in enumerate(payloads):
        parameter = signature.parameter(index)
        assert parameter is not None
        try:
            values.append(converter.from_payload(payload, parameter.type_hint))
        except PayloadError as error:
            raise _kind(error)(
                f"Argument {index + 1} ({parameter.name!r}) of {signature.name}: {error}"
            ) from error
    return values


def _kind(error: PayloadError) -> type[PayloadError]:
    """So that what can be done later is still told from what cannot be used."""
    kinds = (PayloadLostError, PayloadStoreError, PayloadCodecError)
    return next((kind for kind in kinds if isinstance(error, kind)), PayloadError)
