"""One message on its way, as the outbox keeps it."""

from __future__ import annotations

from collections.abc import Iterable

from dalsegno.actors.supervisor.wire.translate import Address
from dalsegno.actors.workflow_actor.interface.cause import Cause
from dalsegno.broker.port import Message


class Shipment:
    """One message on its way. `workflow` names the durable effect that it is: (partition, workflow ID, run ID,
    effect ID); None for transient ones. Several causes may wait for its confirm. `foreign` messages are passed
    on as they came: their IDs are their senders', who may have given the same to different messages; `key`
    stands for the ID of one that has none."""

    __slots__ = (
        "address",
        "awaits_queue",
        "causes",
        "foreign",
        "is_kept_back",
        "key",
        "message",
        "parking_since",
        "refusals",
        "refused_since",
        "sent_at",
        "sent_by",
        "unsendable",
        "workflow",
    )

    def __init__(
        self,
        message: Message,
        address: Address,
        *,
        causes: Iterable[Cause] = (),
        workflow: tuple[int, str, str, tuple[int, int]] | None = None,
        foreign: bool = False,
        key: str | None = None,
        unsendable: str | None = None,
    ) -> None:
        self.message = message
        self.foreign = foreign
        self.key = message.message_id or key or ""
        self.address = address
        self.causes = list(causes)
        self.workflow = workflow
        self.unsendable = unsendable
        self.sent_at = 0.0
        self.sent_by = 0  # the number of the publisher that has it in the air; 0 if none has
        self.awaits_queue = False
        self.is_kept_back = False
        self.refusals = 0
        self.refused_since: float | None = None
        self.parking_since: float | None = None
        for cause in self.causes:
            cause.pending += 1

    def is_same(self, other: Shipment) -> bool:
        """Of two with one message ID: whether it would be the same message twice."""
        if not self.foreign and not other.foreign:
            return True
        return (self.address, self.message) == (other.address, other.message)

    @property
    def is_answer(self) -> bool:
        """Its reader asks again if it does not come."""
        return self.workflow is None and self.address.exchange == "" and self.address.task_queue is None
