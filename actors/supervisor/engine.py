"""The engine: everything between the broker, the database and the workflow actors, without any I/O.

It is the seam in the manner of raft's Ready. The shell (`host`, or a simulator) calls it with what happened:
`delivered`, `loaded`, `committed`, `lease_gained`, `channel_lost`, `tick`; it answers through `World`, whose
methods only start things and never call back at once. One round is in progress at a time:

    drain mailboxes -> commit (writer thread) -> publish effects -> acknowledge what is confirmed
                          meanwhile the next round is gathered, of other instances

Everything here runs on one thread, in plain callbacks: user code must not run inside a task of the host's loop.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVarTuple
from uuid import uuid4

from dalsegno._log import get_logger
from dalsegno.actors.entropy import Entropy
from dalsegno.actors.light import Dispatcher
from dalsegno.actors.supervisor.deliveries.channel import Channel, Delivered
from dalsegno.actors.supervisor.outbox import word_of_effects
from dalsegno.actors.supervisor.outbox.outbox import Outbox
from dalsegno.actors.supervisor.outbox.shipping import Shipping
from dalsegno.actors.supervisor.partition.partition import PartitionSupervisor
from dalsegno.actors.supervisor.partition.passivation import Passivation
from dalsegno.actors.supervisor.partition.rehydration import Rehydration
from dalsegno.actors.supervisor.partition.surroundings import Surroundings
from dalsegno.actors.supervisor.round.open_rounds import OpenRounds
from dalsegno.actors.supervisor.rounds import Rounds
from dalsegno.actors.supervisor.settings import HostSettings
from dalsegno.actors.supervisor.wakeups.wake_timer import WakeTimer
from dalsegno.actors.supervisor.world import World
from dalsegno.actors.workflow_actor.attributes.declared import DeclaredAttributes
from dalsegno.actors.workflow_actor.interface.activation import Probe
from dalsegno.actors.workflow_actor.program.port import Code
from dalsegno.actors.workflow_actor.stored.codec import CODEC, StoredCodec
from dalsegno.actors.workflow_actor.surroundings import OffLoop, Watch
from dalsegno.broker import topology
from dalsegno.broker.port import Delivery, Message
from dalsegno.broker.protocol import messages as wire
from dalsegno.broker.protocol.codec import encode
from dalsegno.broker.protocol.ids import effect_message_id
from dalsegno.observer import Observer
from dalsegno.partition_id import PartitionID
from dalsegno.persistence.port import Due, Loaded, Mail, Remains, RoundOutcome
from dalsegno.search_attributes import Declared

Ts = TypeVarTuple("Ts")

log = get_logger()


class Engine:
    """See the module. What its parts ask of it is in `upcalls`. `entropy` is the system's unless given.
    `off_loop`: without it every turn is over at once."""

    def __init__(
        self,
        world: World,
        *,
        host_id: str,
        code: Code,
        settings: HostSettings,
        watch: Watch,
        partitions: int,
        codec: StoredCodec = CODEC,
        entropy: Entropy | None = None,
        observer: Observer | None = None,
        off_loop: OffLoop | None = None,
    ) -> None:
        self.partition_count = partitions
        self.partitions: dict[PartitionID, PartitionSupervisor] = {}
        self.partition_dispatcher = Dispatcher()
        self.workflow_dispatcher = Dispatcher()
        self.open_rounds = OpenRounds(host_id)
        self.outbox = Outbox(world, self, at_once=settings.sent_at_once, bytes_max=settings.held_bytes)
        self._world = world
        self._settings = settings
        self._observer = observer
        self._shipping = Shipping(
            world,
            self.outbox,
            host_id=lambda: self.open_rounds.host_id,
            json_task_queues=settings.json_task_queues,
            observer=observer,
        )
        self._rehydration = Rehydration(world, self)
        self.wake_timer = WakeTimer(world)
        self._passivation = Passivation(
            world,
            self,
            self.open_rounds,
            idle_seconds=settings.idle_seconds,
            hot_limit=settings.max_idle_instances,
        )
        self._around = Surroundings(
            world=world,
            upcalls=self,
            rounds=self.open_rounds,
            outbox=self.outbox,
            shipping=self._shipping,
            rehydration=self._rehydration,
            wake_timer=self.wake_timer,
            passivation=self._passivation,
            partition_dispatcher=self.partition_dispatcher,
            workflow_dispatcher=self.workflow_dispatcher,
            code=code,
            codec=codec.writing(1),
            settings=settings,
            watch=watch,
            off_loop=off_loop,
            entropy=entropy or Entropy(),
            partitions=partitions,
            declared=DeclaredAttributes(),
        )
        self.rounds = Rounds(
            world,
            self,
            self.open_rounds,
            self.partitions,
            outbox=self.outbox,
            shipping=self._shipping,
            dispatcher=self.workflow_dispatcher,
            settings=settings,
            observer=observer,
        )
        self._work_requested = False
        self._dirty: list[Channel] = []
        self._stopped = False

    # --- what the parts ask (see upcalls) -------------------------------------------------------------------

    def request_work(self) -> None:
        if not self._work_requested:
            self._work_requested = True
            self._world.call_soon(self._work)

    # --- the host, its leases and channels ------------------------------------------------------------------

    def rejoined(self, host_id: str) -> None:
        """The host lost its leases, and has another ID from now on."""
        self.open_rounds.rejoined(host_id)

    def format_written(self, format_: int) -> None:
        """The newest stored format that may be written: the first until something else is said. It is never an
        older one again; an answer that was on its way may say so."""
        codec = self._around.codec.writing(format_)
        if codec.writes <= self._around.codec.writes:
            return
        self._around.codec = codec
        for supervisor in self.partitions.values():
            for actor in supervisor.actors.in_memory.values():
                if actor.is_loaded and actor.instance.codec.writes < codec.writes:
                    actor.instance.codec = codec

    def attributes_declared(self, declared: Declared) -> None:
        """The search attributes of the namespace: none until something else is said."""
        self._around.declared.now = declared

    def lease_gained(self, partition: PartitionID, epoch: int) -> None:
        if partition in self.partitions:
            self.lease_lost(partition)
        self._rehydration.forget(partition)  # something may have been wanted since it was lost: nobody answered
        supervisor = PartitionSupervisor(self._around, partition=partition, epoch=epoch)
        supervisor._start_actor_loop()
        self.partitions[partition] = supervisor
        self._world.open_channel(partition)
        if self._observer is not None:
            self._observer.partition_taken(partition.number)
        log.debug("partition_taken", partition=partition.number, epoch=epoch, host_id=self.open_rounds.host_id)

    def lease_lost(self, partition: PartitionID) -> None:
        """Everything of the partition is void, at once."""
        supervisor = self.partitions.pop(partition, None)
        if supervisor is None:
            return
        self.open_rounds.forget(partition)
        supervisor.stop_now()
        self._rehydration.forget(partition)
        self._world.close_channel(partition)
        if self._observer is not None:
            self._observer.partition_given_up(partition.number)
        log.debug(
            "partition_given_up",
            partition=partition.number,
            epoch=supervisor.epoch,
            host_id=self.open_rounds.host_id,
        )

    def all_leases_lost(self) -> None:
        for partition in list(self.partitions):
            self.lease_lost(partition)

    def give_up(self, partition: PartitionID, *, for_good: bool = False) -> None:
        supervisor = self.partitions.get(partition)
        if supervisor is not None:
            epoch = supervisor.epoch
            self.lease_lost(partition)
            self._world.partition_released(partition, epoch, for_good=for_good)

    def release(self, partition: PartitionID) -> None:
        """Hand the partition over: begin nothing more, finish and acknowledge what was begun, close, release.

        The consumer is not cancelled: a broker gives a cancelled consumer's turn to the next one at once,
        although we still hold messages, and were the lease to run out before they are acknowledged (a freeze,
        a slow commit), later ones would overtake them. What is delivered meanwhile goes back untouched."""
        supervisor = self.partitions.get(partition)
        if supervisor is None or supervisor.is_draining:
            return
        supervisor.begin_draining()
        deadline = self._world.monotonic() + self._settings.drain_seconds
        self._world.call_soon(lambda: self._finish_release(supervisor, deadline))

    def _finish_release(self, supervisor: PartitionSupervisor, deadline: float) -> None:
        partition = supervisor.partition
        if self.partitions.get(partition) is not supervisor:
            return
        done = supervisor.is_drained and not self.open_rounds.concern(partition)
        if self._world.monotonic() < deadline and not done:
            self._world.call_later(0.01, lambda: self._finish_release(supervisor, deadline))
            return
        supervisor.begin_draining()
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
        marker = wire.Marker(partition=channel.partition.number, host_id=self.open_rounds.host_id, nonce=nonce)
        queue = topology.partition_queue(channel.partition)
        self._shipping.mark(encode(marker, message_id=nonce), queue)
        self._world.call_later(30.0, lambda: self._marker_overdue(supervisor, channel))

    def _marker_overdue(self, supervisor: PartitionSupervisor, channel: Channel) -> None:
        if supervisor.channel is channel and channel.is_open and not supervisor.alarm_clock.is_running:
            supervisor.go_live()

    def channel_lost(self, partition: PartitionID) -> None:
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
            before = 0 if self._observer is None else channel.window.open
            channel.flush()
            if self._observer is not None and (count := before - channel.window.open):
                self._observer.messages_acknowledged(count)

    # --- what happened ------------------------------------------------------------------------------------

    def delivered(self, channel: Channel, delivery: Delivery) -> None:
        supervisor = self.partitions.get(channel.partition)
        if supervisor is None or supervisor.is_draining or supervisor.is_stopped:
            return  # it returns to its queue when the channel closes
        supervisor.post(Delivered(channel, delivery))
        if not self._work_requested:
            self.request_work()

    def while_owned(self, partition: PartitionID, take: Callable[[*Ts], object]) -> Callable[[*Ts], None]:
        """`take` an answer for as long as the partition is ours without a break. What was read before that is
        not what is stored now: another host may have written meanwhile."""
        supervisor = self.partitions.get(partition)

        def answered(*answer: *Ts) -> None:
            if supervisor is not None and self.partitions.get(partition) is supervisor:
                take(*answer)

        return answered

    def loaded(self, partition: PartitionID, rows: Sequence[Loaded], left: Sequence[str] = ()) -> None:
        """Some of what was asked for; what is `left` would have been too much at once."""
        supervisor = self.partitions.get(partition)
        if supervisor is not None:
            self._rehydration.take_in(supervisor, rows, left)

    def unreadable(self, partition: PartitionID, workflow_id: str, error: Exception) -> None:
        """Its rows cannot be read, and those of others can."""
        supervisor = self.partitions.get(partition)
        if supervisor is not None:
            supervisor.unreadable(workflow_id, error)
            self._rehydration.answered(partition, [workflow_id])
            self.request_work()

    def format_found(self, partition: PartitionID, workflow_id: str, format_: int) -> None:
        supervisor = self.partitions.get(partition)
        if supervisor is not None:
            supervisor.format_found(workflow_id, format_)
            self.request_work()

    def remains_found(self, partition: PartitionID, workflow_id: str, remains: Remains) -> None:
        supervisor = self.partitions.get(partition)
        if supervisor is not None:
            supervisor.standing_in.remains_found(workflow_id, remains)

    def mail_found(self, partition: PartitionID, workflow_id: str, after: int, found: Sequence[Mail]) -> None:
        supervisor = self.partitions.get(partition)
        if supervisor is not None:
            supervisor.standing_in.mail_found(workflow_id, after, found)

    def strikes_found(
        self, partition: PartitionID, workflow_id: str, strikes: Sequence[tuple[str, int]]
    ) -> None:
        supervisor = self.partitions.get(partition)
        if supervisor is not None:
            supervisor.strikes_found(workflow_id, strikes)

    def attributes_found(self, partition: PartitionID, workflow_id: str, declared: Declared) -> None:
        self.attributes_declared(declared)
        supervisor = self.partitions.get(partition)
        if supervisor is not None:
            supervisor.attributes_found(workflow_id)

    def due_found(self, partition: PartitionID, due: Sequence[Due], *, complete: bool) -> None:
        supervisor = self.partitions.get(partition)
        if supervisor is not None:
            supervisor.alarm_clock.found(due, complete=complete)

    def suspended_found(self, partition: PartitionID, after: str, workflow_ids: Sequence[str]) -> None:
        supervisor = self.partitions.get(partition)
        if supervisor is not None:
            supervisor.alarm_clock.suspended_found(after, workflow_ids)

    def waiting_found(self, partition: PartitionID, after: str, workflow_ids: Sequence[str]) -> None:
        supervisor = self.partitions.get(partition)
        if supervisor is not None:
            supervisor.lost_tasks.found(after, workflow_ids)

    def task_queue_lost(self, name: str) -> None:
        """It was deleted with all that lay in it, and is there again."""
        for supervisor in list(self.partitions.values()):
            supervisor.lost_tasks.queue_lost(name)

    def task_queue_found_empty(self, partition: PartitionID, workflow_id: str, probe: Probe) -> None:
        supervisor = self.partitions.get(partition)
        if supervisor is not None:
            supervisor.actors.tell(workflow_id, word_of_effects.lost(probe))

    def code_changed(self) -> None:
        """Definitions were added to this host's code, or withdrawn. A run goes on with the one that is there
        now; one that has none any more is suspended when it is next to run, and goes on when there is one."""
        for supervisor in list(self.partitions.values()):
            supervisor.renewal.begin()
        self.request_work()

    def tick(self) -> None:
        """From time to time (some ten times a second): timers, parking; passivation of a crowd."""
        self.outbox.park_overdue()
        self.wake_timer.tick()
        if self._passivation.is_due:
            self._passivation.sweep()

    def sweep(self) -> None:
        """About once a second: passivation, and what is kept in memory for a while."""
        self._passivation.sweep()
        for supervisor in list(self.partitions.values()):
            supervisor.sweep()

    @property
    def is_at_rest(self) -> bool:
        """Without a message, or the next time of `wake_timer`, nothing happens any more."""
        under_way = self._work_requested or self._dirty or len(self.outbox) or self.open_rounds.any
        return not under_way and all(supervisor.is_at_rest for supervisor in self.partitions.values())

    def time_was_moved(self) -> None:
        """The clock was put forward: what is due by now is woken at once, not with the next scan."""
        for supervisor in self.partitions.values():
            supervisor.alarm_clock.time_was_moved()
        self.wake_timer.tick()

    # --- work -------------------------------------------------------------------------------------------------

    def stop(self) -> None:
        self._stopped = True
        self.all_leases_lost()

    def _work(self) -> None:
        """Take the mail in, ask for what is cold, and advance the round."""
        self._work_requested = False
        if self._stopped:
            return
        if self.partitions and not self._world.may_act():
            self.all_leases_lost()
            return
        partitions = self.partition_dispatcher
        while partitions.ready:
            partitions.run_one()
        if not self.rounds.is_paused:
            self._rehydration.ask()
        self.rounds.advance()

    def committed(self, outcome: RoundOutcome) -> None:
        self.rounds.committed(outcome)

    def commit_failed(self, error: Exception) -> None:
        self.rounds.commit_failed(error)

    # --- what became of effects (see outbox.Owner) ------------------------------------------------------------

    def effect_confirmed(self, workflow: tuple[PartitionID, str, str, tuple[int, int]]) -> None:
        partition, workflow_id, run_id, effect_id = workflow
        supervisor = self.partitions.get(partition)
        if supervisor is not None:
            supervisor.effect_confirmed(workflow_id, run_id, effect_id)

    def effect_unsendable(self, workflow: tuple[PartitionID, str, str, tuple[int, int]], reason: str) -> None:
        partition, workflow_id, run_id, effect_id = workflow
        supervisor = self.partitions.get(partition)
        if supervisor is not None:
            supervisor.actors.tell(workflow_id, word_of_effects.unsendable(run_id, effect_id, reason))
        else:
            # Its new owner will find out by itself.
            self.outbox.leave_to_others(effect_message_id(run_id, *effect_id))

    def effect_parked(self, workflow: tuple[PartitionID, str, str, tuple[int, int]]) -> None:
        partition, workflow_id, run_id, effect_id = workflow
        supervisor = self.partitions.get(partition)
        if supervisor is not None:
            supervisor.actors.tell(
                workflow_id, word_of_effects.parked(run_id, effect_id, now=self._world.now())
            )

    def effect_again(self, workflow: tuple[PartitionID, str, str, tuple[int, int]]) -> Message | None:
        partition, workflow_id, run_id, effect_id = workflow
        supervisor = self.partitions.get(partition)
        instance = None if supervisor is None else supervisor.actors.instance_of(workflow_id)
        effect = None if instance is None else instance.effect(run_id, effect_id)
        if effect is not None:
            return self._shipping.again(effect, effect_id)
        if supervisor is None:
            self.outbox.leave_to_others(effect_message_id(run_id, *effect_id))
        elif instance is not None:
            self.outbox.forget(effect_message_id(run_id, *effect_id))
        return None
