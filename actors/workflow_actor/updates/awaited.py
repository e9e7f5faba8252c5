"""How user code is given updates: each to its validator, unless that was asked before, and to its handler."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Literal, Protocol

from msgspec.structs import replace

from dalsegno._runtime import CURRENT_UPDATE, UpdateInfo
from dalsegno.actors.workflow_actor.loop.event_loop import DeterministicLoop, WorkflowTask
from dalsegno.actors.workflow_actor.loop.intent_ledger import IntentLedger
from dalsegno.actors.workflow_actor.updates.events import Updated
from dalsegno.actors.workflow_actor.updates.intents import AcceptUpdate, CompleteUpdate, FailUpdate
from dalsegno.data_converter import DataConverter
from dalsegno.definition import HandlerDefinition
from dalsegno.errors import ApplicationError
from dalsegno.failure import Failure
from dalsegno.payload import Payload


class UpdateHandlers(Protocol):
    """Which there are. (It is `program.handlers.Handlers`.)"""

    def find(self, kind: Literal["update"], name: str) -> HandlerDefinition | None: ...
    def names(self, kind: Literal["update"]) -> list[str]: ...
    def args(self, handler: HandlerDefinition, name: str, payloads: Sequence[Payload]) -> list[Any]: ...


class UpdatedCode(Protocol):
    """The program, as updates need it."""

    @property
    def running(self) -> bool:
        """Whether updates may be handled: the run method was entered, and no sign or end has come since."""

    @property
    def dropped(self) -> bool:
        """Whether what ends now is only let go of."""

    def reads(self, who: str, look: Callable[[], Failure | None]) -> Failure | None:
        """What `look` gives, while it may do nothing but read."""


class UpdatesIntercepted(Protocol):
    """The interceptors of the code. (It is `program.intercepted.InterceptedRuntime`.)"""

    def updated(self, handler: HandlerDefinition, update: Updated, args: Sequence[Any]) -> Any:
        """Calls the handler."""

    def validated(self, handler: HandlerDefinition, update: Updated, args: Sequence[Any]) -> None:
        """Calls its validator, if there is one."""


class LifeOfCode(Protocol):
    """Its end, as updates need it. (It is `program.life.ProgramLife`.)"""

    def failure_of(self, error: BaseException) -> Failure | None:
        """What ended a handler, as a failure of the update; None for a bug, which the program has taken. After
        the end of the run there are none."""


class AwaitedUpdates:
    """`waiting` are those of all kinds that nothing can handle yet, in the order they came; `tasks` all
    async handlers that are running."""

    def __init__(
        self,
        waiting: list[Any],
        tasks: dict[WorkflowTask, HandlerDefinition],
        handlers: UpdateHandlers,
        ledger: IntentLedger,
        loop: DeterministicLoop,
        context: contextvars.Context,
        owner: UpdatedCode,
        life: LifeOfCode,
        converter: DataConverter,
    ) -> None:
        self.open: set[WorkflowTask] = set()
        """Those of `tasks` that handle updates."""
        self.unbegun: dict[int, Updated] = {}
        """What async handlers were made for that have not taken their first step; by their identities."""
        self.intercepted: UpdatesIntercepted | None = None
        self._tasks = tasks
        self._waiting = waiting
        self._handlers = handlers
        self._ledger = ledger
        self._loop = loop
        self._context = context
        self._owner = owner
        self._life = life
        self._converter = converter

    def take(self, update: Updated) -> None:
        """Have it handled after what is ready to run; keep it while nothing can handle it."""
        if not self._owner.running:
            self._waiting.append(update)
            return
        context = self._context.copy()
        context.run(CURRENT_UPDATE.set, UpdateInfo(update.update_id, update.name))
        self._loop.call_soon(self.handle, update, context=context)

    def rejection(self, update: Updated) -> Failure | None:
        """Why it is refused; None if it may be handled. It is asked where code may only read."""
        token = CURRENT_UPDATE.set(UpdateInfo(update.update_id, update.name))
        try:
            handler = self._handlers.find("update", update.name)
            if handler is None:
                raise self._no_handler(update.name)
            args = self._handlers.args(handler, update.name, update.args)
            if self.intercepted is not None:
                self.intercepted.validated(handler, update, args)
            elif handler.validator is not None:
                handler.validator(*args)
        except BaseException as error:  # noqa: BLE001 - user code may raise anything
            return self._converter.to_failure(error)
        finally:
            CURRENT_UPDATE.reset(token)
        return None

    def _no_handler(self, name: str) -> ApplicationError:
        known = self._handlers.names("update")
        there_are = f"it has {', '.join(map(repr, known))}" if known else "it has none"
        return ApplicationError(
            f"The workflow has no handler for the update {name!r}; {there_are}.", type="UpdateHandlerNotFound"
        )

    def handle(self, update: Updated) -> None:
        if not self._owner.running:  # a sign was asked for in the same step: it is for the next object
            self._waiting.append(update)
            return
        if not update.validated:
            who = f"the validator of the update {update.name!r}"
            failure = self._owner.reads(who, lambda: self.rejection(update))
            if failure is not None:
                self._ledger.want(FailUpdate(update_id=update.update_id, failure=failure))
                return
            self._ledger.want(AcceptUpdate(update_id=update.update_id))
        try:
            handler = self._handlers.find("update", update.name)
            if handler is None:
                raise RuntimeError(f"The update {update.name!r} was accepted, and has no handler any more.")
            args, intercepted = self._handlers.args(handler, update.name, update.args), self.intercepted
            outcome = (
                handler.function(*args) if intercepted is None else intercepted.updated(handler, update, args)
            )
            if asyncio.iscoroutine(outcome):
                self.unbegun[id(update)] = update if update.validated else replace(update, validated=True)
                task = self._loop.engine_task(self._finish(update, handler, outcome), f"update {update.name}")
                self._tasks[task] = handler
                self.open.add(task)
            else:
                self._complete(update, handler, outcome)
        except BaseException as error:  # noqa: BLE001 - user code may raise anything
            self._fail(update, error)

    async def _finish(
        self, update: Updated, handler: HandlerDefinition, handling: Coroutine[Any, Any, Any]
    ) -> None:
        self.unbegun.pop(id(update), None)
        CURRENT_UPDATE.set(UpdateInfo(update.update_id, update.name))
        try:
            self._complete(update, handler, await handling)
        except BaseException as error:  # user code may raise anything
            if self._owner.dropped:
                raise
            self._fail(update, error)
        finally:
            task: Any = asyncio.current_task(self._loop)
            self._tasks.pop(task, None)
            self.open.discard(task)

    def _complete(self, update: Updated, handler: HandlerDefinition, value: Any) -> None:
        """What has no place in a payload raises."""
        result = self._converter.to_payload(value, handler.signature.returns)
        self._ledger.want_before_end(CompleteUpdate(update_id=update.update_id, result=result))

    def _fail(self, update: Updated, error: BaseException) -> None:
        failure = self._life.failure_of(error)
        if failure is not None:
            self._ledger.want_before_end(FailUpdate(update_id=update.update_id, failure=failure))
