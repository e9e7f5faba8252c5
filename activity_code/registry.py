"""The activities of a worker, by the names that tasks call them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from dalsegno.converter import Signature, decode_args, dynamic_args, signature_of
from dalsegno.data_converter import DataConverter
from dalsegno.declaring import place_of
from dalsegno.definition import (
    DYNAMIC_NAME,
    EXECUTOR_ATTRIBUTE,
    INTERRUPTED_ATTRIBUTE,
    NAME_ATTRIBUTE,
    described,
)
from dalsegno.errors import ApplicationError, ConfigurationError, DefinitionError, PayloadError
from dalsegno.given import shown
from dalsegno.payload import Payload

NAMES_SHOWN_MAX = 20


@dataclass(frozen=True, slots=True)
class Definition:
    """One activity: what to call, and what it takes."""

    name: str
    function: Callable[..., Any]
    signature: Signature
    is_async: bool
    is_interrupted: bool = False
    """A request to stop is raised in its thread."""
    is_in_process: bool = False
    """It asks for a process of its own while it runs."""

    def arguments(self, payloads: Sequence[Payload], converter: DataConverter) -> list[Any]:
        """Raises PayloadError for what does not fit."""
        if self.name == DYNAMIC_NAME:
            return [dynamic_args(self.signature.parameters[0].type_hint, payloads, converter)]
        return decode_args(self.signature, payloads, converter)


class Registry:
    """Raises DefinitionError for what is no activity, and for two of one name."""

    def __init__(self, activities: Iterable[Callable[..., Any]]) -> None:
        self._definitions: dict[str, Definition] = {}
        if not isinstance(activities, Iterable):
            raise ConfigurationError(f"activities must be a list of activities, not {shown(activities)}.")
        for function in activities:
            definition = _define(function)
            other = self._definitions.get(definition.name)
            if other is not None:
                raise DefinitionError(
                    f"Two activities {_called(definition.name)}: {other.signature.name} and "
                    f"{definition.signature.name}. Give one another name with @activity.defn(name=...).",
                    place_of(function),
                )
            self._definitions[definition.name] = definition
        if not self._definitions:
            raise ConfigurationError("A worker needs at least one activity: Worker(..., activities=[...]).")

    @property
    def names(self) -> list[str]:
        return sorted(name or "(dynamic)" for name in self._definitions)

    @property
    def in_processes(self) -> list[Definition]:
        return [definition for definition in self._definitions.values() if definition.is_in_process]

    def find(self, name: str) -> Definition | None:
        return self._definitions.get(name) or self._definitions.get(DYNAMIC_NAME)

    def not_found(self, name: str) -> ApplicationError:
        """The error of an attempt at an activity that this worker lacks. Another one may have it: not final."""
        names = self.names
        shown = ", ".join(names[:NAMES_SHOWN_MAX]) + (", ..." if len(names) > NAMES_SHOWN_MAX else "")
        return ApplicationError(
            f"The worker that took this task has no activity {name!r}; it has: {shown}. Add it to that "
            "worker's activities, or schedule it on a task queue whose workers have it.",
            type="ActivityNotFound",
        )


def _called(name: str) -> str:
    return f"are called {name!r}" if name else "are dynamic"


def _define(function: Callable[..., Any]) -> Definition:
    name = getattr(function, NAME_ATTRIBUTE, None)
    if isinstance(name, str) and isinstance(function, type):
        raise DefinitionError(f"{function.__qualname__} is a class: give the worker an object of it.")
    if not isinstance(name, str):
        raise DefinitionError(
            f"{described(function)} is not an activity: decorate it with @activity.defn.", place_of(function)
        )
    called: Any = function if inspect.isroutine(function) else getattr(function, "__call__")  # noqa: B004, B009
    try:
        signature = signature_of(called)
    except (PayloadError, ValueError) as error:
        raise DefinitionError(str(error), place_of(function)) from error
    interrupted = getattr(function, INTERRUPTED_ATTRIBUTE, False) is True
    in_process = getattr(function, EXECUTOR_ATTRIBUTE, "thread") == "process"
    return Definition(name, called, signature, inspect.iscoroutinefunction(called), interrupted, in_process)
