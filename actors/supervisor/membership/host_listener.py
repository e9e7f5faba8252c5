"""What the HostSupervisor tells the host's loop, and how its calls get there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVarTuple

from dalsegno.partition_id import PartitionID
from dalsegno.persistence.port import LeaseRow
from dalsegno.search_attributes import Declared

Ts = TypeVarTuple("Ts")


class Listener(Protocol):
    """The host's loop. All calls but `failed` come on the loop's thread, in the order in which things
    happened."""

    def leases_gained(self, leases: Sequence[LeaseRow]) -> None: ...

    def release_wanted(self, partition: PartitionID, heir: str | None) -> None:
        """Drain it and tell `Released`. Who the heir is in the end, `released` says."""

    def released(self, partition: PartitionID, heir: str | None) -> None:
        """The database has it: tell the heir. None: nobody else is there, or we take it back ourselves."""

    def lost(self, reason: str) -> None:
        """All that was held is void, hand-overs too: drop channels and actors now. `rejoined` follows, or
        `left` if the host was leaving."""

    def rejoined(self, host_id: str) -> None:
        """A new life began, with nothing held. (The first join is told by the first `peers`.)"""

    def peers(self, hosts: tuple[str, ...]) -> None:
        """The live hosts, sorted, ourselves among them: after each join, and whenever they changed."""

    def format_written(self, format_: int) -> None:
        """The newest stored format that may be written, if it is not the first: before the first leases of a
        life, and when it has grown."""

    def attributes_declared(self, declared: Declared) -> None:
        """The search attributes of the namespace, if there are any: before the first leases of a life, and when
        they have changed."""

    def store_time(self, now: int) -> None:
        """The database's clock, in microseconds since 1970."""

    def left(self) -> None:
        """Nothing is held any more, the host's row is gone or runs out, this actor has stopped: the process
        may end."""

    def orphaned(self) -> None:
        """The parent process is gone: end. Told once."""

    def failed(self, error: BaseException) -> None:
        """This actor has stopped by an error that it cannot mend: end. The validity is over. Called on the
        thread that has met it, because the loop may be what stands still."""


class CallSoon(Protocol):
    """How calls reach the loop: `loop.call_soon_threadsafe`."""

    def __call__(self, callback: Callable[[*Ts], object], /, *args: *Ts) -> object: ...
