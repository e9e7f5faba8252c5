"""What the engine asks of the world. Every method only starts something; none calls back at once.

Whoever asks is given the `World`, or the part of it that it needs: `Clock`, `Carrier`, `Scans`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeVarTuple

from dalsegno.actors.workflow_actor.interface.activation import Probe
from dalsegno.actors.workflow_actor.interface.cause import Cause
from dalsegno.broker.port import Outgoing
from dalsegno.partition_id import PartitionID
from dalsegno.persistence.port import Round

Ts = TypeVarTuple("Ts")


class Clock(Protocol):
    """What time it is, and what is to be done later."""

    def now(self) -> int:
        """The estimate of database time, in microseconds; it never goes back."""

    def monotonic(self) -> float: ...

    def call_later(self, delay_seconds: float, callback: Callable[[], None]) -> None: ...


class Carrier(Protocol):
    """What the outbox asks of the shell."""

    def publish(self, batch: list[Outgoing]) -> None: ...

    def declare_task_queue(self, name: str) -> None:
        """Answered by `Outbox.task_queue_declared`, after as many tries as it takes."""

    def declare_namespace(self) -> None:
        """An exchange or a binding is missing. Answered by `Outbox.namespace_declared`, if that could be
        mended; who still misses it asks again."""

    def call_soon(self, callback: Callable[[], None]) -> None: ...

    def call_later(self, delay_seconds: float, callback: Callable[[], None]) -> None: ...

    def guarded(self, callback: Callable[[*Ts], object]) -> Callable[[*Ts], None]:
        """A callback for who would go on whatever it raises: that ends the process."""

    def monotonic(self) -> float: ...


class Scans(Protocol):
    """Questions to the database about all of a partition's workflows; each is answered by a page."""

    def find_due(self, partition: PartitionID, before: int, limit: int) -> None:
        """Answered by `due_found`."""

    def find_suspended(self, partition: PartitionID, after: str, limit: int) -> None:
        """Answered by `suspended_found`."""

    def find_waiting(self, partition: PartitionID, after: str, limit: int) -> None:
        """Answered by `waiting_found`."""


class World(Carrier, Clock, Scans, Protocol):
    """All that the engine and its parts ask of the shell. What answers is a call of the engine."""

    def call_soon(self, callback: Callable[[], None]) -> None: ...

    def may_act(self) -> bool:
        """Whether this host's leases hold, by its own clock: without them nothing is begun or answered."""

    def commit(self, round_: Round) -> None:
        """Answered by `committed` or `commit_failed`."""

    def load(self, wanted: Mapping[PartitionID, Sequence[str]]) -> None:
        """Workflow IDs of each partition. Answered by `loaded`, each partition in as many parts and after as
        many tries as it takes, or for single ones by `unreadable`."""

    def look_up_strikes(self, partition: PartitionID, workflow_id: str, run_id: str) -> None:
        """Answered by `strikes_found`."""

    def look_up_attributes(self, partition: PartitionID, workflow_id: str) -> None:
        """Which search attributes are declared, read anew. Answered by `attributes_found`."""

    def look_up_format(self, partition: PartitionID, workflow_id: str) -> None:
        """The newest stored format that may be written, read anew. Answered by `format_found`."""

    def read_remains(self, partition: PartitionID, workflow_id: str) -> None:
        """Answered by `remains_found`, whatever can be read."""

    def read_mail(self, partition: PartitionID, workflow_id: str, after: int) -> None:
        """A page of `mail.PAGE`. Answered by `mail_found`."""

    def clear_strikes(self, run_id: str) -> None:
        """It runs again by somebody's word, or with other code. Not answered."""

    def heed_task_queue(self, name: str) -> None:
        """Tasks lie in it: look now and then whether it is still there. Not answered, but by `task_queue_lost`
        if it is not."""

    def probe_task_queue(self, partition: PartitionID, workflow_id: str, probe: Probe) -> None:
        """Answered by `task_queue_found_empty`, if it is."""

    def answer_other_run(self, workflow_id: str, cause: Cause, go_on: Callable[[Cause], None]) -> None:
        """Answer a request about a run that is not the current one; then `cause.done()`."""

    def open_channel(self, partition: PartitionID) -> None:
        """Consume the partition's queue, after as many tries as it takes. Answered by `channel_opened`."""

    def close_channel(self, partition: PartitionID) -> None: ...

    def partition_released(self, partition: PartitionID, epoch: int, *, for_good: bool = False) -> None:
        """All that was begun is done with: the lease may go to its heir. `for_good`: it never comes back."""
