"""A HostSupervisor stepped by a test, with a clock of its own, and what its loop is told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVarTuple

from dalsegno.actors.supervisor.membership.host_supervisor import (
    HostOptions,
    HostSupervisor,
    Message,
    Released,
    Tick,
)
from dalsegno.actors.supervisor.membership.loop_beat import LoopBeat
from dalsegno.actors.supervisor.membership.validity import Validity
from dalsegno.errors import StoreUnavailableError
from dalsegno.partition_id import PartitionID
from dalsegno.persistence.port import Cluster, LeaseRow, Membership, Store
from tests.partition_ids import GENERATION

TTL = 10.0
PARTITIONS = 4


Ts = TypeVarTuple("Ts")


def at_once(callback: Callable[[*Ts], object], /, *args: *Ts) -> object:
    return callback(*args)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Faulty:
    """A membership whose methods can be made to fail, before or after they have worked, or to take long."""

    def __init__(self, inner: Membership) -> None:
        self.inner = inner
        self.unreachable = False
        self.answers_lost: set[str] = set()
        self.meanwhile: dict[str, Callable[[], None]] = {}
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.results: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            self.calls.append((name, kwargs))
            if self.unreachable:
                raise StoreUnavailableError("the test cut it off")
            answer = getattr(self.inner, name)(*args, **kwargs)
            self.meanwhile.get(name, lambda: None)()
            if name in self.answers_lost:
                self.answers_lost.remove(name)
                raise StoreUnavailableError("the test swallowed the answer")
            return self.results.get(name, answer)

        return call


class Desk:
    """A host's loop: it writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []
        self.leases: dict[int, int] = {}

    def leases_gained(self, leases: Sequence[LeaseRow]) -> None:
        self.told.append(("gained", tuple(lease.partition for lease in leases)))
        self.leases.update((lease.partition, lease.epoch) for lease in leases)

    def release_wanted(self, partition: PartitionID, heir: str | None) -> None:
        self.told.append(("wanted", partition, heir))

    def released(self, partition: PartitionID, heir: str | None) -> None:
        self.told.append(("released", partition, heir))

    def lost(self, reason: str) -> None:
        self.told.append(("lost", reason))
        self.leases.clear()

    def rejoined(self, host_id: str) -> None:
        self.told.append(("rejoined", host_id))

    def peers(self, hosts: tuple[str, ...]) -> None:
        self.told.append(("peers", hosts))

    def format_written(self, format_: int) -> None:
        self.told.append(("format", format_))

    def store_time(self, now: int) -> None:
        self.told.append(("time", now))

    def left(self) -> None:
        self.told.append(("left",))

    def orphaned(self) -> None:
        self.told.append(("orphaned",))

    def failed(self, error: BaseException) -> None:
        self.told.append(("failed", error))

    def heard(self, *kinds: str) -> list[tuple[Any, ...]]:
        """What was told of these kinds; it is forgotten."""
        found = [told for told in self.told if told[0] in kinds]
        self.told = [told for told in self.told if told[0] not in kinds]
        return found


class Host:
    """A HostSupervisor that is stepped by the test instead of its thread."""

    def __init__(self, store: Store, host_id: str, parent_pid: int | None = None, **options: float) -> None:
        self.clock = Clock()
        self.validity = Validity(self.clock)
        self.loop = LoopBeat(TTL, self.clock)
        self.loop_stands_still = False
        self.membership = Faulty(store.membership())
        self.desk = Desk()
        self.id = host_id
        self.actor = HostSupervisor(
            HostOptions(
                membership=lambda: self.membership,
                host_id=host_id,
                generation=GENERATION,
                version="1",
                listener=self.desk,
                deliver=at_once,
                validity=self.validity,
                beat=self.loop,
                lease_ttl_seconds=TTL,
                parent_pid=parent_pid,
                clock=self.clock,
                **options,
            )
        )

    def tell(self, message: Message) -> None:
        if not self.loop_stands_still:
            self.loop.beat()
        self.actor.on_receive(message)

    def tick(self) -> None:
        self.tell(Tick())

    def release(self, partition: PartitionID, *, for_good: bool = False) -> None:
        self.tell(Released(partition, self.desk.leases.pop(partition), for_good))

    def rejoined_as(self) -> str:
        ((_, host_id),) = self.desk.heard("rejoined")
        assert host_id != self.id
        self.id = host_id
        return str(host_id)


def owners(outside: Membership) -> list[str | None]:
    return [lease.owner for lease in outside.cluster().leases]


def live(cluster: Cluster) -> list[str]:
    return [row.host_id for row in cluster.hosts]
