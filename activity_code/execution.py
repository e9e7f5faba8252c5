"""How the code of one activity runs: as a task of the loop, or in a thread (in a process: `processes`).

Decoding the arguments and encoding the result belong to it, since both can run code of the user's classes. All
callbacks come on the loop: `on_begun` when the code begins, `on_ended` once with the result or the error; after
`abandon` there is no call any more.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import inspect
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future
from contextlib import nullcontext
from functools import partial
from typing import Any, Protocol

from dalsegno._log import get_logger
from dalsegno.activity import current_context
from dalsegno.activity_code.abandoned import Abandoned
from dalsegno.activity_code.context import AttemptContext
from dalsegno.activity_code.intercepted import awaited, intercepted, intercepted_in_thread
from dalsegno.activity_code.interruption import Interruption
from dalsegno.activity_code.registry import Definition
from dalsegno.activity_code.threads import Job, Threads
from dalsegno.broker.protocol.messages import ActivityTask
from dalsegno.data_converter import DataConverter
from dalsegno.error_text import is_a, traceback_of
from dalsegno.errors import ApplicationError, CanceledError, PayloadCodecError, PayloadError
from dalsegno.payload import Payload
from dalsegno.stored_payloads import StoredPayloads

log = get_logger("dalsegno.worker")

OnBegun = Callable[[], None]
OnEnded = Callable[[Payload | None, BaseException | None], None]
"""One of the two is not None."""


class Execution(Protocol):
    def start(self) -> None: ...

    def cancel(self, reason: str) -> None:
        """Ask the code to stop; it may take its time, and it may refuse."""

    def abandon(self, reason: str) -> None:
        """Ask it to stop, and let go of it: whatever it does from now on is ignored."""


class CoroutineExecution:
    """An async activity, as one task."""

    __slots__ = ("_abandoned", "_context", "_definition", "_loop", "_on_begun", "_on_ended", "_task", "_work")

    def __init__(
        self,
        work: ActivityTask,
        definition: Definition,
        context: AttemptContext,
        loop: asyncio.AbstractEventLoop,
        abandoned: Abandoned,
        on_begun: OnBegun,
        on_ended: OnEnded,
    ) -> None:
        self._abandoned = abandoned
        self._work = work
        self._definition = definition
        self._context = context
        self._loop = loop
        self._on_begun = on_begun
        self._on_ended: OnEnded | None = on_ended
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = self._loop.create_task(self._run())
        self._on_begun()

    def cancel(self, reason: str) -> None:
        self._context.cancel(reason)
        if self._task is not None:
            # Not at once: a task that is cancelled before its first step never runs, and could not report it.
            self._loop.call_soon(self._task.cancel, reason)

    def abandon(self, reason: str) -> None:
        self._on_ended = None
        self.cancel(reason)
        if self._task is not None and not self._task.done():
            self._abandoned.add(self._task, self._work)

    async def _run(self) -> None:
        # The task has a copy of the context to itself, so there is nothing to reset.
        current_context.set(self._context)
        definition = self._definition
        try:
            converter, stored = self._context.converter, self._context.converter._stored
            if stored is not None:
                await stored.fetch(self._work)
            if self._work.heartbeat_details is not None:
                self._context.require_info()
            args = definition.arguments(self._work.args, converter)
            value = (
                intercepted(self._context, definition.function, args, awaited)
                if self._context.interceptors
                else definition.function(*args)
            )
            result = _encoded_result(definition, await value, converter)
            if stored is not None:
                await until_kept(stored, result)
        except BaseException as error:  # the border of the activity: it is its outcome
            self._end(None, error)
            if _of_a_person(error):
                raise
        else:
            self._end(result, None)

    def _end(self, result: Payload | None, error: BaseException | None) -> None:
        on_ended, self._on_ended = self._on_ended, None
        if on_ended is not None:
            on_ended(result, error)


async def until_kept(stored: StoredPayloads, result: Payload) -> None:
    """In the payload store. The code is through: who asks it to stop comes too late."""
    while True:
        try:
            await stored.kept(result)
        except asyncio.CancelledError:
            continue
        return


def call_sync(
    definition: Definition,
    work: ActivityTask,
    context: AttemptContext,
    awaited: Callable[[Any], Any],
    loop: asyncio.AbstractEventLoop | None = None,
) -> Payload:
    """Run the code of a sync activity, in the thread, and with the context, that are to be its own. `awaited`
    makes a value of what it gives back; interceptors run on the `loop`."""
    current_context.set(context)
    if work.heartbeat_details is not None:
        context.require_info()
    args = definition.arguments(work.args, context.converter)

    def call(function: Callable[..., Any], args: Sequence[Any]) -> Any:
        with nullcontext() if context.interruption is None else context.interruption.reaches():
            return awaited(function(*args))

    if context.interceptors and loop is not None:
        result = intercepted_in_thread(context, definition.function, args, call, loop)
    else:
        result = call(definition.function, args)
    return _encoded_result(definition, result, context.converter)


class ThreadExecution:
    """A sync activity, in a thread with a copy of the context."""

    __slots__ = ("_abandoned", "_context", "_inner", "_job", "_loop", "_on_ended", "_threads", "_work")

    def __init__(
        self,
        work: ActivityTask,
        definition: Definition,
        context: AttemptContext,
        loop: asyncio.AbstractEventLoop,
        threads: Threads[Payload],
        abandoned: Abandoned,
        on_begun: OnBegun,
        on_ended: OnEnded,
    ) -> None:
        self._abandoned = abandoned
        self._work = work
        self._context = context
        self._loop = loop
        self._threads = threads
        self._on_ended = on_ended
        self._inner: asyncio.Task[Any] | None = None

        context.interruption = Interruption() if definition.is_interrupted else None
        call = partial(call_sync, definition, work, context, self._awaited, loop)
        scope = contextvars.copy_context()
        self._job: Job[Payload] = Job(partial(scope.run, call), on_begun, self._on_done)

    def start(self) -> None:
        self._threads.run(self._job)

    def _awaited(self, result: Any) -> Any:
        """In the thread. What a plain wrapper of async code gives back is a coroutine; it runs on the loop."""
        if not inspect.isawaitable(result):
            return result
        try:
            return asyncio.run_coroutine_threadsafe(self._on_loop(result), self._loop).result()
        except concurrent.futures.CancelledError as error:
            raise CanceledError("The activity was cancelled.") from error

    async def _on_loop(self, awaitable: Awaitable[Any]) -> Any:
        self._inner = asyncio.current_task()
        if self._context.cancelled and self._inner is not None:
            self._inner.cancel()
        return await awaitable

    def cancel(self, reason: str) -> None:
        self._context.cancel(reason)
        if self._inner is not None:
            self._inner.cancel(reason)
        if self._threads.withdraw(self._job):
            self._on_ended(None, CanceledError(reason))

    def abandon(self, reason: str) -> None:
        self._context.cancel(reason)
        if self._inner is not None:
            self._inner.cancel(reason)
        if self._threads.withdraw(self._job):
            return
        self._abandoned.add(self._threads.abandon(self._job), self._work)
        log.warning(
            "activity_thread_abandoned",
            workflow_id=self._work.workflow_id,
            activity_id=self._work.activity_id,
            activity_type=self._work.activity_type,
            reason=reason,
            hint="a thread cannot be stopped; let the activity call heartbeat() or look at is_cancelled()",
        )

    def _on_done(self, future: Future[Payload]) -> None:
        error = future.exception()
        self._on_ended(None if error is not None else future.result(), error)


def _of_a_person(error: BaseException) -> bool:
    """A second Ctrl-C, as asyncio.run raises it wherever the loop stands. What the code raises by itself must
    not end the worker, which would be given the same task again."""
    if not is_a(error, KeyboardInterrupt):
        return False
    frame = traceback_of(error)
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    return frame is not None and frame.tb_frame.f_globals.get("__name__") == asyncio.runners.__name__


def _encoded_result(definition: Definition, result: Any, converter: DataConverter) -> Payload:
    try:
        return converter.to_payload(result, definition.signature.returns)
    except PayloadError as error:
        raise ApplicationError(
            f"The result of {definition.name} cannot be sent: {error}",
            type="PayloadError",
            non_retryable=not isinstance(error, PayloadCodecError),
        ) from error
