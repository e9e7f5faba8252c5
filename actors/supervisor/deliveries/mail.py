"""Mail in the database: messages that came while their workflow could not be run for a defect. A row of it is
what a message in the queue is: a cause that is removed when all that it led to is confirmed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dalsegno.actors.supervisor.deliveries.channel import DeliveryOrigin
from dalsegno.actors.supervisor.deliveries.intake import ForWorkflow, Intake, Rejected, Unread
from dalsegno.actors.workflow_actor.interface.cause import Cause
from dalsegno.broker.message_bytes import decode_message, encode_message
from dalsegno.broker.port import Delivery
from dalsegno.persistence.port import Mail, MailRow, MessageKey

PAGE = 200
"""Mail of one workflow that is in memory at one time."""
PAGE_BYTES = 4 * 1024 * 1024
"""A page ends with the message with which it is this large."""


def is_full(page: Sequence[Mail]) -> bool:
    """Whether there may be more behind it."""
    return len(page) >= PAGE or sum(len(mail.message) for mail in page) >= PAGE_BYTES


class MailOrigin:
    """A cause that is a row of mail (see actors.workflow_actor.cause.Origin). Void once its actor is gone: who
    comes after it reads the mail anew."""

    __slots__ = ("_is_current", "_worked_off", "delivery", "number")

    def __init__(
        self,
        number: int,
        delivery: Delivery,
        *,
        is_current: Callable[[], bool],
        worked_off: Callable[[int], None],
    ) -> None:
        self.number = number
        self.delivery = delivery
        self._is_current = is_current
        self._worked_off = worked_off

    @property
    def is_void(self) -> bool:
        return not self._is_current()

    def remove(self) -> None:
        self._worked_off(self.number)


def delivery_of(cause: Cause) -> Delivery | None:
    """The message that the cause is; None for a wake-up."""
    origin = cause.origin
    return origin.delivery if isinstance(origin, DeliveryOrigin | MailOrigin) else None


def is_in_the_database(cause: Cause) -> bool:
    return isinstance(cause.origin, MailOrigin)


def to_row(
    cause: Cause, *, workflow_id: str, slot: int, number: int, now: int, unless: MessageKey | None
) -> MailRow:
    delivery = delivery_of(cause)
    assert delivery is not None, "a wake-up is no mail"
    message = encode_message(delivery.message)
    return MailRow(workflow_id=workflow_id, slot=slot, number=number, time=now, message=message, unless=unless)


def to_cause(
    mail: Mail,
    intake: Intake,
    *,
    is_current: Callable[[], bool],
    worked_off: Callable[[int], None],
) -> Cause | Rejected:
    """The cause it was when it came, or why it is none any more."""
    try:
        message = decode_message(mail.message)
    except (ValueError, TypeError) as error:
        return Rejected(f"it cannot be read any more: {error!r}")
    delivery = Delivery(message, mail.number, True, "", "")
    taken = intake.take(delivery)
    if not isinstance(taken, ForWorkflow):
        return Rejected(taken.reason if isinstance(taken, Rejected | Unread) else "it is for no workflow")
    cause = taken.cause
    cause.redelivered = True
    cause.origin = MailOrigin(mail.number, delivery, is_current=is_current, worked_off=worked_off)
    return cause
