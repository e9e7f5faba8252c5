"""The deadlines that user code has set, from the intent to what it does when one is at risk or overdue. Nobody
waits for them: what is to be done then runs as handlers of signals do."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from dalsegno._deadlines import Deadline, DeadlineCall, DeadlineStatus
from dalsegno.actors.workflow_actor.deadlines.deadline import OPEN_MAX, DeadlinePhase, KeptDeadline
from dalsegno.actors.workflow_actor.deadlines.events import DeadlineNeared
from dalsegno.actors.workflow_actor.deadlines.intents import MeetDeadline, SetDeadline
from dalsegno.actors.workflow_actor.loop.event_loop import DeterministicLoop, WorkflowTask
from dalsegno.actors.workflow_actor.loop.intent_ledger import IntentLedger
from dalsegno.definition import HandlerDefinition
from dalsegno.error_text import is_a
from dalsegno.errors import DeadlineMissedError
from dalsegno.workflow_logger import logger


class CodeWithDeadlines(Protocol):
    """The program, as deadlines need it."""

    @property
    def running(self) -> bool:
        """Whether handlers may run: the run method was entered, and no sign or end has come since."""

    @property
    def dropped(self) -> bool:
        """Whether what ends now is only let go of."""

    def handler_failed(self, error: BaseException) -> None:
        """What was called has ended by an exception."""


Handlers = Callable[[], dict[WorkflowTask, HandlerDefinition]]
"""The async handlers that are running."""


@dataclass(slots=True, eq=False)
class SetOne:
    """One that is open. `told` is the phase for which code has done what it does then."""

    number: int
    name: str
    due_at: int
    fails: bool
    phase: DeadlinePhase = "on_time"
    told: DeadlinePhase = "on_time"
    handle: Deadline | None = None
    """As this part of the run's code has it; none where it has not asked for it since the sign."""
    on_risk: Callable[[], Any] | None = None
    on_overdue: Callable[[], Any] | None = None


class AwaitedDeadlines:
    """All that the run's code has set, those that are open by their names. Implements DeadlineKeeper."""

    __slots__ = ("_code", "_context", "_handlers", "_ledger", "_loop", "_open", "_settled")

    def __init__(
        self,
        kept: Iterable[KeptDeadline],
        ledger: IntentLedger,
        loop: DeterministicLoop,
        context: contextvars.Context,
        code: CodeWithDeadlines,
        handlers: Handlers,
    ) -> None:
        """`kept` goes over from before the sign."""
        self._ledger = ledger
        self._loop = loop
        self._context = context
        self._code = code
        self._handlers = handlers
        self._open = {one.name: _restored(one) for one in kept}
        self._settled: dict[int, DeadlineStatus] = {}

    # --- what user code asks for -----------------------------------------------------------------------------

    def set(self, call: DeadlineCall) -> Deadline:
        one = self._open.get(call.name)
        if one is not None and one.handle is not None:
            raise ValueError(
                f"The run has an open deadline {call.name!r} already: meet that one first, or give this "
                "another name."
            )
        if one is None:
            one = self._new(call)
        one.fails, one.on_risk, one.on_overdue = call.fails, call.on_risk, call.on_overdue
        one.handle = Deadline(one.name, one.due_at, one.number, self)
        if one.told != one.phase:
            self._soon(one)
        return one.handle

    def _new(self, call: DeadlineCall) -> SetOne:
        if len(self._open) >= OPEN_MAX:
            raise ValueError(f"A run may have {OPEN_MAX} open deadlines, and this would be one more.")
        number = self._ledger.next_timer
        self._ledger.next_timer = number + 1
        self._ledger.want_another(
            SetDeadline(number=number, name=call.name, due_at=call.due_at, risk_at=call.risk_at, line=call.line)
        )
        one = self._open[call.name] = SetOne(number, call.name, call.due_at, call.fails)
        return one

    def status(self, number: int) -> DeadlineStatus:
        one = self._of(number)
        return self._settled[number] if one is None else DeadlineStatus(one.phase)

    def met(self, number: int, line: str) -> None:
        loop = self._loop
        if loop.refusal is not None:
            loop.refusal.refuse("Deadline.met")
        one = self._of(number)
        if one is None:
            return
        late = one.phase == "overdue" or loop.now > one.due_at
        del self._open[one.name]
        self._settled[number] = DeadlineStatus.MET_LATE if late else DeadlineStatus.MET
        self._ledger.want(MeetDeadline(number=number, late=late, line=line))

    def _of(self, number: int) -> SetOne | None:
        return next((one for one in self._open.values() if one.number == number), None)

    # --- what comes of time ----------------------------------------------------------------------------------

    def take(self, neared: DeadlineNeared) -> str | None:
        """Have done what is to be done then. Returns what was never asked for, in words; one that is met is
        passed over."""
        one = self._of(neared.number)
        if one is None:
            known = 0 < neared.number < self._ledger.next_timer
            return None if known else f"Deadline {neared.number}"
        one.phase = neared.phase
        say = logger.error if one.phase == "overdue" else logger.warning
        say(f"deadline_{one.phase}", deadline=one.name, due=Deadline(one.name, one.due_at, 0, self).due)
        self._soon(one)
        return None

    def entered(self) -> None:
        """The run method was entered behind a sign: what nobody has done before it is done when that has taken
        its first step."""
        for one in self._open.values():
            if one.told != one.phase:
                self._soon(one)

    def _soon(self, one: SetOne) -> None:
        if self._code.running:  # else a sign has been asked for: it is done behind that
            self._loop.call_soon(self._tell, one, context=self._context.copy())

    def _tell(self, one: SetOne) -> None:
        if one.told == one.phase or self._of(one.number) is None or not self._code.running:
            return
        is_over = one.phase == "overdue"
        if one.handle is None and not (is_over and one.fails):
            return  # whoever asks for it is told
        one.told = one.phase
        function = one.on_overdue if is_over else one.on_risk
        if function is None:
            self._done(one, is_over)
            return
        try:
            outcome = function()
        except BaseException as error:  # noqa: BLE001 - user code may raise anything
            self._code.handler_failed(error)
            return
        if inspect.isawaitable(outcome):
            task = self._loop.engine_task(self._finish(one, outcome, is_over), f"deadline {one.name}")
            self._handlers()[task] = HandlerDefinition(one.name, function, bound=True)
        else:
            self._done(one, is_over)

    async def _finish(self, one: SetOne, doing: Awaitable[Any], is_over: bool) -> None:
        handlers = self._handlers()
        try:
            await doing
            self._done(one, is_over)
        except BaseException as error:  # user code may raise anything
            if self._code.dropped:
                raise
            self._code.handler_failed(error)
            if is_a(error, asyncio.CancelledError):  # which alone fails nothing
                self._done(one, is_over)
        finally:
            handlers.pop(asyncio.current_task(self._loop), None)  # type: ignore[call-overload]

    def _done(self, one: SetOne, is_over: bool) -> None:
        """What was to be done is over: because it is overdue (`is_over`), or at risk, which may last longer."""
        if one.fails and is_over and self._of(one.number) is not None:
            self._code.handler_failed(
                DeadlineMissedError(one.name, Deadline(one.name, one.due_at, 0, self).due)
            )

    # --- the sign --------------------------------------------------------------------------------------------

    def kept(self) -> Iterator[KeptDeadline]:
        """What goes over it. The code behind it asks for them anew."""
        for one in self._open.values():
            yield KeptDeadline(one.number, one.name, one.due_at, one.phase, one.told, one.fails)

    def leave(self) -> None:
        """The sign is set: what the code before it said is to be done is forgotten."""
        self._settled.clear()
        for one in self._open.values():
            one.handle = one.on_risk = one.on_overdue = None

    # --- as all rooms ----------------------------------------------------------------------------------------

    @property
    def count(self) -> int:
        return 0

    def descriptions(self) -> Iterator[str]:
        """Nobody waits for one; what runs for one is a handler."""
        return iter(())

    def forget(self) -> None:
        self._open.clear()


def _restored(kept: KeptDeadline) -> SetOne:
    return SetOne(kept.number, kept.name, kept.due_at, kept.fails, kept.phase, kept.told)
