"""Simulated workers: they speak the protocol as dalsegno.workers does, and misbehave where anybody may."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from dalsegno.broker import topology
from dalsegno.broker.port import Delivery, Queue
from dalsegno.broker.protocol import messages as wire
from dalsegno.broker.protocol.codec import decode, encode
from dalsegno.failure import Failure
from dalsegno.payload import Payload
from tests.default_converter import from_payload, to_payload
from tests.simulation.activities import Work
from tests.simulation.connection import Connection
from tests.simulation.consumers import ModelConsumer
from tests.simulation.payloads import FORGED
from tests.simulation.postbox import Letter, Postbox
from tests.simulation.scheduler import SECOND, Process, ProcessKilled

if TYPE_CHECKING:
    from tests.simulation.world import Simulation

ASK_AGAIN = 2 * SECOND
LASTS_LONG = SECOND
SHORT = SECOND // 10
MUCH_LATER = 30 * SECOND
PROGRESS_EVERY = SECOND // 4
OnDelivery = Callable[[Delivery, ModelConsumer], None]


class Attempt:
    """One delivery of a task, at this worker."""

    def __init__(self, task: wire.ActivityTask, consumer: ModelConsumer, tag: int, work: Work) -> None:
        self.task = task
        self.work = work
        self._consumer = consumer
        self._tag = tag
        self.is_working = False
        self.is_over = False

    def acknowledge(self) -> None:
        self._consumer.acknowledge(self._tag)


class Worker(Process):
    def __init__(self, simulation: Simulation, name: str) -> None:
        super().__init__(simulation.scheduler, name)
        self._simulation = simulation
        self._faults = simulation.faults
        self._random = simulation.random
        self._sent = 0
        self._old: list[wire.ActivityTask] = []

    def start(self) -> None:
        self.begin_life()
        self._queue = topology.worker_queue(f"{self.name}-{self.life}")
        self._attempts: list[Attempt] = []
        self._postbox = Postbox(self._simulation.broker, self, self._on_session)
        self._postbox.connect()

    def kill(self, reason: str) -> None:
        if self.is_alive:
            self.end_life(reason)
            cut = self._faults.happens("connection cut before the last frames")
            self._simulation.broker.process_died(self, cut=cut)
            self.scheduler.after(self._random.randrange(SECOND // 2, 4 * SECOND), self.start)

    def _step(self, what: str) -> None:
        if self._faults.happens(f"worker killed: {what}"):
            self.kill(f"killed: {what}")
            raise ProcessKilled

    def _on_session(self, connection: Connection) -> None:
        broker = self._simulation.broker
        own = Queue(self._queue, durable=False)
        connection.to_broker(lambda: broker.declare([own], connection))
        self._consume(connection, self._queue, self._on_notice)
        for name in self._simulation.task_queues:
            self._consume_tasks(connection, name)

    def _consume_tasks(self, connection: Connection, name: str) -> None:
        declared = topology.declare_task_queue(name)
        connection.to_broker(lambda: self._simulation.broker.declare(declared.queues))
        self._consume(connection, topology.task_queue(name), self._on_task)

    def _consume(self, connection: Connection, queue: str, on_delivery: OnDelivery) -> None:
        opened: list[ModelConsumer] = []

        def again(_: str = "") -> None:
            if queue != self._queue:
                name = queue.removeprefix("dalsegno.tasks.")
                self.after(SECOND // 2, lambda: self._consume_tasks(connection, name))

        self._simulation.broker.open_consumer(
            connection,
            queue,
            prefetch=self._simulation.worker_prefetch,
            on_delivery=lambda delivery: on_delivery(delivery, opened[0]),
            on_closed=again,
            opened=lambda consumer: opened.append(consumer) if consumer is not None else again(),
        )

    # --- tasks -----------------------------------------------------------------------------------------------

    def _on_task(self, delivery: Delivery, consumer: ModelConsumer) -> None:
        self._step("task taken")
        task = decode(delivery.message)
        assert isinstance(task, wire.ActivityTask)
        task = self._simulation.opened(self, task.workflow_id, task)
        _require_older_details(task)
        attempt = Attempt(task, consumer, delivery.tag, Work(task, self._random))
        self._attempts.append(attempt)
        if task.acknowledge == "early":
            self._ask(attempt)
        else:
            self._begin(attempt)

    def _ask(self, attempt: Attempt) -> None:
        """Until the grant comes; it may have got lost."""
        if not attempt.is_working and not attempt.is_over:
            self._tell_started(attempt)
            self.after(ASK_AGAIN, lambda: self._ask(attempt))

    def _tell_started(self, attempt: Attempt) -> None:
        self._send(attempt.task, wire.ActivityStarted, worker=self._queue)

    def _begin(self, attempt: Attempt) -> None:
        attempt.is_working = True
        if attempt.task.acknowledge == "late" and attempt.work.microseconds > LASTS_LONG:
            self.after(LASTS_LONG, lambda: None if attempt.is_over else self._tell_started(attempt))
        if attempt.task.auto_heartbeat and attempt.task.heartbeat_timeout is not None:
            self._beat(attempt, attempt.task.heartbeat_timeout // 3)
        if attempt.work.microseconds > SHORT:
            self._tell_progress(attempt, 1)
        self.after(attempt.work.microseconds, lambda: self._finish(attempt))

    def _beat(self, attempt: Attempt, microseconds: int) -> None:
        if not attempt.is_over:
            self._send(attempt.task, wire.ActivityHeartbeat, worker=self._queue)
            self.after(microseconds, lambda: self._beat(attempt, microseconds))

    def _tell_progress(self, attempt: Attempt, number: int) -> None:
        if not attempt.is_over:
            details = to_payload([attempt.task.activity_id, attempt.task.attempt, number])
            self._send(attempt.task, wire.ActivityHeartbeat, worker=self._queue, details=details)
            self.after(PROGRESS_EVERY, lambda: self._tell_progress(attempt, number + 1))

    def _finish(self, attempt: Attempt) -> None:
        if attempt.is_over:
            return
        attempt.is_over = True
        self._attempts.remove(attempt)
        outcome = attempt.work.do(self._simulation.ledger)
        if self._faults.happens("task done twice"):
            outcome = attempt.work.do(self._simulation.ledger)
        self._step("work done")
        if attempt.task.acknowledge == "late" and self._faults.happens("work goes on outside"):
            self._hand_over(attempt, outcome)
            return
        self._misbehave(attempt.task, outcome)
        self._report(attempt, outcome)
        self._step("result published")

    def _hand_over(self, attempt: Attempt, outcome: Payload | Failure) -> None:
        """Somebody else tells how it has ended, perhaps before it is said here that he will."""
        self._simulation.client.resolve(attempt.task, outcome)
        self._step("result published")
        self._send(attempt.task, wire.ActivityDetached, attempt.acknowledge)

    def _report(self, attempt: Attempt, outcome: Payload | Failure) -> None:
        def confirmed() -> None:
            self._step("result confirmed")
            if attempt.task.acknowledge == "late":
                attempt.acknowledge()

        if isinstance(outcome, Failure):
            self._send(attempt.task, wire.ActivityFailed, confirmed, failure=outcome)
        else:
            self._send(attempt.task, wire.ActivityCompleted, confirmed, result=outcome)

    def _misbehave(self, task: wire.ActivityTask, outcome: Payload | Failure) -> None:
        if self._faults.happens("result sent twice") and isinstance(outcome, Payload):
            self._send(task, wire.ActivityCompleted, result=outcome)
        if self._faults.happens("result with a forged token"):
            forged = task.token[:8] + bytes(16)
            self._send(task, wire.ActivityCompleted, result=to_payload(FORGED), token=forged)
        self._old.append(task)
        old = self._random.choice(self._old)
        if self._simulation.history.is_over(old) and self._faults.happens("result of an old attempt"):
            self._send(old, wire.ActivityFailed, failure=Failure(message="too late", type="TooLate"))

    def _send(
        self,
        task: wire.ActivityTask,
        message: type[wire.FromActivity],
        confirmed: object = None,
        *,
        token: bytes | None = None,
        **fields: object,
    ) -> None:
        self._sent += 1
        body = message(
            workflow_id=task.workflow_id,
            run_id=task.run_id,
            activity_id=task.activity_id,
            attempt=task.attempt,
            token=task.token if token is None else token,
            **fields,
        )
        body = self._simulation.sealed(self, task.workflow_id, body)
        encoded = encode(body, message_id=f"{self.name}-{self._sent}")
        on_confirmed = confirmed if callable(confirmed) else lambda: None
        self._postbox.send(Letter(task.exchange, task.routing_key, encoded, on_confirmed))
        if self._faults.happens("word of a worker repeated much later"):
            self.after(
                self._random.randrange(MUCH_LATER),
                lambda: self._postbox.send(Letter(task.exchange, task.routing_key, encoded, lambda: None)),
            )

    # --- what hosts tell workers -----------------------------------------------------------------------------

    def _on_notice(self, delivery: Delivery, consumer: ModelConsumer) -> None:
        consumer.acknowledge(delivery.tag)
        notice = decode(delivery.message)
        match notice:
            case wire.ActivityGrant():
                for attempt in self._asking(notice):
                    self._granted(attempt, notice.granted)
            case wire.ActivityCancel():
                for attempt in [a for a in self._attempts if self._is_about(a, notice)]:
                    self._cancel(attempt)
            case _:
                raise AssertionError(f"a {notice.TYPE} came to a worker")

    def _asking(self, notice: wire.ActivityGrant) -> list[Attempt]:
        return [a for a in self._attempts if not a.is_working and self._is_about(a, notice)]

    @staticmethod
    def _is_about(attempt: Attempt, notice: wire.ActivityGrant | wire.ActivityCancel) -> bool:
        task = attempt.task
        named = (notice.run_id, notice.activity_id, notice.attempt)
        return (task.run_id, task.activity_id, task.attempt) == named and notice.token == task.token

    def _granted(self, attempt: Attempt, granted: bool) -> None:
        attempt.acknowledge()
        if granted:
            self._begin(attempt)
        else:
            attempt.is_over = True
            self._attempts.remove(attempt)

    def _cancel(self, attempt: Attempt) -> None:
        attempt.is_over = True
        self._attempts.remove(attempt)

        def confirmed() -> None:
            attempt.acknowledge()

        self._send(attempt.task, wire.ActivityCanceled, confirmed)

    @property
    def messages_under_way(self) -> list[object]:
        """What it has not got rid of yet, and what it works on."""
        return [*map(decode, self._postbox.messages), *(attempt.task for attempt in self._attempts)]


def _require_older_details(task: wire.ActivityTask) -> None:
    """An attempt is given what one before it has sent, of the same activity: what a person has begun anew
    counts its attempts from one again."""
    if task.heartbeat_details is not None:
        activity_id, attempt, _ = from_payload(task.heartbeat_details)
        assert activity_id == task.activity_id
        is_anew = task.activity_type == "repair"
        assert is_anew or attempt <= task.attempt, "details of an attempt that is still to come"
