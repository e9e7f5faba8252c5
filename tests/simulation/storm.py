"""Faults that come by themselves, at any time, to any process."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from dalsegno.broker import topology
from tests.simulation.damage import Damage
from tests.simulation.scheduler import SECOND
from tests.workflow_actor.stored import two_releases

if TYPE_CHECKING:
    from tests.simulation.host import Host
    from tests.simulation.world import Simulation

LENGTHS = (SECOND // 10, SECOND, 3 * SECOND, 8 * SECOND, 15 * SECOND)
"""Of freezes and silences: from a blink to longer than any lease."""


class Storm:
    """Each method is a fault; it says whether it could happen now."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._faults = simulation.faults
        self._kinds: dict[str, Callable[[], bool]] = {
            "host killed": self._kill_host,
            "host frozen": self._freeze_host,
            "host drained": self._drain_host,
            "loop blocked": self._block_loop,
            "worker killed": self._kill_worker,
            "worker frozen": self._freeze_worker,
            "broker restarted": self._restart_broker,
            "connection cut": self._cut_connection,
            "consumer channel closed": self._close_channel,
            "link to the broker silent": self._silence_broker,
            "link to the database silent": self._silence_database,
            "database slow": self._slow_database,
            "publishers blocked": self._block_publishers,
            "queue full": self._fill_queue,
            "task queue purged": lambda: self._purge(delete=False),
            "task queue deleted": lambda: self._purge(delete=True),
            "clock steps": self._step_clock,
            "rows damaged": self._damage_rows,
            "actor crashes": self._crash_actor,
            "host killed as the clock goes back": self._kill_as_the_clock_goes_back,
            "host replaced by the other release": self._replace_host,
            "newer format asked for": self._ask_for_format,
            "newer format forced": self._force_format,
        }

    def begin(self) -> None:
        for kind in self._faults.intervals:
            if kind in self._kinds:
                self._plan(kind)

    def _plan(self, kind: str) -> None:
        stream = self._faults.streams[kind]
        delay = stream.expovariate(1 / self._faults.intervals[kind])
        self._simulation.scheduler.after(round(delay * SECOND), lambda: self._strike(kind))

    def _strike(self, kind: str) -> None:
        self._stream = self._faults.streams[kind]
        if self._faults.comes(kind) and self._kinds[kind]():
            self._faults.note(kind)
        if self._faults.active:
            self._plan(kind)

    def _length(self) -> int:
        return self._stream.choice(LENGTHS)

    def _some_workflow(self) -> str | None:
        workflow_ids = sorted(self._simulation.store.instances)
        return self._stream.choice(workflow_ids) if workflow_ids else None

    def _damage_rows(self) -> bool:
        """They cannot be read for a while."""
        workflow_id, damaged = self._some_workflow(), self._simulation.store.damaged
        if workflow_id is None:
            return False
        story = self._simulation.client.stories.get(workflow_id)
        # Who is ended unread may leave children that nobody sees to.
        if story is None or story.plan.is_cut_short:
            return False
        run_may_be_lost = all(step.kind not in ("terminate", "again") for step in story.plan.steps)
        damaged[workflow_id] = damage = Damage.drawn(self._stream, run_may_be_lost=run_may_be_lost)
        self._simulation.scheduler.trace("database", f"{workflow_id}: {damage.row}, {damage.run}")
        self._simulation.scheduler.after(self._length(), lambda: damaged.pop(workflow_id, None))
        return True

    def _crash_actor(self) -> bool:
        """An instance cannot be run for a while."""
        workflow_id, crashing = self._some_workflow(), self._simulation.crashing
        if workflow_id is None:
            return False
        crashing.add(workflow_id)
        self._simulation.scheduler.after(self._length(), lambda: crashing.discard(workflow_id))
        return True

    # --- processes -------------------------------------------------------------------------------------------

    def _some_host(self) -> Host | None:
        alive = [host for host in self._simulation.hosts.values() if host.is_alive and not host.is_still]
        return self._stream.choice(alive) if alive else None

    def _kill_host(self) -> bool:
        host = self._some_host()
        if host is not None:
            host.kill("killed")
        return host is not None

    def _freeze_host(self) -> bool:
        host = self._some_host()
        if host is not None:
            length = self._length()
            host.pause(length)
            if host.link.connection is not None:
                host.link.connection.unread_for(length)
        return host is not None

    def _block_loop(self) -> bool:
        host = self._some_host()
        if host is not None:
            length = self._length()
            host.block(length)
            if host.link.connection is not None:
                host.link.connection.unread_for(length)
        return host is not None

    def _drain_host(self) -> bool:
        host = self._some_host()
        if host is not None:
            host.drain()
        return host is not None

    def _replace_host(self) -> bool:
        host = self._some_host() if self._simulation.releases.are_two else None
        if host is not None:
            self._simulation.releases.replace(host, gently=self._stream.random() < 0.7)
        return host is not None

    def _kill_worker(self) -> bool:
        worker = self._stream.choice(self._simulation.workers)
        was_alive = worker.is_alive
        worker.kill("killed")
        return was_alive

    def _freeze_worker(self) -> bool:
        worker = self._stream.choice(self._simulation.workers)
        worker.pause(self._length())
        return worker.is_paused

    # --- the broker ------------------------------------------------------------------------------------------

    def _restart_broker(self) -> bool:
        broker = self._simulation.broker
        if broker.is_up:
            broker.restart(self._stream.choice(LENGTHS[:3]))
        return True

    def _cut_connection(self) -> bool:
        connections = self._simulation.broker.connections
        if connections:
            self._stream.choice(connections).break_down("connection reset")
        return bool(connections)

    def _close_channel(self) -> bool:
        consumers = [c for connection in self._simulation.broker.connections for c in connection.consumers]
        partitions = [c for c in consumers if c.queue.name.startswith("dalsegno.partition.")]
        if partitions:
            self._stream.choice(partitions).kick("the broker closed it")
        return bool(partitions)

    def _silence_broker(self) -> bool:
        connections = self._simulation.broker.connections
        if connections:
            self._stream.choice(connections).fall_silent(self._length())
        return bool(connections)

    def _block_publishers(self) -> bool:
        self._simulation.broker.block_publishers(self._length())
        return True

    def _fill_queue(self) -> bool:
        queue = self._stream.choice(list(self._simulation.broker.queues.values()))
        queue.refuses_until = self._simulation.scheduler.now + self._length()
        return True

    def _purge(self, *, delete: bool) -> bool:
        name = topology.task_queue(self._stream.choice(self._simulation.task_queues))
        if name not in self._simulation.broker.queues:
            return False
        self._simulation.broker.purge(name, delete=delete)
        return True

    # --- the database ----------------------------------------------------------------------------------------

    def _silence_database(self) -> bool:
        host = self._some_host()
        if host is not None:
            host.trace("cannot reach the database")
            host.store_link.cut(self._length())
        return host is not None

    def _slow_database(self) -> bool:
        host = self._some_host()
        if host is not None:
            host.trace("finds the database slow")
            host.store_link.slow_down(self._length())
        return host is not None

    def _ask_for_format(self) -> bool:
        """By `dalsegno init` of the newer release, or of the older one again."""
        releases = self._simulation.releases
        newest = self._stream.choice((releases.older, two_releases.NEWER, two_releases.NEWER)).newest
        return releases.are_two and self._simulation.store.ask_format(newest)

    def _force_format(self) -> bool:
        store = self._simulation.store
        return self._simulation.releases.are_two and store.force_format(two_releases.NEWER.newest)

    def _step_clock(self) -> bool:
        self._put_clock(self._stream.choice((-20, -1, 1, 5, 60)) * SECOND)
        return True

    def _put_clock(self, step: int) -> None:
        self._simulation.store.step_clock(step)
        self._simulation.scheduler.trace("database", f"steps its clock by {step / SECOND} s")

    def _kill_as_the_clock_goes_back(self) -> bool:
        """Its row claims to live on for minutes."""
        self._put_clock(-120 * SECOND)
        return self._kill_host()
