"""The life of one attempt, from its delivery to the acknowledgement; `attempt_state` draws it.

Late work that dies with its worker is delivered to another one. Early work is not, so the engine has to know
first who has it. Which is why `acknowledge` comes where it does; everything else here may be late or lost.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Protocol

from dalsegno._log import get_logger
from dalsegno.activity import ActivityCancellationDetails, CompleteAsyncError
from dalsegno.activity_code.context import AttemptContext
from dalsegno.activity_code.execution import Execution
from dalsegno.activity_code.outcomes import failure_of
from dalsegno.backoff import Backoff
from dalsegno.broker.port import Message
from dalsegno.broker.protocol.messages import ActivityTask
from dalsegno.error_text import class_name, is_a
from dalsegno.errors import ApplicationError, CanceledError, TimedOutError, TimeoutType
from dalsegno.loop_clock import SetTimer
from dalsegno.payload import Payload
from dalsegno.policies import MICROSECONDS_PER_SECOND
from dalsegno.workers import answers
from dalsegno.workers.acknowledgements import Receipt
from dalsegno.workers.attempt_state import IS_ASKING, NEXT, State, Stop
from dalsegno.workers.bench import Bench
from dalsegno.workers.executions import context_of, execution_of
from dalsegno.workers.heartbeat import HeartbeatSender
from dalsegno.workers.outbox import Letter, OnSettled

log = get_logger("dalsegno.worker")


AttemptName = tuple[str, str, int]
AttemptKey = tuple[AttemptName, bytes]


def name_of(task: ActivityTask) -> AttemptName:
    return task.run_id, task.activity_id, task.attempt


class AttemptOwner(Protocol):
    @property
    def has_waiting_room(self) -> bool:
        """Whether another attempt may wait for its grant without a slot."""

    def attempt_unanswered(self, attempt: Attempt) -> None:
        """It has gone to the waiting room."""

    def attempt_granted(self, attempt: Attempt) -> None:
        """It may leave the waiting room: `run_granted` or `hold` is called, and the first of them at last."""

    def attempt_ended(self, attempt: Attempt, state: State, *, outcome_bytes: int) -> None:
        """It needs no slot any more: it neither asks nor runs. It was in this state until now. Its outcome, if
        it has one, is of so many bytes. Called once."""

    def attempt_over(self, attempt: Attempt) -> None:
        """It is SETTLED or RELEASED. Called once."""


class Attempt:
    """Everything runs on the loop, but for the heartbeats of sync activities."""

    __slots__ = (
        "_alone",
        "_announced",
        "_ask_again",
        "_bench",
        "_context",
        "_execution",
        "_granted",
        "_heartbeat",
        "_notice_in_flight",
        "_owner",
        "_receipts",
        "_stop",
        "_timer",
        "early",
        "key",
        "name",
        "running_since",
        "size",
        "state",
        "task",
    )

    def __init__(
        self, task: ActivityTask, bench: Bench, owner: AttemptOwner, *, size: int = 0, alone: bool = False
    ) -> None:
        """`alone`: late work beside which nothing else begins until `end_alone`."""
        self.task = task
        self.early = task.acknowledge == "early"
        self.name = name_of(task)
        self.key = self.name, task.token
        """What directives name it by; those of older hosts have the name alone."""
        self.size = size
        """In bytes, of the task, and of its outcome once there is one."""
        self.state = State.NEW
        self.running_since: float | None = None
        """Since when its code runs, on the worker's clock."""
        self._bench = bench
        self._owner = owner
        self._receipts: list[Receipt] = []
        self._execution: Execution | None = None
        self._context: AttemptContext | None = None
        self._heartbeat: HeartbeatSender | None = None
        self._timer: SetTimer | None = None
        """The next thing that time alone brings about in this state."""
        self._ask_again: Backoff | None = None
        self._stop: Stop | None = None
        self._granted = False
        self._alone = alone
        self._announced = alone
        self._notice_in_flight = False

    # --- what happens to it ------------------------------------------------------------------------------

    def begin(self) -> None:
        if self._bench.registry.find(self.task.activity_type) is None:
            self._fail(self._bench.registry.not_found(self.task.activity_type))
        elif self.early:
            self._move(State.ASKING)
            self._ask()
        elif self._alone:
            self._move(State.ASKING)
            self._timer = self._bench.clock.call_later(self._bench.timing.alone_patience, self._run_alone)
            self._notify()
        else:
            self._run()

    def attach(self, receipt: Receipt) -> None:
        """A delivery of this attempt: the first, or one more after a reconnect or a second dispatch."""
        if self._granted:
            receipt.acknowledge()
        else:
            self._receipts.append(receipt)

    def on_grant(self, granted: bool) -> None:
        """The engine's answer; a second one changes nothing."""
        if self.state not in IS_ASKING:
            return
        self._stop_timer()
        if granted:
            if self.early:
                self._granted = True
                self._acknowledge()
            if self.state is State.ASKING:
                self._run()
            else:
                self._owner.attempt_granted(self)
        else:
            log.info("activity_not_granted", **self.described)
            self._acknowledge()
            self._leave_slot(State.SETTLED)
            self._owner.attempt_over(self)

    def on_cancel(self, reason: str) -> None:
        """The engine asks to stop this attempt."""
        if self.state in IS_ASKING or self.state is State.GRANTED:
            self._report(answers.canceled(self.task))
        elif self.state is State.RUNNING and self._execution is not None:
            first, self._stop = self._stop is None, Stop.CANCELED
            if first:  # once is enough: a second one would interrupt the cleaning up
                self._execution.cancel(reason or "the workflow cancelled the activity")

    def on_session(self) -> None:
        """A new session: notices that were under way may be lost."""
        if self.state in IS_ASKING:
            self._ask()
        elif self.state in (State.RUNNING, State.GRANTED):
            if self._announced:
                self._notify()
            if self._heartbeat is not None:
                self._heartbeat.send_again()

    def on_session_lost(self) -> None:
        """The tasks are delivered again, to whomever: this one stays here unless it was not begun."""
        if self.state is State.ASKING and not self.early:
            self._release()

    def say_again(self) -> None:
        """It asks to run alone, or does: nobody is to take it for dead."""
        self._notify()

    def end_alone(self) -> None:
        """Others may begin beside it: from now on it need not be what the worker dies of."""
        self._alone = False
        self._post(answers.started(self.task, self._bench.worker_queue), keep=False, on_settled=None)

    def shut_down(self) -> None:
        """The worker does not want to wait any longer: ask the code to stop."""
        if self.state is State.RUNNING and self._execution is not None and self._stop is None:
            self._stop = Stop.SHUTDOWN
            self._explain(ActivityCancellationDetails(worker_shutdown=True))
            self._execution.cancel(Stop.SHUTDOWN.value)
        elif self.state is State.GRANTED:
            self._shut_down_ended()

    def give_up(self) -> None:
        """The worker ends now, whatever the code does."""
        if self.state is State.RUNNING and self._execution is not None:
            self._explain(ActivityCancellationDetails(worker_shutdown=True))
            self._execution.abandon(Stop.SHUTDOWN.value)
            self._shut_down_ended()
        elif self.state is State.GRANTED:
            self._shut_down_ended()
        elif self.state in IS_ASKING:
            self._stop_timer()
            self._release()

    def _explain(self, details: ActivityCancellationDetails) -> None:
        if self._context is not None:
            self._context.explain(details)

    # --- asking ------------------------------------------------------------------------------------------

    def _ask(self) -> None:
        if self._ask_again is None:
            timing = self._bench.timing
            self._ask_again = Backoff(timing.ask_again_after, timing.ask_again_after_max)
        self._stop_timer()
        self._timer = self._bench.clock.call_later(self._ask_again.next_seconds(), self._on_no_answer)
        self._notify()

    def _on_no_answer(self) -> None:
        if self.state is State.ASKING and self._owner.has_waiting_room:
            self._move(State.UNANSWERED)
            self._owner.attempt_unanswered(self)
        self._ask()

    def hold(self) -> None:
        """Granted, but there is no slot: the engine is told that it is still here, until `run_granted`."""
        self._move(State.GRANTED)
        self._heartbeat = self._new_heartbeat()
        self._heartbeat.start(always=True)

    def run_granted(self) -> None:
        """There is a slot for it now."""
        self._run()

    def _notify(self) -> None:
        """Send `started`, unless the last one is still under way (two of one ID must not be)."""
        if not self._notice_in_flight:
            self._notice_in_flight = True
            self._post(
                answers.started(self.task, self._bench.worker_queue, alone=self._alone),
                keep=False,
                on_settled=self._on_noticed,
            )

    def _on_noticed(self, confirmed: bool) -> None:
        self._notice_in_flight = False

    # --- running -----------------------------------------------------------------------------------------

    def _run_alone(self) -> None:
        """Late work may run without the engine's leave."""
        self._timer = None
        self._run()

    def _run(self) -> None:
        self._move(State.RUNNING)
        bench = self._bench
        definition = bench.registry.find(self.task.activity_type)
        assert definition is not None
        if self._heartbeat is None:
            self._heartbeat = self._new_heartbeat()
        record = self._heartbeat.record
        context = self._context = context_of(self.task, definition, bench, record)
        self._execution = execution_of(
            self.task, definition, context, bench, record, self._on_begun, self._on_ended
        )
        self._execution.start()
        if self.early and self.running_since is None and self.state is State.RUNNING:
            # It waits for a thread or a process: as in `hold`, nobody else can say that it is here.
            self._heartbeat.start(always=True)

    def _on_begun(self) -> None:
        self.running_since = self._bench.clock.time()
        if self._bench.observer is not None:
            self._bench.observer.attempt_begun(self.task.activity_type, self.task.attempt)
        timeout = self.task.start_to_close
        deadline = None if timeout is None else timeout / MICROSECONDS_PER_SECOND
        clock, started_after = self._bench.clock, self._bench.timing.started_after
        if not self.early and (deadline is None or started_after < deadline):
            rest = None if deadline is None else deadline - started_after
            self._timer = clock.call_later(started_after, partial(self._announce, rest))
        elif deadline is not None:
            self._timer = clock.call_later(deadline, self._on_deadline)
        if self._heartbeat is not None:
            self._heartbeat.start()

    def _announce(self, seconds_left: float | None) -> None:
        """Late work that lasts: the engine learns that it has begun, and where to send a cancel request."""
        self._timer = None
        if seconds_left is not None:
            self._timer = self._bench.clock.call_later(seconds_left, self._on_deadline)
        self._announced = True
        self._notify()

    def _on_deadline(self) -> None:
        assert self._execution is not None and self.task.start_to_close is not None
        seconds = self.task.start_to_close / MICROSECONDS_PER_SECOND
        reason = f"its start-to-close timeout of {seconds:g} s passed"
        self._explain(ActivityCancellationDetails(timed_out=True))
        self._execution.abandon(reason)
        self._fail(
            TimedOutError(
                f"Attempt {self.task.attempt} of {self.task.activity_type} was stopped: {reason}.",
                timeout_type=TimeoutType.START_TO_CLOSE,
            )
        )

    def _on_ended(self, result: Payload | None, error: BaseException | None) -> None:
        if result is not None:
            self._report(answers.completed(self.task, result))
            return
        assert error is not None
        if is_a(error, CompleteAsyncError):
            self._flush_heartbeat()
            self._report(answers.detached(self.task))
        elif not is_a(error, (asyncio.CancelledError, CanceledError)):
            self._fail(error)
        elif self._stop is Stop.CANCELED:
            self._flush_heartbeat()
            self._report(answers.canceled(self.task))
        elif self._stop is Stop.SHUTDOWN or self._bench.loop_ends():
            self._shut_down_ended()
        else:
            own_doing = ApplicationError(
                f"{self.task.activity_type} ended as cancelled, though nobody had cancelled it.",
                type=class_name(error),
            )
            own_doing.__cause__ = error
            self._fail(own_doing)

    def _shut_down_ended(self) -> None:
        """What was not acknowledged goes to another worker as it is; for the rest the engine must be told."""
        if self.early:
            self._fail(
                ApplicationError("The worker shut down before the activity was done.", type="WorkerShutdown")
            )
        else:
            self._release()

    # --- heartbeats --------------------------------------------------------------------------------------

    def _new_heartbeat(self) -> HeartbeatSender:
        return HeartbeatSender(self.task, self._bench.loop, self._bench.clock, self._send_heartbeat)

    def _send_heartbeat(self, details: Payload | None, number: int, on_settled: OnSettled) -> None:
        message = answers.heartbeat(self.task, self._bench.worker_queue, details, number)
        self._post(message, keep=False, on_settled=on_settled)

    def _flush_heartbeat(self) -> None:
        if self._heartbeat is not None:
            self._heartbeat.flush()

    # --- the outcome -------------------------------------------------------------------------------------

    def _fail(self, error: BaseException) -> None:
        self._flush_heartbeat()
        failure = failure_of(error, self._bench.converter.of_workflow(self.task.workflow_id))
        log.warning(
            "activity_failed",
            error=failure.type or class_name(error),
            reason=failure.message[:500],
            **self.described,
        )
        self._report(answers.failed(self.task, failure))

    def _report(self, outcome: Message) -> None:
        size = len(outcome.body)
        self._leave_slot(State.REPORTING, (outcome.type or "").rpartition(".")[2], outcome_bytes=size)
        task = self.task
        letter = Letter(
            task.exchange,
            task.routing_key,
            outcome,
            keep=True,
            on_settled=self._on_reported,
            instead=lambda: answers.never_taken(task, size),
        )
        self._bench.outcomes.post(letter)

    def _on_reported(self, confirmed: bool) -> None:
        self._move(State.SETTLED)
        self._acknowledge()
        self._owner.attempt_over(self)

    def _release(self) -> None:
        self._leave_slot(State.RELEASED)
        self._owner.attempt_over(self)

    def _leave_slot(self, state: State, outcome: str = "released", *, outcome_bytes: int = 0) -> None:
        before = self.state
        if self._bench.observer is not None:
            since = self.running_since
            seconds = 0.0 if since is None else self._bench.clock.time() - since
            self._bench.observer.attempt_ended(self.task.activity_type, outcome, seconds)
        self._move(state)
        self._stop_timer()
        if self._heartbeat is not None:
            self._heartbeat.stop()
        self._owner.attempt_ended(self, before, outcome_bytes=outcome_bytes)

    def _move(self, state: State) -> None:
        if state not in NEXT[self.state]:
            raise RuntimeError(f"an attempt that is {self.state.name} cannot become {state.name}")
        self.state = state

    def _acknowledge(self) -> None:
        receipts, self._receipts = self._receipts, []
        for receipt in receipts:
            receipt.acknowledge()

    def _post(self, message: Message, *, keep: bool, on_settled: OnSettled | None) -> None:
        task = self.task
        self._bench.outcomes.post(
            Letter(task.exchange, task.routing_key, message, keep=keep, on_settled=on_settled)
        )

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    @property
    def described(self) -> dict[str, str | int]:
        task = self.task
        return {
            "workflow_id": task.workflow_id,
            "activity_id": task.activity_id,
            "activity_type": task.activity_type,
            "attempt": task.attempt,
        }
