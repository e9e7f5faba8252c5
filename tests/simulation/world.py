"""One simulation: the processes, their world, the storm, and the calm after it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, MutableMapping
from contextlib import contextmanager
from errno import ENOSPC
from functools import partial
from random import Random
from typing import Any, TypeVar
from unittest.mock import patch

import structlog

from dalsegno.actors.supervisor import engine as engine_module
from dalsegno.actors.supervisor.deliveries import mail
from dalsegno.actors.supervisor.membership import host_supervisor, shares
from dalsegno.actors.supervisor.settings import HostSettings
from dalsegno.actors.workflow_actor import again, gates
from dalsegno.actors.workflow_actor.instance import Instance
from dalsegno.actors.workflow_actor.interface.activation import Activation
from dalsegno.actors.workflow_actor.interface.commands import Command
from dalsegno.actors.workflow_actor.program.port import Code
from dalsegno.actors.workflow_actor.stored import snapshots
from dalsegno.broker import topology
from tests.partition_ids import nths
from tests.simulation import stories
from tests.simulation.activities import Ledger
from tests.simulation.at_the_end import AtTheEnd
from tests.simulation.bounds import Bounds
from tests.simulation.broker_model import BrokerModel
from tests.simulation.client import Client
from tests.simulation.client_invariants import ClientInvariants
from tests.simulation.explaining import Explaining
from tests.simulation.faults import FaultID, Faults
from tests.simulation.full_workflows import DECLARED
from tests.simulation.history import History
from tests.simulation.host import Host
from tests.simulation.host_invariants import HostInvariants
from tests.simulation.invariants import Invariants
from tests.simulation.language import Language
from tests.simulation.off_loop import SimulatedOffLoop, is_local
from tests.simulation.person import Person
from tests.simulation.releases import Releases
from tests.simulation.scheduler import SECOND, Process, ProcessKilled, Scheduler
from tests.simulation.stand_ins import PlantedDefectError
from tests.simulation.store_model import StoreModel
from tests.simulation.storm import Storm
from tests.simulation.violation import Violation
from tests.simulation.worker import Worker
from tests.workflow_actor.local_work import local_activities

T = TypeVar("T")

STORM = 40 * SECOND
CALM = 1_800 * SECOND
"""Within this, everything must be finished: liveness is an invariant, too. So long because tasks that were lost
together are missed together, and each that is sent again makes the next wait twice as long as before."""

STANDSTILL = 60 * SECOND
"""After the storm every partition is served within: the longest freeze or silence, then a dead host's restart,
the time of a lease in which its row is watched, and some renewals."""


REST = 2 * SECOND
STRAGGLERS = 60
"""Messages to workflows that may still come within that time, when all is done."""
RESTS = 3
"""So often it may take that time: what was held up by one message is removed with that."""


class Simulation:
    """Built from a seed alone; `only` is for finding out which of its faults a failure takes."""

    looked_at_by = Invariants
    storm = Storm

    def __init__(
        self,
        seed: int,
        *,
        only: Collection[FaultID] | None = None,
        keep_trace: bool = False,
        workflows: int = 30,
    ) -> None:
        self.seed = seed
        self.random = random = Random(f"{seed} world")
        self.scheduler = Scheduler(keep_all=keep_trace)
        self.faults = Faults(seed, only=only)
        self.language = Language.of(seed)
        self.code = self.language.code
        self.partitions = random.choice((1, 2, 4, 6))
        self.bounds = Bounds.of(seed)
        self.settings = _settings(random, self.bounds)
        self.crashing: set[str] = set()
        """Workflow IDs whose actors meet a defect, for a time."""
        self.seen_limit = random.choice((2, 10_000))
        self._rows_per_snapshot = random.choice((1, 3, 64))
        self._long_log = random.choice((2, 500))
        self.worker_prefetch = random.choice((1, 5, 50))
        self.task_queues = ("default",)
        self.ledger = Ledger()
        self.history = History()
        self.invariants = self.looked_at_by(self)
        self.client_invariants = ClientInvariants(self)
        self.host_invariants = HostInvariants(self)
        self.store = StoreModel(self.scheduler, self.invariants, partitions=self.partitions)
        namespace = topology.namespace_topology(nths(self.partitions))
        self.broker = BrokerModel(
            self.scheduler, Random(f"{seed} net"), self.faults, self.invariants, namespace
        )
        self.releases = Releases(
            seed,
            self.store,
            newest_alone=self.language.is_whole and not self.language.moves,
            moves=self.language.moves,
        )
        self.hosts = {f"host{n}": Host(self, f"host{n}") for n in range(1, random.choice((2, 3, 3, 4)) + 1)}
        self.workers = [Worker(self, f"worker{n}") for n in range(1, 3)]
        self.client = Client(self, "client")
        self.acting: Host = self.hosts["host1"]
        self._workflows = workflows

    def run(self) -> None:
        """Raises Violation."""
        with self._deterministic():
            self._begin()
            explaining = Explaining(self)
            for moment in explaining.moments(until=STORM):
                self.scheduler.run(until=moment)
                explaining.look()
            self.scheduler.run(until=STORM)
            explaining.look_at_what_is_open()
            self.faults.active = False
            self.releases.finish(self.hosts.values())
            self.scheduler.trace("weather", "the storm is over")
            self.scheduler.after(STANDSTILL, self.host_invariants.nothing_stands_still)
            # What was due before the database's clock was put back is due again as much later.
            calm = CALM + self.store.put_back
            if not self.scheduler.run(until=STORM + calm, done=self._is_done):
                raise Violation("I29", f"after {calm // SECOND} s of calm, not done: {self._unfinished()}")
            if not any(self._rests() for _ in range(RESTS)):
                raise Violation("unrest", "all is done, and hosts go on and on telling each other")
            AtTheEnd(self).look()
            explaining.look()
            explaining.look_at_what_is_open()

    def _rests(self) -> bool:
        before = self.invariants.removed
        self.scheduler.run(until=self.scheduler.now + REST)
        return self.invariants.removed - before <= STRAGGLERS

    def _begin(self) -> None:
        for process in (*self.hosts.values(), *self.workers, self.client):
            self.scheduler.after(self.random.randrange(SECOND), process.start)
        for number in range(self._workflows):
            plan = self.random.choice(self.language.kinds)(self.random)
            delay = self.random.randrange(STORM * 3 // 4)
            self.scheduler.after(SECOND, partial(self._play, number, plan, delay))
        self.releases.ask_in(self.scheduler, STORM)
        if self.language.is_full:
            self._declare()
        if self.language.lasts:
            self.scheduler.after(SECOND, Person(self, self.client).begin)
        self.storm(self).begin()

    def _declare(self) -> None:
        """Some search attributes, and the last of them when code may have set it already."""
        *early, late = DECLARED
        declared = self.store.declared = {name: DECLARED[name] for name in early}

        def declare_the_last() -> None:
            self.store.declared = {**declared, late: DECLARED[late]}

        self.scheduler.after(Random(f"{self.seed} declared").randrange(STORM), declare_the_last)

    def _play(self, number: int, plan: stories.Plan, delay: int) -> None:
        self.client.play(f"{plan.workflow_type}-{number}", plan, delay=delay)

    # --- how each process is configured ----------------------------------------------------------------------

    def code_of(self, host: Host) -> Code:
        """In the life that it begins."""
        return self.code

    def off_loop_of(self, host: Host, seed: str) -> SimulatedOffLoop:
        return SimulatedOffLoop(self, host, seed)

    def sealed(self, process: Process, workflow_id: str, said: T) -> T:
        """A message as it is sent, or an outcome."""
        return said

    def opened(self, process: Process, workflow_id: str | None, said: T) -> T:
        """A message as it is read by who has received it."""
        return said

    def host_ended(self, host: Host) -> None:
        """Its parent starts it again; often it deletes the row of the one that died."""
        if self.random.random() < 0.5:
            for host_id in [known for known in self.store.hosts if known.startswith(f"{host.name}-")]:
                del self.store.hosts[host_id]
        self.scheduler.after(self.random.randrange(SECOND // 4, 6 * SECOND), host.start)

    def _is_done(self) -> bool:
        return self.client.is_done and self.store.has_no_mail() and not self._left_open()

    def _left_open(self) -> list[str]:
        """Workflow IDs of runs that somebody sees to."""
        unread, family = self.invariants.ended_unread, self.history.family
        return [row.workflow_id for row in self.store.open_runs() if not family.is_orphan(row.run_id, unread)]

    def _unfinished(self) -> list[str]:
        told = [story.workflow_id for story in self.client.stories.values() if not story.is_over]
        return sorted({*self._left_open(), *told})

    # --- nothing from outside --------------------------------------------------------------------------------

    @contextmanager
    def _deterministic(self) -> Iterator[None]:
        """No ID is drawn from the system; the engine's logs go to the trace, and its defects are violations."""
        config = structlog.get_config()
        nonces = Random(f"{self.seed} nonces")
        structlog.configure(processors=[self._hear], wrapper_class=structlog.make_filtering_bound_logger(30))
        try:
            with (
                patch.object(engine_module, "uuid4", lambda: f"{nonces.getrandbits(128):032x}"),
                patch.object(snapshots, "ACTIVATIONS_MIN", self._rows_per_snapshot),
                patch.object(gates, "LONG_LOG", self._long_log),
                patch.object(mail, "PAGE_BYTES", self.bounds.mail),
                patch.object(Instance, "activate", self._activate),
                local_activities(is_local),
                patch.object(again, "SEEN_LIMIT", self.seen_limit),
                patch.object(shares, "able", lambda cluster: self.releases.able(cluster, self.acting)),
                patch.object(host_supervisor, "new_host_id", lambda: self.acting.new_host_id()),
            ):
                yield
        finally:
            structlog.configure(**config)

    @property
    def _activate(self) -> Callable[..., list[Activation]]:
        real, crashing = Instance.activate, self.crashing

        def activate(instance: Instance, command: Command, **moment: Any) -> list[Activation]:
            if instance.workflow_id in crashing and not instance.stands_in:
                raise PlantedDefectError
            return real(instance, command, **moment)

        return activate

    def _hear(self, _: Any, method: str, event: MutableMapping[str, Any]) -> Any:
        name = event["event"]
        running = self.scheduler.running
        if isinstance(running, Host) and self.faults.happens("log raises"):
            raise OSError(ENOSPC, "no space is left for the log")
        error = event.get("exc_info")
        if isinstance(error, PlantedDefectError):
            error = None
        if isinstance(error, BaseException):
            # So it logs errors of its own.
            if isinstance(error, ProcessKilled):
                raise error  # an actor contains it, but the process is no more
            # No log call raises, so that it is kept until whoever logs is done.
            self.scheduler.found = Violation("defect", f"{name}: {error!r}")
        about = " ".join(
            f"{key}={event[key]}" for key in ("workflow_id", "partition", "reason") if key in event
        )
        self.scheduler.trace("log", f"{name} {about}")
        raise structlog.DropEvent


def _settings(random: Random, bounds: Bounds) -> HostSettings:
    """Some of them tight, so that what is rare happens often."""
    choose: Callable[[Any], Any] = random.choice
    return HostSettings(
        lease_ttl_seconds=choose((4.0, 10.0)),
        prefetch=choose((1, 3, 30, 300)),
        round_activations=choose((1, 4, 200)),
        round_bytes=bounds.round,
        idle_seconds=choose((0.0, 1.0, 10.0)),
        max_idle_instances=choose((0, 3, 1000)),
        history_limit=choose((0, 5, 10_000)),
        scan_interval_seconds=choose((2.0, 10.0)),
        drain_seconds=choose((1.0, 8.0)),
        sent_at_once=choose((1, 3, 500)),
    )
