"""The outbox: effects on their way, from the commit to the broker's confirm.

It is memory only. What it holds is either outstanding in the state of its workflow or asked for by a message
that stays unacknowledged, so a crash loses nothing: whoever comes after publishes the same message IDs again.

`shipment_state` draws a message's ways. Here is decided what becomes of it, by the broker's answers; when it is
given to the broker is decided in `departures`. What is not taken while others are confirmed is *parked*, and so
holds up nobody. What no broker takes is given up: its workflow is told; what has no owner is kept and tried
again, for it may be the only trace of somebody's word; in the place of an answer goes an error. What waits in
a lane is on its way as all else is: it is parked with those before it, and causes wait for it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Set
from functools import partial
from itertools import chain
from typing import Protocol

from dalsegno._log import get_logger
from dalsegno.actors.supervisor.outbox.departures import AT_ONCE, Departures
from dalsegno.actors.supervisor.outbox.error_instead import error_instead
from dalsegno.actors.supervisor.outbox.lanes import Lanes
from dalsegno.actors.supervisor.outbox.shipment import Shipment, to_reader
from dalsegno.actors.supervisor.outbox.shipment_state import NOT_TAKEN, OVER, ShipmentState
from dalsegno.actors.supervisor.outbox.slow_shipments import PARK_AFTER_SECONDS, SlowShipments
from dalsegno.actors.supervisor.outbox.weight import Weight
from dalsegno.actors.supervisor.world import Carrier
from dalsegno.actors.workflow_actor.interface.cause import Cause, Together
from dalsegno.backoff import doubled
from dalsegno.broker.held_bytes import HELD_BYTES
from dalsegno.broker.port import Fault, Message, Outcome
from dalsegno.broker.protocol.messages import ActivityGrant
from dalsegno.partition_id import PartitionID

log = get_logger()

DECLARED_MAX = 10_000
"""Task queues that are known to be there, of which there may be ever new ones. What is forgotten is declared
again before it is sent to."""
TELL_AGAIN_SECONDS = 5.0
RETRY_DELAY_SECONDS = (0.2, 5.0)
"""First and longest delay before a refused message is sent again; doubles in between."""
KEPT_SECONDS = 60.0
"""Between two tries of a message that the broker would not take as it is, and that nobody else would send
again. Each costs the channel."""
TOO_LARGE = "the broker does not take this message, it is probably too large"
TOO_LARGE_FOR_ANY = "no broker can carry this message: its properties or its body are too large"
GRANTS_WARNED_OF_SECONDS = 60.0
GRANT_HINT = (
    "the worker that asked has no queue on this broker: it has ended or lost its connection, or the node that "
    "this host is connected to is cut off from that of its workers"
)


class Owner(Protocol):
    """Who is told what became of durable effects."""

    def effect_confirmed(self, workflow: tuple[PartitionID, str, str, tuple[int, int]]) -> None: ...

    def effect_unsendable(
        self, workflow: tuple[PartitionID, str, str, tuple[int, int]], reason: str
    ) -> None: ...

    def effect_parked(self, workflow: tuple[PartitionID, str, str, tuple[int, int]]) -> None: ...

    def effect_again(self, workflow: tuple[PartitionID, str, str, tuple[int, int]]) -> Message | None:
        """Its message, made anew of the state; None while that is not in memory. What is outstanding no more is
        to be forgotten. Raises as encoding does."""


class Outbox:
    """All messages of this process that are not confirmed, by message ID, in the order of their first send.
    `at_once`: how many leave in one turn of the loop. `bytes_max`: from so many on, `weight` is full."""

    def __init__(
        self, carrier: Carrier, owner: Owner, *, at_once: int = AT_ONCE, bytes_max: int = HELD_BYTES
    ) -> None:
        self._carrier = carrier
        self._owner = owner
        self._in_flight: dict[str, Shipment] = {}
        self._behind: dict[str, deque[Shipment]] = {}
        self._lanes = Lanes()
        self._declared: dict[str, None] = {}
        self._declaring: dict[str, None] = {}
        self._slow = SlowShipments()
        self.at_once = at_once
        self.weight = Weight(bytes_max)
        self._departures = Departures(
            carrier, self._in_flight, self._on_outcome, self._found_unsendable, self.weight, at_once=at_once
        )
        self._last_confirm = 0.0
        self._confirmed_up_to = 0.0
        self._warn_of_grants_at = 0.0
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._in_flight)

    def is_in_flight(self, message_id: str) -> bool:
        return message_id in self._in_flight

    def in_flight_of(self, message_ids: Set[str]) -> set[str]:
        """Those of them."""
        return self._in_flight.keys() & message_ids

    def waiting_for(self, message_id: str) -> list[Cause]:
        """The causes that are not removed before its confirm."""
        shipment = self._in_flight.get(message_id)
        if shipment is None:
            return []
        return [
            cause
            for waiting in shipment.causes
            for cause in (waiting.waiting if isinstance(waiting, Together) else (waiting,))
        ]

    # --- what is to be sent -----------------------------------------------------------------------------------

    def send(self, shipments: Iterable[Shipment]) -> None:
        """Send what is not on its way already; a message ID is never in flight twice."""
        batch = []
        now = self._carrier.monotonic()
        barred, weight = self._departures.barred, self.weight
        for shipment in shipments:
            known = self._in_flight.get(shipment.key)
            if known is not None:
                self._add_to(known, shipment)
                continue
            self._in_flight[shipment.key] = self._slow.young[shipment.key] = shipment
            shipment.sent_at = now
            shipment.counted = size = len(shipment.message.body)
            weight.bytes += size
            queue = shipment.address.task_queue
            if shipment.unsendable is not None:
                self._leave_to_owner(shipment)
            elif shipment.lane is not None and not self._lanes.enter(shipment):
                shipment.move(ShipmentState.IN_LANE)
            elif queue is not None and queue not in self._declared:
                self._await_queue(queue, shipment)
            elif shipment.address.exchange in barred:
                shipment.move(ShipmentState.BARRED)
            else:
                batch.append(shipment)
        self._departures.send(batch)

    def _add_to(self, known: Shipment, shipment: Shipment) -> None:
        """Its message ID is on its way already."""
        if shipment.is_same(known):
            known.causes.extend(shipment.causes)
        else:
            shipment.move(ShipmentState.BEHIND)
            self._behind.setdefault(shipment.key, deque()).append(shipment)

    def join(self, message_id: str, cause: Cause) -> bool:
        """Let a cause wait for a message that is on its way; False when it is not."""
        shipment = self._in_flight.get(message_id)
        if shipment is None:
            return False
        shipment.join(cause)
        return True

    def disown(self, causes: Collection[Cause]) -> None:
        """These causes do not wait any more for what is on its way."""
        if not causes:
            return
        held = set(map(id, causes))
        together: set[Together] = set()
        for shipment in (*self._in_flight.values(), *chain.from_iterable(self._behind.values())):
            if shipment.causes:
                shipment.causes = [cause for cause in shipment.causes if id(cause) not in held]
                together.update(cause for cause in shipment.causes if isinstance(cause, Together))
        for cause in together:
            cause.disown(held)

    def _await_queue(self, queue: str, shipment: Shipment) -> None:
        shipment.move(ShipmentState.AWAITING_QUEUE)
        if queue not in self._declaring:
            self._declaring[queue] = None
            self._carrier.declare_task_queue(queue)

    def task_queue_declared(self, name: str) -> None:
        self._declared[name] = None
        if len(self._declared) > DECLARED_MAX:
            del self._declared[next(iter(self._declared))]
        self._declaring.pop(name, None)
        waiting = [
            shipment
            for shipment in self._in_flight.values()
            if shipment.state is ShipmentState.AWAITING_QUEUE and shipment.address.task_queue == name
        ]
        for shipment in waiting:
            self._departures.stand_by(shipment)
        self._departures.send(waiting)

    # --- the publisher ----------------------------------------------------------------------------------------

    def publisher_opened(self) -> None:
        """Everything unconfirmed is sent again."""
        self._declared.clear()
        for name in self._declaring:
            self._carrier.declare_task_queue(name)
        self._departures.publisher_opened()

    def publisher_closed(self, fault: Fault, reason: str) -> None:
        """`fault`: what the broker closed it over; `reason` is its own text."""
        culprit = self._departures.publisher_closed(fault, reason)
        if culprit is not None and culprit.state not in OVER:
            self._give_up(culprit, f"{TOO_LARGE}: {reason}")

    def namespace_declared(self) -> None:
        """What was missing is there (again): no need to wait for the next try."""
        self._departures.namespace_declared()

    def _on_outcome(self, shipment: Shipment, publisher: int, outcome: Outcome) -> None:
        if outcome is Outcome.CONFIRMED:
            self._last_confirm = self._carrier.monotonic()
            self._confirmed_up_to = max(self._confirmed_up_to, shipment.sent_at)
            if shipment.state not in OVER:
                self._end(shipment, ShipmentState.CONFIRMED)
        elif outcome is Outcome.LOST or publisher != self._departures.publisher:
            return  # it stays in flight, and the next publisher sends it again, or has done so
        elif shipment.state is ShipmentState.IN_THE_AIR:
            self._not_taken(shipment, outcome)
        if self._departures.line_up.in_the_air is shipment:
            self._departures.acquit(shipment)

    def _not_taken(self, shipment: Shipment, outcome: Outcome) -> None:
        if outcome is Outcome.RETURNED:
            self._returned(shipment)
        elif outcome is Outcome.IMPOSSIBLE:
            self._give_up(shipment, TOO_LARGE_FOR_ANY)
        else:
            self._refused(shipment)

    # --- how it ends ------------------------------------------------------------------------------------------

    def _end(self, shipment: Shipment, end: ShipmentState) -> None:
        """Nobody waits for it any more, and its message ID is free again."""
        shipment.move(end)
        del self._in_flight[shipment.key]
        self.weight.bytes -= shipment.counted
        if self.weight.waiting:
            self.weight.look()
        self._slow.young.pop(shipment.key, None)
        if shipment.workflow is not None and end is not ShipmentState.WITHDRAWN:
            self._owner.effect_confirmed(shipment.workflow)
        for cause in shipment.causes:
            cause.done()
        if shipment.lane is not None:  # first: who is behind it has its ID, and perhaps its lane
            self._leave_lane(shipment)
        if self._behind:
            self._send_behind(shipment.key)

    def _leave_lane(self, shipment: Shipment) -> None:
        """Nothing after it has to wait for it any more."""
        following = self._lanes.leave(shipment)
        if following is None:
            return
        following.sent_at = self._carrier.monotonic()
        self._departures.stand_by(following)
        self._departures.send((following,))

    def _send_behind(self, key: str) -> None:
        behind = self._behind.pop(key, ())
        for shipment in behind:
            shipment.move(ShipmentState.READY)
        self.send(behind)

    def _drop(self, shipment: Shipment, reason: str) -> None:
        self.dropped += 1
        self._end(shipment, ShipmentState.DROPPED)
        now, to = self._carrier.monotonic(), shipment.address.routing_key
        if shipment.message.type == ActivityGrant.TYPE and now >= self._warn_of_grants_at:
            self._warn_of_grants_at = now + GRANTS_WARNED_OF_SECONDS
            log.warning("grant_undeliverable", to=to, hint=GRANT_HINT)
        else:
            log.info("message_dropped", type=shipment.message.type, to=to, reason=reason)

    def forget(self, key: str) -> None:
        """The message needs not be sent any more."""
        shipment = self._in_flight.get(key)
        if shipment is not None:
            self._end(shipment, ShipmentState.WITHDRAWN)

    def leave_to_others(self, key: str) -> None:
        """Another host has its workflow now, and sends it, and after it what must not overtake it: so that does
        not leave from here either. Causes of that came from a queue that is another's, too, and come again."""
        shipment = self._in_flight.get(key)
        if shipment is None:
            return
        for behind in reversed(self._lanes.behind(shipment)):
            behind.causes = []
            self._end(behind, ShipmentState.WITHDRAWN)
        self._end(shipment, ShipmentState.WITHDRAWN)

    # --- what is not taken ------------------------------------------------------------------------------------

    def _returned(self, shipment: Shipment) -> None:
        queue = shipment.address.task_queue
        if queue is not None:
            self._declared.pop(queue, None)
            self._await_queue(queue, shipment)
        elif not shipment.mandatory:
            self._drop(shipment, "its reader is gone")
        else:
            self._refused(shipment)
            self._carrier.declare_namespace()

    def _refused(self, shipment: Shipment) -> None:
        self._departures.stand_by(shipment, ShipmentState.REFUSED)
        if shipment.refused_since is None:
            shipment.refused_since = self._carrier.monotonic()
        delay = doubled(*RETRY_DELAY_SECONDS, shipment.refusals)
        shipment.refusals += 1
        self._carrier.call_later(delay, partial(self._departures.send, (shipment,)))

    def park_overdue(self) -> None:
        """Park what has not been taken for some seconds while others are confirmed: it holds up its cause.

        When nothing is confirmed (an alarm, no broker) nothing is parked: back-pressure stands. With no
        publisher open nothing could be taken, whatever else was confirmed before, or is meanwhile: a new
        session proves itself before there is one.
        """
        if not self._departures.is_open:
            return
        now = self._carrier.monotonic()
        self._departures.acquit_overdue(now)
        for shipment in self._slow.looked_at(now):
            if shipment.state is ShipmentState.UNSENDABLE or not self._is_overdue(shipment, now):
                continue
            self.weight.disregard(shipment)
            if shipment.causes:
                self._park(shipment, now)
            elif shipment.workflow is not None and shipment.pack is None:
                # Its state has it, and is to be woken for it. It may be here for as long as its queue is full.
                shipment.unpack(partial(self._owner.effect_again, shipment.workflow))

    def taken_beside(self, seconds_ago: float) -> None:
        """The broker has taken something that was sent so long ago, and not from here."""
        now = self._carrier.monotonic()
        self._last_confirm = now
        self._confirmed_up_to = max(self._confirmed_up_to, now - seconds_ago)

    def _is_overdue(self, shipment: Shipment, now: float) -> bool:
        """Refused for long while others are confirmed; or what was sent long after it is confirmed, because its
        queue has no leader, or cannot be declared. Not what stands in a long line here."""
        if shipment in self._departures.rest:
            return False
        if self._confirmed_up_to - shipment.sent_at >= PARK_AFTER_SECONDS:
            return True
        since = shipment.refused_since
        if since is None or now - since < PARK_AFTER_SECONDS:
            return False
        return now - self._last_confirm <= PARK_AFTER_SECONDS

    def _park(self, shipment: Shipment, now: float) -> None:
        if shipment.workflow is None:
            # A command on its way to its own partition, or a dead letter, waits. So does an answer that is
            # barred: that is not its reader's fault.
            is_barred = shipment.address.exchange in self._departures.barred
            if shipment.droppable and shipment.state in NOT_TAKEN and not is_barred:
                self._drop(shipment, "it is not taken")
            return
        since = shipment.asked_to_park_at
        if since is None or now - since >= TELL_AGAIN_SECONDS:
            shipment.asked_to_park_at = now
            self._owner.effect_parked(shipment.workflow)

    def release_causes(self, message_id: str) -> None:
        """The wake-up of a parked effect is durable: its causes need not wait for it any more."""
        shipment = self._in_flight.get(message_id)
        if shipment is not None:
            causes, shipment.causes = shipment.causes, []
            for cause in causes:
                cause.done()

    # --- what can never be taken ------------------------------------------------------------------------------

    def _give_up(self, shipment: Shipment, reason: str) -> None:
        kept = shipment.workflow is None and not shipment.droppable
        log.error("message_unsendable", type=shipment.message.type, reason=reason, kept=kept)
        if kept:
            shipment.move(ShipmentState.KEPT)
            self.weight.disregard(shipment)
            self._carrier.call_later(KEPT_SECONDS, partial(self._try_kept, shipment))
            if shipment.lane is not None:
                self._leave_lane(shipment)
        elif shipment.workflow is None:
            self._answer_with_error(shipment, reason)
        else:
            self._found_unsendable(shipment, reason)

    def _found_unsendable(self, shipment: Shipment, reason: str) -> None:
        shipment.unsendable = reason
        self._leave_to_owner(shipment)

    def _try_kept(self, shipment: Shipment) -> None:
        if shipment.state is ShipmentState.KEPT and not self._departures.send_alone(shipment):
            self._carrier.call_later(RETRY_DELAY_SECONDS[1], partial(self._try_kept, shipment))

    def _answer_with_error(self, shipment: Shipment, reason: str) -> None:
        """Who asks would ask again, and the same would happen again."""
        error = error_instead(shipment.message, shipment.address.routing_key, reason)
        if error is not None:
            self.send([to_reader(error, shipment.address.routing_key, shipment.causes)])
        self._end(shipment, ShipmentState.WITHDRAWN)

    def _leave_to_owner(self, shipment: Shipment) -> None:
        shipment.move(ShipmentState.UNSENDABLE)
        self.weight.disregard(shipment)
        shipment.unpack(None)
        if shipment.lane is not None:
            self._leave_lane(shipment)
        self._tell_unsendable(shipment)

    def _tell_unsendable(self, shipment: Shipment) -> None:
        """Tell its owner, until `forget` says that what follows from it is durable; causes wait for it."""
        if shipment.state is ShipmentState.UNSENDABLE and shipment.workflow is not None:
            self._owner.effect_unsendable(shipment.workflow, shipment.unsendable or "")
            self._carrier.call_later(TELL_AGAIN_SECONDS, partial(self._tell_unsendable, shipment))
