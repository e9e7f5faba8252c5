"""The engine: everything between the broker, the database and the workflow actors, without any I/O.

It is the seam in the manner of raft's Ready. The shell (`host`, or a simulator) calls it with what happened:
`delivered`, `loaded`, `committed`, `lease_gained`, `channel_lost`, `tick`; it answers through `World`, whose
methods only start things and never call back at once. One round is in progress at a time:

    drain mailboxes -> commit (writer thread) -> publish effects -> acknowledge what is confirmed
                          meanwhile the inboxes fill for the next round

Everything here runs on one thread, in plain callbacks: user code must not run inside a task of the host's loop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol
from uuid import uuid4

import structlog

from dalsegno.actors.light import Dispatcher
from dalsegno.actors.supervisor import dead_letters
from dalsegno.actors.supervisor.channel import Channel
from dalsegno.actors.supervisor.intake import Forward, Rejected
from dalsegno.actors.supervisor.outbox import Carrier, Outbox, Shipment
from dalsegno.actors.supervisor.partition import Delivered, PartitionSupervisor
from dalsegno.actors.supervisor.round import Entry, RoundBuilder
from dalsegno.actors.supervisor.settings import HostSettings
from dalsegno.actors.supervisor.shipping import Shipping
from dalsegno.actors.supervisor.waiters import Waiter
from dalsegno.actors.workflow_actor.actor import Watch, WorkflowActor
from dalsegno.actors.workflow_actor.cause import Cause
from dalsegno.actors.workflow_actor.commands import Park, Suspend
from dalsegno.actors.workflow_actor.effects import ResultEffect
from dalsegno.actors.workflow_actor.instance import Probe
from dalsegno.actors.workflow_actor.program_port import Code
from dalsegno.broker import topology
from dalsegno.broker.port import Delivery
from dalsegno.broker.protocol import messages as wire
from dalsegno.broker.protocol.codec import encode
from dalsegno.persistence.port import Due, Loaded, Round, RoundOutcome

log = structlog.get_logger()

REBUILD_SLICE_SECONDS = 0.005


class World(Carrier, Protocol):
    """What the engine asks of the shell."""

    def call_soon(self, callback: Callable[[], None]) -> None: ...

    def now(self) -> int:
        """The estimate of database time, in microseconds; it never goes back."""

    def commit(self, round_: Round) -> None:
        """Answered by `committed` or `commit_failed`."""

    def load(self, partition: int, workflow_ids: Sequence[str]) -> None:
        """Answered by `loaded`, after as many tries as it takes."""

    def look_up_seen(self, partition: int, workflow_id: str, message_id: str) -> None:
        """Answered by `seen_found`."""

    def find_due(self, partition: int, before: int, limit: int) -> None:
        """Answered by `due_found`."""

    def probe_task_queue(self, partition: int, workflow_id: str, probe: Probe) -> None:
        """Answered by `task_queue_found_empty`, if it is."""

    def answer_other_run(self, workflow_id: str, cause: Cause) -> None:
        """Answer a request about a run that is not the current one; then `cause.done()`."""

    def open_channel(self, partition: int) -> None:
        """Consume the partition's queue, after as many tries as it takes. Answered by `channel_opened`."""

    def stop_consuming(self, partition: int) -> None:
        """No new deliveries; those already here stay ours."""

    def close_channel(self, partition: int) -> None: ...

    def partition_released(self, partition: int, epoch: int) -> None:
        """All that was delivered is done with: the lease may go to its heir."""


class Engine:
    """See the module."""

    def __init__(
        self,
        world: World,
        *,
        host_id: str,
        code: Code,
        settings: HostSettings,
        watch: Watch,
        generation: int,
        partitions: int,
    ) -> None:
        self.host_id = host_id
        self.code = code
        self.settings = settings
        self.watch = watch
        self.generation = generation
        self.partition_count = partitions
        self.partitions: dict[int, PartitionSupervisor] = {}
        self.partition_dispatcher = Dispatcher()
        self.workflow_dispatcher = Dispatcher()
        self.outbox = Outbox(world, self)
        self.rounds = 0
        self.round = RoundBuilder(0, host_id)
        self._world = world
        self._shipping = Shipping(self, settings.json_task_queues)
        self._committing: RoundBuilder | None = None
        self._work_requested = False
        self._to_load: dict[int, list[str]] = {}
        self._dirty: list[Channel] = []
        self._rebuilding: list[WorkflowActor] = []
        self._wake_timer: int | None = None
        self._paused_until = 0.0
        self._commit_failures = 0
        self._stopped = False

    # --- what the parts ask -----------------------------------------------------------------------------

    def now(self) -> int:
        return self._world.now()

    def monotonic(self) -> float:
        return self._world.monotonic()

    def call_later(self, delay_seconds: float, callback: Callable[[], None]) -> None:
        self._world.call_later(delay_seconds, callback)

    def request_work(self) -> None:
        if not self._work_requested:
            self._work_requested = True
            self._world.call_soon(self._work)

    def load(self, partition: int, workflow_id: str) -> None:
        self._to_load.setdefault(partition, []).append(workflow_id)
        self.request_work()

    def look_up_seen(self, partition: int, workflow_id: str, message_id: str) -> None:
        self._world.look_up_seen(partition, workflow_id, message_id)

    def find_due(self, partition: int, before: int, limit: int) -> None:
        self._world.find_due(partition, before, limit)

    def probe(self, partition: int, workflow_id: str, probe: Probe) -> None:
        self._world.probe_task_queue(partition, workflow_id, probe)

    def other_run(self, workflow_id: str, cause: Cause) -> None:
        self._world.answer_other_run(workflow_id, cause)

    def rebuild(self, actor: WorkflowActor) -> None:
        self._rebuilding.append(actor)
        if len(self._rebuilding) == 1:
            self._world.call_soon(self._rebuild_slice)

    def has_in_flight(self, run_id: str, effect_id: tuple[int, int]) -> bool:
        return self.outbox.is_in_flight(self._shipping.durable_id(run_id, effect_id))

    def wake_at_changed(self, wake_at: int) -> None:
        """Fire at that time, not at the next tick."""
        if self._wake_timer is not None and self._wake_timer <= wake_at:
            return
        self._wake_timer = wake_at
        delay = max(wake_at - self.now(), 0) / 1e6
        self._world.call_later(delay, lambda: self._wake_timer_fired(wake_at))

    # --- leases and channels ------------------------------------------------------------------------------

    def lease_gained(self, partition: int, epoch: int) -> None:
        if partition in self.partitions:
            self.lease_lost(partition)
        supervisor = PartitionSupervisor(
            self.partition_dispatcher,
            self,
            partition=partition,
            partitions=self.partition_count,
            epoch=epoch,
        )
        supervisor._start_actor_loop()
        self.partitions[partition] = supervisor
        log.info("partition_taken", partition=partition, epoch=epoch, host_id=self.host_id)
        self._world.open_channel(partition)

    def lease_lost(self, partition: int) -> None:
        """Everything of the partition is void, at once."""
        supervisor = self.partitions.pop(partition, None)
        if supervisor is None:
            return
        self._forget_entries(partition)
        supervisor.stop_now()
        self._to_load.pop(partition, None)
        self._world.close_channel(partition)
        log.info("partition_given_up", partition=partition, epoch=supervisor.epoch, host_id=self.host_id)

    def all_leases_lost(self) -> None:
        for partition in list(self.partitions):
            self.lease_lost(partition)

    def partition_failed(self, partition: int, reason: str) -> None:
        """A partition's supervisor met a defect: its lease is given up, so that it starts anew."""
        supervisor = self.partitions.get(partition)
        if supervisor is not None:
            epoch = supervisor.epoch
            self.lease_lost(partition)
            self._world.partition_released(partition, epoch)

    def release(self, partition: int) -> None:
        """Hand the partition over: stop consuming, run all that was delivered, acknowledge, close, release."""
        supervisor = self.partitions.get(partition)
        if supervisor is None or supervisor.is_draining:
            return
        for workflow_id, waiter in supervisor.begin_draining():
            self.tell_waiter_to_ask_again(workflow_id, waiter)
        self._world.stop_consuming(partition)
        deadline = self.monotonic() + self.settings.drain_seconds
        self._world.call_later(0.01, lambda: self._finish_release(supervisor, deadline))

    def _finish_release(self, supervisor: PartitionSupervisor, deadline: float) -> None:
        partition = supervisor.partition
        if self.partitions.get(partition) is not supervisor:
            return
        writing = self._committing is not None or bool(self.round)
        if self.monotonic() < deadline and (writing or not supervisor.is_drained):
            self._world.call_later(0.01, lambda: self._finish_release(supervisor, deadline))
            return
        self.lease_lost(partition)
        self._world.partition_released(partition, supervisor.epoch)

    def channel_opened(self, channel: Channel) -> None:
        """A marker goes through the queue: timers wait for it (at most 30 s)."""
        supervisor = self.partitions.get(channel.partition)
        if supervisor is None:
            self._world.close_channel(channel.partition)
            return
        nonce = str(uuid4())
        supervisor.channel_opened(channel, nonce)
        marker = wire.Marker(partition=channel.partition, host_id=self.host_id, nonce=nonce)
        queue = topology.partition_queue(self.generation, channel.partition)
        self.outbox.send([self._shipping.to_queue(encode(marker, message_id=nonce), queue)])
        self._world.call_later(30.0, lambda: self._marker_overdue(supervisor, channel))

    def _marker_overdue(self, supervisor: PartitionSupervisor, channel: Channel) -> None:
        if supervisor.channel is channel and channel.is_open and not supervisor.is_live:
            supervisor.go_live()

    def channel_lost(self, partition: int) -> None:
        supervisor = self.partitions.get(partition)
        if supervisor is not None:
            supervisor.channel_lost()
            if not supervisor.is_draining:
                self._world.open_channel(partition)

    def flush_soon(self, channel: Channel) -> None:
        """Acknowledge once per turn of the loop, not once per message."""
        self._dirty.append(channel)
        if len(self._dirty) == 1:
            self._world.call_soon(self._flush)

    def _flush(self) -> None:
        dirty, self._dirty = self._dirty, []
        for channel in dirty:
            channel.flush()

    # --- what happened ------------------------------------------------------------------------------------

    def delivered(self, channel: Channel, delivery: Delivery) -> None:
        supervisor = self.partitions.get(channel.partition)
        if supervisor is not None:
            supervisor.actor_ref.tell(Delivered(channel, delivery))
            self.request_work()

    def loaded(self, partition: int, rows: Sequence[Loaded]) -> None:
        supervisor = self.partitions.get(partition)
        if supervisor is None:
            return
        for row in rows:
            try:
                supervisor.loaded(row)
            except Exception as error:  # noqa: BLE001 - one unreadable row must not stop the others
                self._unreadable(supervisor, row, error)
        self.request_work()

    def _unreadable(self, supervisor: PartitionSupervisor, row: Loaded, error: Exception) -> None:
        """Stored state that can't be read: what is sent to the instance is kept among the dead letters."""
        log.error(
            "instance_unreadable",
            workflow_id=row.workflow_id,
            partition=supervisor.partition,
            epoch=supervisor.epoch,
            reason=str(error),
        )
        actor = supervisor.peek(row.workflow_id)
        if actor is None:
            return
        for cause in actor.unhandled():
            reason = f"the stored state of its workflow cannot be read: {error}"
            self.reject(Rejected(reason, "rejected"), cause)
            cause.done()
        supervisor._discard(actor)

    def seen_found(self, partition: int, workflow_id: str, message_id: str, answers: Mapping[str, str]) -> None:
        supervisor = self.partitions.get(partition)
        actor = supervisor.peek(workflow_id) if supervisor is not None else None
        if actor is not None and actor.is_loaded:
            actor.seen_found(answers, message_id)
            self.request_work()

    def due_found(self, partition: int, due: Sequence[Due], *, complete: bool) -> None:
        supervisor = self.partitions.get(partition)
        if supervisor is not None:
            supervisor.due_found(due, complete=complete)

    def due_not_found(self, partition: int) -> None:
        """The scan failed; the next tick tries again."""
        supervisor = self.partitions.get(partition)
        if supervisor is not None:
            supervisor.scan_failed()

    def task_queue_found_empty(self, partition: int, workflow_id: str, probe: Probe) -> None:
        supervisor = self.partitions.get(partition)
        if supervisor is not None:
            supervisor.task_queue_found_empty(workflow_id, probe)

    def tick(self) -> None:
        """From time to time (some ten times a second): timers, parking."""
        self.outbox.park_overdue()
        self._fire_due()

    def sweep(self) -> None:
        """About once a second: passivation."""
        for supervisor in list(self.partitions.values()):
            supervisor.sweep()

    def _wake_timer_fired(self, at: int) -> None:
        if self._wake_timer == at:
            self._wake_timer = None
            self._fire_due()

    def _fire_due(self) -> None:
        earliest: int | None = None
        for supervisor in list(self.partitions.values()):
            supervisor.fire_due()
            at = supervisor.next_wake_up_at
            if at is not None and (earliest is None or at < earliest):
                earliest = at
        if earliest is not None and earliest > self.now():
            self.wake_at_changed(earliest)

    def _rebuild_slice(self) -> None:
        end = self.monotonic() + REBUILD_SLICE_SECONDS
        while self._rebuilding and self.monotonic() < end:
            actor = self._rebuilding[0]
            if actor.actor_stopped.is_set() or actor.advance_rebuild():
                self._rebuilding.pop(0)
        if self._rebuilding:
            self._world.call_soon(self._rebuild_slice)
        self.request_work()

    # --- the round ------------------------------------------------------------------------------------------

    def stop(self) -> None:
        self._stopped = True
        self.all_leases_lost()

    def _work(self) -> None:
        """Drain the mailboxes; when there is something to write and no commit in progress, write it."""
        self._work_requested = False
        partitions = self.partition_dispatcher
        while partitions.has_work:
            partitions.run_one()
        self._request_loads()
        if self._committing is not None or self._stopped:
            return
        self._drain()
        if self.round:
            self._commit()
        if self.workflow_dispatcher.has_work and self._committing is None:
            self.request_work()

    def _request_loads(self) -> None:
        if self._to_load and self.monotonic() >= self._paused_until:
            loads, self._to_load = self._to_load, {}
            for partition, workflow_ids in loads.items():
                self._world.load(partition, workflow_ids)

    def _drain(self) -> None:
        settings, dispatcher = self.settings, self.workflow_dispatcher
        if self.monotonic() < self._paused_until:
            return
        end = self.monotonic() + settings.round_seconds
        steps = 0
        while dispatcher.has_work and self.round.activations < settings.round_activations:
            dispatcher.run_one()
            steps += 1
            if steps % 8 == 0 and self.monotonic() > end:
                return

    def _commit(self) -> None:
        builder = self.round
        self.rounds += 1
        self.round = RoundBuilder(self.rounds, self.host_id)
        epochs = {partition: supervisor.epoch for partition, supervisor in self.partitions.items()}
        round_ = builder.build(epochs)
        if round_ is None:
            self._let_out(builder.entries.values())
            return
        self._committing = builder
        self._world.commit(round_)

    def committed(self, outcome: RoundOutcome) -> None:
        builder, self._committing = self._committing, None
        assert builder is not None
        self._commit_failures = 0
        for partition in outcome.lost:
            log.warning("lease_found_lost", partition=partition, host_id=self.host_id)
            self.lease_lost(partition)
        good: list[Entry] = []
        for workflow_id, entry in builder.entries.items():
            if entry.partition in outcome.lost or not self._owns(entry):
                continue
            if workflow_id in outcome.missed:
                self._restart(entry)
            elif workflow_id in outcome.rejected:
                self._rejected_by_store(entry, outcome.rejected[workflow_id])
            else:
                good.append(entry)
        self._let_out(good)
        self.request_work()

    def commit_failed(self, error: Exception) -> None:
        """The outcome is unknown: every actor that was touched is discarded and loaded again, and what it had
        been told is told again. What was committed is then recognised."""
        builder, self._committing = self._committing, None
        assert builder is not None
        self._commit_failures += 1
        delay = min(0.05 * 2.0 ** min(self._commit_failures, 8), 5.0)
        self._paused_until = self.monotonic() + delay
        log.warning("commit_failed", reason=str(error), host_id=self.host_id, retry_in_seconds=delay)
        for entry in builder.entries.values():
            if self._owns(entry):
                self._restart(entry)
        self._world.call_later(delay, self.request_work)

    def is_writing(self, workflow_id: str) -> bool:
        return workflow_id in self.round.entries or (
            self._committing is not None and workflow_id in self._committing.entries
        )

    def _owns(self, entry: Entry) -> bool:
        """The actor that wrote the entry is still the one there."""
        supervisor = self.partitions.get(entry.partition)
        return supervisor is not None and supervisor.peek(entry.actor.workflow_id) is entry.actor

    def _restart(self, entry: Entry) -> None:
        self.partitions[entry.partition].restart(entry.actor, entry.causes)

    def _forget_entries(self, partition: int) -> None:
        for workflow_id, entry in list(self.round.entries.items()):
            if entry.partition == partition:
                del self.round.entries[workflow_id]

    def _rejected_by_store(self, entry: Entry, reason: str) -> None:
        """The database refused the data. One input at a time finds the one at fault: it goes to the dead
        letters, and with it gone the instance goes on."""
        log.error("instance_rejected_by_store", workflow_id=entry.actor.workflow_id, reason=reason)
        causes = [cause for cause in entry.causes if cause.held]
        if len(causes) == 1:
            text = f"the database cannot store what it led to: {reason}"
            self.reject(Rejected(text, "rejected"), causes[0])
            causes[0].done()
            causes = []
        supervisor = self.partitions[entry.partition]
        supervisor.restart(entry.actor, causes, one_by_one=True)
        if not any(cause.held for cause in entry.causes):
            suspend = Cause(
                Suspend(reason=f"the database cannot store it: {reason}", struck=True), name="store"
            )
            supervisor.child(entry.actor.workflow_id).actor_ref.tell(suspend)

    def _let_out(self, entries: Iterable[Entry]) -> None:
        """The state that caused them is durable: effects may leave now."""
        shipments: list[Shipment] = []
        settled: list[Entry] = []
        for entry in entries:
            shipments.extend(self._shipping.of_entry(entry))
            settled.append(entry)
        self.outbox.send(shipments)
        for entry in settled:
            supervisor = self.partitions.get(entry.partition)
            if supervisor is not None and self._owns(entry):
                supervisor.committed(entry)
            for cause in entry.causes:
                if isinstance(cause.command, Park):
                    self._parked(entry, cause.command)
                cause.done()

    def _parked(self, entry: Entry, park: Park) -> None:
        """The wake-up for these effects is durable: their causes may be acknowledged."""
        for effect_id in park.effects:
            self.outbox.release_causes(self._shipping.durable_id(park.run_id or "", effect_id))

    # --- what became of effects (see outbox.Owner) ------------------------------------------------------------

    def effect_confirmed(self, workflow: tuple[int, str, str, tuple[int, int]]) -> None:
        partition, workflow_id, run_id, effect_id = workflow
        supervisor = self.partitions.get(partition)
        if supervisor is not None:
            supervisor.effect_confirmed(workflow_id, run_id, effect_id)

    def effect_unsendable(self, workflow: tuple[int, str, str, tuple[int, int]], reason: str) -> None:
        partition, workflow_id, run_id, effect_id = workflow
        supervisor = self.partitions.get(partition)
        if supervisor is not None:
            supervisor.effect_unsendable(workflow_id, run_id, effect_id, reason)

    def effect_parked(self, workflow: tuple[int, str, str, tuple[int, int]]) -> None:
        partition, workflow_id, run_id, effect_id = workflow
        supervisor = self.partitions.get(partition)
        if supervisor is not None:
            supervisor.effect_parked(workflow_id, run_id, effect_id)

    # --- messages that are no workflow's ----------------------------------------------------------------------

    def reject(self, rejected: Rejected, cause: Cause) -> None:
        """Publish a dead letter with the reason, and an error reply where one was asked for. The caller then
        counts the cause's own `done()`."""
        self.outbox.send(dead_letters.shipments(rejected, cause))

    def forward(self, forward: Forward, cause: Cause) -> None:
        self.outbox.send([self._shipping.forwarded(forward, cause)])

    def answer_waiter(self, effect: ResultEffect, message_id: str) -> None:
        self.outbox.send([self._shipping.transient(effect, message_id)])

    def tell_waiter_to_ask_again(self, workflow_id: str, waiter: Waiter) -> None:
        self.outbox.send([self._shipping.moved(workflow_id, waiter)])
