"""Bugs to plant in the real code, one at a time: a simulator that does not find them proves nothing.

Each is a context manager that swaps one function of the engine (or, where a rule is the database's, of the
store's model) for one that has the bug.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from unittest.mock import patch

import structlog
from msgspec.structs import replace

from dalsegno.actors.supervisor.deliveries.acknowledgement import AcknowledgementWindow
from dalsegno.actors.supervisor.engine import Engine
from dalsegno.actors.supervisor.halted.stand_in import StandIn
from dalsegno.actors.supervisor.halted.standing_in import StandingIn
from dalsegno.actors.supervisor.membership.loop_beat import LoopBeat
from dalsegno.actors.supervisor.membership.vigil import Vigil
from dalsegno.actors.supervisor.outbox.outbox import Outbox
from dalsegno.actors.supervisor.round.round import Entry, RoundBuilder
from dalsegno.actors.supervisor.rounds import Rounds
from dalsegno.actors.workflow_actor import at_rest, gates, questions
from dalsegno.actors.workflow_actor.activities import attempts
from dalsegno.actors.workflow_actor.activities.activity import Activity, number_in
from dalsegno.actors.workflow_actor.activities.commands import AttemptOf
from dalsegno.actors.workflow_actor.actor import WorkflowActor
from dalsegno.actors.workflow_actor.again import SeenCommands
from dalsegno.actors.workflow_actor.interface.activation import Activation, Probe
from dalsegno.actors.workflow_actor.interface.cause import Cause
from dalsegno.actors.workflow_actor.interface.effects import EffectID
from dalsegno.actors.workflow_actor.interface.steps import Steps
from dalsegno.actors.workflow_actor.open_turn import OpenTurn
from dalsegno.actors.workflow_actor.outstanding.confirmations import Confirmations
from dalsegno.actors.workflow_actor.run.state import WorkflowState
from dalsegno.actors.workflow_actor.stored import loading
from dalsegno.actors.workflow_actor.stored.codec import StoredCodec
from dalsegno.actors.workflow_actor.stored.loading import StoredRow, StoredSnapshot
from dalsegno.actors.workflow_actor.stored.snapshots import SnapshotSchedule
from dalsegno.actors.workflow_actor.timers.events import TimerElapsed
from dalsegno.broker import topology
from dalsegno.partition_id import PartitionID
from dalsegno.persistence.port import Fence, LeaseRow, MessageKey, SnapshotRow
from tests.simulation.faults import AT_RANDOM, PER_EVENT
from tests.simulation.host import Host
from tests.simulation.membership_model import MembershipModel
from tests.simulation.planted_releases import NEVER, RELEASE_BUGS, Plant
from tests.simulation.scheduler import SECOND
from tests.simulation.store_model import StoreModel
from tests.simulation.storm import Storm

_loading_state = loading.loading_state
_add = RoundBuilder.add
_commit = Rounds._commit
_commit_failed = Rounds.commit_failed
_snapshot_if_due = SnapshotSchedule.snapshot_if_due
_take = MembershipModel.take
_taken_beside = Outbox.taken_beside


@contextmanager
def leases_read_without_a_lock() -> Iterator[None]:
    """It shows only in a transaction that is open as its lease runs out; so that commits are slow and hosts
    frozen often."""
    with (
        patch.object(StoreModel, "is_locked", lambda self, partition: False),
        patch.dict(PER_EVENT, {"commit slow": 0.8}),
        patch.dict(AT_RANDOM, {"host frozen": 6.0}),
    ):
        yield


def acknowledged_before_the_commit() -> AbstractContextManager[Any]:
    def add(
        self: RoundBuilder, actor: WorkflowActor, fence: Fence, cause: Cause, activations: Iterable[Activation]
    ) -> None:
        _add(self, actor, fence, cause, activations)
        if cause.origin is not None:
            cause.origin.remove()

    return patch.object(RoundBuilder, "add", add)


def published_before_the_commit() -> AbstractContextManager[Any]:
    def commit(self: Rounds) -> None:
        for entry in self._open.current.entries.values():
            self._outbox.send(self._shipping.of_entry(entry))
        _commit(self)

    return patch.object(Rounds, "_commit", commit)


@contextmanager
def dedupe_dropped() -> Iterator[None]:
    """It shows where a command comes twice; so that many do, before it shows otherwise."""
    with (
        patch.object(gates, "came_before", lambda cause, instance, seen: None),
        patch.dict(PER_EVENT, {"command sent twice": 0.5}),
    ):
        yield


@contextmanager
def known_whatever_their_type() -> Iterator[None]:
    """It shows only where a signal has the message ID of its start; so that many have."""

    def answer_to(self: SeenCommands, key: MessageKey) -> str | None:
        known = {**self._answers, **self.told}
        return next((answer for (_, message_id), answer in known.items() if message_id == key[1]), None)

    with (
        patch.object(SeenCommands, "answer_to", answer_to),
        patch.dict(PER_EVENT, {"signal with its start's message ID": 0.8}),
    ):
        yield


def older_ids_not_found_out() -> AbstractContextManager[Any]:
    """What an actor does not remember itself is taken to be new, by the commit as well."""
    return patch.object(StoreModel, "_known", lambda self, workflow_id, commands: {})


def mail_dropped_for_what_cannot_be_run() -> AbstractContextManager[Any]:
    def keep(self: StandingIn, stand_in: StandIn, cause: Cause, *_: object, **__: object) -> None:
        cause.done()

    return patch.object(StandingIn, "keep", keep)


def snapshot_trimmed_too_early() -> AbstractContextManager[Any]:
    """Rows behind the snapshot go, too."""

    def snapshot_if_due(
        self: SnapshotSchedule, state: WorkflowState, codec: StoredCodec, *, at_once: bool
    ) -> SnapshotRow | None:
        due = _snapshot_if_due(self, state, codec, at_once=at_once)
        return None if due is None else replace(due, trim_to=due.sequence + 1)

    return patch.object(SnapshotSchedule, "snapshot_if_due", snapshot_if_due)


def timer_fired_twice_after_a_takeover() -> AbstractContextManager[Any]:
    """Who loads an instance takes its newest timers for not fired yet."""

    def loading_state(
        workflow_id: str,
        run_id: str,
        snapshot: StoredSnapshot | None,
        journal: Sequence[StoredRow],
        codec: StoredCodec,
    ) -> Steps[WorkflowState]:
        state = yield from _loading_state(workflow_id, run_id, snapshot, journal, codec)
        timers = dict(state.timers)
        for _, _, time, events in journal:
            for event in codec.decode_record(events).events:
                if isinstance(event, TimerElapsed):
                    timers[event.number] = time
        return replace(state, timers=timers)

    return patch.object(at_rest, "loading_state", loading_state)


def result_accepted_without_its_token() -> AbstractContextManager[Any]:
    def current(run: WorkflowState | None, word: AttemptOf) -> Activity | None:
        if run is None or run.outcome is not None or run.info.run_id != word.run_id:
            return None
        return run.activities.get(number_in(word.token))

    return patch.object(attempts, "current", current)


def lost_activity_not_sent_again() -> AbstractContextManager[Any]:
    def nothing(self: Engine, partition: PartitionID, workflow_id: str, probe: Probe) -> None:
        """The probe is not answered."""

    return patch.object(Engine, "task_queue_found_empty", nothing)


def stale_actor_kept_after_a_failed_commit() -> AbstractContextManager[Any]:
    def keep(self: Rounds, entry: Entry, known: object = None) -> None:
        entry.actor.round_over()
        for cause in entry.causes:
            if cause.held and not cause.is_void:
                cause.retry()
                entry.actor.actor_ref.tell(cause)

    return patch.object(Rounds, "_restart", keep)


def epoch_not_raised() -> AbstractContextManager[Any]:
    def take(self: MembershipModel, partitions: Sequence[PartitionID], host_id: str) -> list[LeaseRow]:
        before = [lease.epoch for lease in self._store.leases]
        taken = _take(self, partitions, host_id)
        for lease in taken:
            epoch = max(before[lease.partition.number], 1)
            self._store.leases[lease.partition.number] = LeaseRow(lease.partition, host_id, epoch)
        return [self._store.leases[lease.partition.number] for lease in taken]

    return patch.object(MembershipModel, "take", take)


def wakeup_removed_at_its_commit() -> AbstractContextManager[Any]:
    """What it made is taken to be held by a message, and moves no wake-up."""
    return patch.object(Cause, "held", property(lambda self: True))


def prefix_acknowledged_past_what_is_unconfirmed() -> AbstractContextManager[Any]:
    def take_prefix(self: AcknowledgementWindow) -> int | None:
        tag = max(self._finished, default=self._acknowledged)
        self._finished.clear()
        if tag <= self._acknowledged:
            return None
        self._acknowledged = tag
        return tag

    return patch.object(AcknowledgementWindow, "take_prefix", take_prefix)


def effect_forgotten_before_its_confirm() -> AbstractContextManager[Any]:
    def to_forget(self: Confirmations, state: WorkflowState) -> tuple[EffectID, ...]:
        return tuple(sorted(state.outstanding))

    return patch.object(Confirmations, "to_forget", to_forget)


def rows_believed() -> AbstractContextManager[Any]:
    """A host is alive for as long as its row says, although nobody renews it."""
    return patch.object(Vigil, "look", lambda self, rows, asked_at, answered_at: [])


@contextmanager
def words_before_state() -> Iterator[None]:
    """A log that may raise is told before the actors are thrown away, and what it raises is ignored; so that
    both happen often."""
    raw = structlog.get_logger()

    def commit_failed(self: Rounds, error: Exception) -> None:
        try:
            raw.warning("commit_failed", reason=str(error))
        except OSError:
            self._open.writing = None
            self._upcalls.request_work()
        else:
            _commit_failed(self, error)

    with (
        patch.object(Rounds, "commit_failed", commit_failed),
        patch.dict(PER_EVENT, {"commit done but reported failed": 0.1, "log raises": 0.4}),
    ):
        yield


@contextmanager
def escape_ignored() -> Iterator[None]:
    """A host goes on after what nobody contained; so that memory runs out often."""
    with (
        patch.object(Host, "escaped", lambda self, error: None),
        patch.dict(PER_EVENT, {"memory runs out": 3e-3}),
    ):
        yield


def lease_renewed_though_the_loop_stands_still() -> AbstractContextManager[Any]:
    return patch.object(LoopBeat, "is_silent", False)


@contextmanager
def empty_round_answered_without_validity() -> Iterator[None]:
    """Neither is it looked at by the timer. It shows between a freeze and the word that the leases are lost,
    which mostly comes first; so that hosts are frozen often, and that word is late."""

    def tick(self: Host) -> None:
        self._beat.beat()
        self.engine.tick()

    with (
        patch.multiple(Host, may_act=lambda self: True, _tick=tick),
        patch.dict(PER_EVENT, {"membership answer late": 0.9}),
        patch.dict(AT_RANDOM, {"host frozen": 1.0}),
    ):
        yield


def second_cause_handled_while_a_turn_is_open() -> AbstractContextManager[Any]:
    return patch.object(OpenTurn, "lets_pass", lambda self, other: not self.lets_nobody_pass)


def proof_of_a_session_taken_for_a_confirm() -> AbstractContextManager[Any]:
    """What it took while no publisher was open is held against all that could not be sent."""

    def taken_beside(self: Outbox, seconds_ago: float) -> None:
        _taken_beside(self, seconds_ago)
        departures = self._departures
        if not departures.is_open:
            departures.is_open = True
            self.park_overdue()
            departures.is_open = False

    return patch.object(Outbox, "taken_beside", taken_beside)


@contextmanager
def causes_not_disowned_when_they_are_handled_anew() -> Iterator[None]:
    """It shows only where an instance is halted while what it has sent is refused, and is told so. So that task
    queues are full for long, and those crash whose tasks they refuse; and hosts live on meanwhile."""

    def fill(self: Storm) -> bool:
        queue = self._simulation.broker.queues.get(topology.task_queue("default"))
        if queue is not None:
            queue.refuses_until = self._simulation.scheduler.now + 40 * SECOND
        return queue is not None

    def crash(self: Storm) -> bool:
        crashing = self._simulation.crashing
        for host in self._simulation.hosts.values():
            for shipment in host.engine.outbox._in_flight.values() if host.is_alive else ():
                if shipment.workflow is not None and shipment.causes and shipment.refusals:
                    crashing.add(shipment.workflow[1])
        self._simulation.scheduler.after(30 * SECOND, crashing.clear)
        return bool(crashing)

    rare = ("host killed", "host frozen", "host drained", "broker restarted", "connection cut", "loop blocked")
    with (
        patch.object(Outbox, "disown", lambda self, causes: None),
        patch.multiple(Storm, _fill_queue=fill, _crash_actor=crash),
        patch.dict(AT_RANDOM, dict.fromkeys((*rare, "consumer channel closed", "task queue deleted"), NEVER)),
        patch.dict(AT_RANDOM, {"queue full": 6.0, "actor crashes": 0.3}),
    ):
        yield


def timers_left_out_of_a_description() -> AbstractContextManager[Any]:
    real = questions.describe

    def describe(state: WorkflowState, *told: Any, wake_at: int | None) -> dict[str, Any]:
        return {**real(state, *told, wake_at=wake_at), "pending_timers": 0}

    return patch.object(questions, "describe", describe)


BUGS: dict[Plant, set[str]] = {
    leases_read_without_a_lock: {"I3"},
    acknowledged_before_the_commit: {"I24"},
    published_before_the_commit: {"I7"},
    dedupe_dropped: {"I8"},
    known_whatever_their_type: {"I24"},
    older_ids_not_found_out: {"I8"},
    mail_dropped_for_what_cannot_be_run: {"I24"},
    # I8, I24, I29: mail for what cannot be read any more is dead-lettered, whatever it was.
    snapshot_trimmed_too_early: {"I4", "I8", "I16", "I24", "I29", "defect", "CorruptStateError"},
    timer_fired_twice_after_a_takeover: {"I13", "described"},
    result_accepted_without_its_token: {"I10"},
    lost_activity_not_sent_again: {"I29"},
    stale_actor_kept_after_a_failed_commit: {"I4", "I7", "I24"},
    epoch_not_raised: {"I3"},
    wakeup_removed_at_its_commit: {"I11", "defect"},
    prefix_acknowledged_past_what_is_unconfirmed: {"I24"},
    effect_forgotten_before_its_confirm: {"I7"},
    rows_believed: {"standstill"},
    words_before_state: {"I4", "I7", "I24", "I29", "KeyError"},
    escape_ignored: {"standstill", "I4", "I7", "I24", "I29"},
    lease_renewed_though_the_loop_stands_still: {"blocked"},
    empty_round_answered_without_validity: {"unfenced"},
    second_cause_handled_while_a_turn_is_open: {"I4", "I8", "I12", "I24", "outcome", "defect"},
    proof_of_a_session_taken_for_a_confirm: {"parked"},
    causes_not_disowned_when_they_are_handled_anew: {"I24"},
    timers_left_out_of_a_description: {"described"},
    **RELEASE_BUGS,
}
"""Each with the invariants that may find it."""
