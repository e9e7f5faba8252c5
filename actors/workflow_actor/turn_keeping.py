"""How a workflow actor keeps the turn that stays open: see `open_turn` for what may happen to one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dalsegno.actors.workflow_actor.interface.cause import AwaitOutcome, Cause
from dalsegno.actors.workflow_actor.interface.commands import Command
from dalsegno.actors.workflow_actor.interface.waiting import (
    KeepPieces,
    LocalWork,
    PiecesKept,
    Preparation,
    Ready,
    Unready,
)
from dalsegno.actors.workflow_actor.open_turn import BOUNDS, TAKES_NOTHING, OpenTurn, TurnState
from dalsegno.actors.workflow_actor.surroundings import Turns

if TYPE_CHECKING:
    from dalsegno.actors.workflow_actor.actor import WorkflowActor


class TurnKeeping:
    """That of one actor. For as long as its `turn` is open, the cause of that is the front of its mailbox."""

    __slots__ = ("_actor", "_prepared", "_turns", "prepares")

    def __init__(self, actor: WorkflowActor, turns: Turns) -> None:
        self._actor = actor
        self._turns = turns
        self.prepares = turns.prepares
        self._prepared: OpenTurn | None = None
        """The last that was, until it begins."""

    def let_in(self, cause: Cause, turn: OpenTurn) -> bool:
        """Whether it passes to the gates: the cause of the turn itself once it is prepared, or what asks
        something meanwhile."""
        if cause is not turn.cause:
            return True
        if not turn.can_go_on:
            self._answer_next(cause)
        elif turn.state is TurnState.WORKING and turn.why_not_kept is None:
            self._go_on(turn)
        elif turn.state is TurnState.WORKING:
            self.drop(turn)
            self._actor.instance.stands_as_before()
            self._prepared, turn.preparation = turn, Unready(turn.why_not_kept or "")
            return not cause.is_void
        else:
            self._prepared = turn
            self._leave(turn, TurnState.DROPPED if cause.is_void else TurnState.STEPPING)
            return not cause.is_void
        return False

    def _answer_next(self, cause: Cause) -> None:
        mail = self._actor.actor_inbox
        asks = mail.popleft()
        try:
            self._actor.on_receive(asks)
        finally:
            mail.put_back(cause)

    # --- prepare ---------------------------------------------------------------------------------------------

    def is_ready_to_rebuild(self, cause: Cause) -> bool:
        """What its code has been given is at hand. Otherwise it comes first, or cannot be had: then the cause
        is taken without the code."""
        command, before = cause.command, self._prepared
        if isinstance(command, AwaitOutcome):
            return True
        preparation = self.preparation_for(cause, command)
        if preparation is not None and not isinstance(preparation, Ready):
            self._prepared = before
            self._actor.act(cause, command)
        return isinstance(preparation, Ready)

    def preparation_for(self, cause: Cause, command: Command) -> Preparation | None:
        """None if what it needs is to be had first: all mail waits for that, with `cause` in front of it."""
        actor, (before, self._prepared) = self._actor, (self._prepared, None)
        if before is not None and before.cause is cause:
            return before.preparation
        if type(command) in TAKES_NOTHING or self._turns.is_ready_for(command, actor.instance):
            return Ready()
        if actor.turn is not None:
            actor.turn.lets_nobody_pass = True
        else:
            actor.turn = OpenTurn(cause, TurnState.PREPARING)
            actor.turn.lets_nobody_pass = actor.is_guess  # who asks is not told what is guessed
            self._turns.prepare(actor, actor.turn, command)
        actor.actor_inbox.put_back(cause)  # last: whoever raises has it in hand, and not in the mailbox, too
        return None

    def prepared(self, turn: OpenTurn, preparation: Preparation) -> None:
        """Its cause is put to the gates again: it may be void by now."""
        if turn.state is TurnState.PREPARING and turn.preparation is None:
            turn.preparation = preparation
            self._actor.reschedule()

    # --- wait for local work ---------------------------------------------------------------------------------

    def wait_for_work(self, cause: Cause, mark: tuple[str, str, str], *, forgives: bool) -> None:
        """Its turn has run, and is not sealed. `mark`, `forgives`: see OpenTurn."""
        assert self._actor.turn is None, "two turns of one instance are open"
        self._actor.turn = turn = OpenTurn(cause, TurnState.STEPPING)
        turn.mark, turn.forgives = mark, forgives
        turn.to(TurnState.WORKING)
        self._turns.wait(self._actor, turn)
        self._begin_work(turn)

    def _begin_work(self, turn: OpenTurn) -> None:
        unsealed = self._actor.instance.unsealed
        assert unsealed is not None
        works = unsealed.take_works()
        turn.under_way += sum(work.is_answered for work in works)
        turn.keeping += sum(isinstance(work, KeepPieces) for work in works)
        self._turns.work(self._actor, turn, works)
        self._actor.actor_inbox.put_back(turn.cause)

    def begin_later(self, cause: Cause, works: Sequence[LocalWork]) -> None:
        """Its turn is over, and was given to the round: what comes of them is a cause of its own."""
        turn = OpenTurn(cause, TurnState.STEPPING)
        turn.to(TurnState.SEALED)
        self._turns.work(self._actor, turn, works)

    def worked(self, turn: OpenTurn, outcome: Command | PiecesKept) -> None:
        """A piece of its local work has come to this."""
        turn.worked(outcome)
        self._actor.reschedule()

    def _go_on(self, turn: OpenTurn) -> None:
        turn.to(TurnState.STEPPING)
        if self._actor.go_on(turn):
            self._leave(turn, TurnState.SEALED)
        else:
            turn.to(TurnState.WORKING)
            self._begin_work(turn)

    # --- the end ---------------------------------------------------------------------------------------------

    def overdue(self, turn: OpenTurn, state: TurnState) -> None:
        """It was to wait in that state for no longer."""
        if turn.state is not state:
            return
        if state is TurnState.PREPARING:
            reason = f"what it takes to run the code was not there within {BOUNDS[state]:g} s"
            self.prepared(turn, Unready(reason))
        else:
            turn.is_overdue = True
            self._actor.reschedule()

    def drop(self, turn: OpenTurn) -> None:
        """The actor stops. What the turn has done is void."""
        unsealed, self._actor.instance.unsealed = self._actor.instance.unsealed, None
        self._leave(turn, TurnState.DROPPED)
        if unsealed is not None:
            self._actor.let_go_of(unsealed)

    def _leave(self, turn: OpenTurn, state: TurnState) -> None:
        """It waits for nothing any more."""
        turn.to(state)
        self._actor.turn = None
        self._turns.over(turn)
