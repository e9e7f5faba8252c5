"""Random interleavings of all that the world may do to one partition. Once it is well again, whatever it did:
every delivery is acknowledged, every command applied, nothing is left on its way, every start has ended."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from dalsegno.actors.workflow_actor.activities.events import ActivityResolved
from dalsegno.actors.workflow_actor.run.inputs import Input
from dalsegno.broker.port import Fault, Message, Outcome
from dalsegno.broker.protocol import messages as wire
from dalsegno.policies import WorkflowIDConflictPolicy
from tests.partition_ids import FIRST
from tests.supervisor.mail import await_result, completed, query, signal, start, started, task_in, terminate
from tests.supervisor.scripted_world import ScriptedWorld
from tests.workflow_actor.rig import DONE, SECOND, T0, ScriptedCode, Step, activity, timer

pytestmark = pytest.mark.usefixtures("quiet")

IDS = [f"w{number}" for number in range(4)]
STEPS = 300
RECOGNISED = (wire.StartWorkflow.TYPE, wire.SignalWorkflow.TYPE, wire.TerminateWorkflow.TYPE)


def script(index: int, input_: Input) -> Step:
    """A timer and an activity that may beat; it ends with the activity."""
    if isinstance(input_, ActivityResolved):
        return [DONE]
    return [activity(1, heartbeat_timeout=40 * SECOND), timer(1, T0 + 5 * SECOND)] if index == 0 else []


class Storm:
    """`queue` is what the partition's queue holds, in order; the first `handed` of it were delivered."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.world = ScriptedWorld(ScriptedCode(script))
        self.queue: list[tuple[Message, bool]] = []
        self.handed = 0
        self.removed = 0
        self.epoch = 1
        self.sent = 0
        self.commands: list[tuple[str, str]] = []
        self.tasks: list[wire.ActivityTask] = []
        self.world.own(live=False)
        self._take_markers()

    # --- the broker -----------------------------------------------------------------------------------------

    def put(self, message: Message) -> None:
        self.queue.append((message, False))

    def collect(self) -> None:
        """What is acknowledged leaves the queue."""
        self.world.run()
        consumer = self.world.consumers.get(FIRST)
        if consumer is not None:
            gone = consumer.acknowledged - self.removed
            del self.queue[:gone]
            self.handed -= gone
            self.removed = consumer.acknowledged

    def hand_out(self) -> None:
        self.collect()
        if FIRST in self.world.channels and self.handed < len(self.queue):
            message, redelivered = self.queue[self.handed]
            self.handed += 1
            self.world.deliver(message, redelivered=redelivered)

    def return_all(self) -> None:
        self.collect()
        for index in range(self.handed):
            self.queue[index] = (self.queue[index][0], True)
        self.handed = self.removed = 0

    def _take_markers(self) -> None:
        for outgoing in self.world.published_of(wire.Marker):
            self.queue.append((outgoing.message, False))
            self.world.answer(outgoing)

    def settle_one(self, outcome: Outcome) -> None:
        world = self.world
        if world.published:
            outgoing = self.random.choice(world.published)
            if outcome is Outcome.CONFIRMED:
                if outgoing.message.type == wire.ActivityTask.TYPE:
                    self.tasks.append(task_in(outgoing))
                elif outgoing.message.type == wire.Marker.TYPE:
                    self.queue.append((outgoing.message, False))
            world.answer(outgoing, outcome)

    # --- what may happen ------------------------------------------------------------------------------------

    def send(self) -> None:
        self.sent += 1
        workflow_id, name = self.random.choice(IDS), f"m{self.sent}"
        policies = list(WorkflowIDConflictPolicy)
        kinds: list[Callable[[], Message]] = [
            lambda: start(
                name,
                workflow_id,
                conflict_policy=self.random.choice(policies),
                replies=("accepted", "result"),
            ),
            lambda: signal(name, workflow_id),
            lambda: query(name, workflow_id),
            lambda: await_result(name, workflow_id),
        ]
        if self.random.random() < 0.1:
            kinds = [lambda: terminate(name, workflow_id)]
        if self.random.random() < 0.05:
            kinds = [lambda: Message(body=b"nonsense", message_id=name, type="workflow.start")]
        message = self.random.choice(kinds)()
        if message.type in RECOGNISED and message.body != b"nonsense":
            self.commands.append((workflow_id, name))
        self.put(message)
        if self.random.random() < 0.1:
            self.put(message)

    def work(self) -> None:
        if self.tasks:
            task = self.random.choice(self.tasks)
            self.put(self.random.choice([started, completed, completed])(task))

    def commit(self) -> None:
        if self.world.rounds:
            match self.random.randrange(24):
                case 0 | 1 | 2:
                    self.world.commit_fails()
                case 3 | 4 | 5:
                    self.world.commit_fails(though_done=True)
                case 6:
                    self.world.committed(lost=frozenset({0}))
                    if FIRST not in self.world.engine.partitions:
                        self.return_all()
                        self.world.consumers.pop(FIRST, None)
                        self.regain()
                case _:
                    self.world.committed()

    def lose_channel(self) -> None:
        if FIRST in self.world.channels:
            self.return_all()
            self.world.lose_channel()
            self.world.consumers.pop(FIRST, None)

    def open_channel(self) -> None:
        if FIRST not in self.world.channels and FIRST in self.world.engine.partitions:
            self.world.open_channel_of(live=False)
            self.removed = 0

    def lose_lease(self) -> None:
        self.return_all()
        self.world.engine.lease_lost(FIRST)
        self.world.consumers.pop(FIRST, None)
        self.regain()

    def regain(self) -> None:
        self.epoch += 1
        self.world.database.epochs[0] = self.epoch
        self.world.engine.lease_gained(FIRST, self.epoch)
        self.open_channel()

    def hand_over(self) -> None:
        self.world.engine.release(FIRST)
        self.world.run()
        for _ in range(100):
            if FIRST not in self.world.engine.partitions:
                break
            self.collect()
            self.commit()
            self.world.loaded()
            self.world.pass_time(0.1)
        self.collect()
        if FIRST in self.world.channels:
            return
        for index in range(self.handed):
            self.queue[index] = (self.queue[index][0], True)
        self.handed = self.removed = 0
        self.world.consumers.pop(FIRST, None)
        self.regain()

    def lose_publisher(self) -> None:
        fault = self.random.choice(list(Fault))
        # A real culprit closes it each time, and is given up while in the air: this storm leaves that out.
        line_up = self.world.engine.outbox._departures.line_up
        if fault is Fault.MESSAGE and line_up.in_the_air is not None:
            fault = Fault.NONE
        self.world.lose_publisher(fault)

    def pass_time(self) -> None:
        self.world.pass_time(self.random.choice([0.05, 0.3, 2, 12]))
        self.world.engine.sweep()

    def answer(self) -> None:
        world = self.world
        self.random.choice([world.loaded, world.declared, world.found_due])()
        if world.strikes_asked:
            partition, workflow_id, _ = world.strikes_asked.pop(0)
            world.engine.strikes_found(partition, workflow_id, ())

    def one(self) -> None:
        happenings: dict[Callable[[], None], float] = {
            self.send: 12,
            self.hand_out: 25,
            self.work: 6,
            self.commit: 14,
            self.answer: 14,
            lambda: self.settle_one(Outcome.CONFIRMED): 20,
            lambda: self.settle_one(Outcome.REFUSED): 2,
            lambda: self.settle_one(Outcome.RETURNED): 1,
            self.pass_time: 5,
            self.world.run: 10,
            self.lose_channel: 0.7,
            self.open_channel: 4,
            self.lose_lease: 0.7,
            self.hand_over: 0.5,
            self.lose_publisher: 1,
        }
        (happening,) = self.random.choices(list(happenings), list(happenings.values()))
        happening()

    # --- the end --------------------------------------------------------------------------------------------

    def heal(self) -> None:
        """All that is asked is answered, until nothing is left."""
        self.open_channel()
        for _ in range(400):
            self.hand_out()
            while self.handed < len(self.queue):
                self.hand_out()
            self.world.go_on(confirm=False)
            while self.world.published:
                self.settle_one(Outcome.CONFIRMED)
                self.world.go_on(confirm=False)
            for task in self.tasks:
                self.put(completed(task))
            self.tasks.clear()
            self.world.pass_time(0.5)
            self.world.engine.sweep()
            self.collect()
            if (
                not self.queue
                and not self.world.published
                and not len(self.world.engine.partitions[FIRST].actors)
            ):
                return


@pytest.mark.parametrize("seed", range(25))
def test_after_any_storm_nothing_is_left(seed: int) -> None:
    storm = Storm(seed)
    for _ in range(STEPS):
        storm.one()
    storm.heal()
    world = storm.world
    assert storm.queue == []
    assert len(world.engine.outbox) == 0
    assert not world.rounds
    assert len(world.engine.workflow_dispatcher) == len(world.engine.partitions[FIRST].actors)
    for workflow_id, message_id in storm.commands:
        assert message_id in world.database.seen[workflow_id], "acknowledged, and not applied"
    still_open = [row.workflow_id for row in world.database.rows.values() if not row.status.closed]
    assert still_open == []
