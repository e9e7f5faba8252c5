"""The event loop that workflow code runs on: asyncio without a world.

It has no sockets, threads or clock. Time is that of the input, `call_later` is a durable timer (an intent), and
callbacks run first in, first out, until none is left. The same inputs therefore give the same run, but for one
thing: CPython's asyncio keeps tasks and futures in sets, whose order follows from addresses in memory. So those
made here hash by a creation counter, which is stored at signs.

The loop is entered from a plain callback of the host's loop (asyncio's or uvloop's) and left before that
callback returns; it is never run in the ordinary sense.
"""

from __future__ import annotations

import asyncio
import contextvars
import gc
import sys
import weakref
from asyncio import _get_running_loop, _set_running_loop
from collections import deque
from collections.abc import AsyncGenerator, Callable, Collection, Coroutine, Iterator, Sequence
from typing import Any, NoReturn, Protocol, TypeVarTuple

from msgspec import Struct

from dalsegno._runtime import WorkflowRuntime
from dalsegno.actors.workflow_actor.loop.as_completed_order import ordered_task
from dalsegno.actors.workflow_actor.loop.intent_ledger import IntentLedger, TooMuchAtOnceError
from dalsegno.actors.workflow_actor.loop.refusals import Refusal
from dalsegno.actors.workflow_actor.loop.task_group_exit import accept_derived_cancellations
from dalsegno.actors.workflow_actor.loop.world_calls import guard
from dalsegno.given import number, uncut_microseconds
from dalsegno.policies import MICROSECONDS_PER_SECOND

Ts = TypeVarTuple("Ts")


class WorkflowFuture(asyncio.Future[Any]):
    """`number` is its hash, so that sets of futures have one order."""

    number: int

    def __hash__(self) -> int:
        return self.number


class WorkflowTask(asyncio.Task[Any]):
    """`number` as for WorkflowFuture."""

    def __init__(
        self,
        coro: Coroutine[Any, Any, Any],
        *,
        number: int,
        loop: DeterministicLoop,
        name: str,
        context: contextvars.Context | None,
    ) -> None:
        self.number = number  # first: asyncio keeps all tasks in a set
        super().__init__(coro, loop=loop, name=name, context=context)

    def __hash__(self) -> int:
        return self.number


class _GatheringFuture(asyncio.tasks._GatheringFuture):  # type: ignore[name-defined,misc]
    """What asyncio.gather returns. On our loop it hashes like WorkflowFuture, on others as ever."""

    def __init__(self, children: Any, *, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(children, loop=loop)
        self.number = loop.next_number() if isinstance(loop, DeterministicLoop) else object.__hash__(self)

    def __hash__(self) -> int:
        return self.number

    def set_exception(self, exception: type[BaseException] | BaseException) -> None:
        super().set_exception(exception)
        loop = self.get_loop()
        if isinstance(loop, DeterministicLoop):
            loop.gathering_failed(self)


# gather offers no other place to say which class its future is of. It looks the name up when it is called.
asyncio.tasks._GatheringFuture = _GatheringFuture  # type: ignore[attr-defined]


class _Ready(asyncio.Handle):
    """asyncio.Handle without its debugging aids: it is made for each callback."""

    __slots__ = ()

    def __init__(
        self, callback: Any, args: Any, loop: DeterministicLoop, context: contextvars.Context | None
    ) -> None:
        self._callback = callback
        self._args = args
        self._loop = loop
        self._context = contextvars.copy_context() if context is None else context
        self._cancelled = False
        self._repr = None
        self._source_traceback = None


class LoopTimers(Protocol):
    """What the loop does with what is to run later. (It is `timers.awaited.AwaitedTimers`.)"""

    def start(
        self,
        loop: DeterministicLoop,
        fire_at: int,
        callback: Any,
        args: Any,
        context: contextvars.Context | None,
    ) -> asyncio.TimerHandle: ...

    def cancelled(self, loop: DeterministicLoop, timer: Any) -> None:
        """asyncio is about to cancel it."""


class Outside(Struct, frozen=True):
    """What is put back when the loop is left."""

    loop: asyncio.AbstractEventLoop | None
    hooks: Any
    collecting: bool


class DeterministicLoop(asyncio.AbstractEventLoop):
    """`now` is microseconds since 1970. `interrupted`, when set, makes run_ready return after the callback that
    runs. `refusal`, when set, says that user code may not act."""

    dalsegno_runtime: WorkflowRuntime | Refusal

    def __init__(
        self, ledger: IntentLedger, timers: LoopTimers, context: contextvars.Context, hash_salt: int
    ) -> None:
        self.now = 0
        self.interrupted = False
        self.refusal: Refusal | None = None
        self.tasks: dict[int, WorkflowTask] = {}
        """Those that user code made and that have not ended, held so that none is collected before."""
        self._ledger = ledger
        self._timers = timers
        self._context = context
        self._hash_salt = hash_salt
        self._ready: deque[asyncio.Handle] = deque()
        self._unseen: list[BaseException] = []
        self._failed: list[weakref.ref[WorkflowTask]] = []
        self.failed_gatherings: list[weakref.ref[asyncio.Future[Any]]] = []
        """With errors that nobody may have looked at."""
        self._prepared: dict[Any, WorkflowTask] = {}

    # Entered and left by the program

    def enter(self) -> Outside:
        """Make this the running loop of the thread. Cyclic garbage is not collected meanwhile: finalizers that
        run at any moment would make the run another one."""
        outside = Outside(_get_running_loop(), sys.get_asyncgen_hooks(), gc.isenabled())
        gc.disable()
        sys.set_asyncgen_hooks(firstiter=None, finalizer=self._finalize)
        _set_running_loop(self)
        return outside

    def leave(self, outside: Outside) -> None:
        _set_running_loop(outside.loop)
        sys.set_asyncgen_hooks(*outside.hooks)
        if outside.collecting:
            gc.enable()

    def refuse(self, refusal: Refusal) -> None:
        """Let `refusal` answer user code from now on."""
        self.refusal = self.dalsegno_runtime = refusal

    def allow(self, runtime: WorkflowRuntime) -> None:
        self.refusal = None
        self.dalsegno_runtime = runtime

    def require_may_act(self, what: str) -> None:
        """Raises for code that may only read."""
        if self.refusal is not None and self.refusal.soon == "refuse":
            self.refusal.refuse(what)

    def run_ready(self) -> None:
        """Run callbacks until there are none, until `interrupted`, or until user code wants more than it may.
        What they raise comes out."""
        ready, ledger = self._ready, self._ledger
        while ready and not self.interrupted and ledger.too_much is None:
            handle = ready.popleft()
            if not handle._cancelled:
                handle._context.run(handle._callback, *handle._args)  # type: ignore[attr-defined]
            # Tracebacks keep this frame: it must not keep the task that they are about.
            del handle

    def run_pass(self) -> bool:
        """Run the callbacks that are ready now, and none that becomes so by that. Whether there were any. What
        they raise comes out."""
        ready = self._ready
        count = len(ready)
        for _ in range(count):
            handle = ready.popleft()
            if not handle._cancelled:
                handle._context.run(handle._callback, *handle._args)  # type: ignore[attr-defined]
            del handle
        return count > 0

    def ready(self, handle: asyncio.Handle) -> None:
        """Let its callback run, after what is ready to run."""
        self._ready.append(handle)

    def args_of(self, methods: Collection[Callable[..., Any]]) -> Iterator[Sequence[Any]]:
        """What those of `methods` were to be called with that are ready to run."""
        for handle in self._ready:
            if handle._callback in methods:  # type: ignore[attr-defined]
                yield handle._args

    def next_number(self) -> int:
        number = self._ledger.next_hash
        self._ledger.next_hash = number + 1
        return self._hash_salt + number

    def engine_task(self, coro: Coroutine[Any, Any, Any], name: str) -> WorkflowTask:
        """A task of the program's own, which looks after its end by itself."""
        return WorkflowTask(coro, number=self.next_number(), loop=self, name=name, context=self._context.copy())

    def unseen_errors(self, *, at_end: bool) -> list[BaseException]:
        """What ended tasks and futures that were let go of without anybody having looked; `at_end`, those also
        that somebody still could look at."""
        unseen, self._unseen = self._unseen, []
        if self._failed:
            failed = [task for reference in self._failed if (task := reference()) and task._log_traceback]
            self._failed = [weakref.ref(task) for task in failed]
            if at_end:
                unseen += [error for task in failed if (error := task._exception) is not None]
        return unseen

    def gathering_failed(self, gathering: asyncio.Future[Any]) -> None:
        self.failed_gatherings = [one for one in self.failed_gatherings if _is_unseen(one())]
        self.failed_gatherings.append(weakref.ref(gathering))

    def errors_of_gatherings(self) -> list[BaseException]:
        """At the end: of those that are still held, if only by what they gather, and that nobody awaited."""
        failed = [gathering for one in self.failed_gatherings if _is_unseen(gathering := one())]
        return [error for gathering in failed if gathering and (error := gathering._exception) is not None]

    def forget(self) -> None:
        """Let go of everything, so that nothing is kept by a cycle."""
        self._ready.clear()
        self.tasks.clear()
        self._failed.clear()
        self.failed_gatherings.clear()
        self._prepared.clear()
        self._unseen.clear()

    @property
    def dropped(self) -> bool:
        return self.refusal is not None and self.refusal.soon == "ignore"

    # Used by asyncio

    def time(self) -> float:
        """Seconds since 1970, at the input that is being worked on."""
        return self.now / MICROSECONDS_PER_SECOND

    def call_soon(
        self,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: contextvars.Context | None = None,
    ) -> asyncio.Handle:
        handle = _Ready(callback, args, self, context)
        if self.refusal is None or self.refusal.soon == "run":
            self._ready.append(handle)
        elif self.refusal.soon == "refuse":
            self.refusal.refuse_to_wake()
        return handle

    def call_later(
        self,
        delay: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        seconds = number("The delay of a timer", delay)
        if seconds <= 0:
            return self.call_soon(callback, *args, context=context)  # type: ignore[return-value]
        fire_at = self.now + uncut_microseconds("The delay of a timer", seconds)
        return self._timers.start(self, fire_at, callback, args, context)

    def call_at(
        self,
        when: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        fire_at = round(number("The time of a timer", when) * MICROSECONDS_PER_SECOND)
        if fire_at <= self.now:
            return self.call_soon(callback, *args, context=context)  # type: ignore[return-value]
        return self._timers.start(self, fire_at, callback, args, context)

    def _timer_handle_cancelled(self, timer: asyncio.TimerHandle) -> None:
        """asyncio's hook in TimerHandle.cancel, before it is cancelled."""
        self._timers.cancelled(self, timer)

    def create_future(self) -> WorkflowFuture:
        if self.refusal is not None:
            self.refusal.refuse("asyncio (waiting for something)")
        future = WorkflowFuture(loop=self)
        number = self._ledger.next_hash
        self._ledger.next_hash = number + 1
        future.number = self._hash_salt + number
        return future

    def create_task(
        self,
        coro: Any,
        *,
        name: object = None,
        context: contextvars.Context | None = None,
        **refused: Any,
    ) -> asyncio.Task[Any]:
        if self.refusal is not None:
            self._abandon(coro)
            self.refusal.refuse("asyncio.create_task")
        if refused:
            raise TypeError(f"A workflow's tasks cannot be created with {', '.join(refused)}.")
        try:
            self._ledger.count_task()
        except TooMuchAtOnceError:
            self._abandon(coro)
            raise
        ordered = ordered_task(coro, sys._getframe(1), self._prepared, self._new_task)
        return ordered or self._new_task(coro, name, context)

    def _new_task(
        self, coro: Any, name: object = None, context: contextvars.Context | None = None
    ) -> WorkflowTask:
        number = self.next_number()
        shown = f"Task-{number - self._hash_salt}" if name is None else str(name)
        task = WorkflowTask(coro, number=number, loop=self, name=shown, context=context)
        self.tasks[number] = task
        task.add_done_callback(self._ended, context=self._context)
        return task

    def _ended(self, task: WorkflowTask) -> None:
        self.tasks.pop(task.number, None)
        # Not `task.exception()`: that would count as somebody having looked at it.
        if not task.cancelled() and task._exception is not None:
            self._failed.append(weakref.ref(task))

    @staticmethod
    def _abandon(coro: Any) -> None:
        close = getattr(coro, "close", None)
        if close is not None:
            close()

    def _finalize(self, generator: AsyncGenerator[Any, Any]) -> None:
        """An asynchronous generator was let go of before its end: close it, as asyncio does. Outside a step
        (garbage collection) it is let go of without a trace."""
        if self.refusal is None and _get_running_loop() is self:
            self._new_task(generator.aclose())

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """asyncio's way to report what nobody will look at any more."""
        error = context.get("exception")
        if error is not None and not self.dropped:
            self._unseen.append(error)

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return _get_running_loop() is self

    def is_closed(self) -> bool:
        return False

    def get_task_factory(self) -> None:
        return None

    def get_exception_handler(self) -> None:
        return None


def _is_unseen(future: asyncio.Future[Any] | None) -> bool:
    return future is not None and future._log_traceback


def new_loop(
    ledger: IntentLedger, timers: LoopTimers, context: contextvars.Context, hash_salt: int
) -> DeterministicLoop:
    # asyncio's interface is abstract to type checkers only; what is missing here refuses (below).
    return DeterministicLoop(ledger, timers, context, hash_salt)  # type: ignore[abstract]


RUN_READY = DeterministicLoop.run_ready.__code__


def _refuse_the_rest() -> None:
    """Everything else of asyncio's interface needs the world, or belongs to whoever runs the loop."""
    for name in dir(asyncio.AbstractEventLoop):
        if not name.startswith("_") and name not in vars(DeterministicLoop):
            setattr(DeterministicLoop, name, _refused(name))


def _refused(name: str) -> Callable[..., NoReturn]:
    def refused(*_args: Any, **_options: Any) -> NoReturn:
        raise RuntimeError(
            f"A workflow cannot use asyncio's {name}: its code must give the same each time it runs, so "
            "threads, sockets, files, processes and signals belong into an activity."
        )

    return refused


_refuse_the_rest()
guard(DeterministicLoop)
accept_derived_cancellations()
