"""The stand-in: takes the mail of an instance that cannot be run for a defect of ours, until it can.

What asks is answered with what is known without it; what changes something is kept in the database, in order,
and acknowledged. Who terminates the workflow, or starts another in its place, ends it unread.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Never, Protocol

from dalsegno.actors.workflow_actor.actor import WorkflowActor
from dalsegno.actors.workflow_actor.again import MessageKey
from dalsegno.actors.workflow_actor.gates import LookUpFormat, is_about_another_run, is_of_another_run
from dalsegno.actors.workflow_actor.instance import Instance
from dalsegno.actors.workflow_actor.interface.cause import AwaitOutcome, Cause
from dalsegno.actors.workflow_actor.interface.commands import (
    Caller,
    ClientCommand,
    Describe,
    FailEffect,
    Park,
    ReadOnlyCommand,
    Resume,
    Start,
    Terminate,
    WakeUp,
)
from dalsegno.actors.workflow_actor.interface.decision import Decision
from dalsegno.actors.workflow_actor.interface.effects import AnswerEffect, Effect, EffectID, ResultEffect
from dalsegno.actors.workflow_actor.run.decide import decide_start, refused_unless_open
from dalsegno.actors.workflow_actor.run.state import WorkflowState
from dalsegno.actors.workflow_actor.shown import answers
from dalsegno.actors.workflow_actor.stored.format_3 import NUMBER as FORMAT_OF_UPDATES
from dalsegno.actors.workflow_actor.updates.commands import Update
from dalsegno.actors.workflow_actor.updates.sends import UpdateEffect
from dalsegno.actors.workflow_actor.with_start import not_yet, update_of

FAILURES_LIMIT = 3
"""A cause that has failed more often is not answered any more."""


class Keeper(Protocol):
    """What a stand-in asks for, beside what every actor asks of its partition's supervisor."""

    def keep(
        self,
        stand_in: StandIn,
        cause: Cause,
        number: int,
        answers: Sequence[Effect],
        *,
        unless: MessageKey | None,
    ) -> None:
        """Write it down with the round, unless that command was answered before; then it may be
        acknowledged."""

    def take_back(self, stand_in: StandIn, run_id: str, effects: Sequence[EffectID]) -> None:
        """Tell it what waits for these effects, which cannot leave."""

    def seal(self, stand_in: StandIn, unless: Sequence[MessageKey]) -> None:
        """Write its state, which is closed, in the place of what cannot be read, with the round; nothing of it,
        if one of these commands was answered before."""

    def was_sealed(self, stand_in: StandIn) -> bool:
        """That was done before, and it cannot be run all the same."""

    def try_again(self, stand_in: StandIn, *, at_once: bool) -> None:
        """Load the instance itself, if its time has come."""


class StandIn(WorkflowActor):
    """Its instance is a stand-in, too: see actors.workflow_actor.stand_in."""

    keeper: Keeper
    reason = ""
    last_mail = 0
    is_sealed = False
    is_to_be_tried = False
    run_is_listed = True
    knows_outcome = False
    """How the run has ended, as far as it has."""

    def take_over(self, instance: Instance, *, reason: str, last_mail: int) -> None:
        self.reason = reason
        self.last_mail = last_mail
        self.stored_wake_at = instance.wake_at
        self.loaded(instance, seen={})

    def is_ready(self) -> bool:
        return not self.is_sealed and super().is_ready()

    @property
    def _state(self) -> WorkflowState:
        state = self.instance.state
        assert state is not None, "a stand-in always has a state"
        return state

    def on_receive(self, message: Any) -> None:
        cause: Cause = message
        if cause.is_void:
            return
        self._current = cause
        if cause.held and cause.failures > FAILURES_LIMIT:
            self._take_silently(cause)
            return
        command = cause.command
        if self.instance.lacks_format_for(command):
            self._find_out(LookUpFormat(), cause)
            return
        if cause.recognisable and not isinstance(command, Start) and self._came_before(cause):
            return
        match command:
            case AwaitOutcome() | ReadOnlyCommand() | Update() if is_about_another_run(command, self.instance):
                self._parent.about_another_run(self, cause)
            case AwaitOutcome() if self._state.is_closed and (
                not self.knows_outcome or command.update_id is not None
            ):  # it would wait for ever
                self._refuse(cause, command)
            case Update() if self._state.is_closed or self.instance.codec.writes < FORMAT_OF_UPDATES:
                self._refuse(cause, command)
            case AwaitOutcome():
                self._parent.wait_for_outcome(self, cause, command)
            case Describe():
                self._ask(cause, command)
            case ReadOnlyCommand():
                self._refuse(cause, command)
            case Start():
                self._start(cause, command)
            case Terminate(child_of=None) if (
                refused_unless_open(self._state, self.workflow_id, command.run_id) is None
            ):  # of whom it is the child is not known here: what a parent says is kept
                self._end(cause, command)
            case WakeUp() if not cause.held:
                self.keeper.try_again(self, at_once=False)
            case Resume() if refused_unless_open(self._state, self.workflow_id, command.run_id) is None:
                self._keep(cause)
                self.keeper.try_again(self, at_once=True)
            case _ if cause.held:
                self._keep(cause)
            case Park(effects, _, run_id):
                self.keeper.take_back(self, run_id or "", effects)
            case FailEffect(effect, _, run_id):
                self.keeper.take_back(self, run_id or "", (effect,))
            case _:
                cause.done()  # what the shell found out about effects that it knows nothing of

    def _came_before(self, cause: Cause) -> bool:
        """A commit has found that it was answered before: then so it is again. It is kept all the same, as what
        it caused may not have left; its instance knows, and knows that it came before. What names another run
        is answered by that one."""
        command, before = cause.command, self.seen.answer_to(cause.key)
        if before is None or is_of_another_run(command, self.instance):
            return False
        if (update := update_of(command)) is not None and not before:
            replies = self._admitted(update)
        else:
            again = answers.to_command_again(command, before, self.workflow_id, self._state)
            replies = [] if again is None else [again]
        if before:
            self._parent.came_again(self, cause, replies)  # it was refused, and caused nothing
        else:
            self._write_down(cause, replies, is_known=True)
        return True

    def _take_silently(self, cause: Cause) -> None:
        """Even to answer it meets a defect. It must not hold up its partition."""
        if isinstance(cause.command, AwaitOutcome | ReadOnlyCommand):
            cause.done()
        else:
            self._keep(cause, silent=True)

    # --- questions -------------------------------------------------------------------------------------------

    def _ask(self, cause: Cause, command: Describe | Start) -> None:
        activations = self.instance.activate(command, now=self._now(), entropy=self._entropy(), held=cause.held)
        self._parent.activated(self, cause, activations)

    def _refuse(self, cause: Cause, command: ReadOnlyCommand | Update | AwaitOutcome) -> None:
        what = "has ended" if self._state.is_closed else "is suspended"
        text = f"workflow {self.workflow_id!r} {what}: {self.reason}"
        if command.caller is None:
            cause.done()
            return
        effect = answers.refused(command.caller, self.workflow_id, self._state, ("rejected", text))
        self._parent.came_again(self, cause, [effect])

    def answer_to(
        self, request: AwaitOutcome, caller: Caller
    ) -> ResultEffect | UpdateEffect | AnswerEffect | None:
        """Of updates nothing is known here."""
        knows = self.knows_outcome and request.update_id is None
        return super().answer_to(request, caller) if knows else None

    # --- what changes something ------------------------------------------------------------------------------

    def _keep(self, cause: Cause, *, silent: bool = False) -> None:
        command = cause.command
        replies: Sequence[Effect] = ()
        if silent:
            replies = ()
        elif (update := update_of(command)) is not None:
            replies = self._admitted(update)
        elif isinstance(command, ClientCommand | Start):
            refusal = None
            if isinstance(command, ClientCommand):
                refusal = refused_unless_open(self._state, self.workflow_id, command.run_id)
            decision: Decision[Never] = Decision(refusal=refusal)
            replies = answers.to_command(command, self.workflow_id, self._state, decision)
        is_own_start = isinstance(command, Start) and command.run_id == self._state.info.run_id
        self._write_down(cause, replies, is_known=silent or is_own_start)

    def _admitted(self, update: Update) -> Sequence[Effect]:
        """It is on record. How far it has come since, if it came before, is not known here."""
        if update.caller is None:
            return ()
        admitted = update.update_id, "admitted"
        return (answers.answered(update.caller, self.workflow_id, self._state, update=admitted),)

    def _write_down(self, cause: Cause, replies: Sequence[Effect], *, is_known: bool) -> None:
        """`is_known`: whether it was answered before matters to nothing that is said now."""
        # Never used twice: a number that was worked off may be deleted a second time.
        self.last_mail = max(self.last_mail + 1, self._now())
        unless = None if is_known or not cause.recognisable else cause.key
        self.keeper.keep(self, cause, self.last_mail, replies, unless=unless)

    def _start(self, cause: Cause, command: Start) -> None:
        """Answered as by the run that is there; what it takes to be in its state later is kept."""
        state = self._state
        if command.run_id == state.info.run_id:
            self._keep(cause)
            return
        if self._came_before(cause):  # it may have begun an earlier run
            return
        if not_yet(command, self.instance) is not None:
            self._ask(cause, command)
            return
        decision = decide_start(state, command)
        if decision is None and self.keeper.was_sealed(self):
            self._keep(cause, silent=True)  # it is answered when it can be begun
        elif decision is None:
            self._put_back(cause)  # for the actor that comes after the end
            reason = f"its place was taken by run {command.run_id}"
            ending = Terminate(reason=reason)
            self._end(Cause(ending, name=cause.name), ending, unless=[cause.key])
        elif decision.refusal is not None:
            self._ask(cause, command)
        else:
            self._keep(cause)

    def _end(self, cause: Cause, command: Terminate, *, unless: Sequence[MessageKey] = ()) -> None:
        if not self._state.is_closed:
            activations = self.instance.activate(
                command, now=self._now(), entropy=self._entropy(), held=cause.held
            )
            self._parent.activated(self, cause, activations)
            self.knows_outcome = True
        self.is_sealed = True
        self.keeper.seal(self, unless)
