"""A simulated host process: the real engine and the real HostSupervisor, with the models for its world.

It is what actors.supervisor.host is in production, and does as it does, but for the threads: what runs beside
the loop there is an event of its own here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil
from typing import TYPE_CHECKING, Any, TypeVarTuple

from dalsegno.actors.supervisor.clock import DatabaseClock
from dalsegno.actors.supervisor.deliveries.channel import Channel
from dalsegno.actors.supervisor.engine import Engine
from dalsegno.actors.supervisor.host.host import TICK_SECONDS
from dalsegno.actors.supervisor.membership.host_supervisor import (
    HostOptions,
    HostSupervisor,
    Hurry,
    Leave,
    Offered,
    Released,
    Tick,
)
from dalsegno.actors.supervisor.membership.loop_beat import LoopBeat
from dalsegno.actors.supervisor.membership.validity import Validity
from dalsegno.actors.supervisor.outbox.shipment import to_reader
from dalsegno.actors.supervisor.people.control import Control
from dalsegno.actors.supervisor.people.other_runs import OtherRuns
from dalsegno.actors.workflow_actor.interface.activation import Probe
from dalsegno.broker import topology
from dalsegno.broker.port import Delivery, Fault, Outgoing, Queue
from dalsegno.broker.protocol import messages as wire
from dalsegno.broker.protocol.codec import decode, encode
from dalsegno.errors import DalsegnoError, NewerFormatError
from dalsegno.partition_id import PartitionID
from dalsegno.persistence.port import LeaseRow, Round, RoundOutcome
from dalsegno.search_attributes import Declared
from tests.partition_ids import GENERATION, nth
from tests.simulation.connection import Connection
from tests.simulation.consumers import ModelConsumer
from tests.simulation.hearing import Hearing
from tests.simulation.link import Link
from tests.simulation.lookups import Lookups
from tests.simulation.membership_model import MembershipModel
from tests.simulation.scheduler import SECOND, Beside, Process, ProcessKilled
from tests.simulation.stand_ins import NobodyWatches, SeededEntropy, StrainedWorld, Ticker
from tests.simulation.store_link import StoreLink

if TYPE_CHECKING:
    from tests.simulation.world import Simulation

Ts = TypeVarTuple("Ts")

CALM_TICKS = 8


class Host(Lookups, Process):
    """`name` is the machine's; each life of a host, and each tenure in it, has a host ID of its own."""

    def __init__(self, simulation: Simulation, name: str) -> None:
        super().__init__(simulation.scheduler, name)
        self._simulation = simulation
        self._store = simulation.store
        self._faults = simulation.faults
        self._ids = 0

    def new_host_id(self) -> str:
        self._ids += 1
        return f"{self.name}-{self._ids}"

    # --- lives -----------------------------------------------------------------------------------------------

    def start(self) -> None:
        simulation = self._simulation
        self.begin_life()
        codec, code = simulation.releases.of(self.name), simulation.code_of(self)
        self.codec = codec
        self._host_id = self.new_host_id()
        self._clock = DatabaseClock(self.monotonic)
        self._clock.heard(self._store.now())
        self._validity = Validity(self.monotonic)
        self._beat = LoopBeat(simulation.settings.lease_ttl_seconds, self.monotonic)
        self._supervisor: HostSupervisor | None = None
        self._peers: tuple[str, ...] = ()
        self._drained = False
        self._declaring: set[str] = set()
        self._told_at = 0
        self._entropy = SeededEntropy(f"{simulation.seed} {self._host_id}")
        self.engine = Engine(
            StrainedWorld(self, self._strain),
            host_id=self._host_id,
            code=code,
            settings=simulation.settings,
            watch=NobodyWatches(),
            partitions=simulation.partitions,
            codec=codec,
            entropy=self._entropy,  # type: ignore[arg-type]
            off_loop=simulation.off_loop_of(self, f"{simulation.seed} {self._host_id} turns"),
        )
        self.engine.outbox.weight.bytes_max = simulation.bounds.on_their_way
        self.is_fenced = False
        simulation.host_invariants.watch(self)
        self.link = Link(
            simulation.broker,
            self,
            self,
            prefetch=simulation.settings.prefetch,
            held_bytes=simulation.bounds.held,
            hearing=Hearing(
                simulation.broker, self, partitions=simulation.partitions, taken=self._broker_takes
            ),
            on_ready=self._broker_ready,
        )
        self.store_link = StoreLink(
            self._store,
            self,
            simulation.random,
            self._faults,
            idle_timeout=round(simulation.settings.lease_ttl_seconds * SECOND / 2),
        )
        unused: Any = None  # the control queue is not served here, but for dead tasks
        self._control = Control(
            outbox=self.engine.outbox, store=unused, declare=unused, host_id=lambda: self._host_id
        )
        self._other_runs = OtherRuns(
            self.engine.outbox,
            unused,  # rows are read for it, here
            code,
            simulation.settings.history_limit,
            watch=NobodyWatches(),
            call_later=self.call_later,
            monotonic=self.monotonic,
            codec=codec,
        )
        self.link.serve(Queue(topology.DEAD_TASKS_QUEUE), self._on_dead_task)
        self.link.serve(self._own_queue(), self._on_host_message)
        self.link.connect()
        self._repeat(self._tick_length, self._tick)
        self._repeat(lambda: SECOND, self.engine.sweep)

    def kill(self, reason: str) -> None:
        """At any time, also from within: then ProcessKilled is to be raised."""
        if not self.is_alive:
            return
        self.end_life(reason)
        cut = self._faults.happens("connection cut before the last frames")
        self._simulation.broker.process_died(self, cut=cut)
        self.store_link.abandon()
        self._simulation.host_ended(self)

    def step(self, what: str) -> None:
        """A named point at which the process may die."""
        kind = f"host killed: {what}"
        if self._faults.happens(kind):
            self.kill(f"killed: {what}")
            raise ProcessKilled

    def _strain(self, what: str) -> None:
        """A call to the world may raise; what comes from elsewhere than the process's own events may not."""
        if self.scheduler.running is self and self._faults.happens("memory runs out"):
            raise MemoryError(what)

    def escaped(self, error: BaseException) -> None:
        """Fail-stop: its parent starts it again."""
        self.kill(f"fail-stop: {error!r}")

    def drain(self) -> None:
        self._drained = True
        if self._supervisor is None:
            self.left()
        else:
            self.tell_supervisor(Leave())

    def _repeat(self, microseconds: Callable[[], int], callback: Callable[[], None]) -> None:
        def again() -> None:
            self.after(microseconds(), again)
            callback()

        self.after(microseconds(), again)

    def _tick_length(self) -> int:
        """In the calm little happens, and most of a simulation would be ticks."""
        return round(TICK_SECONDS * SECOND) * (1 if self._faults.active else CALM_TICKS)

    def _tick(self) -> None:
        self._beat.beat()
        if self.engine.partitions and not self._validity.holds(self._host_id):
            self.lost("their time has run out")
        self.engine.tick()

    # --- leases (see host_listener.Listener) -----------------------------------------------------------------

    def _broker_ready(self) -> None:
        membership = MembershipModel(
            self._store, self._faults, self.store_link.answers_in_time, lambda: self.step("membership call")
        )
        membership.on_renewal = lambda: self._simulation.host_invariants.renewed(self, self._beat.seconds)
        self._supervisor = HostSupervisor(
            HostOptions(
                membership=lambda: membership,
                host_id=self._host_id,
                generation=GENERATION,
                version="simulated",
                format_read=self.codec.newest,
                listener=self,
                deliver=self._deliver,
                validity=self._validity,
                beat=self._beat,
                lease_ttl_seconds=self._simulation.settings.lease_ttl_seconds,
                clock=self.monotonic,
            )
        )
        self._supervisor._ticker = Ticker(self, lambda: self.tell_supervisor(Tick()))  # type: ignore[assignment]
        self._supervisor.on_start()

    def _deliver(self, callback: Callable[[*Ts], object], /, *args: *Ts) -> None:
        """From the supervisor's thread to the loop: in order, perhaps late."""
        late = self.store_link.is_slow or self._faults.happens("membership answer late")
        delay = self._simulation.random.randrange(2 * SECOND) if late else 50
        self._told_at = max(self._told_at, self.scheduler.now + delay)
        self.after(self._told_at - self.scheduler.now, lambda: self._told(callback, *args))

    @staticmethod
    def _told(callback: Callable[[*Ts], object], *args: *Ts) -> None:
        callback(*args)

    def tell_supervisor(self, message: Hurry | Leave | Offered | Released | Tick) -> None:
        """It runs beside the loop; what it is told, it handles at once, whole."""
        supervisor = self._supervisor
        if supervisor is not None:
            self.after(0, Beside(lambda: self._supervise(supervisor, message)))

    def _supervise(
        self, supervisor: HostSupervisor, message: Hurry | Leave | Offered | Released | Tick
    ) -> None:
        if not supervisor._has_ended:
            self._simulation.acting = self
            try:
                supervisor.on_receive(message)
            except NewerFormatError as error:
                supervisor.on_failure(None, error, None)  # as pykka does

    def leases_gained(self, leases: Sequence[LeaseRow]) -> None:
        self.step("leases gained")
        for lease in leases:
            self.trace(f"has partition {lease.partition.number}, epoch {lease.epoch}")
            self.engine.lease_gained(lease.partition, lease.epoch)

    def release_wanted(self, partition: PartitionID, heir: str | None) -> None:
        self.engine.release(partition)

    def released(self, partition: PartitionID, heir: str | None) -> None:
        if heir is not None:
            self._tell_host(
                heir, wire.PartitionsReleased(host_id=self._host_id, partitions=(partition.number,))
            )

    def lost(self, reason: str) -> None:
        self.trace(f"loses its leases: {reason}")
        self.engine.all_leases_lost()

    def rejoined(self, host_id: str) -> None:
        self.link.stop_serving(topology.host_queue(self._host_id))
        self._host_id = host_id
        self._peers = ()
        self.engine.rejoined(host_id)
        self.link.serve(self._own_queue(), self._on_host_message)

    def attributes_declared(self, declared: Declared) -> None:
        self.engine.attributes_declared(declared)

    def format_written(self, format_: int) -> None:
        self.trace(f"may write format {format_}")
        self.engine.format_written(format_)

    def store_time(self, now: int) -> None:
        self._clock.heard(now)

    def peers(self, hosts: tuple[str, ...]) -> None:
        first, self._peers = not self._peers, hosts
        if first:
            for host in hosts:
                if host != self._host_id:
                    self._tell_host(host, wire.HostJoined(host_id=self._host_id))

    def left(self) -> None:
        self.engine.stop()
        self.end_life("drained")
        self._simulation.broker.process_died(self, cut=False)
        self._simulation.host_ended(self)

    def failed(self, error: BaseException) -> None:
        if not isinstance(error, NewerFormatError):
            raise error
        self._simulation.releases.refused(self)
        self.left()

    def orphaned(self) -> None:
        raise AssertionError("a simulated host is nobody's child")

    def _own_queue(self) -> Queue:
        return Queue(topology.host_queue(self._host_id), durable=False)

    def _tell_host(self, host: str, message: wire.WireMessage) -> None:
        message_id = self._entropy.draw().hex()
        shipment = to_reader(encode(message, message_id=message_id), topology.host_queue(host))
        self.engine.outbox.send([shipment])

    def _on_dead_task(self, delivery: Delivery, consumer: ModelConsumer) -> None:
        as_in_the_port: Any = consumer  # but for what is asynchronous there, and not used here
        self._control.on_dead_task(delivery, as_in_the_port)

    def _on_host_message(self, delivery: Delivery, consumer: ModelConsumer) -> None:
        consumer.acknowledge(delivery.tag)
        match decode(delivery.message):
            case wire.PartitionsReleased() as body:
                self.tell_supervisor(Offered(body.host_id, tuple(map(nth, body.partitions))))
            case wire.HostJoined():
                self.tell_supervisor(Hurry())
            case body:
                raise AssertionError(f"a {body.TYPE} came to a host")

    # --- the broker (see broker_link.LinkListener) -----------------------------------------------------------

    def publisher_opened(self) -> None:
        self.engine.outbox.publisher_opened()

    def publisher_closed(self, fault: Fault, reason: str) -> None:
        self.engine.outbox.publisher_closed(fault, reason)

    def _broker_takes(self, seconds_ago: float) -> None:
        self.engine.outbox.taken_beside(seconds_ago)

    def namespace_declared(self) -> None:
        """Nothing of it is ever missing here."""

    def channel_opened(self, channel: Channel) -> None:
        self.engine.channel_opened(channel)

    def channel_lost(self, partition: PartitionID) -> None:
        self.engine.channel_lost(partition)

    def delivered(self, channel: Channel, delivery: Delivery) -> None:
        self.engine.delivered(channel, delivery)

    def flush_soon(self, channel: Channel) -> None:
        self.engine.flush_soon(channel)

    # --- what the engine asks (see engine.World) -------------------------------------------------------------

    def call_soon(self, callback: Callable[[], None]) -> None:
        self.after(0, callback)

    def call_later(self, delay_seconds: float, callback: Callable[[], None]) -> None:
        self.after(ceil(delay_seconds * SECOND), callback)

    def guarded(self, callback: Callable[[*Ts], object]) -> Callable[[*Ts], None]:
        return callback  # type: ignore[return-value]  # whatever escapes anything here ends the host

    def may_act(self) -> bool:
        return self._validity.holds(self._host_id)

    def monotonic(self) -> float:
        return self.scheduler.now / SECOND

    def now(self) -> int:
        return self._clock.now()

    def publish(self, batch: list[Outgoing]) -> None:
        self.step("publishing")
        self.link.publish(batch)

    def declare_namespace(self) -> None:
        """Nothing of it is ever missing here."""

    def declare_task_queue(self, name: str) -> None:
        if name in self._declaring:
            return
        self._declaring.add(name)
        self._declare(name)

    def _declare(self, name: str) -> None:
        connection = self.link.connection
        if connection is None:
            self.after(SECOND // 2, lambda: self._declare(name))
            return
        queues = topology.declare_task_queue(name).queues
        connection.ask(
            lambda: self._simulation.broker.declare(queues), lambda _: self._declared(connection, name)
        )
        self.after(SECOND, lambda: self._declare_again(connection, name))

    def _declared(self, connection: Connection, name: str) -> None:
        if name in self._declaring:
            self._declaring.discard(name)
            self.engine.outbox.task_queue_declared(name)

    def _declare_again(self, connection: Connection, name: str) -> None:
        if name in self._declaring:
            self._declare(name)

    # --- the store -------------------------------------------------------------------------------------------

    def commit(self, round_: Round) -> None:
        if not self._validity.holds(self._host_id):
            error = DalsegnoError("the leases are no longer valid")
            self.after(0, lambda: self.engine.commit_failed(error))
            return
        self.step("round begun")
        self.store_link.commit(
            round_,
            written=lambda: self._simulation.invariants.after_commit(self),
            done=self._committed,
            failed=self.engine.commit_failed,
        )

    def _committed(self, outcome: RoundOutcome) -> None:
        self._clock.heard(outcome.now)
        self.is_fenced = True
        self.engine.committed(outcome)
        self.is_fenced = False

    def heed_task_queue(self, name: str) -> None:
        """None is ever missing here."""

    def probe_task_queue(self, partition: PartitionID, workflow_id: str, probe: Probe) -> None:
        connection = self.link.connection
        if connection is None:
            return

        def answered(depth: object) -> None:
            if not depth:
                self.engine.task_queue_found_empty(partition, workflow_id, probe)

        connection.ask(lambda: self._simulation.broker.depth(topology.task_queue(probe.task_queue)), answered)

    def open_channel(self, partition: PartitionID) -> None:
        self.link.open_channel(partition)

    def close_channel(self, partition: PartitionID) -> None:
        self.link.close_channel(partition)

    def partition_released(self, partition: PartitionID, epoch: int, *, for_good: bool = False) -> None:
        self.tell_supervisor(Released(partition, epoch, for_good))
