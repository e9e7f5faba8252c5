"""What hosts tell one another, by a queue for each: that one has joined, has released partitions, or has found
something deleted at the broker."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

from dalsegno._log import get_logger
from dalsegno.actors.supervisor.connection.broker_link import BrokerLink
from dalsegno.actors.supervisor.connection.services import Acknowledger
from dalsegno.actors.supervisor.failing.fail_stop import Escaped, guarded
from dalsegno.actors.supervisor.membership.host_supervisor import Hurry, Offered
from dalsegno.actors.supervisor.outbox.outbox import Outbox
from dalsegno.actors.supervisor.outbox.shipment import to_listeners, to_reader
from dalsegno.broker import topology
from dalsegno.broker.port import Delivery, Queue, Topology
from dalsegno.broker.protocol import messages as wire
from dalsegno.broker.protocol.codec import decode, encode
from dalsegno.errors import InvalidMessageError
from dalsegno.partition_id import PartitionID

log = get_logger()


class HostMail:
    """`heard` is told what the HostSupervisor should know, `task_queue_lost` which queue was deleted. In
    messages partitions have the numbers of the `generation` that all hosts of a namespace know."""

    def __init__(
        self,
        link: BrokerLink,
        outbox: Outbox,
        *,
        heard: Callable[[Hurry | Offered], None],
        task_queue_lost: Callable[[str], None],
        escaped: Escaped,
        generation: int,
    ) -> None:
        self._link = link
        self._outbox = outbox
        self._heard = heard
        self._generation = generation
        self._task_queue_lost = task_queue_lost
        self._host_id: str | None = None
        self.peers: tuple[str, ...] = ()
        """All live hosts, this one among them; none, as long as it does not know them."""
        self._on_delivery = guarded(escaped, self._on_message)

    def serve(self, host_id: str) -> None:
        """Take what is sent to a host of this ID from now on, and no more what was sent to the one before."""
        if self._host_id is not None:
            self._link.stop_serving(topology.host_queue(self._host_id))
        self._host_id = host_id
        self.peers = ()
        name = topology.host_queue(host_id)
        self._link.serve(name, Topology(queues=[Queue(name, durable=False)]), self._on_delivery)

    def know(self, hosts: tuple[str, ...]) -> None:
        """These are there. When it hears of them first, it tells them that it has joined."""
        is_new, self.peers = not self.peers, hosts
        if is_new and self._host_id is not None:
            self.tell_peers(wire.HostJoined(host_id=self._host_id))

    def tell_peers(self, message: wire.WireMessage) -> None:
        for host in self.peers:
            if host != self._host_id:
                self.tell(host, message)

    def tell(self, host_id: str, message: wire.WireMessage) -> None:
        """If that host is gone, so is the message."""
        encoded = encode(message, message_id=str(uuid4()))
        self._outbox.send([to_reader(encoded, topology.host_queue(host_id))])

    def tell_workers(self, task_queue: str, message: wire.WireMessage) -> None:
        """All that listen at the time."""
        encoded = encode(message, message_id=str(uuid4()))
        self._outbox.send([to_listeners(encoded, topology.LEVELS_EXCHANGE, task_queue)])

    def _on_message(self, delivery: Delivery, consumer: Acknowledger) -> None:
        consumer.acknowledge(delivery.tag)
        try:
            body = decode(delivery.message)
        except InvalidMessageError as error:
            log.warning("host_message_invalid", reason=error.reason)
            return
        match body:
            case wire.PartitionsReleased():
                offered = tuple(PartitionID(self._generation, number) for number in body.partitions)
                self._heard(Offered(body.host_id, offered))
            case wire.HostJoined():
                self._heard(Hurry())
            case wire.NamespaceDeclared():
                self._link.rebuild_consumers()
            case wire.TaskQueueLost():
                self._task_queue_lost(body.task_queue)
            case _:
                log.warning("host_message_invalid", reason=f"a {body.TYPE!r} is not for a host")
