"""Signal and query handlers of one program: those of its class, those set at run time, and the signals that
wait because there is none for them yet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from dalsegno._runtime import HandlerKind
from dalsegno.actors.workflow_actor.inputs import Signaled
from dalsegno.definition import HandlerDefinition, WorkflowDefinition

Handlers = Mapping[str | None, HandlerDefinition]


class HandlerTable:
    """`waiting` are the signals without a handler, in the order they came."""

    __slots__ = ("_handlers", "waiting")

    def __init__(self, definition: WorkflowDefinition) -> None:
        self._handlers: dict[HandlerKind, Handlers] = {
            "signal": definition.signals,
            "query": definition.queries,
        }
        self.waiting: list[Signaled] = []

    def find(self, kind: HandlerKind, name: str) -> HandlerDefinition | None:
        """The handler for a name: its own, or else the dynamic one."""
        handlers = self._handlers[kind]
        return handlers.get(name) or handlers.get(None)

    def get(self, kind: HandlerKind, name: str | None) -> HandlerDefinition | None:
        """The very handler of a name; the dynamic one for None."""
        return self._handlers[kind].get(name)

    def names(self, kind: HandlerKind) -> list[str]:
        return sorted(name for name in self._handlers[kind] if name is not None)

    def set(self, kind: HandlerKind, name: str | None, function: Callable[..., Any] | None) -> None:
        # Copied: until then it is the definition's own table, which all programs share.
        handlers = dict(self._handlers[kind])
        if function is None:
            handlers.pop(name, None)
        else:
            handlers[name] = HandlerDefinition(name, function, bound=True)
        self._handlers[kind] = handlers

    def take_waiting(self) -> list[Signaled]:
        """The waiting signals that have a handler now; the others go on waiting."""
        ready = [signal for signal in self.waiting if self.find("signal", signal.name) is not None]
        self.waiting = [signal for signal in self.waiting if self.find("signal", signal.name) is None]
        return ready
