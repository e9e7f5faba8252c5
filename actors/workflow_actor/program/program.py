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
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NoReturn

from dalsegno._runtime import Handler, HandlerKind
from dalsegno._saga import Saga
from dalsegno.actors.workflow_actor.activities.awaited import AwaitedActivities
from dalsegno.actors.workflow_actor.activities.events import ActivityResolved
from dalsegno.actors.workflow_actor.compensation.awaited import Sagas
from dalsegno.actors.workflow_actor.interface.intent import Intent
from dalsegno.actors.workflow_actor.interface.run_info import RunInfo
from dalsegno.actors.workflow_actor.loop.cancel_request import CancelReason, CancelRequest
from dalsegno.actors.workflow_actor.loop.event_loop import WorkflowTask, new_loop
from dalsegno.actors.workflow_actor.loop.intent_ledger import NO_LIMIT, STEP_LIMIT, TASKS_FOR_EACH, IntentLedger
from dalsegno.actors.workflow_actor.loop.refusals import SIGN_REACHED, SignReachedError
from dalsegno.actors.workflow_actor.patches.awaited import Activates
from dalsegno.actors.workflow_actor.program import passivation, unfinished, waits
from dalsegno.actors.workflow_actor.program.code_error import code_error, never_asked
from dalsegno.actors.workflow_actor.program.conditions import Conditions
from dalsegno.actors.workflow_actor.program.entry import restored_args, start_args
from dalsegno.actors.workflow_actor.program.handlers import Handlers
from dalsegno.actors.workflow_actor.program.handling import Handling, rejection
from dalsegno.actors.workflow_actor.program.intercepted import InterceptedRuntime
from dalsegno.actors.workflow_actor.program.life import ProgramLife
from dalsegno.actors.workflow_actor.program.phase import SIGNS_BETWEEN_PAUSES, ProgramPhase
from dalsegno.actors.workflow_actor.program.port import NO_HEADERS, KnownActivities, WorkflowCodeError
from dalsegno.actors.workflow_actor.program.reading import Reading
from dalsegno.actors.workflow_actor.program.runtime import Runtime
from dalsegno.actors.workflow_actor.program.seldom import SeldomUsed
from dalsegno.actors.workflow_actor.program.sign import AskedSign, carried_cancel, require_state, signed_state
from dalsegno.actors.workflow_actor.program.storable import require_storable
from dalsegno.actors.workflow_actor.run.inputs import Begin, CancelRequested, Continue, Input, SignedState
from dalsegno.actors.workflow_actor.run.intents import AskContinue, SetSign
from dalsegno.actors.workflow_actor.timers.awaited import AwaitedTimers
from dalsegno.actors.workflow_actor.timers.events import TimerFired
from dalsegno.actors.workflow_actor.updates.events import Updated
from dalsegno.data_converter import DataConverter
from dalsegno.definition import WorkflowDefinition
from dalsegno.error_text import class_name, is_a
from dalsegno.errors import PayloadError
from dalsegno.failure import Failure
from dalsegno.interceptors.workflows import WorkflowInboundInterceptor
from dalsegno.payload import Payload
from dalsegno.stored_payloads import Pieces


class WorkflowProgram:
    """Implements program_port.Program. Raises WorkflowCodeError where the signed state does not fit."""

    def __init__(
        self,
        definition: WorkflowDefinition,
        info: RunInfo,
        signed: SignedState,
        converter: DataConverter,
        *,
        step_limit: int = STEP_LIMIT,
        local_activities: KnownActivities | None = None,
        patches: tuple[Sequence[str], Activates | None] = ((), None),
        interceptors: Sequence[type[WorkflowInboundInterceptor]] = (),
    ) -> None:
        self._definition, self._converter = definition, converter
        self._context, self._ledger = contextvars.Context(), IntentLedger(signed)
        self._timers = AwaitedTimers(self._ledger)
        # Different runs start their hashes elsewhere: asyncio keeps the tasks of all loops in one set.
        self._loop = new_loop(self._ledger, self._timers, self._context, zlib.crc32(info.run_id.encode()) << 16)
        self._life = ProgramLife(definition, self._ledger, self._loop, converter)
        self._cancel_request = request = CancelRequest()
        self._activities = AwaitedActivities(self._ledger, self._loop, info, request.outlived, converter)
        self._seldom: SeldomUsed | None = None
        self._awaited: dict[type, waits.Awaited] = {ActivityResolved: self._activities}
        self._awaited[TimerFired] = self._timers
        self._conditions = Conditions(self._loop, self._context)
        self._info, self._step_limit, self._local_activities = info, step_limit, local_activities
        self._patches, self._replaying, self._interceptors = patches, False, interceptors
        self._stand_at(signed)

    def _stand_at(self, signed: SignedState) -> None:
        """Forget what user code knew, and be where `signed` says."""
        self._signed = signed
        self._args = restored_args(self._definition, signed, self._converter)
        self._instance: Any = None
        self._main: WorkflowTask | None = None
        self._handlers = Handlers(self._definition, self, self._converter)
        ledger, loop = self._ledger, self._loop
        code = self._context, self, self._life, self._converter
        self._handling = Handling(signed.signals, self._handlers, ledger, loop, *code)
        self._takers: dict[type, waits.Taker] = {**self._awaited, **self._handling.takers}
        self._cancel_request.forget()
        self._cancel_request.reason = signed.asked_to_stop
        self._carried_cancel = None if signed.cancel_reason is None else carried_cancel(signed)
        self._asked_sign: AskedSign | None = None
        known = self._info, ledger, loop, self._activities, self._conditions, self, signed, self._converter
        parts, around = (*known, self._life, self._cancel_request), self._interceptors
        self._intercepted = InterceptedRuntime(around, *parts) if around else None
        self._runtime: Runtime = self._intercepted or Runtime(*parts)
        self._runtime.replaying = self._replaying
        self._sagas = self._new_sagas(signed) if signed.compensations else None
        loop.allow(self._runtime)

    # The port

    def step(self, input_: Input, *, now: int, replaying: bool) -> list[Intent]:
        if self._life.phase in (ProgramPhase.BROKEN, ProgramPhase.DROPPED):
            raise RuntimeError(f"A program that is {self._life.phase.name.lower()} was given an input.")
        if self._life.phase is ProgramPhase.CLOSED:
            return []
        loop = self._loop
        loop.now = max(loop.now, now)
        self._replaying = self._life.replaying = self._runtime.replaying = replaying
        ledger = self._ledger
        ledger.limit = limit = NO_LIMIT if replaying else self._step_limit  # what was done once is done again
        ledger.calls_left = limit * TASKS_FOR_EACH
        outside = loop.enter()
        intents: list[Intent] = []
        try:
            if self._life.bug is None:
                self._take(input_)
                self._settle()
                if self._life.coded is not None:
                    self._life.require_no_trouble(self._life.coded)
                intents = self._ledger.take()
                if not replaying:
                    require_storable(intents, self._local_activities)
        except WorkflowCodeError as error:
            self._life.break_off(error)
        except BaseException as error:  # noqa: BLE001 - a callback of user code may raise anything
            self._life.break_off(code_error(error))
        finally:
            loop.leave(outside)
        if self._life.bug is not None:
            raise self._life.taken_bug()
        return intents

    def take_pieces(self) -> Pieces:
        return self._life.take_pieces()

    def query(self, name: str, args: Sequence[Payload], headers: Mapping[str, Payload] = NO_HEADERS) -> Payload:
        handler, by = self._handlers.of_query(name), self._intercepted
        return self._reading.query(name, partial(self._handlers.answer, handler, name, args, headers, by))

    @property
    def _reading(self) -> Reading:
        return Reading(self._loop, self._ledger, self._context, self._runtime, self._life, self._converter)

    @property
    def takes_updates(self) -> bool:
        return self.running and self._instance is not None

    def rejection(self, asked: Updated | ActivityResolved) -> Failure | None:
        return rejection(asked, self._activities, self._handling.updates, self.reads)

    def reads(self, who: str, look: Callable[[], Failure | None]) -> Failure | None:
        return self._reading.look(who, look)

    @property
    def is_spoiled(self) -> bool:
        return self._life.phase is ProgramPhase.BROKEN

    def query_handler(self, name: str) -> str | None:
        handler = self._handlers.find("query", name)
        return name if handler is None else handler.name

    @property
    def details(self) -> str:
        return self._runtime.details

    def waiting_for(self) -> tuple[str, ...]:
        if self._life.phase is ProgramPhase.CLOSED:
            return ()
        awaited, handling, request = self._awaited.values(), self._handling, self._cancel_request
        return waits.describe(awaited, self._conditions, handling.tasks, handling.waiting, request.run_method)

    def drop(self) -> None:
        if self._life.phase is ProgramPhase.DROPPED:
            return
        self._life.phase = ProgramPhase.DROPPED
        tasks = [*self._loop.tasks.values(), *self._handling.tasks]
        passivation.unwind(self._loop, tasks if self._main is None else [self._main, *tasks], self._forget)

    def _forget(self) -> None:
        for awaited in self._awaited.values():
            awaited.forget()
        passivation.empty(self._instance)
        self._main = self._instance = self._asked_sign = self._intercepted = None
        self._cancel_request.forget()
        if self._sagas is not None:
            self._sagas.drop()
        self._args.clear()
        self._handling.forget()
        self._conditions.forget()
        self._life.bug = None
        del self._runtime, self._handlers, self._handling, self._takers  # they know it, too

    # Inputs

    def _take(self, input_: Input) -> None:
        self._runtime.inputs.append(input_)
        taker = self._takers.get(type(input_))
        if taker is not None:
            if (what := taker.take(input_)) is not None:
                raise never_asked(what)
            return
        match input_:
            case CancelRequested(reason=text, kept=kept, as_failure=as_failure):
                reason = CancelReason(text, as_failure=as_failure)
                self._loop.call_soon(self._cancel, reason, kept, context=self._context)
            case Begin(args=args):
                if self._life.phase is not ProgramPhase.NEW:
                    raise never_asked("A second beginning")
                self._begin(args)
            case Continue():
                if self._life.phase is not ProgramPhase.PAUSED:
                    raise never_asked("A Continue")
                self._enter()
            case _:  # of what was asked for before a sign
                self.seldom()
                self._take(input_)

    def _begin(self, args: Sequence[Payload]) -> None:
        if self._signed.state is None:
            try:
                self._args = start_args(self._definition, args, self._converter)
            except PayloadError as error:
                self._life.not_fitting(error)
                return
        self._enter_or_pause()

    def _enter_or_pause(self) -> None:
        if self._signed.signs and self._signed.signs % SIGNS_BETWEEN_PAUSES == 0:
            self._life.phase = ProgramPhase.PAUSED
            self._ledger.want(AskContinue())
        else:
            self._enter()

    def _enter(self) -> None:
        """Begin the run method. What was waiting for it comes after its first step, so that handlers find the
        object as the run method leaves it when it first waits; but not updates that came before all that."""
        if self._handling.waiting and self._life.phase is ProgramPhase.NEW and not self._signed.signs:
            self._handling.keep_early()
        if self._intercepted is not None:
            self._intercepted.begin()
            self._handling.intercept(self._intercepted)
        self._life.phase = ProgramPhase.RUNNING
        self._main = self._loop.engine_task(self._run(), "run")
        self._cancel_request.attend(self._main)
        if self._handling.waiting:
            self._handling.hand_out(self._handling.waiting)
        if self._signed.deadlines:
            self.seldom().deadlines.entered()
        if self._carried_cancel is not None:
            reason, self._carried_cancel = self._carried_cancel, None
            self._loop.call_soon(self._cancel, reason, True, context=self._context)

    def _cancel(self, reason: CancelReason, kept: bool) -> None:
        if self._life.phase is ProgramPhase.RUNNING:
            self._cancel_request.arrive(reason, kept=kept)
        else:
            self._carried_cancel = reason

    # What handlers need to know, and what user code may ask of them

    @property
    def instance(self) -> Any:
        return self._instance

    @property
    def running(self) -> bool:
        return self._life.phase is ProgramPhase.RUNNING

    @property
    def dropped(self) -> bool:
        # A program that nobody dropped ends in the garbage collector, outside of any step.
        return self._life.phase is ProgramPhase.DROPPED or not self._loop.is_running()

    def handler_failed(self, error: BaseException) -> None:
        """A signal's. Of its own cancellation it ends alone; after the run's end it is nothing to anybody."""
        if is_a(error, asyncio.CancelledError) or self._life.phase is ProgramPhase.CLOSED:
            return
        if self._sagas is None or self._main is None or not self._sagas.will_undo(error):
            self._ended_by(error)
        elif self._life.phase is not ProgramPhase.LEAVING:
            self._main.cancel()
        else:  # the sign for which it was left is not set any more
            self._life.phase, self._asked_sign = ProgramPhase.RUNNING, None
            self._main = self._loop.engine_task(self._undo(self._sagas, error), "undo")

    async def _undo(self, sagas: Sagas, error: BaseException) -> None:
        self._ended_by(await sagas.undo_before_end(error))

    def handler(self, kind: HandlerKind, name: str | None) -> Handler | None:
        return self._handlers.get(kind, name)

    def set_handler(
        self, kind: HandlerKind, name: str | None, handler: Handler | None, validator: Handler | None = None
    ) -> None:
        self._handlers.set(kind, name, handler, validator)
        if self.running:
            self._handling.hand_out(self._handling.waiting)

    def seldom(self) -> SeldomUsed:
        if self._seldom is None:
            known = self._ledger, self._loop, self._context, self._info, self._cancel_request.outlived
            life, kept, handlers = self._life, self._signed.deadlines, lambda: self._handling.tasks
            self._seldom = SeldomUsed(*known, life, kept, self, handlers, self._converter, *self._patches)
            self._awaited.update(self._seldom.awaited)
            self._takers.update(self._seldom.awaited)
        return self._seldom

    def all_handlers_finished(self) -> bool:
        return not self._handling.tasks

    def open_saga(self, name: str) -> Saga:
        if self._sagas is None:
            self._sagas = self._new_sagas(self._signed)
        return self._sagas.open(name)

    def _new_sagas(self, signed: SignedState) -> Sagas:
        return Sagas(signed.compensations, self._ledger, self._runtime.steps, self._life, self._converter)

    # Running

    async def _run(self) -> None:
        """The main task: the run method, and what its end means."""
        definition, args = self._definition, self._args
        try:
            self._instance = definition.cls(*args) if definition.init_takes_args else definition.cls()
            if self._handling.early:
                self._handling.hand_out(self._handling.early)
                for _ in range(2):  # for the handlers, and for the first steps of those that are async
                    await asyncio.sleep(0)
            run = definition.run if self._intercepted is None else partial(self._intercepted.run, definition)
            result = await self._cancel_request.watched(run(self._instance, *args))
            if self._sagas is not None:
                await self._sagas.wait_undone()
                self._sagas.close()
        except BaseException as error:  # user code may raise anything
            if self.dropped:
                raise
            if self._sagas is not None and self._asked_sign is None:
                error = await self._sagas.undo_before_end(error)
            self._ended_by(error, main=True)
            return
        if self._asked_sign is not None:
            self._life.break_off(WorkflowCodeError(self._asked_sign.not_left("it returned")))
            return
        try:
            self._life.complete(result)
        except BaseException as error:  # noqa: BLE001 - what encodes a value runs methods of its class
            self._ended_by(error)

    def _ended_by(self, error: BaseException, *, main: bool = False) -> None:
        """What ended the run method, or a signal handler. There is an outcome, whatever the error is like."""
        try:
            if main and self._asked_sign is not None:
                self._asked_sign.run_left_by(error, self._life)
            else:
                self._life.judge(error, cancel_delivered=self._cancel_request.delivered)
        except BaseException as inner:  # noqa: BLE001 - such as a class that raises when it is compared with others
            self._life.break_off(code_error(inner, f"What a {class_name(error)} means could not be found out."))

    def _settle(self) -> None:
        loop = self._loop
        while True:
            loop.run_ready()
            if self._ledger.too_much is not None:
                break
            if loop.interrupted:
                loop.interrupted = False
                if self._life.phase is ProgramPhase.CLOSED or self._life.phase is ProgramPhase.BROKEN:
                    break
                assert self._asked_sign is not None
                self._leave_run_method(self._asked_sign)
            elif not self._conditions.wake(self._runtime):
                if self._life.phase is not ProgramPhase.LEAVING or self._handling.tasks:
                    break
                assert self._asked_sign is not None
                self._set_sign(self._asked_sign)
        if self._ledger.too_much is not None:
            self._life.break_off(WorkflowCodeError(str(self._ledger.too_much)))
        for error in loop.unseen_errors(at_end=self._life.phase is ProgramPhase.CLOSED):
            self._life.unseen(error)
        if self._life.phase is ProgramPhase.CLOSED and loop.failed_gatherings:
            self._life.tell_of_gatherings()
        if self._life.phase is ProgramPhase.CLOSED and self._handling.tasks:
            unfinished.go_on(self._handling.updates.open, loop, self._conditions, self._runtime)
            unfinished.warn(self._handling.tasks)
        if self._life.goes_on is not None:
            self._life.goes_along(self._handling.left_over(self._unseen_cancel))

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
        if self._life.phase is not ProgramPhase.LEAVING:
            self._life.break_off(WorkflowCodeError(asked.not_left("it waits for something")))

    def _set_sign(self, asked: AskedSign) -> None:
        outstanding = waits.outstanding((self._activities, self._timers), self._loop)
        if outstanding:
            raise WorkflowCodeError(asked.too_early(outstanding))
        if self._sagas is not None and (hindrance := self._sagas.hindrance()) is not None:
            raise WorkflowCodeError(f"workflow.checkpoint was called ({asked.line}), but {hindrance}.")
        signed = signed_state(
            asked,
            self._definition,
            self._signed,
            self._ledger,
            self._handling.waiting,
            self._unseen_cancel,
            () if self._sagas is None else self._sagas.kept(),
            () if self._seldom is None else self._seldom.deadlines.kept(),
            self._runtime,
        )
        self._ledger.want(SetSign(signed=signed, line=asked.line))
        if self._seldom is not None:
            self._seldom.leave()
        self._stand_at(signed)
        self._enter_or_pause()

    @property
    def _unseen_cancel(self) -> CancelReason | None:
        """The reason of the request that the run method has not seen."""
        return self._cancel_request.owed if self._carried_cancel is None else self._carried_cancel
