"""Where an activity is tested by itself, without a workflow and a worker.

env = ActivityEnvironment()
env.on_heartbeat = lambda *details: seen.append(details)
assert await env.run(charge, order) == receipt          # an async activity: a task
assert env.run(ship, order) == "shipped"                # a sync one: runs in this very thread
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import threading
from collections.abc import Callable, Coroutine
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, ParamSpec, TypeVar, overload

from dalsegno.activity import ActivityCancellationDetails, Info, current_context
from dalsegno.activity_code.context import AttemptContext, info_of
from dalsegno.activity_code.interruption import Interruption
from dalsegno.activity_code.worker_shutdown import WorkerShutdown
from dalsegno.broker.protocol.messages import ActivityTask
from dalsegno.client import Client
from dalsegno.data_converter import DataConverter
from dalsegno.definition import INTERRUPTED_ATTRIBUTE, NAME_ATTRIBUTE

P = ParamSpec("P")
T = TypeVar("T")

CANCELLED = "The activity was cancelled."


class ActivityEnvironment:
    """What activities see while they run by `run`. Each of these may be set, and holds for what begins then.

    `info` is what `activity.info()` gives, `on_heartbeat` is called with the details of each heartbeat, in the
    activity's thread. `client` is the one of `activity.client()`, for async activities.
    """

    def __init__(
        self,
        *,
        data_converter: DataConverter = DataConverter.default,
        client: Client | None = None,
    ) -> None:
        self.info: Info = _made_up_info(data_converter)
        self.on_heartbeat: Callable[..., object] = lambda *details: None
        self._converter = data_converter
        self.client = None if client is None else lambda: client
        self._shutdown = WorkerShutdown()
        self._lock = threading.Lock()
        self._running: dict[_Run, None] = {}
        self._cancelled: tuple[str, ActivityCancellationDetails] | None = None

    @overload
    def run(
        self, fn: Callable[P, Coroutine[Any, Any, T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> asyncio.Task[T]: ...
    @overload
    def run(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T: ...
    def run(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Call an activity, or any function, with the arguments as they are.

        An async one becomes a task, to be awaited. A sync one runs in the calling thread: what is to happen
        meanwhile (`cancel`) comes from another, or from `on_heartbeat`; `await asyncio.to_thread(env.run, fn)`
        leaves the loop free. Once this was cancelled, what is run is cancelled from its beginning.
        """
        is_async = _is_async(fn)
        run = _Run(_EnvironmentContext(self, _named(self.info, fn), threaded=not is_async))
        call = partial(fn, *args, **kwargs)
        return self._run_async(run, call) if is_async else self._run_sync(run, fn, call)

    def _run_async(self, run: _Run, call: Callable[[], Coroutine[Any, Any, Any]]) -> asyncio.Task[Any]:
        async def in_its_context() -> Any:
            current_context.set(run.context)
            return await call()

        run.loop = asyncio.get_running_loop()
        run.task = run.loop.create_task(in_its_context())
        run.task.add_done_callback(lambda _: self._ended(run))
        self._begun(run)
        return run.task

    def _run_sync(self, run: _Run, fn: Callable[..., Any], call: Callable[[], Any]) -> Any:
        context = run.context
        if getattr(fn, INTERRUPTED_ATTRIBUTE, False) is True:
            context.interruption = Interruption()

        def in_its_context() -> Any:
            current_context.set(context)
            with nullcontext() if context.interruption is None else context.interruption.reaches():
                return call()

        self._begun(run)
        try:
            return contextvars.copy_context().run(in_its_context)
        finally:
            self._ended(run)

    def _begun(self, run: _Run) -> None:
        with self._lock:
            self._running[run] = None
            cancelled = self._cancelled
        if cancelled is not None:
            run.cancel(*cancelled)

    def _ended(self, run: _Run) -> None:
        with self._lock:
            self._running.pop(run, None)

    def cancel(self, reason: str = CANCELLED, *, details: ActivityCancellationDetails | None = None) -> None:
        """Ask what runs here, and will, to stop: the task of an async activity is cancelled, a sync one hears
        of it by its next heartbeat, or at once where it is declared so. From any thread; twice is ordinary.
        `details` are those of `activity.cancellation_details()`."""
        details = details or ActivityCancellationDetails(cancel_requested=True)
        with self._lock:
            if self._cancelled is not None:
                return
            self._cancelled = reason, details
            running = list(self._running)
        for run in running:
            run.cancel(reason, details)

    def worker_shutdown(self) -> None:
        """Activities see that their worker ends. On the loop, where there is one; twice is ordinary."""
        self._shutdown.ask()


class _Run:
    """One call."""

    def __init__(self, context: _EnvironmentContext) -> None:
        self.context = context
        self.loop: asyncio.AbstractEventLoop | None = None
        self.task: asyncio.Task[Any] | None = None

    def cancel(self, reason: str, details: ActivityCancellationDetails) -> None:
        if self.loop is None:
            self._cancel(reason, details)
        else:
            self.loop.call_soon_threadsafe(self._cancel, reason, details)

    def _cancel(self, reason: str, details: ActivityCancellationDetails) -> None:
        self.context.explain(details)
        self.context.cancel(reason)
        if self.task is not None:
            self.task.cancel(reason)


class _EnvironmentContext(AttemptContext):
    __slots__ = ("_told",)

    def __init__(self, environment: ActivityEnvironment, info: Info, *, threaded: bool) -> None:
        super().__init__(
            _MADE_UP,
            lambda _: None,
            environment._converter,
            threaded=threaded,
            worker_shutdown=environment._shutdown,
            client=environment.client,
        )
        self._info = info
        self._told = environment.on_heartbeat

    def heartbeat(self, *details: Any) -> None:
        super().heartbeat(*details)  # what could not be sent is refused here, too
        self._told(*details)


_MADE_UP = ActivityTask(
    workflow_id="test",
    run_id="test-run",
    workflow_type="test",
    activity_id="1",
    activity_type="unknown",
    task_queue="test",
    attempt=1,
    token=bytes(16),
    exchange="test",
    routing_key="test",
    scheduled_at=0,
    idempotency_key="test-key",
    fence=1,
)


def _is_async(fn: Callable[..., Any]) -> bool:
    """Also an object whose call is."""
    return inspect.iscoroutinefunction(fn) or inspect.iscoroutinefunction(getattr(fn, "__call__", None))  # noqa: B004


def _made_up_info(converter: DataConverter) -> Info:
    now = datetime.now(UTC)
    return replace(info_of(_MADE_UP, converter, started=now), scheduled_at=now)


def _named(info: Info, fn: Callable[..., Any]) -> Info:
    """With the activity's own name, unless the test has given another."""
    name = getattr(fn, NAME_ATTRIBUTE, None)
    if isinstance(name, str) and info.activity_type == _MADE_UP.activity_type:
        return replace(info, activity_type=name)
    return info
