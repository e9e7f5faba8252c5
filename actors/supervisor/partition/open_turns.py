"""The turns of one partition's workflow actors that stay open, and what they wait for."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from functools import partial
from weakref import ref

from dalsegno.actors.supervisor.upcalls import Children, Upcalls
from dalsegno.actors.supervisor.world import Clock
from dalsegno.actors.workflow_actor.actor import WorkflowActor
from dalsegno.actors.workflow_actor.instance import Instance
from dalsegno.actors.workflow_actor.interface.cause import Cause
from dalsegno.actors.workflow_actor.interface.commands import Command
from dalsegno.actors.workflow_actor.interface.waiting import (
    KeepPieces,
    LocalWork,
    PiecesKept,
    Preparation,
)
from dalsegno.actors.workflow_actor.open_turn import BOUNDS, KEEPING_SECONDS, OpenTurn, TurnState
from dalsegno.actors.workflow_actor.surroundings import OffLoop


class OpenTurns:
    """Implements surroundings.Turns. `off_loop` does what they wait for."""

    def __init__(self, off_loop: OffLoop, clock: Clock, upcalls: Upcalls, children: Children) -> None:
        self._off_loop = off_loop
        self._clock = clock
        self._upcalls = upcalls
        self._children = children
        self._open: dict[OpenTurn, WorkflowActor] = {}
        self._under_way: dict[Hashable, tuple[LocalWork, OpenTurn]] = {}
        self._stopped = False

    @property
    def any(self) -> bool:
        return bool(self._open)

    @property
    def prepares(self) -> bool:
        return self._off_loop.prepares

    def stop(self) -> None:
        """The partition is not ours any more."""
        self._stopped = True
        self._give_up([work for work, _ in self._under_way.values()])

    def is_ready_for(self, command: Command, instance: Instance) -> bool:
        return self._off_loop.is_ready_for(command, instance)

    def prepare(self, actor: WorkflowActor, turn: OpenTurn, command: Command) -> None:
        self._opened(actor, turn)
        self._off_loop.prepare(command, actor.instance, partial(self._prepared, turn))

    def _prepared(self, turn: OpenTurn, preparation: Preparation) -> None:
        actor = self._open.get(turn)
        if actor is not None and actor.turns is not None:
            actor.turns.prepared(turn, preparation)
            self._upcalls.request_work()

    def wait(self, actor: WorkflowActor, turn: OpenTurn) -> None:
        self._opened(actor, turn)

    def work(self, actor: WorkflowActor, turn: OpenTurn, works: Sequence[LocalWork]) -> None:
        for work in works:
            if work.is_answered:
                self._under_way[work.key] = work, turn
            if isinstance(work, KeepPieces):
                late = partial(self._not_kept, actor.workflow_id, ref(turn), work.key)
                self._clock.call_later(KEEPING_SECONDS, late)
            self._off_loop.work(work, partial(self._worked, actor.workflow_id, turn, work))

    def _worked(self, workflow_id: str, turn: OpenTurn, work: LocalWork, outcome: Command | PiecesKept) -> None:
        known = self._under_way.pop(work.key, None)
        if known is None and isinstance(outcome, PiecesKept):
            return  # it was said before: nobody waited any longer
        actor = self._open.get(turn)
        if actor is not None and actor.turns is not None:
            actor.turns.worked(turn, outcome)
            self._upcalls.request_work()
        elif turn.state is TurnState.SEALED and not self._stopped and not isinstance(outcome, PiecesKept):
            # Of a turn that was dropped nobody knows what it was about.
            self._children.tell(workflow_id, Cause(outcome, name="local work"))

    def _not_kept(self, workflow_id: str, opened: ref[OpenTurn], key: Hashable) -> None:
        turn, known = opened(), self._under_way.get(key)
        if turn is not None and known is not None and known[1] is turn:
            reason = (
                f"the payload store did not take within {KEEPING_SECONDS:g} s what the code has made for it"
            )
            self._worked(workflow_id, turn, known[0], PiecesKept(reason))
            self._off_loop.give_up(known[0])

    def _opened(self, actor: WorkflowActor, turn: OpenTurn) -> None:
        self._open[turn] = actor
        # Nearly all are over long before: their messages are not kept until then.
        self._clock.call_later(BOUNDS[turn.state], partial(self._overdue, ref(turn), turn.state))

    def _overdue(self, opened: ref[OpenTurn], state: TurnState) -> None:
        turn = opened()
        actor = None if turn is None else self._open.get(turn)
        if turn is not None and actor is not None and actor.turns is not None:
            actor.turns.overdue(turn, state)
            self._upcalls.request_work()

    def over(self, turn: OpenTurn) -> None:
        self._open.pop(turn, None)
        if turn.state is TurnState.DROPPED and turn.under_way:
            self._give_up([work for work, begun_by in self._under_way.values() if begun_by is turn])

    def _give_up(self, works: Sequence[LocalWork]) -> None:
        for work in works:
            del self._under_way[work.key]
            self._off_loop.give_up(work)
