"""Signal and query handlers of one program since its last sign: those of its class and those set at run time,
the signals that wait because there is no handler for them yet, and the handlers that are running."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Protocol

from dalsegno._runtime import HandlerKind
from dalsegno.actors.workflow_actor.interface.inputs import Signaled
from dalsegno.actors.workflow_actor.program.event_loop import DeterministicLoop, WorkflowTask
from dalsegno.converter import decode_args, encode_result, from_payload
from dalsegno.definition import HandlerDefinition, WorkflowDefinition
from dalsegno.errors import PayloadError
from dalsegno.given import shown
from dalsegno.payload import Payload

NOT_FITTING = (
    "It is kept, and comes first when the code runs again: deploy a handler that takes it, too, and the "
    "workflow goes on by itself; or terminate it and start another."
)


class HandlerOwner(Protocol):
    """The program, as handlers need it."""

    @property
    def instance(self) -> Any:
        """The workflow object; None while there is none."""

    @property
    def running(self) -> bool:
        """Whether signals may be handled: the run method was entered, and no sign or end has come since."""

    @property
    def dropped(self) -> bool:
        """Whether what ends now is only let go of."""

    def not_fitting(self, error: PayloadError) -> None:
        """What came does not fit the code."""

    def handler_failed(self, error: BaseException) -> None:
        """A handler ended by an exception."""


class Handlers:
    """`waiting` are the signals that no handler has taken, in the order they came; `tasks` the async handlers
    that are running, with their signals' names."""

    def __init__(
        self,
        definition: WorkflowDefinition,
        loop: DeterministicLoop,
        context: contextvars.Context,
        owner: HandlerOwner,
    ) -> None:
        self.waiting: list[Signaled] = []
        self.tasks: dict[WorkflowTask, str] = {}
        self._defined: dict[HandlerKind, Mapping[str | None, HandlerDefinition]] = {
            "signal": definition.signals,
            "query": definition.queries,
        }
        self._loop = loop
        self._context = context
        self._owner = owner

    # Which there are

    def find(self, kind: HandlerKind, name: str) -> HandlerDefinition | None:
        """The handler for a name: its own, or else the dynamic one."""
        defined = self._defined[kind]
        return defined.get(name) or defined.get(None)

    def names(self, kind: HandlerKind) -> list[str]:
        return sorted(name for name in self._defined[kind] if name is not None)

    def get(self, kind: HandlerKind, name: str | None) -> Callable[..., Any] | None:
        """The very handler of a name (None: the dynamic one), as user code would call it."""
        found = self._defined[kind].get(name)
        if found is None or found.bound:
            return None if found is None else found.function
        bound: Callable[..., Any] = found.function.__get__(self._owner.instance)
        return bound

    def set(self, kind: HandlerKind, name: str | None, function: Callable[..., Any] | None) -> None:
        if function is not None:
            _require_handler(kind, function)
        # Copied: until now it may be the definition's own table, which all programs share.
        defined = dict(self._defined[kind])
        if function is None:
            defined.pop(name, None)
        else:
            defined[name] = HandlerDefinition(name, function, bound=True)
        self._defined[kind] = defined
        self.hand_out_waiting()

    # Signals

    def signal(self, signal: Signaled) -> None:
        """Have a signal handled after what is ready to run; keep it where nothing can handle it yet."""
        handler = self.find("signal", signal.name)
        if handler is None or not self._owner.running:
            self.waiting.append(signal)
        else:
            self._loop.call_soon(self._handle, handler, signal, context=self._context.copy())

    def hand_out_waiting(self) -> None:
        if self._owner.running:
            waiting, self.waiting = self.waiting, []
            for signal in waiting:
                self.signal(signal)

    def _handle(self, handler: HandlerDefinition, signal: Signaled) -> None:
        if not self._owner.running:  # a sign was asked for in the same step: it is for the next object
            self.waiting.append(signal)
            return
        try:
            args = self.args(handler, signal.name, signal.args)
        except PayloadError as error:
            reason = f"The signal {signal.name!r} does not fit its handler. {error} {NOT_FITTING}"
            self._owner.not_fitting(PayloadError(reason))
            return
        try:
            outcome = handler.function(*args)
        except BaseException as error:  # noqa: BLE001 - user code may raise anything
            self._owner.handler_failed(error)
            return
        if asyncio.iscoroutine(outcome):
            task = self._loop.engine_task(self._finish(outcome), f"signal {signal.name}")
            self.tasks[task] = signal.name

    async def _finish(self, handling: Coroutine[Any, Any, Any]) -> None:
        try:
            await handling
        except BaseException as error:  # user code may raise anything
            if self._owner.dropped:
                raise
            self._owner.handler_failed(error)
        finally:
            self.tasks.pop(asyncio.current_task(self._loop), None)  # type: ignore[call-overload]

    # Queries

    def answer(self, handler: HandlerDefinition, name: str, args: Sequence[Payload]) -> Payload:
        """What a query's handler gives. Whatever it raises comes out."""
        return encode_result(handler.function(*self.args(handler, name, args)), handler.signature.returns)

    def args(self, handler: HandlerDefinition, name: str, payloads: Sequence[Payload]) -> list[Any]:
        """What to call a handler with. Raises PayloadError."""
        args = (
            [name, [from_payload(payload) for payload in payloads]]
            if handler.name is None
            else decode_args(handler.signature, payloads)
        )
        return args if handler.bound else [self._owner.instance, *args]


def _require_handler(kind: HandlerKind, function: Callable[..., Any]) -> None:
    """Raises TypeError for what cannot be called with the arguments of a signal or query."""
    if not callable(function):
        raise TypeError(f"A {kind} handler must be callable, not {shown(function)}.")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise TypeError(f"A {kind} handler must not be a generator, as {shown(function)} is.")
    if kind == "query" and inspect.iscoroutinefunction(function):
        raise TypeError(f"A query handler must not be async, as {shown(function)} is: it is answered at once.")
    try:
        HandlerDefinition("", function, bound=True).signature  # noqa: B018 - raises for what it cannot read
    except (PayloadError, ValueError, TypeError) as error:
        raise TypeError(f"{shown(function)} cannot be a {kind} handler: {error}") from None
