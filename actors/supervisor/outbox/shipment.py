"""One message on its way, as the outbox keeps it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from msgspec.structs import replace

from dalsegno.actors.supervisor.outbox.shipment_state import NEXT, ShipmentState
from dalsegno.actors.supervisor.wire.form import Address, Lane
from dalsegno.actors.workflow_actor.interface.cause import Cause
from dalsegno.broker.port import Message
from dalsegno.partition_id import PartitionID

Pack = Callable[[], Message | None]


class Shipment:
    """One message on its way. `workflow` names the durable effect that it is: (partition, workflow ID, run ID,
    effect ID); None for transient ones. Several causes may wait for its confirm.

    `mandatory`: it has to come into a queue. Others are as good as confirmed when their queue is gone.
    `droppable`: its reader asks again if it does not come. So it is dropped when it is not taken for long, and
    an error goes in its place when it never can be. Others wait; of effects, their owner decides.
    `lane`: those in one keep their order (`lanes`); None if it does not matter, as with tasks.

    `foreign` messages are passed on as they came: their IDs are their senders', who may have given the same to
    different messages; `key` stands for the ID of one that has none. `unsendable` says why it cannot leave as
    it is. `pack` makes the message when it leaves, where there are many, and where it waits for long; till then
    `message` has no body. It gives None when there is nothing to make it of now."""

    __slots__ = (
        "address",
        "asked_to_park_at",
        "causes",
        "counted",
        "droppable",
        "foreign",
        "key",
        "lane",
        "mandatory",
        "message",
        "pack",
        "refusals",
        "refused_since",
        "sent_at",
        "state",
        "unsendable",
        "workflow",
    )

    def __init__(
        self,
        message: Message,
        address: Address,
        *,
        causes: Iterable[Cause] = (),
        workflow: tuple[PartitionID, str, str, tuple[int, int]] | None = None,
        mandatory: bool = True,
        droppable: bool = False,
        lane: Lane | None = None,
        foreign: bool = False,
        key: str | None = None,
        unsendable: str | None = None,
        pack: Pack | None = None,
    ) -> None:
        self.message = message
        self.pack = pack
        self.foreign = foreign
        self.key = message.message_id or key or ""
        self.address = address
        self.causes = list(causes)
        self.workflow = workflow
        self.mandatory = mandatory
        self.droppable = droppable
        self.lane = lane
        self.unsendable = unsendable
        self.state = ShipmentState.READY
        self.sent_at = 0.0
        self.counted = 0
        """Its bytes in what is on its way (`weight`)."""
        self.refusals = 0
        self.refused_since: float | None = None
        self.asked_to_park_at: float | None = None
        for cause in self.causes:
            cause.pending += 1

    def join(self, cause: Cause) -> None:
        """One more that waits for its confirm."""
        cause.pending += 1
        self.causes.append(cause)

    def move(self, state: ShipmentState) -> None:
        """Raises RuntimeError if that cannot follow: nothing has changed then."""
        if state not in NEXT[self.state]:
            raise RuntimeError(f"a shipment that is {self.state.name} cannot become {state.name}")
        self.state = state

    def unpack(self, pack: Pack | None) -> None:
        """Its body is not held any more."""
        self.message, self.pack = replace(self.message, body=b""), pack

    def is_same(self, other: Shipment) -> bool:
        """Of two with one message ID: whether it would be the same message twice."""
        if not self.foreign and not other.foreign:
            return True
        return (self.address, self.message) == (other.address, other.message)


def to_reader(message: Message, queue: str, causes: Iterable[Cause] = ()) -> Shipment:
    """To the queue of somebody who asks again if it does not come."""
    return Shipment(message, Address("", queue), causes=causes, mandatory=False, droppable=True)


def to_listeners(message: Message, exchange: str, topic: str) -> Shipment:
    """To all whose queues are bound for it now, which may be none. It is said again."""
    return Shipment(message, Address(exchange, topic), causes=(), mandatory=False, droppable=True)
