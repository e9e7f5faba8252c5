"""The host: the shell around the engine. It owns the loop, the connections, and the threads.

Host
  HostSupervisor     own thread: membership, leases
  BrokerLink         session, publisher, a consumer per partition
  StoreThreads       a writer's thread, and readers' for mail, clock, and people
  Beside             what is done for the namespace now and then, on others
  Engine             everything else, without I/O
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVarTuple

import pykka

from dalsegno._log import get_logger
from dalsegno.activity_code.registry import Registry
from dalsegno.actors.supervisor.clock import MACHINE_CLOCK, DatabaseClock, HostClock
from dalsegno.actors.supervisor.connection.broker_link import BrokerLink
from dalsegno.actors.supervisor.connection.level_queues import LevelQueues
from dalsegno.actors.supervisor.connection.task_queues import LOOK_SECONDS, TaskQueues
from dalsegno.actors.supervisor.database.lookups import Lookups
from dalsegno.actors.supervisor.database.own_threads import NewThread, own_thread
from dalsegno.actors.supervisor.database.store_threads import StoreThreads
from dalsegno.actors.supervisor.database.strike_lookup import StrikeLookup
from dalsegno.actors.supervisor.database.watermark import ADVANCE_SECONDS, WatermarkKeeper
from dalsegno.actors.supervisor.engine import Engine
from dalsegno.actors.supervisor.failing.fail_stop import Escaped, contained, end_process, guarded, watch_loop
from dalsegno.actors.supervisor.host import beside
from dalsegno.actors.supervisor.host.broker_events import BrokerEvents
from dalsegno.actors.supervisor.host.cut_off import CutOffWatch
from dalsegno.actors.supervisor.host.host_mail import HostMail
from dalsegno.actors.supervisor.host.readiness import Readiness
from dalsegno.actors.supervisor.host.repeating import Repeating
from dalsegno.actors.supervisor.host_id import new_host_id
from dalsegno.actors.supervisor.membership.host_supervisor import (
    CutOff,
    HostOptions,
    HostSupervisor,
    Hurry,
    Leave,
    Offered,
    Released,
    stop,
)
from dalsegno.actors.supervisor.membership.loop_beat import LoopBeat
from dalsegno.actors.supervisor.membership.validity import Validity
from dalsegno.actors.supervisor.off_loop.payload_fetching import hands
from dalsegno.actors.supervisor.parent.pulse import PulseWriter
from dalsegno.actors.supervisor.people.control import VERSION, Control
from dalsegno.actors.supervisor.people.other_runs import OtherRuns
from dalsegno.actors.supervisor.settings import HostSettings
from dalsegno.actors.workflow_actor.interface.activation import Probe
from dalsegno.actors.workflow_actor.interface.cause import Cause
from dalsegno.actors.workflow_actor.program.port import Code
from dalsegno.actors.workflow_actor.stored.codec import CODEC, StoredCodec
from dalsegno.broker.port import Broker, Outgoing
from dalsegno.broker.protocol import messages as wire
from dalsegno.data_converter import DataConverter
from dalsegno.errors import ConfigurationError, DalsegnoError, NewerFormatError
from dalsegno.interceptors.worker import WorkerInterceptor
from dalsegno.observer import Observer
from dalsegno.observer import contained as contained_observer
from dalsegno.partition_id import PartitionID
from dalsegno.persistence.port import LeaseRow, Round, RoundOutcome, Store
from dalsegno.search_attributes import Declared

log = get_logger()

Ts = TypeVarTuple("Ts")

TICK_SECONDS = 0.1
PULSE_SECONDS = 0.25


class Host(Lookups):
    """One host process's life. Build it inside a running loop, then `await run()`."""

    def __init__(
        self,
        *,
        broker: Broker,
        store: Store,
        code: Code,
        settings: HostSettings,
        pulse: PulseWriter,
        codec: StoredCodec = CODEC,
        host_id: str | None = None,
        parent_pid: int | None = None,
        ready: Callable[[], None] = lambda: None,
        escaped: Escaped = end_process,
        clock: HostClock = MACHINE_CLOCK,
        observer: Observer | None = None,
        activities: Registry | None = None,
        data_converter: DataConverter = DataConverter.default,
        new_thread: NewThread = own_thread,
        interceptors: Sequence[WorkerInterceptor] = (),
    ) -> None:
        """`ready` is called once: when this host has its share of the partitions, and consumes all of it.
        `escaped` is told of what nobody contains (see `fail_stop`). `activities`: those that this host can run
        as local ones; converter and interceptors are of all code. `new_thread`: where the store's code runs."""
        self._loop = asyncio.get_running_loop()
        self._settings, self._escaped = settings, escaped
        self._store, self._codec = store, codec
        self._pulse = pulse
        self._parent_pid = parent_pid
        self._clock = DatabaseClock(clock.monotonic, clock.time_ns)
        self.now: Callable[[], int] = self._clock.now
        self.monotonic: Callable[[], float] = clock.monotonic
        self._host_id = host_id or new_host_id()
        self._validity = Validity(clock.monotonic)
        self._beat = LoopBeat(settings.lease_ttl_seconds, clock.monotonic)
        self._repeating = Repeating(self._loop, escaped)
        self._ended = asyncio.Event()
        self._refusal: NewerFormatError | None = None
        self._supervisor: pykka.ActorRef[HostSupervisor] | None = None
        self._namespace = namespace = store.namespace()
        self._threads = StoreThreads(store, escaped, new_thread)
        self._membership = store.membership()
        self.local_worker, self.payload_fetching = hands(
            activities,
            data_converter,
            later=self.call_soon,
            deliver=self._deliver,
            now=self.now,
            escaped=escaped,
            interceptors=interceptors,
        )
        self.has_hanging_threads = False
        """Of local activities that did not stop; Python would wait for them."""
        self.engine = Engine(
            self,
            host_id=self._host_id,
            code=code,
            settings=settings,
            watch=pulse,
            partitions=namespace.partitions,
            codec=codec,
            observer=contained_observer(observer),
            off_loop=self.payload_fetching or self.local_worker,
        )
        self._strike_lookup = StrikeLookup(self.call_soon, self._read_strikes, self.engine.strikes_found)
        self._watermark = WatermarkKeeper(namespace, self._threads, refused=self._ended.set)
        self._link = BrokerLink(
            broker,
            BrokerEvents(
                self.engine,
                escaped,
                channel_opened=lambda: self._readiness.look(),
                namespace_declared=lambda: self._mail.tell_peers(wire.NamespaceDeclared(host_id=self._host_id)),
            ),
            name=f"dalsegno host {self._host_id}",
            declare=self._watermark.declare,
            partitions=namespace.partition_ids,
            prefetch=settings.prefetch,
        )
        self._task_queues = TaskQueues(
            self._loop,
            lambda: self._link.session,
            lost=self.engine.task_queue_lost,
            tell_others=lambda name: self._mail.tell_peers(wire.TaskQueueLost(task_queue=name)),
        )
        self._mail = HostMail(
            self._link,
            self.engine.outbox,
            heard=self._tell_supervisor,
            task_queue_lost=self._task_queues.heard_lost,
            escaped=escaped,
            generation=namespace.generation,
        )
        self._levels = LevelQueues(
            self._loop,
            lambda: self._link.session,
            in_use=lambda: self._task_queues.levels,
            tell=self._mail.tell_workers,
        )
        self._readiness = Readiness(
            ready,
            owned=self.engine.partitions,
            partitions=self.engine.partition_count,
            peers=lambda: self._mail.peers,
        )
        self._cut_off = CutOffWatch(lambda: self._link.hearing.silent_seconds, self._tell_supervisor)
        self._link.hearing.taken = (outbox := self.engine.outbox).taken_beside
        self._beside = beside.Beside(
            store,
            self._threads.to_loop,
            outbox,
            self,
            seen_retention_seconds=settings.seen_retention_seconds,
            is_first=lambda: self._mail.peers[:1] == (self._host_id,),
            may_send=lambda: self._link.session is not None,
            new_thread=new_thread,
        )
        self._control = Control(
            outbox=outbox,
            store=self._threads.people,
            declare=self._threads.declare,
            host_id=lambda: self._host_id,
        )
        self._other_runs = OtherRuns(
            outbox,
            self._threads.people,
            code,
            settings.history_limit,
            watch=pulse,
            call_later=self.call_later,
            monotonic=self.monotonic,
            codec=codec,
            stored=data_converter._stored,
        )

    # --- lifecycle ------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Serve until `drain` is done, or the parent is gone. Raises ConfigurationError for what to mend."""
        try:
            await self._serve()
        except (ConfigurationError, asyncio.CancelledError):
            raise
        except BaseException as error:
            self._escaped(error)
            raise

    async def _serve(self) -> None:
        watch_loop(self._loop, self._escaped)
        self._control.serve(self._link, self._escaped)
        self._mail.serve(self._host_id)
        link = self._loop.create_task(self._link.run(self._broker_ready))
        ended = self._loop.create_task(self._ended.wait())
        every = self._repeating.every
        every(TICK_SECONDS, self._tick)
        every(1.0, self.engine.sweep)
        every(1.0, self._watch_parent)
        every(PULSE_SECONDS, self._is_alive)
        every(beside.LOOK_SECONDS, self._beside.look)
        every(LOOK_SECONDS, self._task_queues.look_soon)
        every(LOOK_SECONDS, self._levels.look_soon)
        every(ADVANCE_SECONDS, lambda: self._watermark.tick(self._link.session, self._link.publish))
        try:
            await asyncio.wait({link, ended}, return_when=asyncio.FIRST_COMPLETED)
            if link.done():
                error = link.exception()
                if error is not None and not isinstance(error, ConfigurationError):
                    self._escaped(error)
                link.result()
            self._watermark.raise_if_refused()
            if self._refusal is not None:
                raise self._refusal
        finally:
            await self._close(link, ended)

    def drain(self) -> None:
        """Hand everything over and end `run`. Calling it twice is ordinary."""
        if self._supervisor is None or not self._supervisor.is_alive():
            self._ended.set()
        else:
            self._tell_supervisor(Leave())

    def _is_alive(self) -> None:
        """What its parent and its own leases want to see of the loop."""
        self._pulse.beat()
        self._beat.beat()

    def _tick(self) -> None:
        if self.engine.partitions and not self._validity.holds(self._host_id):
            # Seen here too, in case the supervisor's thread is the one that hangs.
            self.lost("their time has run out")
        self._cut_off.look(has_others=len(self._mail.peers) > 1)
        self.engine.tick()
        self._readiness.look()

    def _watch_parent(self) -> None:
        if self._parent_pid is not None and os.getppid() != self._parent_pid:
            self.orphaned()
        supervisor = self._supervisor
        if supervisor is not None and not supervisor.is_alive() and not self._ended.is_set():
            self._escaped(RuntimeError("the host's supervisor has ended without a word"))

    async def _close(self, *tasks: asyncio.Task[object]) -> None:
        self.engine.stop()
        self._repeating.stop()
        if self._supervisor is not None:
            await self._loop.run_in_executor(None, stop, self._supervisor)
        if self.local_worker is not None:
            ended = await self._loop.run_in_executor(None, self.local_worker.close)
            self.has_hanging_threads = not ended
        if self.payload_fetching is not None:
            self.payload_fetching.close()
        self._task_queues.close()
        self._levels.close()
        self._watermark.close()
        await self._link.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._loop.run_in_executor(None, self._threads.close)
        await self._loop.run_in_executor(None, self._beside.close)
        self._membership.close()

    def _broker_ready(self) -> None:
        """Only a host that can consume takes leases."""
        self._supervisor = HostSupervisor.start(
            HostOptions(
                membership=self._store.membership,
                host_id=self._host_id,
                generation=self._namespace.generation,
                version=VERSION,
                format_read=self._codec.newest,
                listener=self,
                deliver=self._deliver,
                validity=self._validity,
                beat=self._beat,
                clock=self.monotonic,
                lease_ttl_seconds=self._settings.lease_ttl_seconds,
                parent_pid=self._parent_pid,
            )
        )

    # --- leases (see HostSupervisor's Listener) ---------------------------------------------------------------

    def leases_gained(self, leases: Sequence[LeaseRow]) -> None:
        for lease in leases:
            self.engine.lease_gained(lease.partition, lease.epoch)

    def release_wanted(self, partition: PartitionID, heir: str | None) -> None:
        self.engine.release(partition)

    def released(self, partition: PartitionID, heir: str | None) -> None:
        """The lease is free in the database: tell the heir, who need not look for it."""
        if heir is not None:
            message = wire.PartitionsReleased(host_id=self._host_id, partitions=(partition.number,))
            self._mail.tell(heir, message)

    def lost(self, reason: str) -> None:
        self.engine.all_leases_lost()
        log.error("leases_lost", host_id=self._host_id, reason=reason)

    def rejoined(self, host_id: str) -> None:
        self._host_id = host_id
        self._pulse.name(host_id)
        self.engine.rejoined(host_id)
        self._mail.serve(self._host_id)

    def format_written(self, format_: int) -> None:
        self.engine.format_written(format_)
        log.info("format_written", host_id=self._host_id, format=format_)

    def attributes_declared(self, declared: Declared) -> None:
        self.engine.attributes_declared(declared)

    def store_time(self, now: int) -> None:
        self._clock.heard(now)

    def peers(self, hosts: tuple[str, ...]) -> None:
        self._mail.know(hosts)
        self._readiness.look()

    def left(self) -> None:
        self._ended.set()

    def failed(self, error: BaseException) -> None:
        if isinstance(error, NewerFormatError):  # no defect: it holds nothing, and joined too late
            self._loop.call_soon_threadsafe(self._refuse, error)
        else:
            self._escaped(error)

    def _refuse(self, error: NewerFormatError) -> None:
        self._refusal = error
        self._ended.set()

    def orphaned(self) -> None:
        self._ended.set()
        log.error("parent_gone", host_id=self._host_id)

    def _tell_supervisor(self, message: CutOff | Hurry | Leave | Offered | Released) -> None:
        if self._supervisor is not None and self._supervisor.is_alive():
            self._supervisor.tell(message)

    # --- what the engine asks (see engine.World) ----------------------------------------------------------

    def guarded(self, callback: Callable[[*Ts], object]) -> Callable[[*Ts], None]:
        return guarded(self._escaped, callback)

    def _deliver(self, callback: Callable[[*Ts], object], /, *args: *Ts) -> None:
        """From any thread to the loop."""
        self._loop.call_soon_threadsafe(partial(contained, self._escaped, callback, *args))

    def call_soon(self, callback: Callable[[], None]) -> None:
        self._loop.call_soon(contained, self._escaped, callback)

    def call_later(self, delay_seconds: float, callback: Callable[[], None]) -> None:
        self._loop.call_later(delay_seconds, contained, self._escaped, callback)

    def publish(self, batch: list[Outgoing]) -> None:
        self._link.publish(batch)

    def declare_task_queue(self, name: str) -> None:
        self._task_queues.declare(name, self._task_queue_declared)

    def _task_queue_declared(self, name: str) -> None:
        self._levels.declared(name)
        self.engine.outbox.task_queue_declared(name)

    def declare_namespace(self) -> None:
        self._link.mend_namespace()

    def may_act(self) -> bool:
        return self._validity.holds(self._host_id)

    def commit(self, round_: Round) -> None:
        if not self.may_act():
            # Frozen for longer than the lease: nothing may be written. The supervisor says `lost` by itself.
            invalid = DalsegnoError("the leases are no longer valid")
            self.call_soon(partial(self.engine.commit_failed, invalid))
            return
        self._threads.commit(round_, done=self._committed, failed=self.engine.commit_failed)

    def _committed(self, outcome: RoundOutcome) -> None:
        self._clock.heard(outcome.now)
        self._watermark.committed()
        self.engine.committed(outcome)

    def probe_task_queue(self, partition: PartitionID, workflow_id: str, probe: Probe) -> None:
        found_empty = partial(self.engine.task_queue_found_empty, partition, workflow_id, probe)
        self._task_queues.probe(probe.task_queue, found_empty)

    def heed_task_queue(self, name: str) -> None:
        self._task_queues.heed(name)

    def answer_other_run(self, workflow_id: str, cause: Cause, go_on: Callable[[Cause], None]) -> None:
        self._other_runs.answer(workflow_id, cause, go_on)

    def open_channel(self, partition: PartitionID) -> None:
        self._link.open_channel(partition)

    def close_channel(self, partition: PartitionID) -> None:
        self._link.close_channel(partition)

    def partition_released(self, partition: PartitionID, epoch: int, *, for_good: bool = False) -> None:
        self._tell_supervisor(Released(partition, epoch, for_good))
