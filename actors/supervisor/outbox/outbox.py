"""The outbox: effects on their way, from the commit to the broker's confirm.

It is memory only. What it holds is either outstanding in the state of its workflow or asked for by a message
that stays unacknowledged, so a crash loses nothing: whoever comes after publishes the same message IDs again.

A message's ways: sent -> confirmed. Sent -> lost (the publisher closed): sent again by the next publisher.
Sent -> refused (the queue is full): sent again with back-off, and *parked* when others are being confirmed
meanwhile, so that it holds up nobody; so is what is never answered, and what waits for a queue that cannot be
declared. Sent -> returned: a task queue is declared and the task sent again; a reply or grant whose reader is
gone is dropped. A publish that closed the channel: the suspects are sent one by one (line_up), and the one in
the air when it closes again is the culprit. If it was over the message, it is given up: its workflow is told;
what has no owner is kept and tried again, for it may be the only trace of somebody's word; in the place of an
answer goes an error. So is what no broker can carry. If it was over where the message was going, no message is
to blame (barriers).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable
from functools import partial
from itertools import chain
from typing import Protocol

from dalsegno._log import get_logger
from dalsegno.actors.supervisor.outbox.barriers import Barriers
from dalsegno.actors.supervisor.outbox.error_instead import error_instead
from dalsegno.actors.supervisor.outbox.line_up import LineUp
from dalsegno.actors.supervisor.outbox.shipment import Shipment
from dalsegno.actors.supervisor.world import Carrier
from dalsegno.actors.workflow_actor.interface.cause import Cause
from dalsegno.backoff import doubled
from dalsegno.broker.port import Fault, Outcome, Outgoing
from dalsegno.broker.protocol.messages import ActivityGrant

log = get_logger()

PARK_AFTER_SECONDS = 5.0
TELL_AGAIN_SECONDS = 5.0
RETRY_DELAY_SECONDS = (0.2, 5.0)
"""First and longest delay before a refused message is sent again; doubles in between."""
KEPT_SECONDS = 60.0
"""Between two tries of a message that the broker would not take as it is, and that nobody else would send
again. Each costs the channel."""
TOO_LARGE_FOR_ANY = "no broker can carry this message: its properties or its body are too large"
GRANTS_WARNED_OF_SECONDS = 60.0
GRANT_HINT = (
    "the worker that asked has no queue on this broker: it has ended or lost its connection, or the node that "
    "this host is connected to is cut off from that of its workers"
)


class Owner(Protocol):
    """Who is told what became of durable effects."""

    def effect_confirmed(self, workflow: tuple[int, str, str, tuple[int, int]]) -> None: ...

    def effect_unsendable(self, workflow: tuple[int, str, str, tuple[int, int]], reason: str) -> None: ...

    def effect_parked(self, workflow: tuple[int, str, str, tuple[int, int]]) -> None: ...


class Outbox:
    """All messages of this process that are not confirmed, by message ID, in the order of their first send."""

    def __init__(self, carrier: Carrier, owner: Owner) -> None:
        self._carrier = carrier
        self._owner = owner
        self._outcome = carrier.guarded(self._on_outcome)
        self._in_flight: dict[str, Shipment] = {}
        self._declared: set[str] = set()
        self._awaiting_queue: dict[str, list[Shipment]] = {}
        self._behind: dict[str, deque[Shipment]] = {}
        self._open = False
        self._publisher = 0
        self._line_up: LineUp[Shipment] = LineUp()
        self._barriers = Barriers()
        self._last_confirm = 0.0
        self._confirmed_up_to = 0.0
        self._warn_of_grants_at = 0.0
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._in_flight)

    def is_in_flight(self, message_id: str) -> bool:
        return message_id in self._in_flight

    def waiting_for(self, message_id: str) -> list[Cause]:
        """The causes that are not removed before its confirm."""
        shipment = self._in_flight.get(message_id)
        return [] if shipment is None else list(shipment.causes)

    def send(self, shipments: Iterable[Shipment]) -> None:
        """Send what is not on its way already; a message ID is never in flight twice."""
        batch = []
        now = self._carrier.monotonic()
        for shipment in shipments:
            known = self._in_flight.get(shipment.key)
            if known is not None:
                if shipment.is_same(known):
                    known.causes.extend(shipment.causes)
                else:
                    self._behind.setdefault(shipment.key, deque()).append(shipment)
                continue
            self._in_flight[shipment.key] = shipment
            shipment.sent_at = now
            if shipment.unsendable is not None:
                self._tell_unsendable(shipment)
                continue
            queue = shipment.address.task_queue
            if queue is not None and queue not in self._declared:
                self._await_queue(queue, shipment)
            else:
                batch.append(shipment)
        self._publish(batch)

    def join(self, message_id: str, cause: Cause) -> bool:
        """Let a cause wait for a message that is on its way; False when it is not."""
        shipment = self._in_flight.get(message_id)
        if shipment is None:
            return False
        cause.pending += 1
        shipment.causes.append(cause)
        return True

    def disown(self, causes: Collection[Cause]) -> None:
        """These causes do not wait any more for what is on its way."""
        if not causes:
            return
        held = set(map(id, causes))
        for shipment in (*self._in_flight.values(), *chain.from_iterable(self._behind.values())):
            shipment.causes = [cause for cause in shipment.causes if id(cause) not in held]

    def task_queue_declared(self, name: str) -> None:
        self._declared.add(name)
        waiting = self._awaiting_queue.pop(name, [])
        for shipment in waiting:
            shipment.awaits_queue = False
        self._publish(waiting)

    def publisher_opened(self) -> None:
        """Everything unconfirmed is sent again, in order; one by one if one of them closed the last channel."""
        self._open = True
        self._publisher += 1
        self._declared.clear()
        now = self._carrier.monotonic()
        for shipment in self._in_flight.values():
            shipment.sent_at = now
        for name in self._awaiting_queue:
            self._carrier.declare_task_queue(name)
        self._next_suspect()

    def publisher_closed(self, fault: Fault, reason: str) -> None:
        """`fault`: what the broker closed it over; `reason` is its own text."""
        self._open = False
        if fault is Fault.NONE:
            self._line_up.begin(())
            return
        culprit = self._line_up.channel_closed()
        if culprit is None:
            suspects = [s for s in self._in_flight.values() if s.sent_by == self._publisher]
            self._line_up.begin(suspects)
            exchanges = {suspect.address.exchange for suspect in suspects}
            if fault is Fault.TARGET and len(exchanges) == 1:
                self._bar(exchanges.pop(), reason)
        elif fault is Fault.MESSAGE:
            self._give_up(culprit, f"the broker does not take this message, it is probably too large: {reason}")
        else:
            self._bar(culprit.address.exchange, reason)

    # --- exchanges that are closed to us ----------------------------------------------------------------------

    def _bar(self, exchange: str, reason: str) -> None:
        is_new = self._barriers.close(exchange, reason)
        if exchange != "":
            self._carrier.declare_namespace()
        if is_new:
            self._try_later(exchange)

    def _try_later(self, exchange: str) -> None:
        self._carrier.call_later(self._barriers.pause(exchange), partial(self._try_exchange, exchange))

    def _try_exchange(self, exchange: str) -> None:
        if exchange in self._barriers.closed:
            self._try_later(exchange)
            self._try_now(exchange)

    def _try_now(self, exchange: str) -> None:
        """Let one message try. It does so alone, so that the channel can close over nothing else."""
        if self._open and not self._line_up:
            waiting = [
                s for s in self._in_flight.values() if s.address.exchange == exchange and self._is_ready(s)
            ]
            if waiting:
                self._try_alone(waiting[0])
            else:
                self._barriers.open(exchange)  # who sends next finds out

    def _try_alone(self, shipment: Shipment) -> None:
        self._line_up.begin([shipment])
        self._line_up.take_next(lambda _: True, self._carrier.monotonic())
        self._carry([shipment])

    def namespace_declared(self) -> None:
        """What was missing is there (again): no need to wait for the next try."""
        for exchange in {shipment.address.exchange for shipment in self._in_flight.values()}:
            if exchange in self._barriers.closed:
                self._try_now(exchange)
        self._publish(self._in_flight.values())

    # --- what is not taken ------------------------------------------------------------------------------------

    def park_overdue(self) -> None:
        """Park what has not been taken for some seconds while others are confirmed: it holds up its cause.

        When nothing is confirmed (an alarm, no broker) nothing is parked: back-pressure stands.
        """
        now = self._carrier.monotonic()
        suspect = self._line_up.overdue(now)
        if suspect is not None:
            self._acquit(suspect)
        for shipment in list(self._in_flight.values()):
            if now - shipment.sent_at < PARK_AFTER_SECONDS:
                return  # those behind it were sent later
            if shipment.causes and shipment.unsendable is None and self._is_overdue(shipment, now):
                self._park(shipment, now)

    def _is_overdue(self, shipment: Shipment, now: float) -> bool:
        """Refused for long while others are confirmed; or what was sent long after it is confirmed, because its
        queue has no leader, or cannot be declared."""
        if self._confirmed_up_to - shipment.sent_at >= PARK_AFTER_SECONDS:
            return True
        since = shipment.refused_since
        if since is None or now - since < PARK_AFTER_SECONDS:
            return False
        return now - self._last_confirm <= PARK_AFTER_SECONDS

    def _park(self, shipment: Shipment, now: float) -> None:
        if shipment.workflow is None:
            # Only an answer may be lost. A command on its way to its own partition, or a dead letter, waits.
            is_barred = (
                shipment.address.exchange in self._barriers.closed
            )  # not its reader's fault, who waits for it
            if shipment.is_answer and shipment.sent_by != self._publisher and not is_barred:
                self._drop(shipment, "it is not taken")
            return
        since = shipment.parking_since
        if since is None or now - since >= TELL_AGAIN_SECONDS:
            shipment.parking_since = now
            self._owner.effect_parked(shipment.workflow)

    def release_causes(self, message_id: str) -> None:
        """The wake-up of a parked effect is durable: its causes need not wait for it any more."""
        shipment = self._in_flight.get(message_id)
        if shipment is not None:
            causes, shipment.causes = shipment.causes, []
            for cause in causes:
                cause.done()

    def _publish(self, shipments: Iterable[Shipment]) -> None:
        """Those of them that may be sent now and are not in the air."""
        if self._open and not self._line_up:
            barred = self._barriers.closed
            self._carry([s for s in shipments if s.address.exchange not in barred and self._is_ready(s)])

    def _is_ready(self, shipment: Shipment) -> bool:
        """Whether nothing of its own keeps it from being sent, and it is not in the air."""
        waits = shipment.awaits_queue or shipment.is_kept_back
        return shipment.unsendable is None and not waits and shipment.sent_by != self._publisher

    def _carry(self, batch: list[Shipment]) -> None:
        publisher, on_outcome = self._publisher, self._outcome
        outgoing: list[Outgoing] = []
        for shipment in batch:
            shipment.sent_by = publisher
            to, told = shipment.address, partial(on_outcome, shipment, publisher)
            outgoing.append(Outgoing(to.exchange, to.routing_key, shipment.message, told))
        if outgoing:
            self._carrier.publish(outgoing)

    def _on_outcome(self, shipment: Shipment, publisher: int, outcome: Outcome) -> None:
        if outcome is Outcome.CONFIRMED:
            self._last_confirm = self._carrier.monotonic()
            self._confirmed_up_to = max(self._confirmed_up_to, shipment.sent_at)
            self._confirmed(shipment)
            return
        if outcome is Outcome.LOST or publisher != self._publisher:
            return  # it stays in flight, and the next publisher sends it again, or has done so
        shipment.sent_by = 0
        if self._in_flight.get(shipment.key) is not shipment:
            return
        if outcome is Outcome.RETURNED:
            self._returned(shipment)
        elif outcome is Outcome.IMPOSSIBLE:
            self._give_up(
                shipment, "no broker can carry this message: its properties or its body are too large"
            )
        else:
            self._refused(shipment)
        self._acquit(shipment)

    def _confirmed(self, shipment: Shipment) -> None:
        if self._in_flight.pop(shipment.key, None) is not shipment:
            return
        if shipment.workflow is not None:
            self._owner.effect_confirmed(shipment.workflow)
        for cause in shipment.causes:
            cause.done()
        if self._line_up.in_the_air is not None:
            self._acquit(shipment)
        if self._behind:
            self._send_behind(shipment.key)

    def _send_behind(self, key: str) -> None:
        """The message ID is free again."""
        behind = self._behind.pop(key, None)
        if behind is not None:
            self.send(behind)

    def _acquit(self, shipment: Shipment) -> None:
        """It did not close the channel: the next suspect's turn."""
        if self._line_up.acquit(shipment):
            self._barriers.open(shipment.address.exchange)
            self._next_suspect()

    def _next_suspect(self) -> None:
        suspect = self._line_up.take_next(self._may_be_tried, self._carrier.monotonic())
        if suspect is not None:
            self._carry([suspect])
        else:
            self._publish(self._in_flight.values())

    def _may_be_tried(self, suspect: Shipment) -> bool:
        is_there = self._in_flight.get(suspect.key) is suspect
        return is_there and self._is_ready(suspect) and suspect.address.exchange not in self._barriers.closed

    def _returned(self, shipment: Shipment) -> None:
        queue = shipment.address.task_queue
        if queue is not None:
            self._declared.discard(queue)
            self._await_queue(queue, shipment)
        elif shipment.address.exchange == "":
            self._drop(shipment, "its reader is gone")
        else:
            self._refused(shipment)
            self._carrier.declare_namespace()

    def _await_queue(self, queue: str, shipment: Shipment) -> None:
        waiting = self._awaiting_queue.setdefault(queue, [])
        waiting.append(shipment)
        shipment.awaits_queue = True
        if len(waiting) == 1:
            self._carrier.declare_task_queue(queue)

    def _refused(self, shipment: Shipment) -> None:
        if shipment.refused_since is None:
            shipment.refused_since = self._carrier.monotonic()
        delay = doubled(*RETRY_DELAY_SECONDS, shipment.refusals)
        shipment.refusals += 1
        self._carrier.call_later(delay, partial(self._try_again, shipment))

    def _try_again(self, shipment: Shipment) -> None:
        if self._in_flight.get(shipment.key) is shipment:
            self._publish([shipment])

    def _try_kept(self, shipment: Shipment) -> None:
        """Alone, as it is known to close the channel."""
        if self._in_flight.get(shipment.key) is not shipment:
            return
        if self._open and not self._line_up:
            shipment.is_kept_back = False
            self._try_alone(shipment)
        else:
            self._carrier.call_later(RETRY_DELAY_SECONDS[1], partial(self._try_kept, shipment))

    def _drop(self, shipment: Shipment, reason: str) -> None:
        self.dropped += 1
        self._confirmed(shipment)
        now, to = self._carrier.monotonic(), shipment.address.routing_key
        if shipment.message.type == ActivityGrant.TYPE and now >= self._warn_of_grants_at:
            self._warn_of_grants_at = now + GRANTS_WARNED_OF_SECONDS
            log.warning("grant_undeliverable", to=to, hint=GRANT_HINT)
        else:
            log.info("message_dropped", type=shipment.message.type, to=to, reason=reason)

    def _give_up(self, shipment: Shipment, reason: str) -> None:
        kept = shipment.workflow is None and not shipment.is_answer
        log.error("message_unsendable", type=shipment.message.type, reason=reason, kept=kept)
        if kept:
            shipment.is_kept_back = True
            self._carrier.call_later(KEPT_SECONDS, partial(self._try_kept, shipment))
        elif shipment.workflow is None:
            self._answer_with_error(shipment, reason)
        else:
            shipment.unsendable = reason
            self._tell_unsendable(shipment)

    def _answer_with_error(self, shipment: Shipment, reason: str) -> None:
        """Who asks would ask again, and the same would happen again."""
        error = error_instead(shipment.message, shipment.address.routing_key, reason)
        if error is not None:
            self.send([Shipment(error, shipment.address, causes=shipment.causes)])
        self.forget(shipment.key)

    def _tell_unsendable(self, shipment: Shipment) -> None:
        """Tell its owner, until `forget` says that what follows from it is durable; causes wait for it."""
        if self._in_flight.get(shipment.key) is shipment and shipment.workflow is not None:
            self._owner.effect_unsendable(shipment.workflow, shipment.unsendable or "")
            self._carrier.call_later(TELL_AGAIN_SECONDS, partial(self._tell_unsendable, shipment))

    def forget(self, key: str) -> None:
        """The message needs not be sent any more."""
        shipment = self._in_flight.pop(key, None)
        if shipment is not None:
            for cause in shipment.causes:
                cause.done()
            self._send_behind(key)
