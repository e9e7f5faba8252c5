"""The host: the shell around the engine. It owns the loop, the connections, and the threads.

Host
  HostSupervisor     own thread: membership, leases
  BrokerLink         session, publisher, a consumer per partition
  StoreThreads       a writer and a reader thread
  Engine             everything else, without I/O
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from uuid import uuid4

import pykka

from dalsegno._log import get_logger
from dalsegno.actors.supervisor.broker_link import BrokerLink
from dalsegno.actors.supervisor.channel import Channel
from dalsegno.actors.supervisor.clock import DatabaseClock
from dalsegno.actors.supervisor.control import VERSION, Control
from dalsegno.actors.supervisor.engine import Engine
from dalsegno.actors.supervisor.host_id import new_host_id
from dalsegno.actors.supervisor.host_supervisor import (
    HostOptions,
    HostSupervisor,
    Hurry,
    Leave,
    Offered,
    Released,
)
from dalsegno.actors.supervisor.other_runs import OtherRuns
from dalsegno.actors.supervisor.pulse import PulseWriter
from dalsegno.actors.supervisor.settings import HostSettings
from dalsegno.actors.supervisor.shipment import Shipment
from dalsegno.actors.supervisor.store_threads import StoreThreads
from dalsegno.actors.supervisor.strike_lookup import StrikeLookup
from dalsegno.actors.supervisor.task_queues import TaskQueues
from dalsegno.actors.supervisor.translate import Address
from dalsegno.actors.supervisor.validity import Validity
from dalsegno.actors.workflow_actor.cause import Cause
from dalsegno.actors.workflow_actor.instance import Probe
from dalsegno.actors.workflow_actor.program_port import Code
from dalsegno.broker import topology
from dalsegno.broker.namespace import declare_namespace
from dalsegno.broker.port import Broker, Consumer, Delivery, Fault, Outgoing, Queue, Topology
from dalsegno.broker.protocol import messages as wire
from dalsegno.broker.protocol.codec import decode, encode
from dalsegno.errors import DalsegnoError, InvalidMessageError
from dalsegno.persistence.port import LeaseRow, Loaded, Reader, Round, RoundOutcome, Store

log = get_logger()

TICK_SECONDS = 0.1
PULSE_SECONDS = 0.25


class Host:
    """One host process's life. Build it inside a running loop, then `await run()`."""

    def __init__(
        self,
        *,
        broker: Broker,
        store: Store,
        code: Code,
        settings: HostSettings,
        pulse: PulseWriter,
        host_id: str | None = None,
        parent_pid: int | None = None,
        ready: Callable[[], None] = lambda: None,
    ) -> None:
        """`ready` is called once: when this host has its share of the partitions, and consumes all of it."""
        self._loop = asyncio.get_running_loop()
        self._settings = settings
        self._store = store
        self._ready: Callable[[], None] | None = ready
        self._pulse = pulse
        pulse.has_code(code.fingerprint)
        self._parent_pid = parent_pid
        self._clock = DatabaseClock()
        self._host_id = host_id or new_host_id()
        self._validity = Validity()
        self._peers: tuple[str, ...] = ()
        self._timers: list[asyncio.TimerHandle] = []
        self._ended = asyncio.Event()
        self._supervisor: pykka.ActorRef[HostSupervisor] | None = None
        self._failure: BaseException | None = None
        namespace = store.namespace()
        self._threads = StoreThreads(store)
        self._membership = store.membership()
        self.engine = Engine(
            self,
            host_id=self._host_id,
            code=code,
            settings=settings,
            watch=pulse,
            generation=namespace.generation,
            partitions=namespace.partitions,
        )
        self._strike_lookup = StrikeLookup(self._loop.call_soon, self._read_strikes, self.engine.strikes_found)
        self._link = BrokerLink(
            broker,
            self,
            name=f"dalsegno host {self._host_id}",
            declare=partial(
                declare_namespace,
                identity=namespace.identity,
                generation=namespace.generation,
                partitions=namespace.partitions,
            ),
            generation=namespace.generation,
            prefetch=settings.prefetch,
        )
        self._task_queues = TaskQueues(self._loop, lambda: self._link.session)
        self._control = Control(
            outbox=self.engine.outbox,
            store=self._threads,
            membership=self._membership,
            host_id=lambda: self._host_id,
        )
        self._other_runs = OtherRuns(
            self.engine.outbox,
            self._threads,
            code,
            settings.history_limit,
            watch=pulse,
            strikes=self._membership.strikes,
        )

    # --- lifecycle ------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Serve until `drain` is done, or the parent is gone. Raises ConfigurationError for what a person must
        mend before a host can start."""
        self._serve_beside()
        link = self._loop.create_task(self._link.run(self._broker_ready))
        ended = self._loop.create_task(self._ended.wait())
        self._repeat(TICK_SECONDS, self._tick)
        self._repeat(1.0, self.engine.sweep)
        self._repeat(1.0, self._watch_parent)
        self._repeat(PULSE_SECONDS, self._pulse.beat)
        try:
            await asyncio.wait({link, ended}, return_when=asyncio.FIRST_COMPLETED)
            if link.done():
                link.result()
            if self._failure is not None:
                raise self._failure
        finally:
            await self._close(link, ended)

    def drain(self) -> None:
        """Hand everything over and end `run`. Calling it twice is ordinary."""
        if self._supervisor is None or not self._supervisor.is_alive():
            self._ended.set()
        else:
            self._tell_supervisor(Leave())

    def _tick(self) -> None:
        if self.engine.partitions and not self._validity.holds(self._host_id):
            # Seen here too, in case the supervisor's thread is the one that hangs.
            self.lost("their time has run out")
        self.engine.tick()

    def _watch_parent(self) -> None:
        if self._parent_pid is not None and os.getppid() != self._parent_pid:
            self.orphaned()

    async def _close(self, *tasks: asyncio.Task[object]) -> None:
        self.engine.stop()
        for timer in self._timers:
            timer.cancel()
        if self._supervisor is not None:
            await self._loop.run_in_executor(None, self._stop_supervisor, self._supervisor)
        self._task_queues.close()
        await self._link.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._loop.run_in_executor(None, self._threads.close)
        self._membership.close()

    @staticmethod
    def _stop_supervisor(supervisor: pykka.ActorRef[HostSupervisor]) -> None:
        try:
            supervisor.stop(timeout=5.0)
        except (pykka.ActorDeadError, pykka.Timeout) as error:
            log.debug("host_supervisor_not_stopped", reason=repr(error))

    def _repeat(self, seconds: float, callback: Callable[[], None]) -> None:
        index = len(self._timers)

        def again() -> None:
            self._timers[index] = self._loop.call_later(seconds, again)
            callback()

        self._timers.append(self._loop.call_later(seconds, again))

    def _broker_ready(self) -> None:
        """Only a host that can consume takes leases."""
        self._supervisor = HostSupervisor.start(
            HostOptions(
                membership=self._store.membership,
                host_id=self._host_id,
                version=VERSION,
                listener=self,
                deliver=self._loop.call_soon_threadsafe,
                validity=self._validity,
                lease_ttl_seconds=self._settings.lease_ttl_seconds,
                seen_retention_seconds=self._settings.seen_retention_seconds,
                parent_pid=self._parent_pid,
            )
        )

    def _maybe_ready(self) -> None:
        """A host waits until others have handed its share over, if there are partitions enough for all."""
        if self._ready is None or not self._peers:
            return
        owned = self.engine.partitions.values()
        share = self.engine.partition_count // len(self._peers)
        if len(owned) >= share and all(supervisor.channel is not None for supervisor in owned):
            ready, self._ready = self._ready, None
            ready()

    def _serve_beside(self) -> None:
        control = Topology(queues=[topology.control_queue()])
        self._link.serve(topology.CONTROL_QUEUE, control, self._control.on_request)
        self._link.serve(topology.DEAD_TASKS_QUEUE, topology.dead_tasks(), self._control.on_dead_task)
        self._serve_own_queue()

    def _serve_own_queue(self) -> None:
        name = topology.host_queue(self._host_id)
        self._link.serve(name, Topology(queues=[Queue(name, durable=False)]), self._on_host_message)

    # --- leases (see HostSupervisor's Listener) ---------------------------------------------------------------

    def leases_gained(self, leases: Sequence[LeaseRow]) -> None:
        for lease in leases:
            self.engine.lease_gained(lease.partition, lease.epoch)

    def release_wanted(self, partition: int, heir: str | None) -> None:
        self.engine.release(partition)

    def released(self, partition: int, heir: str | None) -> None:
        """The lease is free in the database: tell the heir, who need not look for it."""
        if heir is not None:
            message = wire.PartitionsReleased(host_id=self._host_id, partitions=(partition,))
            self._tell_host(heir, message)

    def lost(self, reason: str) -> None:
        log.error("leases_lost", host_id=self._host_id, reason=reason)
        self.engine.all_leases_lost()

    def rejoined(self, host_id: str) -> None:
        self._link.stop_serving(topology.host_queue(self._host_id))
        self._host_id = host_id
        self._pulse.name(host_id)
        self._peers = ()
        self.engine.host_id = host_id
        self.engine.round.host_id = host_id
        self._serve_own_queue()

    def store_time(self, now: int) -> None:
        self._clock.heard(now)

    def peers(self, hosts: tuple[str, ...]) -> None:
        first, self._peers = not self._peers, hosts
        if first:
            for host in hosts:
                if host != self._host_id:
                    self._tell_host(host, wire.HostJoined(host_id=self._host_id))
        self._maybe_ready()

    def left(self) -> None:
        self._ended.set()

    def failed(self, error: BaseException) -> None:
        log.critical("host_supervisor_failed", host_id=self._host_id, exc_info=error)
        self._failure = error
        self._ended.set()

    def orphaned(self) -> None:
        log.error("parent_gone", host_id=self._host_id)
        self._ended.set()

    def _tell_host(self, host: str, message: wire.WireMessage) -> None:
        shipment = Shipment(encode(message, message_id=str(uuid4())), Address("", topology.host_queue(host)))
        self.engine.outbox.send([shipment])

    def _on_host_message(self, delivery: Delivery, consumer: Consumer) -> None:
        consumer.acknowledge(delivery.tag)
        try:
            body = decode(delivery.message)
        except InvalidMessageError as error:
            log.warning("host_message_invalid", reason=error.reason)
            return
        match body:
            case wire.PartitionsReleased():
                self._tell_supervisor(Offered(body.host_id, body.partitions))
            case wire.HostJoined():
                self._tell_supervisor(Hurry())
            case _:
                log.warning("host_message_invalid", reason=f"a {body.TYPE!r} is not for a host")

    def _tell_supervisor(self, message: Hurry | Leave | Offered | Released) -> None:
        if self._supervisor is not None and self._supervisor.is_alive():
            self._supervisor.tell(message)

    # --- the broker (see BrokerLink's listener) ---------------------------------------------------------------

    def publisher_opened(self) -> None:
        self.engine.outbox.publisher_opened()

    def publisher_closed(self, fault: Fault, reason: str) -> None:
        self.engine.outbox.publisher_closed(fault, reason)

    def namespace_declared(self) -> None:
        self.engine.outbox.namespace_declared()

    def channel_opened(self, channel: Channel) -> None:
        self.engine.channel_opened(channel)
        self._maybe_ready()

    def channel_lost(self, partition: int) -> None:
        self.engine.channel_lost(partition)

    def delivered(self, channel: Channel, delivery: Delivery) -> None:
        self.engine.delivered(channel, delivery)

    def flush_soon(self, channel: Channel) -> None:
        self.engine.flush_soon(channel)

    # --- what the engine asks (see engine.World) ----------------------------------------------------------

    def call_soon(self, callback: Callable[[], None]) -> None:
        self._loop.call_soon(callback)

    def call_later(self, delay_seconds: float, callback: Callable[[], None]) -> None:
        self._loop.call_later(delay_seconds, callback)

    def monotonic(self) -> float:
        return time.monotonic()

    def now(self) -> int:
        return self._clock.now()

    def publish(self, batch: list[Outgoing]) -> None:
        self._link.publish(batch)

    def declare_task_queue(self, name: str) -> None:
        self._task_queues.declare(name, self.engine.outbox.task_queue_declared)

    def declare_namespace(self) -> None:
        self._link.mend_namespace()

    def commit(self, round_: Round) -> None:
        if not self._validity.holds(self._host_id):
            # Frozen for longer than the lease: nothing may be written. The supervisor says `lost` by itself.
            self._loop.call_soon(self.engine.commit_failed, DalsegnoError("the leases are no longer valid"))
            return
        self._threads.commit(
            round_,
            done=self._committed,
            failed=self.engine.commit_failed,
        )

    def _committed(self, outcome: RoundOutcome) -> None:
        self._clock.heard(outcome.now)
        self.engine.committed(outcome)

    def load(self, partition: int, workflow_ids: Sequence[str]) -> None:
        def query(reader: Reader, keys: Sequence[str]) -> list[Loaded]:
            return reader.load(keys)

        done = partial(self.engine.loaded, partition)
        unreadable = partial(self.engine.unreadable, partition)
        self._threads.read_each(query, workflow_ids, done, unreadable, what="load")

    def look_up_seen(self, partition: int, workflow_id: str, message_id: str) -> None:
        self._threads.read(
            lambda reader: reader.seen(workflow_id, [message_id]),
            partial(self.engine.seen_found, partition, workflow_id, message_id),
            what="seen",
        )

    def look_up_strikes(self, partition: int, workflow_id: str, run_id: str) -> None:
        self._strike_lookup.ask(partition, workflow_id, run_id)

    def _read_strikes(
        self, run_ids: Sequence[str], then: Callable[[Mapping[tuple[str, str], int]], None]
    ) -> None:
        self._threads.read(lambda _: self._membership.strikes(run_ids), then, what="strikes")

    def clear_strikes(self, run_id: str) -> None:
        self._threads.read(
            lambda _: self._membership.clear_strikes(run_id), lambda _: None, what="clear strikes"
        )

    def find_due(self, partition: int, before: int, limit: int) -> None:
        slots = self._slots(partition)
        self._threads.read(
            lambda reader: reader.due(slots, before=before, limit=limit),
            lambda due: self.engine.due_found(partition, due, complete=len(due) < limit),
            what="due",
        )

    def find_suspended(self, partition: int, after: str, limit: int) -> None:
        slots = self._slots(partition)
        self._threads.read(
            lambda reader: reader.suspended(slots, after=after, limit=limit),
            partial(self.engine.suspended_found, partition, after),
            what="suspended",
        )

    def _slots(self, partition: int) -> range:
        return range(partition, topology.SLOTS, self.engine.partition_count)

    def probe_task_queue(self, partition: int, workflow_id: str, probe: Probe) -> None:
        found_empty = partial(self.engine.task_queue_found_empty, partition, workflow_id, probe)
        self._task_queues.probe(probe.task_queue, found_empty)

    def answer_other_run(self, workflow_id: str, cause: Cause) -> None:
        self._other_runs.answer(workflow_id, cause)

    def open_channel(self, partition: int) -> None:
        self._link.open_channel(partition)

    def close_channel(self, partition: int) -> None:
        self._link.close_channel(partition)

    def partition_released(self, partition: int, epoch: int) -> None:
        self._tell_supervisor(Released(partition, epoch))
