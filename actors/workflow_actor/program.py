"""The live code of one run since its last sign: inputs in, intents out.

One input, run until idle, next. "Idle" means: no callback is ready, no condition that somebody waits for holds,
and no sign is due. What user code raises is told apart when its coroutine ends: on purpose (the run fails), by
the requested cancellation (the run is cancelled), or by a bug (WorkflowCodeError: the instance is suspended).

A sign replaces everything that user code can see, but for the run's counters: its run method is left at once,
the signal handlers that run are waited for, and then a new object enters the run method with the stored state,
read back from its bytes, so that the live program is what a recovered one would be.
"""

from __future__ import annotations

import asyncio
import contextvars
import zlib
from collections.abc import Coroutine, Sequence
from enum import Enum, auto
from typing import Any, NoReturn

from dalsegno._call_site import raise_site
from dalsegno._runtime import Handler, HandlerKind
from dalsegno.actors.workflow_actor import passivation, waits
from dalsegno.actors.workflow_actor.code_error import code_error, is_failure
from dalsegno.actors.workflow_actor.conditions import Conditions
from dalsegno.actors.workflow_actor.event_loop import WorkflowTask, new_loop
from dalsegno.actors.workflow_actor.handlers import HandlerTable
from dalsegno.actors.workflow_actor.inputs import (
    ActivityResolved,
    Begin,
    CancelRequested,
    Continue,
    Input,
    RunInfo,
    Signaled,
    SignedState,
    TimerFired,
)
from dalsegno.actors.workflow_actor.intent_ledger import IntentLedger
from dalsegno.actors.workflow_actor.intents import (
    AskContinue,
    CancelRun,
    CompleteRun,
    FailRun,
    Intent,
    SetSign,
)
from dalsegno.actors.workflow_actor.pending_activities import Activities
from dalsegno.actors.workflow_actor.program_port import WorkflowCodeError
from dalsegno.actors.workflow_actor.refusals import (
    SIGN_REACHED,
    ReadOnlyRefusal,
    SignReachedError,
)
from dalsegno.actors.workflow_actor.runtime import Runtime
from dalsegno.actors.workflow_actor.sign import AskedSign, is_sign_reached, require_state, signed_state
from dalsegno.converter import decode_args, from_payload, to_failure, to_payload
from dalsegno.definition import HandlerDefinition, WorkflowDefinition
from dalsegno.errors import ActivityError, CanceledError, PayloadError, QueryFailedError
from dalsegno.payload import Payload
from dalsegno.signed_state import restore

SIGNS_BETWEEN_PAUSES = 100
"""A run that sets sign after sign without waiting is cut here, so that its host and its journal keep up."""


class Phase(Enum):
    NEW = auto()
    """Nothing has run yet."""
    RUNNING = auto()
    LEAVING = auto()
    """The run method was left for a sign; signal handlers are still running."""
    PAUSED = auto()
    """The sign is set; the run method is entered at the next Continue."""
    CLOSED = auto()
    """The run has ended."""
    BROKEN = auto()
    """User code had a bug. Nothing runs any more."""
    DROPPED = auto()


class WorkflowProgram:
    """Implements program_port.Program. Raises WorkflowCodeError where the signed state does not fit."""

    def __init__(self, definition: WorkflowDefinition, info: RunInfo, signed: SignedState) -> None:
        self._definition = definition
        self._phase = Phase.NEW
        self._bug: WorkflowCodeError | None = None
        self._context = contextvars.Context()
        self._ledger = IntentLedger(signed)
        # Different runs start their hashes elsewhere: asyncio keeps the tasks of all loops in one set.
        self._loop = new_loop(self._ledger, self._context, zlib.crc32(info.run_id.encode()) << 16)
        self._activities = Activities(self._ledger, self._loop, info.task_queue)
        self._conditions = Conditions(self._loop, self._context)
        self._info = info
        self._replaying = False
        self._stand_at(signed)

    def _stand_at(self, signed: SignedState) -> None:
        """Forget what user code knew, and be where `signed` says."""
        self._signed = signed
        self._args: list[Any] = [] if signed.state is None else [self._restored(signed.state)]
        self._instance: Any = None
        self._main: WorkflowTask | None = None
        self._handlers = HandlerTable(self._definition)
        self._handlers.waiting.extend(signed.signals)
        self._handler_tasks: dict[WorkflowTask, str] = {}
        self._cancel_reason = signed.cancel_reason
        self._cancel_delivered = False
        self._asked_sign: AskedSign | None = None
        self._runtime = Runtime(
            self._info, self._ledger, self._loop, self._activities, self._conditions, self, signed.signs
        )
        self._runtime.replaying = self._replaying
        self._loop.allow(self._runtime)

    def _restored(self, state: Payload) -> Any:
        try:
            return restore(state, self._signed.state_version, self._definition.state_hint)
        except Exception as error:  # noqa: BLE001 - migrations are user code
            failed = error
        raise code_error(failed, f"The state of {self._definition.name} at its last sign cannot be restored.")

    # The port

    def step(self, input_: Input, *, now: int, replaying: bool) -> list[Intent]:
        if self._phase in (Phase.BROKEN, Phase.DROPPED):
            raise RuntimeError(f"A program that is {self._phase.name.lower()} was given an input.")
        if self._phase is Phase.CLOSED:
            return []
        loop = self._loop
        loop.now = max(loop.now, now)
        self._replaying = self._runtime.replaying = replaying
        outside = loop.enter()
        try:
            self._take(input_)
            self._settle()
        except WorkflowCodeError as error:
            self._break(error)
        except BaseException as error:  # noqa: BLE001 - a callback of user code may raise anything
            self._break(code_error(error))
        finally:
            loop.leave(outside)
        if self._bug is not None:
            raise self._bug
        return self._ledger.take()

    def query(self, name: str, args: Sequence[Payload]) -> Payload:
        handler = self._handlers.find("query", name)
        if handler is None or self._instance is None:
            raise QueryFailedError(
                waits.no_query(self._definition.name, name, self._handlers.names("query"), handler)
            )
        loop, runtime = self._loop, self._runtime
        refusal = ReadOnlyRefusal(runtime, f"the query handler {name!r}")
        before = self._ledger.counters(), runtime.random_state(), runtime.replaying
        runtime.replaying = False
        outside = loop.enter()
        loop.refuse(refusal)
        try:
            return self._context.copy().run(self._answer, handler, name, args)
        except BaseException as error:  # noqa: BLE001 - user code may raise anything
            failed = code_error(error)
        finally:
            loop.allow(runtime)
            loop.leave(outside)
            counters, random_state, runtime.replaying = before
            self._ledger.restore(counters)
            runtime.put_back_random(random_state)
            if refusal.touched:
                self._loop.unretrieved.append(
                    RuntimeError(f"the query handler {name!r} changed what tasks wait for")
                )
        raise QueryFailedError(f"The query {name!r} failed: {failed.reason}")

    def waiting_for(self) -> tuple[str, ...]:
        return waits.describe(self._activities, self._loop, self._conditions, self._handler_tasks, self._main)

    def drop(self) -> None:
        if self._phase is Phase.DROPPED:
            return
        self._phase = Phase.DROPPED
        tasks = [*self._loop.tasks.values(), *self._handler_tasks]
        passivation.unwind(self._loop, tasks if self._main is None else [self._main, *tasks])
        self._activities.forget()
        self._main = self._instance = self._asked_sign = None
        self._args.clear()
        self._handler_tasks.clear()
        self._conditions.forget()
        del self._runtime, self._handlers

    # Inputs

    def _take(self, input_: Input) -> None:
        match input_:
            case ActivityResolved():
                if not self._activities.resolve(input_):
                    raise _unknown(f"The result of activity {input_.number}")
            case TimerFired(number=number):
                if not self._loop.fire(number) and not 0 < number < self._ledger.next_timer:
                    raise _unknown(f"Timer {number}")
            case Signaled():
                self._signal(input_)
            case CancelRequested(reason=reason):
                self._cancel(reason)
            case Begin(args=args):
                if self._phase is not Phase.NEW:
                    raise _unknown("A second beginning")
                if self._signed.state is None:
                    self._args = self._decoded_start(args)
                self._enter_or_pause()
            case Continue():
                if self._phase is not Phase.PAUSED:
                    raise _unknown("A Continue")
                self._enter()

    def _decoded_start(self, args: Sequence[Payload]) -> list[Any]:
        try:
            return decode_args(self._definition.run_signature, args)
        except PayloadError as error:
            raise WorkflowCodeError(f"The workflow cannot take the arguments of its start. {error}") from None

    def _enter_or_pause(self) -> None:
        if self._signed.signs and self._signed.signs % SIGNS_BETWEEN_PAUSES == 0:
            self._phase = Phase.PAUSED
            self._ledger.want(AskContinue())
        else:
            self._enter()

    def _enter(self) -> None:
        """Begin the run method. What was waiting for it comes after its first step, so that handlers find the
        object as the run method leaves it when it first waits."""
        self._phase = Phase.RUNNING
        self._main = self._loop.engine_task(self._run(), "run")
        self._hand_out_waiting_signals()
        if self._cancel_reason is not None:
            self._loop.call_soon(self._cancel, self._cancel_reason, context=self._context)

    def _cancel(self, reason: str) -> None:
        if self._phase is not Phase.RUNNING:
            self._cancel_reason = reason
        elif self._main is not None and not self._cancel_delivered:
            self._cancel_delivered = True
            self._main.cancel(reason)

    # Signals

    def _signal(self, signal: Signaled) -> None:
        handler = self._handlers.find("signal", signal.name)
        if handler is None or self._phase is not Phase.RUNNING:
            self._handlers.waiting.append(signal)
        else:
            self._loop.call_soon(self._handle, handler, signal, context=self._context.copy())

    def _hand_out_waiting_signals(self) -> None:
        for signal in self._handlers.take_waiting():
            self._signal(signal)

    def _handle(self, handler: HandlerDefinition, signal: Signaled) -> None:
        if self._phase is not Phase.RUNNING:  # a sign was asked for in the same step: it is for the next object
            self._handlers.waiting.append(signal)
            return
        try:
            args = _handler_args(handler, self._instance, signal.name, signal.args)
        except PayloadError as error:
            raise WorkflowCodeError(f"The signal {signal.name!r} does not fit its handler. {error}") from None
        try:
            outcome = handler.function(*args)
        except BaseException as error:  # noqa: BLE001 - user code may raise anything
            self._ended_by(error)
            return
        if asyncio.iscoroutine(outcome):
            task = self._loop.engine_task(self._finish_handler(outcome), f"signal {signal.name}")
            self._handler_tasks[task] = signal.name

    async def _finish_handler(self, handling: Coroutine[Any, Any, Any]) -> None:
        try:
            await handling
        except asyncio.CancelledError:
            if self._phase is Phase.DROPPED:
                raise
        except BaseException as error:  # user code may raise anything
            if self._phase is Phase.DROPPED:
                raise
            self._ended_by(error)
        finally:
            task = asyncio.current_task(self._loop)
            self._handler_tasks.pop(task, None)  # type: ignore[call-overload]

    def handler(self, kind: HandlerKind, name: str | None) -> Handler | None:
        found = self._handlers.get(kind, name)
        if found is None:
            return None
        return found.function if found.bound else found.function.__get__(self._instance)

    def set_handler(self, kind: HandlerKind, name: str | None, handler: Handler | None) -> None:
        if handler is not None and not callable(handler):
            raise TypeError(f"A {kind} handler must be callable, not {type(handler).__qualname__}.")
        self._handlers.set(kind, name, handler)
        if self._phase is Phase.RUNNING:
            self._hand_out_waiting_signals()

    def all_handlers_finished(self) -> bool:
        return not self._handler_tasks

    # Running

    async def _run(self) -> None:
        """The main task: the run method, and what its end means."""
        definition, args = self._definition, self._args
        try:
            self._instance = definition.cls(*args) if definition.init_takes_args else definition.cls()
            result = await definition.run(self._instance, *args)
        except BaseException as error:  # user code may raise anything
            if self._phase is Phase.DROPPED:
                raise
            self._ended_by(error, main=True)
        else:
            self._returned(result)

    def _returned(self, result: Any) -> None:
        if self._asked_sign is not None:
            self._break(WorkflowCodeError(self._asked_sign.not_left("it returned")))
            return
        try:
            self._close(CompleteRun(result=to_payload(result)))
        except PayloadError as error:
            self._break(WorkflowCodeError(f"The result of {self._definition.name} cannot be stored. {error}"))

    def _ended_by(self, error: BaseException, *, main: bool = False) -> None:
        """What ended the run method, or a signal handler."""
        if main and self._asked_sign is not None:
            if is_sign_reached(error):
                self._phase = Phase.LEAVING
            else:
                self._break(code_error(error, self._asked_sign.not_left("something else was raised")))
            return
        line = raise_site(error.__traceback__).partition(" in ")[0]
        if isinstance(error, asyncio.CancelledError | CanceledError) or self._is_requested_cancellation(error):
            self._close(CancelRun(failure=to_failure(error), line=line))
        elif is_failure(error, self._definition.failure_exception_types):
            self._close(FailRun(failure=to_failure(error), line=line))
        else:
            self._break(code_error(error))

    def _is_requested_cancellation(self, error: BaseException) -> bool:
        cancelled_activity = isinstance(error, ActivityError) and isinstance(error.__cause__, CanceledError)
        return cancelled_activity and self._cancel_delivered

    def _close(self, intent: Intent) -> None:
        if self._phase is Phase.BROKEN:
            return
        self._ledger.close_with(intent)
        self._phase = Phase.CLOSED
        self._loop.interrupted = True

    def _break(self, bug: WorkflowCodeError) -> None:
        if self._bug is None:
            self._bug = bug
        self._phase = Phase.BROKEN
        self._loop.interrupted = True

    def _settle(self) -> None:
        """Run until idle."""
        loop = self._loop
        while True:
            loop.run_ready()
            if loop.interrupted:
                loop.interrupted = False
                if self._phase is Phase.CLOSED or self._phase is Phase.BROKEN:
                    break
                assert self._asked_sign is not None
                self._leave_run_method(self._asked_sign)
            elif not self._conditions.wake(self._runtime):
                if self._phase is not Phase.LEAVING or self._handler_tasks:
                    break
                assert self._asked_sign is not None
                self._set_sign(self._asked_sign)
        self._refuse_unseen_bugs()

    def _refuse_unseen_bugs(self) -> None:
        unseen = self._loop.unretrieved[0] if self._loop.unretrieved else None
        if unseen is None and self._phase is Phase.CLOSED:
            unseen = self._loop.never_retrieved()
        if unseen is not None:
            self._break(code_error(unseen, "A task ended with an error that nobody looked at."))

    # The sign

    def checkpoint(self, state: Any, line: str) -> NoReturn:
        if asyncio.current_task(self._loop) is not self._main:
            raise RuntimeError("workflow.checkpoint can be called by the run method's own task only.")
        require_state(self._definition, state)
        self._asked_sign = AskedSign(state, line)
        self._loop.refuse(SIGN_REACHED)
        self._loop.interrupted = True
        raise SignReachedError

    def _leave_run_method(self, asked: AskedSign) -> None:
        """The callback that called checkpoint is over, and by now the run method must be."""
        self._loop.allow(self._runtime)
        if self._phase is not Phase.LEAVING:
            self._break(WorkflowCodeError(asked.not_left("it waits for something")))

    def _set_sign(self, asked: AskedSign) -> None:
        outstanding = waits.outstanding(self._activities, self._loop)
        if outstanding:
            raise WorkflowCodeError(
                f"workflow.checkpoint was called ({asked.line}) while these were outstanding: "
                f"{'; '.join(outstanding)}. Await or cancel them first."
            )
        signed = signed_state(
            asked, self._definition, self._signed, self._ledger, self._handlers.waiting, self._cancel_reason
        )
        self._ledger.want(SetSign(signed=signed, line=asked.line))
        self._stand_at(signed)
        self._enter_or_pause()

    def _answer(self, handler: HandlerDefinition, name: str, args: Sequence[Payload]) -> Payload:
        return to_payload(handler.function(*_handler_args(handler, self._instance, name, args)))


def _handler_args(
    handler: HandlerDefinition, instance: Any, name: str, payloads: Sequence[Payload]
) -> list[Any]:
    """Raises PayloadError."""
    args = (
        [name, [from_payload(payload) for payload in payloads]]
        if handler.name is None
        else decode_args(handler.signature, payloads)
    )
    return args if handler.bound else [instance, *args]


def _unknown(what: str) -> WorkflowCodeError:
    return WorkflowCodeError(
        f"{what} arrived, but the code has not asked for it: it is not the code that the history was made by."
    )
