"""From committed effects to messages on their way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache, partial

from msgspec.structs import replace

from dalsegno.actors.supervisor.deliveries.channel import DeliveryOrigin
from dalsegno.actors.supervisor.deliveries.intake import Forward, Rejected
from dalsegno.actors.supervisor.outbox import dead_letters
from dalsegno.actors.supervisor.outbox.lanes import forwarded_to
from dalsegno.actors.supervisor.outbox.outbox import Outbox
from dalsegno.actors.supervisor.outbox.shipment import Shipment, to_reader
from dalsegno.actors.supervisor.round.round import Entry, Leaving
from dalsegno.actors.supervisor.round.waiters import Waiter
from dalsegno.actors.supervisor.wire import replies
from dalsegno.actors.supervisor.wire.form import Address
from dalsegno.actors.supervisor.wire.translate import FORMS
from dalsegno.actors.supervisor.world import Clock
from dalsegno.actors.workflow_actor.interface.cause import Cause, Together
from dalsegno.actors.workflow_actor.interface.effects import (
    AnswerEffect,
    DurableEffect,
    Effect,
    EffectID,
    ResultEffect,
)
from dalsegno.actors.workflow_actor.interface.steps import PORTION, Steps
from dalsegno.actors.workflow_actor.interface.times import FAR_FUTURE
from dalsegno.actors.workflow_actor.updates.sends import UpdateEffect
from dalsegno.broker.port import Message
from dalsegno.broker.protocol.codec import JSON, MessageTooLargeError
from dalsegno.broker.protocol.ids import effect_message_id
from dalsegno.errors import InvalidMessageError
from dalsegno.name_rules import why_not_task_queue
from dalsegno.observer import Observer
from dalsegno.partition_id import PartitionID
from dalsegno.priority import LEVELS, at_level, named

RunEffect = tuple[str, EffectID]
"""Of which run, and which."""


@lru_cache(maxsize=1024)
def _why_not(name: str) -> str | None:
    return why_not_task_queue(named(name))


class Shipping:
    """Gives effects their derived message IDs and encodes them, and sends what is no workflow's at once.
    `host_id`: this host's, now. Task queues in `json_task_queues` get JSON."""

    def __init__(
        self,
        clock: Clock,
        outbox: Outbox,
        *,
        host_id: Callable[[], str],
        json_task_queues: frozenset[str],
        observer: Observer | None = None,
    ) -> None:
        self._observer = observer
        self._clock = clock
        self._outbox = outbox
        self._host_id = host_id
        self._json_task_queues = {at_level(name, level) for name in json_task_queues for level in LEVELS}

    def has_in_flight(self, run_id: str, effect_id: EffectID) -> bool:
        """Whether that effect is on its way."""
        return self._outbox.is_in_flight(effect_message_id(run_id, *effect_id))

    def named(self, effects: Iterable[RunEffect]) -> Steps[dict[str, RunEffect]]:
        """By their message IDs, in steps: to make one takes longer than to look whether it is on its way."""
        by_message_id: dict[str, RunEffect] = {}
        for number, (run_id, effect_id) in enumerate(effects, 1):
            by_message_id[effect_message_id(run_id, *effect_id)] = run_id, effect_id
            if number % PORTION == 0:
                yield
        return by_message_id

    def in_flight_of(self, named: Mapping[str, RunEffect]) -> set[RunEffect]:
        """Those of them that are on their way."""
        return {named[message_id] for message_id in self._outbox.in_flight_of(named.keys())}

    def waiting_for(self, run_id: str, effect_id: EffectID) -> list[Cause]:
        """What is to be acknowledged when that effect is confirmed."""
        return self._outbox.waiting_for(effect_message_id(run_id, *effect_id))

    # --- what a round leads to ------------------------------------------------------------------------------

    def of_entry(self, entry: Entry) -> list[Shipment]:
        """What may leave now that the entry is durable: first what has been outstanding since before. Of what
        is in a lane, the new must not overtake what a host before this one has left unsent, though nothing but
        a wake-up, which comes later, would send that: a child is started before it is stopped."""
        shipments: list[Shipment] = []
        in_lane = False
        for leaving in entry.leaving:
            effect_id = leaving.effect_id
            if effect_id is not None:
                self._add(shipments, entry, leaving.run_id, effect_id, leaving.effect, [leaving.cause])
                in_lane = in_lane or shipments[-1].lane is not None
            else:
                shipments.append(self._transient(entry, leaving))
        if entry.again:
            shipments = [*self._outstanding(entry, shipments), *shipments]
        if entry.resend_due or in_lane:
            now = FAR_FUTURE if in_lane else self._clock.now()
            shipments = [*self._unheld(entry, shipments, now), *shipments]
        return shipments

    def _transient(self, entry: Entry, leaving: Leaving) -> Shipment:
        effect = leaving.effect
        form = FORMS[type(effect)]
        assert form.transient_id is not None, f"a {type(effect).__name__} is always outstanding"
        message_id = form.transient_id(effect, leaving.cause)
        return Shipment(
            form.message(self._placed(effect, entry.partition), message_id, None),
            form.address(effect),
            causes=[leaving.cause],
            mandatory=not form.is_to_reader,
            droppable=form.is_to_reader,
            lane=None if form.lane is None else form.lane(effect),
        )

    def _add(
        self,
        shipments: list[Shipment],
        entry: Entry,
        run_id: str,
        effect_id: EffectID,
        effect: Effect,
        causes: list[Cause],
    ) -> None:
        """Behind those that leave in this turn of the loop it is not encoded before it leaves."""
        is_late = len(shipments) >= self._outbox.at_once
        workflow = (entry.partition, entry.actor.workflow_id, run_id, effect_id)
        form = FORMS[type(effect)]
        address = form.address(effect)
        task_queue = address.task_queue
        content_type = JSON if task_queue in self._json_task_queues else None
        message_id = effect_message_id(run_id, *effect_id)
        unsendable = pack = None
        why_not = None if task_queue is None else _why_not(task_queue)
        try:
            if why_not is not None:
                raise InvalidMessageError(f"the name of its task queue {why_not}")
            if is_late:
                message = Message(body=b"", message_id=message_id, type="unpacked")
                pack = partial(form.message, effect, message_id, content_type)
            else:
                message = form.message(effect, message_id, content_type)
        except (MessageTooLargeError, InvalidMessageError) as error:
            message, unsendable = Message(body=b"", message_id=message_id, type="unsendable"), str(error)
        shipments.append(
            Shipment(
                message,
                address,
                causes=causes,
                workflow=workflow,
                mandatory=not form.is_to_reader,
                lane=None if form.lane is None else form.lane(effect),
                unsendable=unsendable,
                pack=pack,
            )
        )

    def _outstanding(self, entry: Entry, leaving: list[Shipment]) -> list[Shipment]:
        """A cause came again: it waits for everything that is outstanding, sent again unless on its way. That
        may leave only now, made for a copy that does not hold it any more, as its channel is gone."""
        shipments: list[Shipment] = []
        leaving_now = {shipment.key: shipment for shipment in leaving}
        together = Together(entry.again)
        for effect_id, effect in entry.actor.instance.outstanding():
            message_id = effect_message_id(effect.run_id, *effect_id)
            if (leaves := leaving_now.get(message_id)) is not None:
                leaves.join(together)
            elif not self._outbox.join(message_id, together):
                self._add(shipments, entry, effect.run_id, effect_id, effect, [together])
        together.done()
        return shipments

    def _unheld(self, entry: Entry, leaving: list[Shipment], now: int) -> list[Shipment]:
        """What no message holds and nobody has confirmed, if its time has come: a wake-up sends that."""
        shipments: list[Shipment] = []
        leaving_now = {shipment.key for shipment in leaving}
        for effect_id, effect in entry.actor.instance.unsent(self.has_in_flight, now):
            message_id = effect_message_id(effect.run_id, *effect_id)
            if message_id not in leaving_now:
                self._add(shipments, entry, effect.run_id, effect_id, effect, [])
        return shipments

    def again(self, effect: DurableEffect, effect_id: EffectID) -> Message:
        """The message that it was when it was sent first. Raises as encoding does."""
        form = FORMS[type(effect)]
        content_type = JSON if form.address(effect).task_queue in self._json_task_queues else None
        return form.message(effect, effect_message_id(effect.run_id, *effect_id), content_type)

    def _placed(self, effect: Effect, partition: PartitionID) -> Effect:
        """A description says where its workflow lives, and when it was made."""
        if not isinstance(effect, AnswerEffect) or effect.description is None:
            return effect
        where = {"partition": partition.number, "host_id": self._host_id(), "described_at": self._clock.now()}
        placed = {**effect.description, **where}
        return replace(effect, description=placed)

    # --- messages that are no workflow's --------------------------------------------------------------------

    def answer(self, effect: AnswerEffect | ResultEffect | UpdateEffect, message_id: str) -> None:
        """Send an answer that nothing durable stands behind: its reader asks again."""
        caller = effect.caller
        reply_id = replies.message_id_of(caller, message_id, "result")
        message = replies.sendable(replies.of_effect(effect), caller, reply_id)
        self._outbox.send([to_reader(message, caller.reply_to)])

    def tell_to_ask_again(self, workflow_id: str, waiter: Waiter) -> None:
        """Whoever has the partition next knows nothing of those who wait."""
        text = "the host gives this workflow's partition up: ask again"
        reply = replies.refused("moved", text, workflow_id=workflow_id)
        reply_id = replies.message_id_of(waiter.caller, waiter.message_id, "moved")
        message = replies.message(reply, waiter.caller, reply_id)
        self._outbox.send([to_reader(message, waiter.caller.reply_to)])

    def mark(self, message: Message, queue: str) -> None:
        """Send a marker to a partition's queue. Who waits for it does so for a time only."""
        self._outbox.send([to_reader(message, queue)])

    def reject(self, rejected: Rejected, cause: Cause) -> None:
        """Publish a dead letter with the reason, and an error reply where one was asked for. The caller then
        counts the cause's own `done()`."""
        letters = dead_letters.shipments(rejected, cause)
        if letters and self._observer is not None:
            self._observer.message_refused(letters[0].message.type or "", rejected.reason)
        self._outbox.send(letters)

    def forward(self, forward: Forward, cause: Cause) -> None:
        """Send the same message, same ID, to where its slot says, in a lane: one sender's commands keep their
        order, also where the broker refuses one and takes the next. The caller then counts the cause's own
        `done()`."""
        origin = cause.origin
        assert isinstance(origin, DeliveryOrigin)
        key = f"forwarded/{id(origin.delivery)}"
        address = Address(forward.exchange, forward.routing_key)
        message = origin.delivery.message
        lane = forwarded_to(forward.workflow_id) if forward.workflow_id else None
        self._outbox.send([Shipment(message, address, causes=[cause], lane=lane, foreign=True, key=key)])
