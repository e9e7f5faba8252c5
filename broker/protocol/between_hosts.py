"""Wire protocol v1, between hosts: see `messages`."""

from __future__ import annotations

from dalsegno.broker.protocol.fields import Counter, Name, WireMessage


class Marker(WireMessage, frozen=True, kw_only=True):
    """A host to itself: what was queued before it took the partition has now been seen."""

    TYPE = "partition.marker"
    partition: Counter
    host_id: Name
    nonce: Name


class PartitionsReleased(WireMessage, frozen=True, kw_only=True):
    """A host to the heir it named: these leases are yours to take now."""

    TYPE = "host.released"
    host_id: Name
    partitions: tuple[Counter, ...]


class HostJoined(WireMessage, frozen=True, kw_only=True):
    """A new host to the others: the shares have changed."""

    TYPE = "host.joined"
    host_id: Name


class TaskQueueLost(WireMessage, frozen=True, kw_only=True):
    """A host to the others: this task queue was deleted with what lay in it. It is there again."""

    TYPE = "host.task_queue_lost"
    task_queue: Name


class NamespaceDeclared(WireMessage, frozen=True, kw_only=True):
    """A host to the others: something of the namespace was deleted. It is there again."""

    TYPE = "host.namespace_declared"
    host_id: Name
