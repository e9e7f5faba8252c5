"""Which attempts this worker has, and what reaches them: tasks, grants, cancel requests.

A task that is delivered while its attempt is still here (after a reconnect, or because the engine sent it
twice) joins that attempt; it is never run a second time side by side with the first.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Protocol

import msgspec

from dalsegno._log import get_logger
from dalsegno.broker.port import Delivery
from dalsegno.broker.protocol import codec
from dalsegno.broker.protocol.messages import ActivityCancel, ActivityGrant, ActivityTask, TaskLevels
from dalsegno.broker.topology import DEAD_EXCHANGE, RESULTS_EXCHANGE, is_slot_key
from dalsegno.errors import InvalidMessageError
from dalsegno.workers.acknowledgements import Acknowledgements, Receipt
from dalsegno.workers.attempt import Attempt, AttemptKey, AttemptName, name_of
from dalsegno.workers.attempt_state import WITHOUT_SLOT, State
from dalsegno.workers.backlog import Backlog
from dalsegno.workers.bench import Bench
from dalsegno.workers.outbox import Letter, WorkerOutbox
from dalsegno.workers.places import CodePlaces
from dalsegno.workers.suspects import Suspects, Waiting, is_suspect

log = get_logger("dalsegno.worker")

REASON_HEADER = "x-dalsegno-reason"
INVALID_KEY = "invalid"

UNANSWERED_HINT = (
    "no host has answered whether this early work may begin: does the host of its workflow run, and can its "
    "messages reach this worker's queue? The worker goes on asking, and works on other tasks meanwhile"
)

FULL_HINT = "other early tasks keep their slots until their grants come, or these are answered"


class DispatcherListener(Protocol):
    def on_unanswered(self) -> None:
        """An attempt keeps its task unacknowledged, and has no slot."""

    def on_room(self) -> None:
        """An attempt has ended, or is over."""

    def on_backlog(self) -> None:
        """A task was delivered that has to wait."""

    def on_levels(self, levels: Iterable[int]) -> None:
        """There may be tasks of these levels."""


class TaskDispatcher:
    """At most `slots` attempts ask or run at a time, and at most `attempts_max` are here, those included whose
    outcome is not confirmed, and none begins beside `bytes_max` of early tasks and of outcomes: late ones are
    here whether they run or wait to, and the prefetch bounds them. Beside them `unanswered_max`, or as many
    bytes, may wait for grants that do not come."""

    def __init__(
        self,
        bench: Bench,
        dead_letters: WorkerOutbox,
        places: CodePlaces,
        *,
        slots: int,
        attempts_max: int,
        unanswered_max: int,
        bytes_max: int,
    ) -> None:
        self._bench = bench
        self._dead_letters = dead_letters
        self._places = places
        self._slots = slots
        self._attempts_max = attempts_max
        self._unanswered_max = unanswered_max
        self._unanswered = 0
        self.bytes_max = bytes_max
        self.bytes_unanswered = 0
        """Of the tasks in the waiting room."""
        self.bytes = 0
        """Of all other tasks here but those that wait to begin, and of outcomes."""
        self._full = False
        self._granted: deque[Attempt] = deque()
        """They wait for a slot, or for a thread or process, and come before all others."""
        self.listener: DispatcherListener | None = None
        self._occupied = 0
        self._attempts: dict[AttemptKey, Attempt] = {}
        self._by_name: dict[AttemptName, Attempt] = {}
        self._settled: dict[AttemptKey, None] = {}
        """The last that were settled: their acknowledgements may be lost with the channel, and then they are
        delivered again. No more can come back than were unacknowledged at once."""
        self._unreadable: dict[tuple[str | None, bytes], list[Receipt]] = {}
        self._backlog = Backlog()
        self._suspects = Suspects(bench.clock, bench.timing, self._begin_waiting)
        self._beginning = False
        self._draining = False
        self._none_left = asyncio.Event()
        self._none_left.set()

    @property
    def under_way(self) -> int:
        """The attempts that are here."""
        return len(self._attempts)

    # --- deliveries --------------------------------------------------------------------------------------

    def on_task(self, delivery: Delivery, acknowledgements: Acknowledgements) -> None:
        receipt = Receipt(acknowledgements, delivery.tag)
        try:
            task = _read_task(delivery)
        except InvalidMessageError as error:
            self._dead_letter(delivery, receipt, error.reason)
            return
        key = name_of(task), task.token
        if key in self._attempts:
            self._attempts[key].attach(receipt)
            return
        size = len(delivery.message.body) if task.acknowledge == "early" else 0
        settled = key in self._settled
        if settled and delivery.redelivered:
            receipt.acknowledge()
        elif is_suspect(task, delivery.delivery_count, settled=settled):
            since = self._bench.clock.time()
            self._suspects.waiting.append(Waiting(task, receipt, since, size, delivery.delivery_count))
            self._begin_waiting()
        elif self._has_room and not self._suspects.keep_others_waiting and self._places.has_for(task):
            self._begin(Attempt(task, self._bench, self, size=size), receipt)
        else:
            self._backlog.add(Waiting(task, receipt, self._bench.clock.time(), size))
            if self.listener is not None:
                self.listener.on_backlog()

    def on_directive(self, delivery: Delivery, acknowledgements: Acknowledgements) -> None:
        """A grant or a cancel request from the engine (for attempts that are not here it comes too late), or
        which levels of the task queue are in use."""
        try:
            message = codec.decode(delivery.message)
        except InvalidMessageError as error:
            log.warning("directive_invalid", reason=error.reason)
        else:
            match message:
                case ActivityGrant():
                    if (attempt := self._meant_by(message)) is not None:
                        attempt.on_grant(message.granted)
                case ActivityCancel():
                    if (attempt := self._meant_by(message)) is not None:
                        attempt.on_cancel(message.reason)
                case TaskLevels():
                    if self.listener is not None:
                        self.listener.on_levels(message.levels)
                case _:
                    log.warning("directive_invalid", reason=f"a worker does not take {message.TYPE}")
        acknowledgements.finish(delivery.tag)

    def _meant_by(self, directive: ActivityGrant | ActivityCancel) -> Attempt | None:
        """By its token; older hosts give the name alone, which a later activity may have, too."""
        name = directive.run_id, directive.activity_id, directive.attempt
        if directive.token is None:
            return self._by_name.get(name)
        return self._attempts.get((name, directive.token))

    def on_session(self) -> None:
        """There is a new session: what is still going on is told to the engine again."""
        for attempt in list(self._attempts.values()):
            attempt.on_session()

    def on_session_lost(self) -> None:
        """What was not begun is delivered again, to whomever."""
        self._backlog.forget()
        self._places.forget_waiting()
        self._suspects.forget_waiting()
        for attempt in list(self._attempts.values()):
            attempt.on_session_lost()

    # --- the owner of attempts ---------------------------------------------------------------------------

    @property
    def has_waiting_room(self) -> bool:
        has_room = self._unanswered < self._unanswered_max and self.bytes_unanswered < self.bytes_max
        if not has_room and not self._full:
            self._full = True
            log.error(
                "waiting_room_full", attempts=self._unanswered, bytes=self.bytes_unanswered, hint=FULL_HINT
            )
        return has_room

    def attempt_unanswered(self, attempt: Attempt) -> None:
        self._occupied -= 1
        self._places.give_back(attempt)
        self._unanswered += 1
        self.bytes -= attempt.size
        self.bytes_unanswered += attempt.size
        if self._unanswered == 1:
            log.warning("grants_do_not_come", workflow_id=attempt.task.workflow_id, hint=UNANSWERED_HINT)
        self._begin_waiting()
        if self.listener is not None:
            self.listener.on_unanswered()

    def attempt_granted(self, attempt: Attempt) -> None:
        self._left_waiting_room(attempt)
        if self.has_slot and self._places.has_for(attempt.task):
            self._run_granted(attempt)
        else:
            attempt.hold()
            self._granted.append(attempt)

    def attempt_ended(self, attempt: Attempt, state: State, *, outcome_bytes: int) -> None:
        self._suspects.ended(attempt)
        self._places.give_back(attempt)
        if state not in WITHOUT_SLOT:
            self._occupied -= 1
        elif state is State.UNANSWERED:
            self._left_waiting_room(attempt)
        else:
            self._granted.remove(attempt)
        attempt.size += outcome_bytes
        self.bytes += outcome_bytes
        self._begin_waiting()
        self._tell_room()

    def attempt_over(self, attempt: Attempt) -> None:
        key = attempt.key
        del self._attempts[key]
        self.bytes -= attempt.size
        if self._by_name.get(attempt.name) is attempt:
            del self._by_name[attempt.name]
        if attempt.state is State.SETTLED:
            self._settled[key] = None
            if len(self._settled) > self._attempts_max + self._unanswered_max:
                del self._settled[next(iter(self._settled))]
        if not self._attempts:
            self._none_left.set()
        self._begin_waiting()
        self._tell_room()

    def _left_waiting_room(self, attempt: Attempt) -> None:
        self._unanswered -= 1
        self.bytes_unanswered -= attempt.size
        self.bytes += attempt.size
        self._full = False
        if not self._unanswered:
            log.info("grants_come_again")

    def _tell_room(self) -> None:
        if self.listener is not None:
            self.listener.on_room()

    # --- what the intake asks ----------------------------------------------------------------------------

    @property
    def idle(self) -> bool:
        """Nothing is here that a delivery belongs to."""
        return not self._attempts and not any(self._all_waiting) and not self._unreadable

    @property
    def has_slot(self) -> bool:
        """Free, for whatever comes next."""
        return self._occupied < self._slots

    @property
    def early_running(self) -> int:
        """Attempts that occupy a slot although their tasks are acknowledged."""
        return sum(attempt.early and attempt.state is State.RUNNING for attempt in self._attempts.values())

    @property
    def is_full(self) -> bool:
        """In bytes: none begins until some of them are gone."""
        return self.bytes >= self.bytes_max

    @property
    def unanswered(self) -> int:
        """Attempts that occupy no slot although their tasks are not acknowledged."""
        return self._unanswered

    @property
    def backlog_since(self) -> float | None:
        """Since when, on the loop's clock, the first task waits; None when none does."""
        times = (self._backlog.since, self._places.waits_since)
        return min((since for since in times if since is not None), default=None)

    def waiting(self, acknowledgements: Acknowledgements) -> int:
        """How many of a channel's deliveries wait to begin."""
        return sum(waiting.receipt.acknowledgements is acknowledgements for waiting in self._all_waiting)

    @property
    def _all_waiting(self) -> Iterator[Waiting]:
        return chain(self._backlog, self._places.waiting, self._suspects.waiting)

    def forget_waiting(self, acknowledgements: Acknowledgements) -> None:
        """The channel is about to be closed, which gives these back."""
        self._backlog.forget(acknowledgements)
        self._places.forget_waiting(acknowledgements)
        self._suspects.forget_waiting(acknowledgements)

    # --- draining ----------------------------------------------------------------------------------------

    def stop_beginning(self) -> None:
        self._draining = True

    async def wait_until_none_left(self) -> None:
        """Return when every attempt is settled or released."""
        await self._none_left.wait()

    def shut_down(self) -> int:
        """Ask all running code to stop, and begin none; their number is returned."""
        stopped = (State.RUNNING, State.GRANTED)
        running = [attempt for attempt in self._attempts.values() if attempt.state in stopped]
        for attempt in running:
            attempt.shut_down()
        return len(running)

    def give_up(self) -> None:
        """Let go of all code that still runs."""
        for attempt in list(self._attempts.values()):
            attempt.give_up()

    # --- beginning ---------------------------------------------------------------------------------------

    @property
    def _has_room(self) -> bool:
        here = len(self._attempts) - self._unanswered - len(self._granted)
        has_place = here < self._attempts_max and not self.is_full
        return self.has_slot and has_place and not self._draining

    def _begin_waiting(self) -> None:
        if self._beginning:
            return  # an attempt that failed as it began: the loop below, further up the stack, goes on
        self._beginning = True
        while (attempt := self._next_granted()) is not None:
            self._granted.remove(attempt)
            self._run_granted(attempt)
        while self._suspects.waiting and self._has_room:
            suspect = self._suspects.next(self._attempts.values())
            if suspect is None:
                break
            if not self._joins(suspect.task, suspect.receipt):
                alone = Attempt(suspect.task, self._bench, self, size=suspect.size, alone=True)
                self._suspects.begin(alone, suspect.returns)
                self._begin(alone, suspect.receipt)
        while self._has_room and not self._suspects.keep_others_waiting:
            waiting = self._next_waiting()
            if waiting is None:
                break
            if self._was_done_meanwhile(waiting):
                waiting.receipt.acknowledge()
            elif not self._joins(waiting.task, waiting.receipt):
                self._begin(Attempt(waiting.task, self._bench, self, size=waiting.size), waiting.receipt)
        self._beginning = False

    def _next_granted(self) -> Attempt | None:
        if not self.has_slot:
            return None
        return next((attempt for attempt in self._granted if self._places.has_for(attempt.task)), None)

    def _next_waiting(self) -> Waiting | None:
        """What waits for a thread or a process came before what is as urgent."""
        while self._backlog:
            first = self._places.next(self._backlog.level)
            waiting = self._backlog.next() if first is None else first
            if first is not None or self._places.has_for(waiting.task):
                return waiting
            self._places.wait(waiting)
        return self._places.next()

    def _run_granted(self, attempt: Attempt) -> None:
        self._occupied += 1
        self._places.take(attempt)
        attempt.run_granted()

    def _was_done_meanwhile(self, waiting: Waiting) -> bool:
        """It was sent again while it waited, as the engine knows nothing of what does: the outcome of the other
        copy is behind this one. Early work asks."""
        task = waiting.task
        return task.acknowledge == "late" and (name_of(task), task.token) in self._settled

    def _joins(self, task: ActivityTask, receipt: Receipt) -> bool:
        """Whether the attempt is here, so that nothing is to be begun."""
        attempt = self._attempts.get((name_of(task), task.token))
        if attempt is not None:
            attempt.attach(receipt)
        return attempt is not None

    def _begin(self, attempt: Attempt, receipt: Receipt) -> None:
        self._attempts[attempt.key] = self._by_name[attempt.name] = attempt
        self._none_left.clear()
        self._occupied += 1
        self._places.take(attempt)
        self.bytes += attempt.size
        attempt.attach(receipt)
        attempt.begin()

    def _dead_letter(self, delivery: Delivery, receipt: Receipt, reason: str) -> None:
        """Out of the task queue, to where a person finds it; acknowledged when it is confirmed there."""
        message = delivery.message
        key = message.message_id, message.body
        if key in self._unreadable:
            self._unreadable[key].append(receipt)
            return
        log.error("task_invalid", reason=reason, queue=delivery.routing_key, bytes=len(message.body))
        receipts = self._unreadable[key] = [receipt]

        def on_settled(confirmed: bool) -> None:
            del self._unreadable[key]
            for receipt in receipts:
                receipt.acknowledge()

        # Without its own headers: with one more, there might be too many of them for any message.
        labelled = msgspec.structs.replace(message, headers={REASON_HEADER: reason})
        self._dead_letters.post(Letter(DEAD_EXCHANGE, INVALID_KEY, labelled, keep=True, on_settled=on_settled))


def _read_task(delivery: Delivery) -> ActivityTask:
    """Raises InvalidMessageError."""
    task = codec.decode(delivery.message)
    if not isinstance(task, ActivityTask):
        raise InvalidMessageError(f"a task queue does not take {task.TYPE}")
    if task.exchange != RESULTS_EXCHANGE:
        # A worker may write there and nowhere else: a forged task must not make it send commands.
        raise InvalidMessageError(
            f"answers to an activity go to the exchange {RESULTS_EXCHANGE}, not elsewhere"
        )
    if not is_slot_key(task.routing_key):
        # An answer that goes nowhere would be published again for ever, and keep its place here.
        raise InvalidMessageError("answers to an activity go to a slot of the namespace, not elsewhere")
    return task
