"""An engine in a world that does only what a test says: no I/O, no time of its own, nothing at random.

What the engine asks for is kept until the test answers it: `committed`, `loaded`, `confirm_all` and so on.
`go_on` answers everything as a healthy world would, until nothing is left to do.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import TypeVarTuple

from dalsegno.actors.supervisor.deliveries.channel import Channel
from dalsegno.actors.supervisor.engine import Engine
from dalsegno.actors.supervisor.failing.fail_stop import guarded
from dalsegno.actors.supervisor.settings import HostSettings
from dalsegno.actors.workflow_actor.interface.activation import Probe
from dalsegno.actors.workflow_actor.interface.cause import Cause
from dalsegno.actors.workflow_actor.program.port import Code
from dalsegno.actors.workflow_actor.stored.codec import CODEC, StoredCodec
from dalsegno.actors.workflow_actor.surroundings import OffLoop, Watch
from dalsegno.broker.port import Delivery, Fault, Message, Outcome, Outgoing
from dalsegno.broker.protocol import messages as wire
from dalsegno.broker.protocol.codec import decode
from dalsegno.observer import Observer
from dalsegno.partition_id import PartitionID
from dalsegno.persistence.port import (
    Due,
    Round,
    RoundOutcome,
)
from dalsegno.policies import WorkflowStatus
from dalsegno.search_attributes import Declared
from tests.partition_ids import FIRST
from tests.supervisor.scripted_database import Database
from tests.workflow_actor.rig import T0, ScriptedCode

Ts = TypeVarTuple("Ts")

HORIZON = 1000
"""More steps than any test takes."""


class ScriptedConsumer:
    def __init__(self) -> None:
        self.acknowledged = 0

    def acknowledge(self, tag: int, *, multiple: bool = False) -> None:
        assert multiple
        assert tag > self.acknowledged
        self.acknowledged = tag


class NoWatch:
    def enter(self, run_id: str, cause: str, code: str) -> None: ...

    def leave(self) -> None: ...


class ScriptedWorld:
    """The engine's world, and the test's hands in it. There is one channel for each partition at a time."""

    def __init__(
        self,
        code: Code | None = None,
        *,
        settings: HostSettings | None = None,
        watch: Watch | None = None,
        partitions: int = 1,
        codec: StoredCodec = CODEC,
        observer: Observer | None = None,
        off_loop: OffLoop | None = None,
    ) -> None:
        self.time = 1000.0
        self.database = Database()
        self.published: list[Outgoing] = []
        self.sent: list[Message] = []
        """All that was ever published, in order."""
        self.rounds: deque[Round] = deque()
        self.loads: list[tuple[PartitionID, str]] = []
        self.strikes_asked: list[tuple[PartitionID, str, str]] = []
        self.formats_asked: list[tuple[PartitionID, str]] = []
        self.attributes_asked: list[tuple[PartitionID, str]] = []
        self.search_attributes: Declared = {}
        self.remains_asked: list[tuple[PartitionID, str]] = []
        self.mail_asked: list[tuple[PartitionID, str, int]] = []
        self.due_asked: list[tuple[PartitionID, int]] = []
        self.suspended_asked: list[PartitionID] = []
        self.waiting_asked: list[tuple[PartitionID, str, int]] = []
        self.heeded: set[str] = set()
        """Task queues."""
        self.probes: list[tuple[str, Probe]] = []
        self.other_runs: list[tuple[str, Cause]] = []
        self.declaring: list[str] = []
        self.opening: list[PartitionID] = []
        self.closed: list[PartitionID] = []
        self.released: list[tuple[PartitionID, int]] = []
        self.refused: set[PartitionID] = set()
        """Those of them that are never to come back."""
        self._soon: deque[Callable[[], None]] = deque()
        self._later: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()
        self._publishes = False
        self.steps = 0
        """How many timers and ticks there were while time passed last."""
        self._tags: dict[PartitionID, int] = {}
        self.channels: dict[PartitionID, Channel] = {}
        self.consumers: dict[PartitionID, ScriptedConsumer] = {}
        self.code = code or ScriptedCode([])
        self.leases_hold = True
        self.engine = Engine(
            self,
            host_id="host-1",
            code=self.code,
            settings=settings or HostSettings(),
            watch=watch or NoWatch(),
            partitions=partitions,
            codec=codec,
            observer=observer,
            off_loop=off_loop,
        )

    # --- what the engine asks -----------------------------------------------------------------------------

    def call_soon(self, callback: Callable[[], None]) -> None:
        self._soon.append(callback)

    def call_later(self, delay_seconds: float, callback: Callable[[], None]) -> None:
        heapq.heappush(self._later, (self.time + delay_seconds, next(self._numbers), callback))

    def guarded(self, callback: Callable[[*Ts], object]) -> Callable[[*Ts], None]:
        return guarded(lambda _: None, callback)

    def may_act(self) -> bool:
        return self.leases_hold

    def monotonic(self) -> float:
        return self.time

    def now(self) -> int:
        return T0 + round((self.time - 1000.0) * 1e6)

    def publish(self, batch: list[Outgoing]) -> None:
        on_their_way = {outgoing.message.message_id for outgoing in self.published}
        for outgoing in batch:
            assert outgoing.message.message_id not in on_their_way, "a message ID is in flight twice"
        self.published.extend(batch)
        self.sent.extend(outgoing.message for outgoing in batch)

    def declare_namespace(self) -> None:
        """Nothing of it is ever missing here."""

    def declare_task_queue(self, name: str) -> None:
        self.declaring.append(name)

    def commit(self, round_: Round) -> None:
        assert not self.rounds, "one round at a time"
        self.rounds.append(round_)

    def load(self, wanted: Mapping[PartitionID, Sequence[str]]) -> None:
        self.loads.extend((partition, workflow_id) for partition, ids in wanted.items() for workflow_id in ids)

    def look_up_strikes(self, partition: PartitionID, workflow_id: str, run_id: str) -> None:
        self.strikes_asked.append((partition, workflow_id, run_id))

    def look_up_attributes(self, partition: PartitionID, workflow_id: str) -> None:
        self.attributes_asked.append((partition, workflow_id))

    def look_up_format(self, partition: PartitionID, workflow_id: str) -> None:
        self.formats_asked.append((partition, workflow_id))

    def read_remains(self, partition: PartitionID, workflow_id: str) -> None:
        self.remains_asked.append((partition, workflow_id))

    def read_mail(self, partition: PartitionID, workflow_id: str, after: int) -> None:
        self.mail_asked.append((partition, workflow_id, after))

    def clear_strikes(self, run_id: str) -> None:
        self.database.strikes.pop(run_id, None)

    def find_due(self, partition: PartitionID, before: int, limit: int) -> None:
        self.due_asked.append((partition, before))

    def find_suspended(self, partition: PartitionID, after: str, limit: int) -> None:
        self.suspended_asked.append(partition)

    def find_waiting(self, partition: PartitionID, after: str, limit: int) -> None:
        self.waiting_asked.append((partition, after, limit))

    def heed_task_queue(self, name: str) -> None:
        self.heeded.add(name)

    def probe_task_queue(self, partition: PartitionID, workflow_id: str, probe: Probe) -> None:
        self.probes.append((workflow_id, probe))

    def answer_other_run(self, workflow_id: str, cause: Cause, go_on: Callable[[Cause], None]) -> None:
        self.other_runs.append((workflow_id, cause))

    def open_channel(self, partition: PartitionID) -> None:
        self.opening.append(partition)

    def close_channel(self, partition: PartitionID) -> None:
        self.closed.append(partition)
        channel = self.channels.pop(partition, None)
        if channel is not None:
            channel.close()

    def partition_released(self, partition: PartitionID, epoch: int, *, for_good: bool = False) -> None:
        self.released.append((partition, epoch))
        if for_good:
            self.refused.add(partition)

    @property
    def timers(self) -> list[float]:
        """When those callbacks are due that the engine wants later."""
        return sorted(at for at, _, _ in self._later)

    # --- what the test does ---------------------------------------------------------------------------------

    def own(self, partition: PartitionID = FIRST, *, epoch: int = 1, live: bool = True) -> None:
        """The lease is gained, the publisher and the channel open; `live`: the marker is back, too."""
        if not self._publishes:
            self._publishes = True
            self.engine.outbox.publisher_opened()
        self.engine.lease_gained(partition, epoch)
        self.run()
        self.open_channel_of(partition, live=live)

    def open_channel_of(self, partition: PartitionID = FIRST, *, live: bool = True) -> None:
        self.opening.clear()
        channel = Channel(partition, self.engine.flush_soon)
        self.channels[partition], self.consumers[partition] = channel, ScriptedConsumer()
        self._tags[partition] = 0
        channel.attach(self.consumers[partition])
        self.engine.channel_opened(channel)
        self.run()
        if live:
            marker = next(o for o in self.published if o.message.type == wire.Marker.TYPE)
            self.answer(marker)
            self.deliver(marker.message, partition)
            self.run()

    def lose_channel(self, partition: PartitionID = FIRST) -> None:
        self.channels.pop(partition).close()
        self.engine.channel_lost(partition)

    def lose_publisher(self, fault: Fault) -> None:
        """It closes, and the next one opens."""
        lost, self.published = self.published, []
        for outgoing in lost:
            outgoing.on_outcome(Outcome.LOST)
        self.engine.outbox.publisher_closed(fault, "by the test")
        self.engine.outbox.publisher_opened()
        self.run()

    def deliver(self, message: Message, partition: PartitionID = FIRST, *, redelivered: bool = False) -> int:
        """Its tag is returned. Nothing has run yet."""
        tag = self._tags[partition] = self._tags[partition] + 1
        delivery = Delivery(message, tag, redelivered, "dalsegno.commands", "slot.0")
        self.engine.delivered(self.channels[partition], delivery)
        return tag

    def run(self) -> None:
        """Let the loop run until it is idle; nothing is answered."""
        while self._soon:
            self._soon.popleft()()

    def pass_time(self, seconds: float) -> None:
        """Timers fire, and the host's ticks come."""
        end = self.time + seconds
        tick = self.time + 0.1
        for self.steps in range(HORIZON * 100):
            due = min(self._later[0][0] if self._later else end + 1, tick)
            if due > end:
                break
            self.time = max(self.time, due)
            if due == tick:
                tick += 0.1
                self.engine.tick()
            else:
                heapq.heappop(self._later)[2]()
            self.run()
        else:
            raise AssertionError("it goes on and on")
        self.time = end

    def committed(self, *, lost: frozenset[int] = frozenset()) -> RoundOutcome:
        """The round that is being written becomes durable."""
        self.run()
        outcome = self.database.apply(self.rounds.popleft(), lost=lost, now=self.now())
        self.engine.committed(outcome)
        self.run()
        return outcome

    def commit_fails(self, *, though_done: bool = False) -> None:
        self.run()
        round_ = self.rounds.popleft()
        if though_done:
            self.database.apply(round_, now=self.now())
        self.engine.commit_failed(ConnectionError("the connection broke"))
        self.run()

    def loaded(self) -> None:
        """All that the engine wants to load is loaded."""
        self.run()
        wanted, self.loads = self.loads, []
        for partition, workflow_id in wanted:
            if workflow_id in self.database.unreadable:
                self.engine.unreadable(partition, workflow_id, ValueError("'odd' is not a status"))
            else:
                self.engine.loaded(partition, [self.database.load(workflow_id)])
        self.run()

    def answer(self, outgoing: Outgoing, outcome: Outcome = Outcome.CONFIRMED) -> None:
        self.published.remove(outgoing)
        outgoing.on_outcome(outcome)
        self.run()

    def confirm_all(self) -> None:
        while self.published:
            self.answer(self.published[0])

    def confirm_all_but(self, kind: type[wire.WireMessage]) -> None:
        while others := [outgoing for outgoing in self.published if outgoing.message.type != kind.TYPE]:
            self.answer(others[0])

    def declared(self) -> None:
        names, self.declaring = self.declaring, []
        for name in names:
            self.engine.outbox.task_queue_declared(name)
        self.run()

    def found_due(self) -> None:
        """The scans for wake-ups are answered."""
        asked, self.due_asked = self.due_asked, []
        for partition, before in asked:
            due = [
                Due(row.workflow_id, row.slot, row.wake_at)
                for row in self.database.rows.values()
                if row.wake_at is not None and row.wake_at <= before
            ]
            self.engine.due_found(partition, due, complete=True)
        self.run()

    def formats_found(self) -> None:
        """It is answered which formats may be written."""
        asked, self.formats_asked = self.formats_asked, []
        for partition, workflow_id in asked:
            self.engine.format_found(partition, workflow_id, self.database.format_written)
        self.run()

    def remains_found(self) -> None:
        """It is answered what is known of those that cannot be read."""
        asked, self.remains_asked = self.remains_asked, []
        for partition, workflow_id in asked:
            self.engine.remains_found(partition, workflow_id, self.database.remains(workflow_id))
        self.run()

    def found_waiting(self) -> None:
        """A page of instances with a wake-up is found."""
        partition, after, limit = self.waiting_asked.pop(0)
        waiting = sorted(
            row.workflow_id
            for row in self.database.rows.values()
            if row.wake_at is not None and not row.status.closed and row.workflow_id > after
        )
        self.engine.waiting_found(partition, after, waiting[:limit])
        self.run()

    def go_on(self, *, confirm: bool = True) -> None:
        """Answer everything until nothing is left to do."""
        for _ in range(HORIZON):
            self.run()
            if self.rounds:
                self.committed()
            elif self.loads:
                self.loaded()
            elif self.strikes_asked:
                partition, workflow_id, run_id = self.strikes_asked.pop()
                strikes = self.database.strikes.get(run_id, ())
                self.engine.strikes_found(partition, workflow_id, strikes)
            elif self.attributes_asked:
                partition, workflow_id = self.attributes_asked.pop(0)
                self.engine.attributes_found(partition, workflow_id, self.search_attributes)
            elif self.formats_asked:
                self.formats_found()
            elif self.remains_asked:
                partition, workflow_id = self.remains_asked.pop(0)
                self.engine.remains_found(partition, workflow_id, self.database.remains(workflow_id))
            elif self.mail_asked:
                partition, workflow_id, after = self.mail_asked.pop(0)
                found = self.database.mail_of(workflow_id, after)
                self.engine.mail_found(partition, workflow_id, after, found)
            elif self.due_asked:
                self.found_due()
            elif self.waiting_asked:
                self.found_waiting()
            elif self.declaring:
                self.declared()
            elif confirm and self.published:
                self.answer(self.published[0])
            else:
                return
        raise AssertionError("it goes on and on")

    def live_through(self, seconds: float, *, confirm: bool = True) -> None:
        """As time passes, answer everything."""
        end = self.time + seconds
        while self.time < end:
            self.pass_time(min(0.5, end - self.time))
            self.engine.sweep()
            self.go_on(confirm=confirm)

    def acknowledged(self, partition: PartitionID = FIRST) -> int:
        """Up to which tag."""
        self.run()
        return self.consumers[partition].acknowledged

    def published_of(self, kind: type[wire.WireMessage]) -> list[Outgoing]:
        """What is on its way, of this type."""
        return [outgoing for outgoing in self.published if outgoing.message.type == kind.TYPE]

    def replies(self) -> list[wire.Reply]:
        """All replies that were ever sent."""
        bodies = [decode(message) for message in self.sent if message.type == wire.Reply.TYPE]
        return [body for body in bodies if isinstance(body, wire.Reply)]

    def status(self, workflow_id: str = "w") -> WorkflowStatus:
        return self.database.rows[workflow_id].status
