"""Whatever the broker does, each message is in one place, and ends confirmed, dropped with a word to its owner,
or parked; then its causes are removed, once."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable
from itertools import chain
from operator import attrgetter

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from structlog.testing import capture_logs

from dalsegno.actors.supervisor.outbox.lanes import forwarded_to
from dalsegno.actors.supervisor.outbox.outbox import Outbox
from dalsegno.actors.supervisor.outbox.shipment import Shipment, to_reader
from dalsegno.actors.supervisor.outbox.shipment_state import MAY_LEAVE, OVER, ShipmentState
from dalsegno.actors.supervisor.wire.form import Address
from dalsegno.actors.workflow_actor.interface.cause import Cause
from dalsegno.broker.port import Fault, Message, Outcome, Outgoing
from dalsegno.broker.protocol.codec import MessageTooLargeError
from tests.partition_ids import FIRST
from tests.supervisor.outbox.carrier import Origin, Shell, Workflow, cause

ROUNDS_TO_THE_END = 10
MINUTE = 61.0
FULL = "dalsegno.tasks.q1", "slot.1"
GIVEN_UP = frozenset((ShipmentState.UNSENDABLE, ShipmentState.KEPT))

NUMBERS = st.integers(1, 4)
PICKS = st.integers(0, 100)
LANES = st.sampled_from("AB")
TRIES = st.lists(st.sampled_from([MessageTooLargeError("large"), ZeroDivisionError("a defect")]), max_size=2)
OUTCOMES = st.sampled_from([outcome for outcome in Outcome if outcome is not Outcome.LOST])


def effect(number: int, to: str, *, unsendable: str | None = None) -> Shipment:
    """To a task queue, or to a reader."""
    address = Address("", f"dalsegno.tasks.{to}", to) if to.startswith("q") else Address("", to)
    message = Message(body=b"", message_id=f"effect {number} {to}")
    of: Workflow = (FIRST, "order", f"run to {to}", (number, 0))
    return Shipment(message, address, workflow=of, mandatory=to.startswith("q"), unsendable=unsendable)


def late(number: int, to: str, lane: str | None, *, tries: list[Exception]) -> Shipment:
    """An effect that is encoded when it leaves, after these tries in vain. What is too large once always is."""
    is_too_large = any(isinstance(error, MessageTooLargeError) for error in tries)
    message = Message(body=b"", message_id=f"late {number} {to}{', large' if is_too_large else ''}")
    failing = iter(tries)

    def pack() -> Message:
        for error in failing:
            raise error
        return message

    of: Workflow = (0, "order", f"late to {to}", (number, 1 if is_too_large else 0))
    address = Address("", f"dalsegno.tasks.{to}", to) if to.startswith("q") else Address("dalsegno.results", to)
    in_lane = None if lane is None or to.startswith("q") else (f"late {lane}", to)
    return Shipment(message, address, workflow=of, lane=in_lane, pack=pack)


def in_order(number: int, to: str, *, lane: str, durable: bool, unsendable: str | None = None) -> Shipment:
    """To another workflow, or to a worker, by a run that says more to the same. What cannot be sent once never
    can."""
    is_worker = to == "worker"
    of: Workflow = (FIRST, "order", f"run {lane} to {to}", (number, 0 if unsendable is None else 1))
    kind = ("" if durable else ", an answer") + ("" if unsendable is None else f", {unsendable}")
    return Shipment(
        Message(body=b"", message_id=f"{number} in {lane} to {to}{kind}"),
        Address("", to) if is_worker else Address("dalsegno.results", to),
        workflow=of if durable else None,
        mandatory=not is_worker,
        droppable=is_worker and not durable,
        lane=(lane, to),
        unsendable=unsendable if durable else None,
    )


def reply(number: int) -> Shipment:
    return to_reader(Message(body=b"", message_id=f"reply {number}"), "reader")


def word(number: int, exchange: str, body: bytes, to: str | None) -> Shipment:
    """Somebody's own message, passed on: others may have the same ID."""
    message, address = Message(body=body, message_id=f"word {number}"), Address(exchange, "key")
    return Shipment(message, address, lane=None if to is None else forwarded_to(to), foreign=True)


SHIPMENTS = st.one_of(
    st.builds(effect, NUMBERS, st.sampled_from(["q1", "q2", "reader"])),
    st.builds(effect, NUMBERS, st.just("q!"), unsendable=st.just("no queue has such a name")),
    st.builds(in_order, NUMBERS, st.sampled_from(["slot.1", "slot.2"]), lane=LANES, durable=st.just(True)),
    st.builds(in_order, NUMBERS, st.just("worker"), lane=LANES, durable=st.booleans()),
    st.builds(
        in_order, NUMBERS, st.just("slot.2"), lane=LANES, durable=st.just(True), unsendable=st.just("large")
    ),
    st.builds(late, NUMBERS, st.sampled_from(["q1", "q2", "slot.2"]), LANES | st.none(), tries=TRIES),
    st.builds(reply, NUMBERS),
    st.builds(
        word, NUMBERS, st.sampled_from(["dead", "commands"]), st.sampled_from([b"a", b"b"]), LANES | st.none()
    ),
)


class World(Shell):
    """Its timers come when it is time, and what it is told of effects is durable when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.due: list[tuple[float, int, Callable[[], None]]] = []
        self.timers = 0

    def call_soon(self, callback: Callable[[], None]) -> None:
        self.call_later(0.0, callback)

    def call_later(self, delay_seconds: float, callback: Callable[[], None]) -> None:
        self.timers += 1
        heapq.heappush(self.due, (self.time + delay_seconds, self.timers, callback))

    def pass_time(self, seconds: float) -> None:
        end = self.time + seconds
        while self.due and self.due[0][0] <= end:
            self.time, _, callback = heapq.heappop(self.due)
            callback()
        self.time = end


class AllWays(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.outbox = Outbox(self.world, self.world, at_once=2)
        self.is_open = False
        self.sent: list[Shipment] = []
        self.causes: list[tuple[Cause, Origin]] = []
        self.given_up: set[int] = set()
        """By identity; all that was sent is in `sent`."""
        self.at_hand = True
        self.forgotten: set[Workflow] = set()
        self.world.again = self.again
        self.stale: list[Outgoing] = []
        """What a publisher had in the air when it closed: it may still be answered."""

    @property
    def live(self) -> list[Shipment]:
        return list(self.outbox._in_flight.values())

    @property
    def behind(self) -> list[Shipment]:
        return list(chain.from_iterable(self.outbox._behind.values()))

    # --- what happens -------------------------------------------------------------------------------------

    @initialize(full=st.booleans())
    def begin(self, full: bool) -> None:
        """`full`: in the end, one task queue and one slot take nothing for good."""
        self.full = full

    @rule(shipments=st.lists(SHIPMENTS, min_size=1, max_size=3))
    def send(self, shipments: list[Shipment]) -> None:
        """They have one cause; its commit is their leave to go."""
        asked, origin = cause()
        self.causes.append((asked, origin))
        for shipment in shipments:
            asked.pending += 1
            shipment.causes.append(asked)
        self.sent += shipments
        self.outbox.send(shipments)
        asked.done()

    @precondition(lambda self: self.world.published)
    @rule(pick=PICKS, outcome=OUTCOMES)
    def answer(self, pick: int, outcome: Outcome) -> None:
        published = self.world.published
        published.pop(pick % len(published)).on_outcome(outcome)

    @precondition(lambda self: self.stale)
    @rule(pick=PICKS, outcome=st.sampled_from(Outcome))
    def answer_late(self, pick: int, outcome: Outcome) -> None:
        late = self.stale.pop(pick % len(self.stale))
        of_one, published = late.message.message_id or "", self.world.published
        sent_before, before = set(map(id, published)), self.outbox._in_flight.get(of_one)
        late.on_outcome(outcome)
        if self.outbox._in_flight.get(of_one) is not before or before is None:
            # It is over, and what the next publisher has sent of it meanwhile is nobody's any more. One of
            # the same ID that was behind it may leave at once.
            gone = [out for out in published if out.message.message_id == of_one and id(out) in sent_before]
            self.stale += gone
            published[:] = [out for out in published if all(out is not one for one in gone)]

    @precondition(lambda self: not self.is_open)
    @rule()
    def open(self) -> None:
        self.is_open = True
        self.outbox.publisher_opened()

    @rule(fault=st.sampled_from(Fault))
    def close(self, fault: Fault) -> None:
        """Also again, before another has opened: the publisher first, and then its connection."""
        self.is_open = False
        self.stale += self.world.take()
        self.outbox.publisher_closed(fault, "by the test")

    @precondition(lambda self: self.world.declared)
    @rule(pick=PICKS)
    def declare(self, pick: int) -> None:
        declared = self.world.declared
        self.outbox.task_queue_declared(declared.pop(pick % len(declared)))

    @precondition(lambda self: self.world.namespaces_declared)
    @rule()
    def declare_namespace(self) -> None:
        self.outbox.namespace_declared()

    @rule(seconds=st.sampled_from([0.3, 6.0, MINUTE]))
    def pass_time(self, seconds: float) -> None:
        self.world.pass_time(seconds)
        self.outbox.park_overdue()

    @rule(at_hand=st.booleans())
    def instances_leave_memory_or_come(self, at_hand: bool) -> None:
        self.at_hand = at_hand

    def again(self, workflow: Workflow) -> Message | None:
        """What was parked once is made anew; of one run nothing is outstanding any more."""
        (shipment,) = [shipment for shipment in self.live if shipment.workflow == workflow]
        assert shipment.message.body == b""
        if not self.at_hand:
            return None
        if workflow[3] == (4, 0):
            self.forgotten.add(workflow)
            self.outbox.forget(shipment.key)
            return None
        return Message(body=b"anew", message_id=shipment.key)

    @rule()
    def owner_commits(self) -> None:
        """What follows from an effect that cannot leave, and the wake-up of one that is parked."""
        of = {shipment.workflow: shipment for shipment in self.live}
        for told in self.world.unsendable:
            if told in of:
                self.outbox.forget(of[told].key)
        for told in self.world.parked:
            if told in of:
                self.outbox.release_causes(of[told].key)

    # --- what holds ---------------------------------------------------------------------------------------

    @invariant()
    def each_is_in_one_place(self) -> None:
        behind = self.behind
        places = Counter(map(id, (*self.live, *behind)))
        assert set(places.values()) <= {1}
        assert all(shipment.state is ShipmentState.BEHIND for shipment in behind)
        assert all(self.outbox.is_in_flight(shipment.key) for shipment in behind)
        for shipment in self.live:
            assert shipment.state not in OVER | {ShipmentState.BEHIND}
        for shipment in self.sent:
            # One that was on its way already stays as it was made, and its causes wait for that one.
            is_elsewhere = shipment.state in OVER or shipment.state is ShipmentState.READY
            assert (id(shipment) in places) or is_elsewhere

    @invariant()
    def what_is_in_the_air_is_there_once(self) -> None:
        published = Counter(outgoing.message.message_id for outgoing in self.world.published)
        for shipment in self.live if self.is_open else ():
            is_in_the_air = shipment.state is ShipmentState.IN_THE_AIR
            assert published[shipment.key] == is_in_the_air

    @invariant()
    def in_a_lane_one_is_on_its_way_and_nobody_overtakes_it(self) -> None:
        before = set()
        self.given_up.update(id(shipment) for shipment in self.live if shipment.state in GIVEN_UP)
        for shipment in self.live:  # in the order of their first send
            # Who was given up once has left its lane for good, also when it is tried again.
            if shipment.lane is not None and id(shipment) not in self.given_up:
                assert (shipment.lane in before) == (shipment.state is ShipmentState.IN_LANE)
                before.add(shipment.lane)

    @invariant()
    def what_waits_for_long_is_held_by_its_state_alone(self) -> None:
        for shipment in self.live:
            is_given_up = shipment.state is ShipmentState.UNSENDABLE
            assert shipment.message.body == b"" or not (is_given_up or shipment.pack is not None)

    @invariant()
    def each_waits_for_something(self) -> None:
        departures = self.outbox._departures
        for shipment in self.live:
            match shipment.state:
                case ShipmentState.READY:
                    assert not self.is_open or departures.line_up or shipment in departures.rest
                case ShipmentState.AWAITING_QUEUE:
                    assert shipment.address.task_queue in self.world.declared
                case ShipmentState.SUSPECT:
                    assert departures.line_up.suspects.count(shipment) == 1
            is_barred = shipment.address.exchange in departures.barred
            assert not is_barred or shipment.state not in MAY_LEAVE | {ShipmentState.SUSPECT}
            assert is_barred or shipment.state is not ShipmentState.BARRED

    @invariant()
    def no_cause_is_removed_twice_or_too_early(self) -> None:
        waited_for = {id(held) for shipment in (*self.live, *self.behind) for held in shipment.causes}
        for asked, origin in self.causes:
            assert origin.removed + (id(asked) in waited_for) <= 1

    def teardown(self) -> None:
        """The broker is well again, and stays so, but for a queue that may be full."""
        self.at_hand = True
        if not self.is_open:
            self.open()
        for number in range(ROUNDS_TO_THE_END):
            self.world.pass_time(MINUTE)
            self.send([word(100 + number, "elsewhere", b"", None)])
            while self.world.declared:
                self.declare(0)
            while self.world.published:
                is_refused = self.full and self.world.published[0].routing_key in FULL
                self.answer(0, Outcome.REFUSED if is_refused else Outcome.CONFIRMED)
            self.outbox.park_overdue()
            self.owner_commits()
        self.each_has_ended()

    def each_has_ended(self) -> None:
        for shipment in self.live:
            assert self.full
            assert shipment.address.routing_key in FULL
            assert shipment.workflow is None or shipment.workflow in self.world.parked
        assert self.behind == []
        assert len(self.outbox._lanes) == len({s.lane for s in self.live if s.lane is not None})
        for shipment in filter(attrgetter("workflow"), self.sent):
            if shipment.state is ShipmentState.WITHDRAWN:
                assert shipment.workflow in (*self.world.unsendable, *self.forgotten)
            elif shipment.state in OVER:
                assert shipment.workflow in self.world.confirmed
        assert {origin.removed for _, origin in self.causes} == {1}


class TestAllWays(AllWays.TestCase):  # type: ignore[misc]
    """Without its log: a traceback for each defect takes a hundred times what else is done."""

    def runTest(self) -> None:  # noqa: N802 - unittest's name
        with capture_logs():
            super().runTest()


TestAllWays.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
