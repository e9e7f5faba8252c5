"""`why` is asked of what is stored, at some moments of the storm and at the end: there is always a reason, and
none is false."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from typing import TYPE_CHECKING, Any

from dalsegno.actors.supervisor.wire import replies
from dalsegno.actors.workflow_actor.activities.activity import Activity, Phase
from dalsegno.actors.workflow_actor.activities.heartbeats import Heartbeats
from dalsegno.actors.workflow_actor.program.port import Program
from dalsegno.actors.workflow_actor.program.replay import CodeStuckError, LiveProgram
from dalsegno.actors.workflow_actor.run.state import WorkflowState
from dalsegno.actors.workflow_actor.shown.describe import describe
from dalsegno.broker import topology
from dalsegno.broker.protocol.messages import Description
from dalsegno.policies import WorkflowStatus
from dalsegno.reasons.evidence import (
    NO_QUEUE,
    Evidence,
    HostsSeen,
    QueueSeen,
    task_queues_of,
    workers_of,
)
from dalsegno.reasons.explain import LATE, explain
from dalsegno.reasons.reason import Reason
from tests.simulation.violation import Violation

if TYPE_CHECKING:
    from tests.simulation.world import Simulation

LOOKS = 5
INSTANCES_PER_LOOK = 10


class Explaining:
    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._random = Random(f"{simulation.seed} why")
        self._look = Truth(simulation)

    def moments(self, *, until: int) -> Iterator[int]:
        yield from sorted(self._random.randrange(until) for _ in range(LOOKS))

    def look(self) -> None:
        """At some of the instances that there are. Raises Violation."""
        known = sorted(self._simulation.store.instances)
        for workflow_id in self._random.sample(known, min(INSTANCES_PER_LOOK, len(known))):
            self.ask(workflow_id)

    def look_at_what_is_open(self) -> None:
        for row in self._simulation.store.open_runs():
            self.ask(row.workflow_id)

    def ask(self, workflow_id: str) -> None:
        simulation = self._simulation
        if workflow_id in simulation.store.damaged:
            return  # what can be said of it, `describe` says
        state = simulation.invariants.stored_state(workflow_id)
        assert state is not None
        run = self._described(state)
        told = explain(self._evidence(run))
        if told.reason.kind == "unexplained":
            raise Violation("why", f"{workflow_id} is not explained: {run}")
        for reason in (told.reason, *told.also):
            if not self._look.is_so(reason, state, run):
                raise Violation(
                    "why", f"{workflow_id}: this is not so: {reason.kind}: {reason.sentence}: {run}"
                )

    def _described(self, state: WorkflowState) -> Description:
        row = self._simulation.store.instances[state.info.workflow_id]
        live, program = LiveProgram(self._simulation.code, python=state.python), None
        try:
            program = self._program(state, live)
            fields = describe(state, program, Heartbeats(), wake_at=row.wake_at)
        finally:
            live.drop()
        fields["described_at"] = self._simulation.store.now()
        shown = self._simulation.store.runs[state.info.run_id]
        if shown.status is WorkflowStatus.SUSPENDED and state.suspension is None:
            fields |= {"status": shown.status, "suspended_reason": shown.reason}
        return replies.description_of(fields)

    def _program(self, state: WorkflowState, live: LiveProgram) -> Program | None:
        """As a host brings it back to describe it; it may have been started for code that is not here."""
        if state.is_closed or state.suspension is not None or state.processed == 0:
            return None
        try:
            return live.at(state)
        except CodeStuckError:
            return None

    def _evidence(self, run: Description) -> Evidence:
        store = self._simulation.store
        live = store.live_hosts()
        number = topology.slot_of(run.workflow_id) % len(store.leases)
        owner = store.leases[number].owner
        return Evidence(
            run,
            now=store.now(),
            queues={name: self._seen(topology.task_queue(name)) for name in task_queues_of(run)},
            workers={name: name in self._simulation.broker.queues for name in workers_of(run)},
            hosts=HostsSeen(any_live=bool(live), partition=number, owner=owner if owner in live else None),
        )

    def _seen(self, name: str) -> QueueSeen:
        queue = self._simulation.broker.queues.get(name)
        if queue is None:
            return NO_QUEUE
        return QueueSeen(exists=True, has_consumers=bool(queue.consumers), waiting=len(queue.ready))


class Truth:
    """What must be so for each kind of reason, as the state and the models have it."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation

    def is_so(self, reason: Reason, state: WorkflowState, run: Description) -> bool:
        """Of an activity also that it is in such a phase."""
        said: Any = reason
        check = _OF_RUN.get(reason.kind)
        if check is not None:
            return state.is_closed == (reason.kind == "ended") and check(said, state, run)
        phase = _PHASES.get(reason.kind)
        if phase is not None:
            return any(map(phase, _activities(said, state))) and self._of_broker(said)
        live = self._simulation.store.live_hosts()
        match reason.kind:
            case "no_host":
                return not live
            case "no_owner":
                return self._simulation.store.leases[said.partition].owner not in live
            case "overdue":
                wake_at = self._simulation.store.instances[state.info.workflow_id].wake_at
                return wake_at is not None and wake_at + LATE < said.asked_at
        raise Violation("why", f"nobody says when this is so: {reason}")

    def _of_broker(self, said: Any) -> bool:
        queue = self._simulation.broker.queues.get(topology.task_queue(said.task_queue))
        consumers, ready = ([], []) if queue is None else (queue.consumers, list(queue.ready))
        match said.kind:
            case "no_worker":
                return not consumers
            case "task_queued":
                return bool(consumers) and bool(ready)
            case "task_held":
                return bool(consumers) and not ready
            case "worker_gone":
                return said.worker not in self._simulation.broker.queues
        return True


def _activities(said: Any, state: WorkflowState) -> list[Any]:
    """Those that it may be about: IDs are the user's, and may be used twice."""
    pending: tuple[Any, ...] = (*state.activities.values(), *state.local_activities.values())
    return [one for one in pending if one.spec.activity_id == said.activity_id]


def _in(*phases: Phase) -> Callable[[Any], bool]:
    return lambda one: isinstance(one, Activity) and one.phase in phases


_PHASES: dict[str, Callable[[Any], bool]] = {
    "no_worker": _in(Phase.SCHEDULED, Phase.BACKING_OFF),
    "task_queued": _in(Phase.SCHEDULED),
    "task_held": _in(Phase.SCHEDULED),
    "worker_gone": _in(Phase.STARTED),
    "outside": lambda one: isinstance(one, Activity) and one.outside,
    "retry": lambda one: one.backing_off if not isinstance(one, Activity) else one.phase is Phase.BACKING_OFF,
    "attempt_runs": lambda one: not isinstance(one, Activity) or one.phase is Phase.STARTED,
    "incident": lambda one: isinstance(one, Activity) and bool(one.incident),
}


def _message(said: Any, state: WorkflowState, run: Description) -> bool:
    """Its code stands somewhere where a message helps, or nothing else is pending that would."""
    pending = (state.activities, state.local_activities, state.timers, state.children, state.externals)
    return not state.has_backlog and (bool(said.waits) or not any(pending))


_OF_RUN: dict[str, Callable[[Any, WorkflowState, Description], bool]] = {
    "ended": lambda said, state, run: said.status is state.status,
    "suspended": lambda said, state, run: run.status is WorkflowStatus.SUSPENDED,
    "paused": lambda said, state, run: state.suspension is not None and state.suspension.kind == "operator",
    "start_delayed": lambda said, state, run: state.is_delayed and said.begins_at > said.asked_at,
    "code_due": lambda said, state, run: state.has_backlog or state.is_delayed,
    "other_workflow": lambda said, state, run: (
        said.other_id in {one.workflow_id for one in state.externals.values()}
    ),
    "child": lambda said, state, run: said.child_id in {one.workflow_id for one in state.children.values()},
    "update": lambda said, state, run: said.update_id in state.updates,
    "signal_set_aside": lambda said, state, run: said.number in state.quarantine,
    "signal_unhandled": lambda said, state, run: run.buffered_signals > 0 or bool(state.log),
    "message": _message,
    "timer": lambda said, state, run: state.timers.get(said.number) == said.fires_at,
}
