"""Handlers of one program since its last sign: its class's, and those set at run time."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Protocol

from dalsegno._runtime import HandlerKind
from dalsegno.actors.workflow_actor.queries.failures import no_handler
from dalsegno.converter import decode_args, dynamic_args
from dalsegno.data_converter import DataConverter
from dalsegno.declaring import declaring
from dalsegno.definition import HandlerDefinition, WorkflowDefinition
from dalsegno.errors import PayloadError, QueryFailedError
from dalsegno.given import shown
from dalsegno.payload import Payload

METADATA_QUERY = "__temporal_workflow_metadata"
"""Every workflow answers it, in the form that tools of that field know."""


class HandlerOwner(Protocol):
    """The program, as handlers need it."""

    @property
    def instance(self) -> Any:
        """The workflow object; None while there is none."""

    @property
    def details(self) -> str:
        """What the code says of itself."""


class QueriesIntercepted(Protocol):
    """The interceptors of the code. (It is `intercepted.InterceptedRuntime`.)"""

    def queried(
        self, handler: HandlerDefinition, name: str, args: Sequence[Any], headers: Mapping[str, Payload]
    ) -> Any:
        """Calls the handler; its answer, or a coroutine."""


class Handlers:
    """By kind and name."""

    def __init__(self, definition: WorkflowDefinition, owner: HandlerOwner, converter: DataConverter) -> None:
        self._defined: dict[HandlerKind, Mapping[str | None, HandlerDefinition]] = {
            "signal": definition.signals,
            "query": definition.queries,
            "update": definition.updates,
        }
        self._workflow_type = definition.name
        self._owner = owner
        self._converter = converter

    def find(self, kind: HandlerKind, name: str) -> HandlerDefinition | None:
        """The handler for a name: its own, or else the dynamic one."""
        defined = self._defined[kind]
        found = defined.get(name)
        if found is None and name == METADATA_QUERY and kind == "query":
            return HandlerDefinition(name, self._metadata, bound=True)
        return found or defined.get(None)

    def of_query(self, name: str) -> HandlerDefinition:
        """Raises QueryFailedError where there is none, or where the object is not there yet."""
        handler = self.find("query", name)
        if handler is None or self._owner.instance is None:
            raise QueryFailedError(no_handler(self._workflow_type, name, self.names("query"), handler))
        return handler

    def names(self, kind: HandlerKind) -> list[str]:
        return sorted(name for name in self._defined[kind] if name is not None)

    def _metadata(self) -> Any:
        return {
            "definition": {
                "type": self._workflow_type,
                "queryDefinitions": self._described("query"),
                "signalDefinitions": self._described("signal"),
                "updateDefinitions": self._described("update"),
            },
            "currentDetails": self._owner.details,
        }

    def _described(self, kind: HandlerKind) -> list[dict[str, str]]:
        """Names and descriptions, for people; the dynamic one is "*"."""
        defined = self._defined[kind]
        return [
            {"name": "*" if name is None else name, "description": defined[name].description}
            for name in sorted(defined, key=lambda name: (name is None, name or ""))
        ]

    def get(self, kind: HandlerKind, name: str | None) -> Callable[..., Any] | None:
        """The very handler of a name (None: the dynamic one), as user code would call it."""
        found = self._defined[kind].get(name)
        if found is None or found.bound:
            return None if found is None else found.function
        bound: Callable[..., Any] = found.function.__get__(self._owner.instance)
        return bound

    def set(
        self,
        kind: HandlerKind,
        name: str | None,
        function: Callable[..., Any] | None,
        validator: Callable[..., Any] | None = None,
    ) -> None:
        if function is not None:
            _require_handler(kind, function)
        if validator is not None:
            _require_validator(validator)
        # Copied: until now it may be the definition's own table, which all programs share.
        defined = dict(self._defined[kind])
        if function is None:
            defined.pop(name, None)
        else:
            defined[name] = HandlerDefinition(name, function, bound=True, validator=validator)
        self._defined[kind] = defined

    def answer(
        self,
        handler: HandlerDefinition,
        name: str,
        payloads: Sequence[Payload],
        headers: Mapping[str, Payload],
        intercepted: QueriesIntercepted | None,
    ) -> Payload:
        """What a query's handler gives. Whatever it raises comes out."""
        args = self.args(handler, name, payloads)
        value = (
            handler.function(*args)
            if intercepted is None
            else intercepted.queried(handler, name, args, headers)
        )
        if asyncio.iscoroutine(value):
            text = f"The query handler {name!r} waits for something, but a query is answered at once."
            value = at_once(value, text)
        return self._converter.to_whole_payload(value, handler.signature.returns)

    def args(self, handler: HandlerDefinition, name: str, payloads: Sequence[Payload]) -> list[Any]:
        """What to call a handler with. Raises PayloadError."""
        args = (
            [name, *self._all_in_one(handler, payloads)]
            if handler.name is None
            else decode_args(handler.signature, payloads, self._converter)
        )
        return args if handler.bound else [self._owner.instance, *args]

    def _all_in_one(self, handler: HandlerDefinition, payloads: Sequence[Payload]) -> list[Any]:
        """One list for a dynamic handler, or one by one for `*args`, as the Temporal SDK once had it."""
        args = dynamic_args(handler.rest_hint, payloads, self._converter)
        return args if handler.takes_rest else [args]


def at_once(handling: Coroutine[Any, Any, Any], text: str) -> Any:
    """What an async handler gives that has nothing to wait for; what has is refused with `text`."""
    try:
        waited_for = handling.send(None)
    except StopIteration as end:
        return end.value
    if asyncio.isfuture(waited_for):
        waited_for._asyncio_future_blocking = False  # it is not awaited, after all
    handling.close()
    raise RuntimeError(text)


@declaring
def _require_handler(kind: HandlerKind, function: Callable[..., Any]) -> None:
    """Raises DefinitionError for what cannot be called with the arguments of a signal or query."""
    if not callable(function):
        raise TypeError(f"A {kind} handler must be callable, not {shown(function)}.")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise TypeError(f"A {kind} handler must not be a generator, as {shown(function)} is.")
    try:
        HandlerDefinition("", function, bound=True).signature  # noqa: B018 - raises for what it cannot read
    except (PayloadError, ValueError, TypeError) as error:
        raise TypeError(f"{shown(function)} cannot be a {kind} handler: {error}") from None


@declaring
def _require_validator(validator: Callable[..., Any]) -> None:
    """Raises DefinitionError for what is no plain function."""
    if not callable(validator) or inspect.iscoroutinefunction(validator):
        raise TypeError(f"A validator must be a plain callable, not async: {shown(validator)} is not one.")
