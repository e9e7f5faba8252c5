"""The sagas of user code: the stack of each, what is recorded of it, and what of it goes over a sign."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from datetime import timedelta
from typing import Any, Protocol

from dalsegno._runtime import ActivityCall
from dalsegno._saga import PendingUndo, Saga, with_result
from dalsegno.actors.workflow_actor.compensation.compensation import KeptCompensation, KeptRetries
from dalsegno.actors.workflow_actor.compensation.intents import (
    BeginCompensation,
    DropCompensations,
    PushCompensation,
    SettleCompensation,
)
from dalsegno.actors.workflow_actor.loop.intent_ledger import IntentLedger
from dalsegno.data_converter import DataConverter
from dalsegno.name_rules import LEVEL_MARK
from dalsegno.policies import RetryPolicy, to_microseconds
from dalsegno.priority import level_in, named


class Scheduled(Protocol):
    """A step that was scheduled. (It is `activities.awaited.AwaitedActivity`.)"""

    never_began: bool
    """No worker had it, and none will."""
    interrupted: asyncio.CancelledError | None
    """What the waiting task was cancelled by, if it has a result all the same, and nobody else sees it."""


class Steps(Protocol):
    """What runs activities. (It is `activities.awaited.AwaitedActivities`.)"""

    def execute(
        self, call: ActivityCall, scheduled: Callable[[Scheduled], None] | None = None
    ) -> Awaitable[Any]: ...


class EndOfCode(Protocol):
    """Its end, as sagas need it. (It is `program.life.ProgramLife`.)"""

    def ends_run(self, error: BaseException) -> bool:
        """Whether it fails or cancels the run, if nothing catches it. A bug is taken, and nothing goes on."""

    def asks_for_another_run(self, error: BaseException) -> bool: ...


class Stack:
    """Implements dalsegno._saga.SagaStack. `saga` is its name ("": none)."""

    def __init__(self, saga: str, sagas: Sagas) -> None:
        self.saga = saga
        self.pending: dict[int, PendingUndo] = {}
        self._sagas = sagas

    async def step(
        self, call: ActivityCall, compensation: PendingUndo, note: Callable[[PendingUndo, Any], None]
    ) -> Any:
        ledger, steps = self._sagas.ledger, self._sagas.steps
        number = compensation.number = ledger.next_activity
        position = ledger.want(
            PushCompensation(
                number=number,
                saga=self.saga,
                name=compensation.name,
                step_type=compensation.step_type,
                line=compensation.line,
            )
        )
        self.pending[number] = compensation
        scheduled: list[Scheduled] = []
        try:
            result = await steps.execute(call, scheduled.append)
        except (Exception, asyncio.CancelledError):  # of code that is only let go of nothing is noted
            self._failed(compensation, position, scheduled)
            raise
        note(compensation, result)
        for one in scheduled:
            if one.interrupted is not None:  # what comes behind the step is not to be done
                raise one.interrupted
        return result

    def _failed(self, compensation: PendingUndo, position: int, scheduled: list[Scheduled]) -> None:
        if any(not one.never_began for one in scheduled):
            return
        if self.pending.pop(compensation.number, None) is None or self._sagas.ledger.take_back(position):
            return
        self._sagas.ledger.want(DropCompensations(numbers=(compensation.number,)))

    @property
    def run_has_failed(self) -> bool:
        return self._sagas.run_has_failed

    def close(self) -> None:
        numbers = tuple(self.pending)
        self.pending.clear()
        self._sagas.forget(self)
        if numbers:
            self._sagas.ledger.want(DropCompensations(numbers=numbers))

    def begin(self) -> list[PendingUndo]:
        due = list(reversed(self.pending.values()))
        self.pending.clear()
        if due:
            self._sagas.ledger.want(BeginCompensation(numbers=tuple(one.number for one in due)))
        return due

    def end(self) -> None:
        self._sagas.forget(self)

    def settle(self, compensation: PendingUndo, error: Exception | None) -> None:
        failure = None if error is None else self._sagas.converter.to_failure(error)
        self._sagas.ledger.want(
            SettleCompensation(number=compensation.number, failure=failure, line=compensation.line)
        )

    def undo_by_activity(self, call: ActivityCall) -> Awaitable[Any]:
        return self._sagas.steps.execute(call)

    def ends_run(self, error: BaseException) -> bool:
        return self._sagas.life.ends_run(error)


class Sagas:
    """All of a run since its last sign, and what that has kept: a saga that is opened takes up what was kept
    under its name."""

    def __init__(
        self,
        kept: Iterable[KeptCompensation],
        ledger: IntentLedger,
        steps: Steps,
        life: EndOfCode,
        converter: DataConverter,
    ) -> None:
        self.ledger = ledger
        self.steps = steps
        self.life = life
        self.converter = converter
        self._open: dict[Stack, Saga] = {}
        """Those that have neither ended nor been undone, in the order of their opening."""
        self._failed_by: BaseException | None = None
        """What has failed the run, elsewhere than in its method."""
        self._kept: dict[str, list[KeptCompensation]] = {}
        for one in kept:
            self._kept.setdefault(one.saga, []).append(one)

    def open(self, name: str) -> Saga:
        stack = Stack(name, self)
        stack.pending = {one.number: _restored(one) for one in self._kept.pop(name, ())}
        saga = self._open[stack] = Saga(stack, self.converter)
        return saga

    @property
    def run_has_failed(self) -> bool:
        """Elsewhere than in its method, which is still to end."""
        return self._failed_by is not None

    def forget(self, stack: Stack) -> None:
        self._open.pop(stack, None)

    def will_undo(self, error: BaseException) -> bool:
        """A handler has ended the run with that. Whether there is something to undo before: then the run
        method is to be left. (A bug has been taken.) As another run it goes on at once."""
        if self._failed_by is not None or self._is_empty:
            return self._failed_by is not None
        if self.life.asks_for_another_run(error):
            self.close()
            return False
        if self.life.ends_run(error):
            self._failed_by = error
        return True

    async def undo_before_end(self, error: BaseException) -> BaseException:
        """The run method has ended with that: what no saga has undone yet is undone, the newest saga first.
        Returns what the run ends with."""
        if self._failed_by is not None:
            error, self._failed_by = self._failed_by, None
        if self.life.asks_for_another_run(error):  # it has not failed, and its stacks end with it
            await self.wait_undone()
            self.close()
            return error
        if self._is_empty or not self.life.ends_run(error):
            return error
        self._open_all()
        for saga in reversed(list(self._open.values())):
            error = await saga.undo_before_end(error)
        return error

    async def wait_undone(self) -> None:
        """Returns when nothing is being undone: a task may be at it that the run method has not waited for."""
        for saga in list(self._open.values()):
            await saga.wait_undone()

    def close(self) -> None:
        """The run is about to complete: nothing is undone. Raises what a handler has failed it with."""
        if self._failed_by is not None:
            raise self._failed_by
        self._open_all()
        for stack in list(self._open):
            stack.close()

    def drop(self) -> None:
        """They are let go of."""
        self._open.clear()
        self._failed_by = None

    @property
    def _is_empty(self) -> bool:
        return not self._kept and not any(
            stack.pending or saga.is_being_undone for stack, saga in self._open.items()
        )

    def _open_all(self) -> None:
        for name in list(self._kept):
            self.open(name)

    # --- the sign ----------------------------------------------------------------------------------------

    def hindrance(self) -> str | None:
        """Why a sign cannot keep what there is to undo, as a clause; None if it can."""
        if any(saga.is_being_undone for saga in self._open.values()):
            return "a saga is being undone: wait for its end"
        names = [stack.saga for stack in self._open if stack.pending] + list(self._kept)
        for stack in self._open:
            for one in stack.pending.values():
                if one.code is not None:
                    return (
                        f"what undoes {one.step_type} ({one.line}) is code, which a sign cannot keep: give "
                        "an activity as its undo"
                    )
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is None:
            return None
        called = f"have the name {twice!r}" if twice else "have no name"
        return (
            f"several sagas with steps to undo {called}: give each another, by workflow.saga(name), so that "
            "it is found again"
        )

    def kept(self) -> Iterator[KeptCompensation]:
        for some in self._kept.values():
            yield from some
        for stack in self._open:
            for one in stack.pending.values():
                yield _kept(stack.saga, one)


def _kept(saga: str, one: PendingUndo) -> KeptCompensation:
    assert one.call is not None
    call = one.call if one.payload is None else with_result(one.call, one.payload)
    return _kept_call(saga, one, call)


def _kept_call(saga: str, one: PendingUndo, call: ActivityCall) -> KeptCompensation:
    policy = call.retry_policy
    return KeptCompensation(
        one.number,
        saga,
        call.activity_type,
        call.args,
        call.task_queue if call.level is None else f"{call.task_queue or ''}{LEVEL_MARK}{call.level}",
        call.start_to_close,
        call.schedule_to_close,
        call.schedule_to_start,
        call.heartbeat_timeout,
        None if policy is None else _kept_retries(policy),
        call.cancellation_type,
        call.activity_id,
        call.line,
        one.step_type,
        call.pauses,
        None if call.fallback is None else _kept_call(saga, one, call.fallback),
    )


def _kept_retries(policy: RetryPolicy) -> KeptRetries:
    maximum = policy.maximum_interval
    return KeptRetries(
        to_microseconds(policy.initial_interval),
        policy.backoff_coefficient,
        None if maximum is None else to_microseconds(maximum),
        policy.maximum_attempts,
        policy.error_types,
    )


def _restored(kept: KeptCompensation) -> PendingUndo:
    call = _restored_call(kept)
    return PendingUndo(
        kept.activity_type, kept.step_type, kept.line, call, None, False, None, number=kept.number
    )


def _restored_call(kept: KeptCompensation) -> ActivityCall:
    retries = kept.retries
    policy = None
    if retries is not None:
        maximum = retries.maximum_interval
        policy = RetryPolicy(
            timedelta(microseconds=retries.initial_interval),
            retries.backoff_coefficient,
            None if maximum is None else timedelta(microseconds=maximum),
            retries.maximum_attempts,
            retries.non_retryable_error_types,
        )
    return ActivityCall(
        kept.activity_type,
        kept.args,
        Any,
        None if kept.task_queue is None else named(kept.task_queue) or None,
        kept.start_to_close,
        kept.schedule_to_close,
        kept.schedule_to_start,
        kept.heartbeat_timeout,
        policy,
        kept.cancellation_type,
        kept.activity_id,
        kept.line,
        None,
        kept.pauses,
        None if kept.fallback is None else _restored_call(kept.fallback),
        None if kept.task_queue is None else level_in(kept.task_queue),
    )
