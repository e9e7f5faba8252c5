"""Departures: which of the messages on their way are given to the publisher, and when.

While a publisher is open, all that may leave does, so many in one turn of the loop. Of what is more (a workflow
may want thousands of activities at once) the rest waits for the next turns, and nothing of others waits for it.
When the broker closes a publisher over something, the suspects are sent one by one (`line_up`): the one in the
air when it closes again is the culprit. If it closed over the message, the outbox gives that up. If it closed
over where the message was going, no message is to blame: what is for that exchange waits behind its barrier
(`barriers`), and now and then one tries, alone.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial

from dalsegno._log import get_logger
from dalsegno.actors.supervisor.outbox.barriers import Barriers
from dalsegno.actors.supervisor.outbox.line_up import LineUp
from dalsegno.actors.supervisor.outbox.shipment import Pack, Shipment
from dalsegno.actors.supervisor.outbox.shipment_state import MAY_LEAVE, MET_BY_BARRIER, ShipmentState
from dalsegno.actors.supervisor.outbox.weight import Weight
from dalsegno.actors.supervisor.world import Carrier
from dalsegno.broker.port import Fault, Outcome, Outgoing
from dalsegno.broker.protocol.codec import MessageTooLargeError
from dalsegno.errors import InvalidMessageError

log = get_logger()

AT_ONCE = 500
"""Messages that are given to the publisher in one batch: some 20 ms of the host's loop."""


class Departures:
    """Moves what is `on_its_way` into the air, and back when its publisher has closed. Publishers are numbered:
    `publisher` is the last one's, and each outcome is told with its own's."""

    def __init__(
        self,
        carrier: Carrier,
        on_its_way: Mapping[str, Shipment],
        on_outcome: Callable[[Shipment, int, Outcome], None],
        on_unsendable: Callable[[Shipment, str], None],
        weight: Weight,
        *,
        at_once: int = AT_ONCE,
    ) -> None:
        self.publisher = 0
        self.line_up: LineUp[Shipment] = LineUp()
        self._carrier = carrier
        self._on_its_way = on_its_way
        self._on_outcome = carrier.guarded(on_outcome)
        self._on_unsendable = on_unsendable
        self._weight = weight
        self._at_once = at_once
        self.is_open = False
        self._barriers = Barriers()
        self.rest: OrderedDict[Shipment, None] = OrderedDict()
        """May leave in the next turns, in order; each once, though all may be sent again meanwhile."""
        self._goes_on = False

    @property
    def barred(self) -> Collection[str]:
        """The exchanges that are closed to us."""
        return self._barriers.closed

    def publisher_opened(self) -> None:
        """Everything unconfirmed is sent again, in order; one by one if one of them closed the last channel."""
        self.is_open = True
        self.publisher += 1
        now = self._carrier.monotonic()
        for shipment in self._on_its_way.values():
            shipment.sent_at = now
            if shipment.state is ShipmentState.IN_THE_AIR:
                self.stand_by(shipment)
        self._send_next_suspect()

    def publisher_closed(self, fault: Fault, reason: str) -> Shipment | None:
        """The message that the broker will never take, if one is found to be that."""
        self.is_open = False
        self.rest.clear()  # the next publisher is given all
        if fault is Fault.NONE:
            self._clear_suspects()
            return None
        culprit = self.line_up.channel_closed()
        if culprit is None:
            self._suspect_what_is_in_the_air(fault, reason)
        elif fault is Fault.TARGET:
            self._bar(culprit.address.exchange, reason)
        else:
            return culprit
        return None

    def stand_by(self, shipment: Shipment, state: ShipmentState = ShipmentState.READY) -> None:
        """It comes to `state`, in which it may be sent, unless its exchange is closed: then it is barred."""
        is_barred = shipment.address.exchange in self._barriers.closed
        shipment.move(ShipmentState.BARRED if is_barred else state)

    def send(self, shipments: Iterable[Shipment]) -> None:
        """Those of them that may leave now."""
        if not self.is_open or self.line_up:
            return
        ready = [shipment for shipment in shipments if shipment.state in MAY_LEAVE]
        if len(ready) > self._at_once:
            self.rest.update(dict.fromkeys(ready[self._at_once :]))
            del ready[self._at_once :]
            self._go_on_soon()
        self._carry(ready)

    def _go_on_soon(self) -> None:
        if self.rest and not self._goes_on:
            self._goes_on = True
            self._carrier.call_soon(self._send_the_rest)

    def _send_the_rest(self) -> None:
        """As much as may leave in one turn. Of what is in line some may be over by now, or barred."""
        self._goes_on = False
        if not self.is_open or self.line_up:
            self.rest.clear()  # all is sent when that is over
            return
        batch: list[Shipment] = []
        now = self._carrier.monotonic()
        while self.rest and len(batch) < self._at_once:
            shipment, _ = self.rest.popitem(last=False)
            if shipment.state in MAY_LEAVE:
                shipment.sent_at = now
                batch.append(shipment)
        self._go_on_soon()
        self._carry(batch)

    def send_alone(self, shipment: Shipment) -> bool:
        """So that the channel can close over nothing else. False if it is to be tried later, or cannot be
        encoded: who could be neither acquitted nor found guilty does not come into the line-up."""
        if not self.is_open or self.line_up:
            return False
        if shipment.pack is not None and not self._pack(shipment, shipment.pack):
            return False
        self.line_up.begin([shipment])
        self.line_up.take_next(lambda _: True, self._carrier.monotonic())
        self._carry([shipment])
        return True

    def _carry(self, batch: list[Shipment]) -> None:
        publisher, on_outcome = self.publisher, self._on_outcome
        outgoing: list[Outgoing] = []
        for shipment in batch:
            if shipment.pack is not None and not self._pack(shipment, shipment.pack):
                continue
            shipment.move(ShipmentState.IN_THE_AIR)
            to, told = shipment.address, partial(on_outcome, shipment, publisher)
            outgoing.append(Outgoing(to.exchange, to.routing_key, shipment.message, told))
        if outgoing:
            self._carrier.publish(outgoing)

    def _pack(self, shipment: Shipment, pack: Pack) -> bool:
        try:
            message = pack()
            if message is not None:
                shipment.message, shipment.pack = message, None
                self._weight.packed(shipment)
                return True
            self._not_at_hand(shipment)
        except (MessageTooLargeError, InvalidMessageError) as error:
            self._on_unsendable(shipment, str(error))
        except MemoryError:
            raise
        except Exception:
            # A defect of ours, and perhaps of this version alone: nothing is lost for it. It is tried again as
            # what its queue did not take, and parked if that goes on.
            if shipment.refused_since is None:
                log.exception("message_not_encoded", message_id=shipment.key)
            shipment.move(ShipmentState.IN_THE_AIR)
            self._on_outcome(shipment, self.publisher, Outcome.REFUSED)
        return False

    def _not_at_hand(self, shipment: Shipment) -> None:
        """Its instance was put away, and is to be woken for it: it is tried again as what its queue did not
        take, unless it is over by now. What is barred stays so."""
        if shipment.state in MAY_LEAVE or shipment.state is ShipmentState.SUSPECT:
            shipment.move(ShipmentState.IN_THE_AIR)
            self._on_outcome(shipment, self.publisher, Outcome.REFUSED)

    # --- suspects ---------------------------------------------------------------------------------------------

    def _suspect_what_is_in_the_air(self, fault: Fault, reason: str) -> None:
        suspects = [s for s in self._on_its_way.values() if s.state is ShipmentState.IN_THE_AIR]
        for suspect in suspects:
            self.stand_by(suspect, ShipmentState.SUSPECT)
        self.line_up.begin((*self.line_up.suspects, *suspects))
        exchanges = {suspect.address.exchange for suspect in suspects}
        if fault is Fault.TARGET and len(exchanges) == 1:
            self._bar(exchanges.pop(), reason)

    def _clear_suspects(self) -> None:
        for shipment in self.line_up.suspects:
            if shipment.state is ShipmentState.SUSPECT:
                self.stand_by(shipment)
        self.line_up.begin(())

    def acquit(self, shipment: Shipment) -> None:
        """It did not close the channel: the next suspect's turn."""
        if self.line_up.acquit(shipment):
            self._open_exchange(shipment.address.exchange)
            self._send_next_suspect()

    def acquit_overdue(self, now: float) -> None:
        """What is tried would have closed the channel long ago."""
        suspect = self.line_up.overdue(now)
        if suspect is not None:
            self.acquit(suspect)

    def _send_next_suspect(self) -> None:
        now = self._carrier.monotonic()
        suspect = self.line_up.take_next(self._may_be_tried, now)
        if suspect is not None:
            self._carry([suspect])
        else:
            self.send(self._on_its_way.values())

    def _may_be_tried(self, suspect: Shipment) -> bool:
        """What cannot be encoded now is not sent, so that no channel closes over it."""
        if suspect.state is not ShipmentState.SUSPECT:
            return False
        return suspect.pack is None or self._pack(suspect, suspect.pack)

    # --- exchanges that are closed to us ----------------------------------------------------------------------

    def _bar(self, exchange: str, reason: str) -> None:
        is_new = self._barriers.close(exchange, reason)
        for shipment in self._bound_for(exchange):
            if shipment.state in MET_BY_BARRIER:
                shipment.move(ShipmentState.BARRED)
        if exchange != "":
            self._carrier.declare_namespace()
        if is_new:
            self._try_later(exchange)

    def _open_exchange(self, exchange: str) -> None:
        """The broker takes what is for it (again), or who sends next finds out."""
        if exchange in self._barriers.closed:
            self._barriers.open(exchange)
            for shipment in self._bound_for(exchange):
                if shipment.state is ShipmentState.BARRED:
                    shipment.move(ShipmentState.READY)

    def _try_later(self, exchange: str) -> None:
        self._carrier.call_later(self._barriers.pause(exchange), partial(self._try_exchange, exchange))

    def _try_exchange(self, exchange: str) -> None:
        if exchange in self._barriers.closed:
            self._try_later(exchange)
            self._try_now(exchange)

    def _try_now(self, exchange: str) -> None:
        """Let one message try: the first that can be encoded."""
        if self.is_open and not self.line_up:
            barred = [s for s in self._bound_for(exchange) if s.state is ShipmentState.BARRED]
            if any(map(self.send_alone, barred)):
                return
            if all(s.state is not ShipmentState.BARRED for s in barred):
                self._open_exchange(exchange)

    def namespace_declared(self) -> None:
        """What was missing is there (again): no need to wait for the next try."""
        for exchange in list(self._barriers.closed):
            if self._bound_for(exchange):
                self._try_now(exchange)
        self.send(self._on_its_way.values())

    def _bound_for(self, exchange: str) -> list[Shipment]:
        return [s for s in self._on_its_way.values() if s.address.exchange == exchange]
