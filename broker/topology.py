"""Names of exchanges and queues, and how a workflow ID finds its queue. Part of wire protocol v1.

Workflow ID -> slot (1024, for ever) -> partition (by bindings) -> host (by lease).
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

from dalsegno.broker.port import Binding, Exchange, Queue, Topology
from dalsegno.name_rules import is_level
from dalsegno.partition_id import PartitionID
from dalsegno.priority import LEVELS, at_level, named

SLOTS = 1024
"""Fixed for ever: rows are keyed by slot, and publishers in every language compute it."""

DEFAULT_PARTITIONS = 16

COMMANDS_EXCHANGE = "dalsegno.commands"
"""Clients publish here: routing key `slot.<n>`."""
RESULTS_EXCHANGE = "dalsegno.results"
"""Workers publish here, so that they need no right to send commands; bound as the commands exchange is."""
LEVELS_EXCHANGE = "dalsegno.levels"
"""Hosts say here which levels of a task queue are in use; routing key: its name. Workers listen."""
DEAD_EXCHANGE = "dalsegno.dead"
"""Dead letters: routing key `invalid` (nobody can read it) or `tasks` (a task that no worker survived)."""
DEAD_QUEUE = "dalsegno.dead"
DEAD_TASKS_QUEUE = "dalsegno.tasks.dead"
CONTROL_QUEUE = "dalsegno.control"
"""Operators' requests; every host consumes it."""
NAMESPACE_QUEUE = "dalsegno.namespace"
"""Always empty. Its arguments say whose virtual host this is: see `broker.namespace`."""

WATERMARK_QUEUE = "dalsegno.watermark"
"""How much this broker has seen of its database: see `broker.watermark`."""

PARTITION_DELIVERY_LIMIT = 1_000_000
"""Explicit, because RabbitMQ 4 counts to 20 by default and counts the whole prefetch window when a connection
is lost: a host that crash-loops would throw away innocent neighbours. We count attempts ourselves."""
TASK_DELIVERY_LIMIT = 20


def slot_of(workflow_id: str) -> int:
    """The slot of a workflow ID: CRC-32 (IEEE 802.3, as zlib has it) of its UTF-8 bytes, modulo 1024."""
    return zlib.crc32(workflow_id.encode()) % SLOTS


def slot_key(slot: int) -> str:
    return f"slot.{slot}"


def is_slot_key(key: str) -> bool:
    """Whether some partition's queue is bound with it."""
    return key in _ALL_SLOT_KEYS


_SLOT_KEYS = tuple(slot_key(slot) for slot in range(SLOTS))
_ALL_SLOT_KEYS = frozenset(_SLOT_KEYS)


def routing_key_of(workflow_id: str) -> str:
    return _SLOT_KEYS[zlib.crc32(workflow_id.encode()) % SLOTS]


def partition_queue(partition: PartitionID) -> str:
    return f"dalsegno.partition.{partition.generation}.{partition.number}"


def task_queue(name: str) -> str:
    """Of a task queue, or of a level of one (see `priority`)."""
    return f"dalsegno.tasks.{name}"


def host_queue(host_id: str) -> str:
    return f"dalsegno.host.{host_id}"


def worker_queue(worker_id: str) -> str:
    return f"dalsegno.worker.{worker_id}"


def reply_queue(client_id: str) -> str:
    return f"dalsegno.reply.{client_id}"


def control_queue() -> Queue:
    return Queue(
        CONTROL_QUEUE,
        delivery_limit=TASK_DELIVERY_LIMIT,
        dead_letter_exchange=DEAD_EXCHANGE,
        dead_letter_routing_key="invalid",
    )


def dead_tasks() -> Topology:
    """The queue of tasks that no worker survived, and their way into it."""
    return Topology(
        exchanges=[Exchange(DEAD_EXCHANGE)],
        queues=[Queue(DEAD_TASKS_QUEUE)],
        bindings=[Binding(DEAD_EXCHANGE, "tasks", DEAD_TASKS_QUEUE)],
    )


def declare_partition_queue(partition: PartitionID) -> Queue:
    return Queue(
        partition_queue(partition),
        single_active_consumer=True,
        delivery_limit=PARTITION_DELIVERY_LIMIT,
        dead_letter_exchange=DEAD_EXCHANGE,
        dead_letter_routing_key="invalid",
    )


def declare_task_queue(name: str) -> Topology:
    """A task queue; hosts and workers declare it before first use. A level of one, which hosts alone declare,
    has the most urgent with it: a worker that finds that one missing need not look for the others."""
    if not is_level(name):
        return Topology(queues=[_queue_of_tasks(name)])
    names = {at_level(named(name), LEVELS[0]): None, name: None}
    return Topology(exchanges=[Exchange(LEVELS_EXCHANGE)], queues=list(map(_queue_of_tasks, names)))


def _queue_of_tasks(name: str) -> Queue:
    return Queue(
        task_queue(name),
        delivery_limit=TASK_DELIVERY_LIMIT,
        dead_letter_exchange=DEAD_EXCHANGE,
        dead_letter_routing_key="tasks",
    )


def hear_of_levels(name: str, queue: str) -> Topology:
    """A worker's own queue is told which levels of its task queue are in use."""
    return Topology(exchanges=[Exchange(LEVELS_EXCHANGE)], bindings=[Binding(LEVELS_EXCHANGE, name, queue)])


def claim(identity: str) -> Topology:
    """What only the database with this identity can declare in its virtual host."""
    queue = Queue(
        NAMESPACE_QUEUE,
        dead_letter_exchange=DEAD_EXCHANGE,
        dead_letter_routing_key=f"namespace.{identity}",
    )
    return Topology(exchanges=[Exchange(DEAD_EXCHANGE)], queues=[queue])


def watermark() -> Topology:
    return Topology(queues=[Queue(WATERMARK_QUEUE, single_active_consumer=True)])


def namespace_topology(partitions: Sequence[PartitionID]) -> Topology:
    """Everything that a namespace needs, but for its `claim` and its task queues. `partitions`: all of
    them, by number."""
    queues = [
        Queue(DEAD_QUEUE),
        Queue(DEAD_TASKS_QUEUE),
        control_queue(),
        *map(declare_partition_queue, partitions),
    ]
    bindings = [
        Binding(DEAD_EXCHANGE, "invalid", DEAD_QUEUE),
        Binding(DEAD_EXCHANGE, "tasks", DEAD_TASKS_QUEUE),
        *(
            Binding(exchange, slot_key(slot), partition_queue(partitions[slot % len(partitions)]))
            for exchange in (COMMANDS_EXCHANGE, RESULTS_EXCHANGE)
            for slot in range(SLOTS)
        ),
    ]
    names = (COMMANDS_EXCHANGE, RESULTS_EXCHANGE, LEVELS_EXCHANGE, DEAD_EXCHANGE)
    exchanges = list(map(Exchange, names))
    return Topology(exchanges=exchanges, queues=queues, bindings=bindings)
