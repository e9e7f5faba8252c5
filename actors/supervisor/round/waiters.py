"""Who waits for runs to end, in memory only: callers ask again every 20 seconds, and at once when told that
the partition moves."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from msgspec.structs import replace

from dalsegno.actors.supervisor.round.open_rounds import OpenRounds
from dalsegno.actors.supervisor.round.round import Entry
from dalsegno.actors.supervisor.round.suspensions import interim_answer, say, say_incidents, say_quarantined
from dalsegno.actors.supervisor.world import Clock
from dalsegno.actors.workflow_actor.actor import WorkflowActor
from dalsegno.actors.workflow_actor.interface.cause import AwaitOutcome, Cause
from dalsegno.actors.workflow_actor.interface.commands import Caller
from dalsegno.actors.workflow_actor.interface.effects import AnswerEffect, ResultEffect
from dalsegno.actors.workflow_actor.interface.recipients import QueueOf
from dalsegno.actors.workflow_actor.run.state import WorkflowState
from dalsegno.actors.workflow_actor.shown import answers
from dalsegno.actors.workflow_actor.updates.sends import UpdateEffect
from dalsegno.actors.workflow_actor.updates.shown import standing
from dalsegno.partition_id import PartitionID

WAIT_SECONDS = 60.0
"""After this a waiter is forgotten: its caller has asked again by then, or is gone."""

INCIDENTS_TOLD_MAX = 10
"""Of those that are opened together; the others are found where the first are."""


@dataclass(frozen=True, slots=True)
class Waiter:
    caller: Caller
    message_type: str
    message_id: str
    request: AwaitOutcome
    until: float
    run_id: str
    """The current run when it asked, which knows what it waits for."""

    def is_left_behind(self, state: WorkflowState) -> bool:
        """It waits for an update that the run of then has taken, and this one, which has come after it, has
        not: another took that one's place, or it has gone on as this one without it."""
        update_id = self.request.update_id
        if update_id is None or self.run_id == state.info.run_id:
            return False
        return standing(state, update_id) is None

    def as_question(self) -> Cause:
        """About the run of then, which has ended."""
        request = replace(self.request, run_id=self.run_id)
        name = self.message_type
        return Cause(request, name=name, message_id=self.message_id, message_type=name)


class Waiters:
    """By workflow ID."""

    __slots__ = ("_ends", "_waiters")

    def __init__(self) -> None:
        self._waiters: dict[str, list[Waiter]] = {}
        self._ends: deque[tuple[float, str]] = deque()
        """When each of them ends, earliest first."""

    def add(self, workflow_id: str, waiter: Waiter) -> None:
        """The same caller asking again replaces its older question. All wait for the same time."""
        self._ends.append((waiter.until, workflow_id))
        self.put_back(workflow_id, waiter)

    def put_back(self, workflow_id: str, waiter: Waiter) -> None:
        """One that was taken, and is not answered."""
        others = [w for w in self._waiters.get(workflow_id, ()) if w.caller != waiter.caller]
        self._waiters[workflow_id] = [*others, waiter]

    @property
    def any(self) -> bool:
        return bool(self._waiters)

    def of(self, workflow_id: str) -> list[Waiter]:
        return self._waiters.get(workflow_id, [])

    def take(self, workflow_id: str) -> list[Waiter]:
        return self._waiters.pop(workflow_id, [])

    def take_all(self) -> list[tuple[str, Waiter]]:
        everyone = [(workflow_id, w) for workflow_id, group in self._waiters.items() for w in group]
        self._waiters.clear()
        return everyone

    def forget_overdue(self, now: float) -> None:
        while self._ends and self._ends[0][0] <= now:
            _, workflow_id = self._ends.popleft()
            for waiter in self.take(workflow_id):
                if waiter.until > now:
                    self.put_back(workflow_id, waiter)

    def __contains__(self, workflow_id: str) -> bool:
        return workflow_id in self._waiters


class Outcomes:
    """Answers those who wait for the outcome of one of a partition's runs: with the round, or at once by
    `answer`, with the message ID that the answer's is derived from. `ask_again` tells a waiter to.
    `about_another_run` has what concerns a run that is over answered from the database."""

    def __init__(
        self,
        rounds: OpenRounds,
        clock: Clock,
        partition: PartitionID,
        answer: Callable[[AnswerEffect | ResultEffect | UpdateEffect, str], None],
        ask_again: Callable[[str, Waiter], None],
        about_another_run: Callable[[str, Cause], None],
    ) -> None:
        self._rounds = rounds
        self._clock = clock
        self._partition = partition
        self._answer = answer
        self._ask_again = ask_again
        self._about_another_run = about_another_run
        self.waiters = Waiters()

    def ask(self, actor: WorkflowActor, cause: Cause, request: AwaitOutcome) -> None:
        """Answer now if the run has ended, with the round so that nothing uncommitted is told; else later."""
        if request.caller is None:
            cause.done()
        elif actor.instance.state is None:
            none = "not_found", f"no workflow has the ID {actor.workflow_id!r}"
            effect = answers.refused(request.caller, actor.workflow_id, None, none)
            self._rounds.current.add_effect(actor, self._partition, cause, effect)
        elif (answer := actor.answer_to(request, request.caller)) is not None:
            self._rounds.current.add_effect(actor, self._partition, cause, answer)
        else:
            until = self._clock.monotonic() + WAIT_SECONDS
            run_id = actor.instance.state.info.run_id
            message = cause.message_type, cause.message_id or ""
            waiter = Waiter(request.caller, *message, request, until, run_id)
            self.waiters.add(actor.workflow_id, waiter)
            interim = interim_answer(actor.instance.state, request.caller)
            if interim is None:
                cause.done()
            else:
                self._rounds.current.add_effect(actor, self._partition, cause, interim)

    def tell_all_to_ask_again(self) -> None:
        """The partition moves: its next owner knows of nobody who waits."""
        for workflow_id, waiter in self.waiters.take_all():
            self._ask_again(workflow_id, waiter)

    def tell(self, entry: Entry) -> None:
        """The entry is durable: if its run has ended, or is suspended, whoever waits for it is told."""
        actor = entry.actor
        if entry.incidents:
            say_incidents(entry)
            self._tell_incidents(entry)
        if entry.quarantined:
            say_quarantined(entry)
        if entry.is_news and say(entry):
            self.tell_suspended(actor)
        if self.waiters.any:
            self._maybe_tell(actor)

    def tell_suspended(self, actor: WorkflowActor) -> None:
        """Its run is: who waits for its result is told."""
        state = actor.instance.state
        assert state is not None
        for caller in self._who_wait(state):
            if (interim := interim_answer(state, caller)) is not None:
                self._answer(interim, f"{caller.correlation_id} suspended {state.sequence}")

    def _tell_incidents(self, entry: Entry) -> None:
        """Likewise: its result does not come before a person has done something."""
        state = entry.actor.instance.state
        if state is None or state.is_closed:
            return
        told = [(number, what) for number, what in entry.incidents if number in state.incidents]
        for caller in self._who_wait(state):
            for number, what in told[:INCIDENTS_TOLD_MAX] if caller.tell_suspended else ():
                answer = answers.of_incident(caller, state, number, what)
                self._answer(answer, f"{caller.correlation_id} {state.info.run_id} incident {number}")

    def _who_wait(self, state: WorkflowState) -> list[Caller]:
        """For the result of the run."""
        waiting = self.waiters.of(state.info.workflow_id)
        started = [it.client for it in state.recipients if isinstance(it, QueueOf)]
        return [*started, *(one.caller for one in waiting if one.request.concerns(state.info))]

    def _maybe_tell(self, actor: WorkflowActor) -> None:
        if actor.workflow_id not in self.waiters:
            return
        state = actor.instance.state
        for waiter in self.waiters.take(actor.workflow_id):
            if state is None or not waiter.request.concerns(state.info):
                self._ask_again(actor.workflow_id, waiter)  # another took its place
            elif waiter.is_left_behind(state):
                self._about_another_run(actor.workflow_id, waiter.as_question())
            elif (effect := actor.answer_to(waiter.request, waiter.caller)) is not None:
                self._answer(effect, waiter.message_id)
            else:
                self.waiters.put_back(actor.workflow_id, waiter)
