"""Whose virtual host this is: the broker holds the identity of the one database that it works with.

Hosts of another database would consume the same partition queues, and drop the results of runs that they do
not know. AMQP stores no value for everybody to read, but compares the arguments of a queue that is declared
again. So a queue to which nothing is ever sent has the identity in its dead-letter routing key.
"""

from __future__ import annotations

from collections.abc import Sequence

from dalsegno.broker import topology
from dalsegno.broker.port import Session
from dalsegno.errors import TopologyError
from dalsegno.partition_id import PartitionID


async def declare_namespace(session: Session, *, identity: str, partitions: Sequence[PartitionID]) -> None:
    """Claim the virtual host for the database with this identity, then declare all that a namespace needs.

    Raises TopologyError where the virtual host is another database's; then nothing was changed.
    """
    try:
        await session.declare(topology.claim(identity))
    except TopologyError as error:
        raise TopologyError(
            "This virtual host (or broker file) belongs to another database, not to the one whose namespace is "
            f"{identity}: correct the database URL (its ?schema= too) or the broker URL, or if the other "
            "database is gone for good, use another virtual host or delete this one (or at least its queue "
            f"{topology.NAMESPACE_QUEUE})"
        ) from error
    await session.declare(topology.namespace_topology(partitions))
