"""Commands that applications wrote in transactions of their own are sent on, and removed once the broker has
them.

The first of the live hosts does it; the others only what has waited for long, should that one hang. A command
that is sent twice, by a host that died before it removed the row or by two at once, is known by its message ID,
as any that comes again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from functools import partial
from typing import NamedTuple

from dalsegno._log import get_logger
from dalsegno.actors.supervisor.database.own_threads import NewThread, own_thread
from dalsegno.actors.supervisor.database.reading_thread import ToLoop
from dalsegno.actors.supervisor.outbox.dead_letters import dead_letter
from dalsegno.actors.supervisor.outbox.lanes import forwarded_to
from dalsegno.actors.supervisor.outbox.outbox import Outbox
from dalsegno.actors.supervisor.outbox.shipment import Shipment
from dalsegno.actors.supervisor.wire.form import Address
from dalsegno.actors.supervisor.wire.translate import COMMANDS
from dalsegno.actors.workflow_actor.interface.cause import Cause
from dalsegno.actors.workflow_actor.interface.commands import WakeUp
from dalsegno.backoff import Backoff
from dalsegno.broker import topology
from dalsegno.broker.message_bytes import decode_message
from dalsegno.broker.port import Delivery, Message
from dalsegno.broker.protocol.codec import decode
from dalsegno.broker.protocol.limits import MAX_BODY_BYTES
from dalsegno.errors import InvalidMessageError
from dalsegno.persistence.inbox_port import Inbox, InboxRow

log = get_logger()

ROWS_MAX = 200
BYTES_MAX = 4 * 1024 * 1024
ROW_BYTES_MAX = MAX_BODY_BYTES + 256 * 1024
"""No message is larger, with all that goes along with its body. Of a larger row no more is read."""
IN_FLIGHT_MAX = 2_000
"""Rows that the broker has not confirmed. While there are so many, or the outbox has bytes enough, nothing
more is read."""
IN_FLIGHT_BYTES_MAX = 32 * 1024 * 1024
"""Of those rows."""
OTHERS_AFTER = 5_000_000
"""So old, in microseconds, must a row be for a host that is not the first."""
SEND_AGAIN_SECONDS = 60.0
"""After which a row that is still there, and of which the outbox knows nothing, is sent again."""
PAUSE_SECONDS = (0.5, 30.0)
"""After a failure, doubled up to the second."""
INBOX = "dalsegno.inbox"
"""What a dead letter says of where it comes from."""


class RowOnItsWay(NamedTuple):
    """A row on its way: since when, how large it is, and as what the outbox knows it (None: it does not)."""

    at: float
    size: int
    key: str | None


class RowOrigin:
    """A cause that is a row of the inbox: it is removed when all that it leads to is confirmed."""

    __slots__ = ("_number", "_remove")

    def __init__(self, number: int, remove: Callable[[int], None]) -> None:
        self._number = number
        self._remove = remove

    @property
    def is_void(self) -> bool:
        return False

    def remove(self) -> None:
        self._remove(self._number)


class Relay:
    """`now` is the database's time, in microseconds; `is_first` whether this host is the one; `may_send`
    whether the broker is there."""

    def __init__(
        self,
        inbox: Inbox,
        outbox: Outbox,
        to_loop: ToLoop,
        *,
        is_first: Callable[[], bool],
        may_send: Callable[[], bool],
        now: Callable[[], int],
        monotonic: Callable[[], float] = time.monotonic,
        new_thread: NewThread = own_thread,
    ) -> None:
        self._inbox = inbox
        self._outbox = outbox
        self._to_loop = to_loop
        self._is_first = is_first
        self._may_send = may_send
        self._now = now
        self._monotonic = monotonic
        self._thread = new_thread("inbox")
        self._is_under_way = False
        self._look_at = 0.0
        self._backoff = Backoff(*PAUSE_SECONDS, jitter=False)
        self._in_flight: dict[int, RowOnItsWay] = {}
        """By number."""
        self._confirmed: list[int] = []

    def look(self) -> None:
        """To be called twice a second or so."""
        now = self._monotonic()
        if self._is_under_way or now < self._look_at or not self._may_send():
            return
        self._forget_what_is_lost(now - SEND_AGAIN_SECONDS)
        is_full = self._is_full()
        if is_full and not self._confirmed:
            return
        confirmed, self._confirmed = self._confirmed, []
        written_before = None if self._is_first() else self._now() - OTHERS_AFTER
        self._is_under_way = True
        rows_max = 0 if is_full else ROWS_MAX
        look = partial(self._read, confirmed, written_before, list(self._in_flight), rows_max)
        self._thread.submit(look).add_done_callback(
            lambda future: self._to_loop.bring(
                future, partial(self._found, confirmed), partial(self._failed, confirmed)
            )
        )

    def _forget_what_is_lost(self, long_ago: float) -> None:
        """What the outbox has is still on its way, however long the broker does not take it."""
        for number, sent in list(self._in_flight.items()):
            if sent.at < long_ago and (sent.key is None or not self._outbox.is_in_flight(sent.key)):
                del self._in_flight[number]

    def _is_full(self) -> bool:
        weight = self._outbox.weight
        return (
            len(self._in_flight) >= IN_FLIGHT_MAX
            or sum(sent.size for sent in self._in_flight.values()) >= IN_FLIGHT_BYTES_MAX
            or weight.bytes >= weight.bytes_max
        )

    def _read(
        self,
        confirmed: Collection[int],
        written_before: int | None,
        without: Collection[int],
        rows_max: int,
    ) -> list[InboxRow]:
        """On the thread."""
        if confirmed:
            self._inbox.remove(confirmed)
        if not rows_max:
            return []
        return self._inbox.waiting(
            written_before=written_before,
            without=without,
            limit=rows_max,
            bytes_max=BYTES_MAX,
            row_max=ROW_BYTES_MAX,
        )

    def _found(self, removed: Collection[int], rows: list[InboxRow]) -> None:
        self._is_under_way = False
        self._backoff.reset()
        for number in removed:
            self._in_flight.pop(number, None)
        for row in rows:
            self._in_flight[row.number] = RowOnItsWay(self._monotonic(), len(row.message), self._send(row))

    def _send(self, row: InboxRow) -> str | None:
        """The key of what is sent for it."""
        cause = Cause(WakeUp(), name="inbox", origin=RowOrigin(row.number, self._taken))
        try:
            shipment = _shipment(row, cause)
        except MemoryError:
            raise
        except Exception:
            # A defect of ours: the row stays, and is tried again later; the others go on.
            log.exception("inbox_row_unreadable", number=row.number)
            return None
        self._outbox.send([shipment])
        cause.done()
        return shipment.key

    def _taken(self, number: int) -> None:
        """The broker has it: the row is removed at the next look."""
        self._confirmed.append(number)

    def _failed(self, confirmed: Collection[int], error: Exception) -> None:
        self._is_under_way = False
        self._confirmed += confirmed
        self._look_at = self._monotonic() + self._backoff.next_seconds()
        log.warning("inbox_not_read", reason=str(error) or repr(error))

    def close(self) -> None:
        self._thread.shutdown(wait=True, cancel_futures=True)
        self._inbox.close()


def _shipment(row: InboxRow, cause: Cause) -> Shipment:
    key = f"inbox/{row.number}"
    try:
        message = decode_message(row.message)
        body = decode(message)
    except InvalidMessageError as error:
        return _dead(message, error.reason, cause, key)
    except (ValueError, TypeError) as error:
        unread = Message(body=row.message[:MAX_BODY_BYTES], type="unreadable")
        return _dead(unread, f"the row is no message: {error}", cause, key)
    workflow_id = getattr(body, "workflow_id", None)
    if workflow_id is None or type(body) not in COMMANDS:
        return _dead(message, f"a message of the type {body.TYPE!r} is no command to a workflow", cause, key)
    return Shipment(
        message,
        Address(topology.COMMANDS_EXCHANGE, topology.routing_key_of(workflow_id)),
        causes=[cause],
        lane=forwarded_to(workflow_id),
        foreign=True,
        key=key,
    )


def _dead(message: Message, reason: str, cause: Cause, key: str) -> Shipment:
    log.error("inbox_row_dead_lettered", reason=reason, type=(message.type or "")[:255])
    delivery = Delivery(message=message, tag=0, redelivered=False, exchange="", routing_key=INBOX)
    address = Address(topology.DEAD_EXCHANGE, "invalid")
    return Shipment(dead_letter(delivery, reason), address, causes=[cause], key=key)
