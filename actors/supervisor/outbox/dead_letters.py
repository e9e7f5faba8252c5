"""Dead letters: messages that nobody can ever handle, kept with the reason, apart from lost tasks."""

from __future__ import annotations

import hashlib

from dalsegno._log import get_logger
from dalsegno.actors.supervisor.deliveries.intake import Rejected
from dalsegno.actors.supervisor.deliveries.mail import delivery_of
from dalsegno.actors.supervisor.outbox.shipment import Shipment, to_reader
from dalsegno.actors.supervisor.wire import replies
from dalsegno.actors.supervisor.wire.form import Address, caller_of
from dalsegno.actors.workflow_actor.interface.cause import Cause
from dalsegno.broker import topology
from dalsegno.broker.port import Delivery, Message
from dalsegno.broker.protocol.ids import derived_message_id

log = get_logger()

REASON_HEADER = "x-dalsegno-reason"
FROM_HEADER = "x-dalsegno-routing-key"


def shipments(rejected: Rejected, cause: Cause) -> list[Shipment]:
    """The dead letter of a cause, and an error reply where its sender asked for a reply.

    A cause that is no message (a wake-up) leaves nothing behind; it was logged.
    """
    delivery = delivery_of(cause)
    if delivery is None:
        return []
    log.warning(
        "message_dead_lettered",
        reason=rejected.reason,
        type=(delivery.message.type or "")[:255],
        message_id=(delivery.message.message_id or "")[:255],
        size=len(delivery.message.body),
    )
    letters = [Shipment(dead_letter(delivery, rejected.reason), _ADDRESS, causes=[cause])]
    reply = _reply(delivery.message, rejected)
    if reply is not None:
        letters.append(to_reader(reply, delivery.message.reply_to or "", [cause]))
    return letters


_ADDRESS = Address(topology.DEAD_EXCHANGE, "invalid")


def dead_letter(delivery: Delivery, reason: str) -> Message:
    """The message as it came, with the reason; its ID is derived, so that dying twice leaves one letter ID."""
    message = delivery.message
    digest = hashlib.blake2b(message.body, digest_size=16).hexdigest()
    what = (message.message_id, message.type, delivery.routing_key, digest, "dead")
    message_id = derived_message_id(*map(str, what))
    headers = {
        REASON_HEADER: reason.encode()[:1000].decode(errors="ignore"),  # all headers have to fit into one frame
        FROM_HEADER: delivery.routing_key[:255],
        "x-dalsegno-message-id": (message.message_id or "")[:255],
    }
    return Message(
        body=message.body,
        message_id=message_id,
        type=message.type,
        content_type=message.content_type,
        correlation_id=message.correlation_id,
        headers=headers,
    )


def _reply(message: Message, rejected: Rejected) -> Message | None:
    caller = caller_of(message)
    if caller is None or rejected.code is None or message.type == "reply":
        return None
    reply_id = replies.message_id_of(caller, message.message_id, rejected.reason)
    return replies.message(replies.refused(rejected.code, rejected.reason), caller, reply_id)
