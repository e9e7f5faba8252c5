"""How user code is given signals: each to its handler, and those that have none yet wait."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any, Literal, Protocol

from dalsegno.actors.workflow_actor.loop.event_loop import DeterministicLoop, WorkflowTask
from dalsegno.actors.workflow_actor.loop.intent_ledger import IntentLedger
from dalsegno.actors.workflow_actor.signals.decisions import NOT_FITTING
from dalsegno.actors.workflow_actor.signals.events import SetAside, Signaled
from dalsegno.actors.workflow_actor.signals.intents import SetSignalAside
from dalsegno.actors.workflow_actor.signals.set_aside import REASON_CHARACTERS_MAX
from dalsegno.definition import HandlerDefinition
from dalsegno.errors import PayloadError
from dalsegno.payload import Payload


class SignalHandlers(Protocol):
    """Which there are. (It is `program.handlers.Handlers`.)"""

    def find(self, kind: Literal["signal"], name: str) -> HandlerDefinition | None: ...
    def args(self, handler: HandlerDefinition, name: str, payloads: Sequence[Payload]) -> list[Any]: ...


class SignaledCode(Protocol):
    """The program, as signals need it."""

    @property
    def running(self) -> bool:
        """Whether signals may be handled: the run method was entered, and no sign or end has come since."""

    @property
    def dropped(self) -> bool:
        """Whether what ends now is only let go of."""

    def handler_failed(self, error: BaseException) -> None:
        """A handler ended by an exception."""


class SignalsIntercepted(Protocol):
    """The interceptors of the code. (It is `program.intercepted.InterceptedRuntime`.)"""

    def signaled(self, handler: HandlerDefinition, signal: Signaled, args: Sequence[Any]) -> Callable[[], Any]:
        """Calls the handler. Raises PayloadError for headers that cannot be read."""


class LifeOfSignaledCode(Protocol):
    """What it does now, as signals need it. (It is `program.life.ProgramLife`.)"""

    @property
    def sets_unfit_aside(self) -> bool:
        """Whether a signal that does not fit goes into the quarantine: not when code runs again, which has had
        all such signals taken from it."""

    def not_fitting(self, error: PayloadError) -> None:
        """What came does not fit the code."""


class AwaitedSignals:
    """`waiting` are those of all kinds that nothing can handle yet, in the order they came; `tasks` all
    async handlers that are running."""

    def __init__(
        self,
        waiting: list[Any],
        tasks: dict[WorkflowTask, HandlerDefinition],
        handlers: SignalHandlers,
        ledger: IntentLedger,
        loop: DeterministicLoop,
        context: contextvars.Context,
        owner: SignaledCode,
        life: LifeOfSignaledCode,
        carried: Iterable[object],
    ) -> None:
        """`carried` is all that came over the last sign."""
        self.unbegun: dict[int, Signaled] = {}
        """What async handlers were made for that have not taken their first step; by their identities."""
        self._given = 0
        self.intercepted: SignalsIntercepted | None = None
        self._places: dict[int, int] = {}
        """Of signals that were not handled yet, by their `id`: how many were given before them."""
        for sent in carried:
            if isinstance(sent, Signaled):
                self._places[id(sent)] = self._given
            self._given += isinstance(sent, Signaled | SetAside)
        self._ledger = ledger
        self._waiting = waiting
        self._tasks = tasks
        self._handlers = handlers
        self._loop = loop
        self._context = context
        self._owner = owner
        self._life = life

    def take(self, signal: Signaled | SetAside) -> None:
        """Have a signal handled after what is ready to run; keep it where nothing can handle it yet."""
        if isinstance(signal, SetAside):
            self._given += 1
            return
        if id(signal) not in self._places:
            self._places[id(signal)] = self._given
            self._given += 1
        handler = self._handlers.find("signal", signal.name)
        if handler is None or not self._owner.running:
            self._waiting.append(signal)
        else:
            self._loop.call_soon(self.handle, handler, signal, context=self._context.copy())

    def handle(self, handler: HandlerDefinition, signal: Signaled) -> None:
        if not self._owner.running:  # a sign was asked for in the same step: it is for the next object
            self._waiting.append(signal)
            return
        place = self._places.pop(id(signal))
        try:
            args = self._handlers.args(handler, signal.name, signal.args)
            call = None if self.intercepted is None else self.intercepted.signaled(handler, signal, args)
        except PayloadError as error:
            self._does_not_fit(signal, place, f"The signal {signal.name!r} does not fit its handler. {error}")
            return
        try:
            outcome = handler.function(*args) if call is None else call()
        except BaseException as error:  # noqa: BLE001 - user code may raise anything
            self._owner.handler_failed(error)
            return
        if asyncio.iscoroutine(outcome):
            self.unbegun[id(signal)] = signal
            task = self._loop.engine_task(self._finish(signal, outcome), f"signal {signal.name}")
            self._tasks[task] = handler

    def _does_not_fit(self, signal: Signaled, place: int, reason: str) -> None:
        if not self._life.sets_unfit_aside:
            self._life.not_fitting(PayloadError(f"{reason} {NOT_FITTING}"))
            return
        reason = reason[:REASON_CHARACTERS_MAX]
        self._ledger.want(
            SetSignalAside(
                place=place, name=signal.name, args=signal.args, reason=reason, headers=signal.headers
            )
        )

    async def _finish(self, signal: Signaled, handling: Coroutine[Any, Any, Any]) -> None:
        self.unbegun.pop(id(signal), None)
        try:
            await handling
        except BaseException as error:  # user code may raise anything
            if self._owner.dropped:
                raise
            self._owner.handler_failed(error)
        finally:
            self._tasks.pop(asyncio.current_task(self._loop), None)  # type: ignore[call-overload]
