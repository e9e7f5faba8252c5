"""The workflow actors of one partition that are in memory: found, made, put in another's place, let go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TypeVar

from dalsegno.actors.supervisor.halted.standing_in import StandingIn
from dalsegno.actors.supervisor.partition.open_turns import OpenTurns
from dalsegno.actors.supervisor.partition.passivation import Home
from dalsegno.actors.supervisor.partition.surroundings import Surroundings
from dalsegno.actors.workflow_actor.actor import WorkflowActor
from dalsegno.actors.workflow_actor.instance import Instance
from dalsegno.actors.workflow_actor.interface.cause import Cause
from dalsegno.actors.workflow_actor.interface.commands import Start
from dalsegno.actors.workflow_actor.surroundings import Supervisor
from dalsegno.broker import topology
from dalsegno.persistence.port import Fence, MessageKey

NONE_KNOWN: Mapping[MessageKey, str] = {}

A = TypeVar("A", bound=WorkflowActor)


class ActorDirectory:
    """See the module. `parent` is whom the actors ask, and `home` who puts them away."""

    standing_in: StandingIn
    """Told by the partition, as each of the two asks the other."""

    def __init__(self, around: Surroundings, fence: Fence, parent: Supervisor, home: Home) -> None:
        self.partition = fence.partition
        self.epoch = fence.epoch
        self._around = around
        self._parent = parent
        self._home = home
        self.turns = (
            None if around.off_loop is None else OpenTurns(around.off_loop, around.world, around.upcalls, self)
        )
        self.in_memory: dict[str, WorkflowActor] = {}
        """By workflow ID."""
        self._loading: set[str] = set()
        self._work_at_once: set[str] = set()
        """Types of which a run, once, wanted local work in its first step."""

    def __len__(self) -> int:
        return len(self.in_memory)

    @property
    def loading(self) -> int:
        """How many are being loaded."""
        return len(self._loading)

    def peek(self, workflow_id: str) -> WorkflowActor | None:
        """The actor, if it is in memory."""
        return self.in_memory.get(workflow_id)

    def instance_of(self, workflow_id: str) -> Instance | None:
        """What is stored of it, if it is in memory."""
        actor = self.in_memory.get(workflow_id)
        if actor is None or not actor.is_loaded or actor.is_guess or actor.instance.stands_in:
            return None
        return actor.instance

    # --- those that are made --------------------------------------------------------------------------------

    def child(self, workflow_id: str) -> WorkflowActor:
        """The actor, started (and being loaded) if it was not there."""
        actor = self.in_memory.get(workflow_id)
        return actor if actor is not None else self._start(workflow_id)

    def child_for(self, workflow_id: str, cause: Cause) -> WorkflowActor:
        """As `child`; but a start that comes for the first time is taken to be of a new workflow ID, unread. If
        that proves wrong, the commit's compare-and-set misses, nothing is written or sent, and it is loaded.
        Not where that may be too late: local work cannot be taken back."""
        actor = self.in_memory.get(workflow_id)
        if actor is not None:
            return actor
        start = cause.command
        if not isinstance(start, Start) or cause.redelivered or start.workflow_type in self._work_at_once:
            return self._start(workflow_id)
        actor = self.new(WorkflowActor, workflow_id)
        actor.guessed(self._around.unheard_of(workflow_id))
        return actor

    def works_at_once(self, actor: WorkflowActor, cause: Cause) -> None:
        """It was taken to be of a new workflow ID, and wants local work: another is loaded, and told the same,
        in order: its start may be in the round, with what came behind that. Of a type whose start wants it that
        is known from now on."""
        if isinstance(cause.command, Start):
            self._work_at_once.add(cause.command.workflow_type)
        self.restart(actor, [*self._around.rounds.take_back(actor), cause])

    def _start(self, workflow_id: str, *, delay_seconds: float = 0.0) -> WorkflowActor:
        stand_in = self.standing_in.instead_of(workflow_id)
        if stand_in is not None:
            return stand_in
        actor = self.new(WorkflowActor, workflow_id)
        self._loading.add(workflow_id)
        load = partial(self._around.rehydration.load, self.partition, workflow_id)
        if delay_seconds:
            self._around.world.call_later(delay_seconds, load)
        else:
            load()
        return actor

    def new(self, kind: type[A], workflow_id: str) -> A:
        """Takes the place of one that is there."""
        around = self._around
        actor = kind(
            around.workflow_dispatcher,
            workflow_id=workflow_id,
            slot=topology.slot_of(workflow_id),
            parent=self._parent,
            watch=around.watch,
            now=around.world.now,
            entropy=around.entropy.draw,
            turns=self.turns,
        )
        actor._start_actor_loop()
        around.passivation.used(actor, self._home)
        self.in_memory[workflow_id] = actor
        return actor

    def read(self, workflow_id: str) -> None:
        """It is not being loaded any more."""
        self._loading.discard(workflow_id)

    # --- what they are told ---------------------------------------------------------------------------------

    def tell(self, workflow_id: str, cause: Cause) -> None:
        self.child(workflow_id).post(cause)
        self._around.upcalls.request_work()

    def tell_first(self, workflow_id: str, causes: Sequence[Cause]) -> None:
        """Have these handled anew, before the mail that waits."""
        self.child(workflow_id).put_first(self.anew(causes))
        self._around.upcalls.request_work()

    def anew(self, causes: Sequence[Cause]) -> list[Cause]:
        """Those that are still there to be handled, from the start: no confirm of something sent for them
        before counts any more, or they would be removed too early."""
        again = [cause for cause in causes if cause.held and not cause.is_void]
        self._around.outbox.disown(again)
        for cause in again:
            cause.retry()
        return again

    # --- those that go --------------------------------------------------------------------------------------

    def discard(self, actor: WorkflowActor) -> None:
        """Let it go; what it had not given to a round that is durable is void."""
        if self.in_memory.get(actor.workflow_id) is actor:
            del self.in_memory[actor.workflow_id]
            self._loading.discard(actor.workflow_id)
            self._around.passivation.gone(actor)
            self.standing_in.forget_mail(actor.workflow_id)
        actor.stop_now()

    def discard_all(self) -> None:
        for actor in list(self.in_memory.values()):
            self.discard(actor)

    def restart(
        self,
        actor: WorkflowActor,
        causes: Sequence[Cause],
        *,
        delay_seconds: float = 0.0,
        one_by_one: bool = False,
        known: Mapping[MessageKey, str] = NONE_KNOWN,
    ) -> WorkflowActor:
        """Throw the actor away and let a new one, loaded from the database, handle `causes` and then the mail
        that was waiting. `one_by_one`: one cause a round, to find the one at fault. `known`: commands among
        them that were answered before, and how."""
        waiting = actor.unhandled()
        given = self._around.rounds.take_back(actor)
        self.discard(actor)
        successor = self._start(actor.workflow_id, delay_seconds=delay_seconds)
        successor.one_by_one = one_by_one
        successor.seen.told = {**actor.seen.told, **known}
        others = [cause for cause in given if cause not in causes]
        for cause in self.anew((*causes, *others, *waiting)):
            successor.post(cause)
        return successor
