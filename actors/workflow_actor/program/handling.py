"""What is sent to code, signals and updates: each goes to its handler; what cannot be handled yet waits, in the
order in which it came."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from dalsegno.actors.workflow_actor.activities.awaited import AwaitedActivities
from dalsegno.actors.workflow_actor.activities.events import ActivityResolved
from dalsegno.actors.workflow_actor.loop.cancel_request import CancelReason
from dalsegno.actors.workflow_actor.loop.event_loop import DeterministicLoop, WorkflowTask
from dalsegno.actors.workflow_actor.loop.intent_ledger import IntentLedger
from dalsegno.actors.workflow_actor.program.handlers import Handlers
from dalsegno.actors.workflow_actor.program.life import ProgramLife
from dalsegno.actors.workflow_actor.program.waits import Taker
from dalsegno.actors.workflow_actor.run.inputs import CancelRequested, Carried
from dalsegno.actors.workflow_actor.signals.awaited import AwaitedSignals, SignaledCode, SignalsIntercepted
from dalsegno.actors.workflow_actor.signals.events import SetAside, Signaled
from dalsegno.actors.workflow_actor.updates.awaited import AwaitedUpdates, UpdatedCode, UpdatesIntercepted
from dalsegno.actors.workflow_actor.updates.events import Updated
from dalsegno.data_converter import DataConverter
from dalsegno.definition import HandlerDefinition
from dalsegno.failure import Failure

Sent = Signaled | Updated


class HandlingCode(SignaledCode, UpdatedCode, Protocol):
    """The program, as what is sent to it needs it."""


class Intercepted(SignalsIntercepted, UpdatesIntercepted, Protocol):
    """The interceptors of the code. (It is `intercepted.InterceptedRuntime`.)"""


class Handling:
    """`waiting` is what nothing can handle yet; `tasks` the async handlers that are running. `takers` take what
    is sent, by its type."""

    def __init__(
        self,
        waiting: Iterable[Sent | SetAside],
        handlers: Handlers,
        ledger: IntentLedger,
        loop: DeterministicLoop,
        context: contextvars.Context,
        owner: HandlingCode,
        life: ProgramLife,
        converter: DataConverter,
    ) -> None:
        carried = list(waiting)
        self.waiting: list[Sent] = list(_still_to_be_handled(carried) if carried else ())
        self.tasks: dict[WorkflowTask, HandlerDefinition] = {}
        self.early: list[Sent] = []
        """What came before the run method was entered first: it is handled before its first step."""
        signals = AwaitedSignals(
            self.waiting, self.tasks, handlers, ledger, loop, context, owner, life, carried
        )
        self.updates = AwaitedUpdates(
            self.waiting, self.tasks, handlers, ledger, loop, context, owner, life, converter
        )
        self.takers: dict[type, Taker] = {Signaled: signals, SetAside: signals, Updated: self.updates}
        self._loop = loop
        self._signals = signals
        self._takers = (signals, self.updates)

    def intercept(self, intercepted: Intercepted) -> None:
        """From now on handlers are called by that."""
        self._signals.intercepted = self.updates.intercepted = intercepted

    def keep_early(self) -> None:
        """All that waits is early."""
        self.early, self.waiting[:] = list(self.waiting), []

    def hand_out(self, waiting: list[Sent]) -> None:
        """`waiting`, or `early`: to the handlers that there are now."""
        inputs, waiting[:] = list(waiting), []
        for input_ in inputs:
            self.takers[type(input_)].take(input_)

    def left_over(self, cancel: CancelReason | None) -> tuple[Carried, ...]:
        """What no handler has begun with, in the order in which it came; and the request to cancel that the run
        method has not seen."""
        handed_out = [args[-1] for args in self._loop.args_of([taker.handle for taker in self._takers])]
        asked = () if cancel is None else (_requested(cancel),)
        unbegun = [input_ for taker in self._takers for input_ in taker.unbegun.values()]
        return (*asked, *self.early, *unbegun, *self.waiting, *handed_out)

    def forget(self) -> None:
        self.tasks.clear()
        self.updates.open.clear()
        self.takers.clear()


def _requested(cancel: CancelReason) -> CancelRequested:
    return CancelRequested(reason=str(cancel), kept=True, as_failure=cancel.as_failure)


def _still_to_be_handled(carried: Iterable[Sent | SetAside]) -> Iterator[Sent]:
    return (sent for sent in carried if not isinstance(sent, SetAside))


def rejection(
    asked: Updated | ActivityResolved,
    activities: AwaitedActivities,
    updates: AwaitedUpdates,
    reads: Callable[[str, Callable[[], Failure | None]], Failure | None],
) -> Failure | None:
    """Why an update, or a result that somebody gives, may not be had by the code; None if it may."""
    if isinstance(asked, ActivityResolved):
        return reads("what makes the result of an activity", lambda: activities.unfit(asked))
    return reads(f"the validator of the update {asked.name!r}", lambda: updates.rejection(asked))
