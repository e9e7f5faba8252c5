"""The running attempt as activity code sees it: `dalsegno.activity.Context`, built when it is first asked."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime, timedelta
from typing import Any

from dalsegno.activity import ActivityCancellationDetails, Info
from dalsegno.activity_code.interruption import Interruption
from dalsegno.activity_code.worker_shutdown import WorkerShutdown
from dalsegno.broker.protocol.messages import ActivityTask
from dalsegno.broker.protocol.task_token import TaskToken, pack
from dalsegno.data_converter import DataConverter
from dalsegno.errors import CanceledError, PayloadCodecError, PayloadError
from dalsegno.interceptors.worker import WorkerInterceptor
from dalsegno.payload import Payload
from dalsegno.priority import OF_LEVEL

OnHeartbeat = Callable[[Payload | None], None]


class AttemptContext:
    """`on_heartbeat` is called in the thread of the activity. A `threaded` activity learns of its cancellation
    by `heartbeat()` raising; an async one has its task cancelled instead. `is_local`: the host runs it."""

    __slots__ = (
        "_async_event",
        "_info",
        "_is_local",
        "_on_heartbeat",
        "_raise_reason",
        "_started",
        "_task",
        "_thread_event",
        "cancellation_details",
        "cancelled",
        "client",
        "converter",
        "interceptors",
        "interruption",
        "worker_shutdown",
    )

    def __init__(
        self,
        task: ActivityTask,
        on_heartbeat: OnHeartbeat,
        converter: DataConverter,
        *,
        threaded: bool,
        worker_shutdown: WorkerShutdown | None = None,
        client: Callable[[], Any] | None = None,
        is_local: bool = False,
        interceptors: Sequence[WorkerInterceptor] = (),
    ) -> None:
        """`client` gives the worker's, for async activities; there may be none."""
        self._task = task
        self.interceptors = interceptors
        self.converter = converter.of_workflow(task.workflow_id)
        self._on_heartbeat = on_heartbeat
        self._thread_event = threading.Event() if threaded else None
        self._async_event: asyncio.Event | None = None
        self._info: Info | None = None
        self._is_local = is_local
        self._started = datetime.now(UTC)
        self._raise_reason: str | None = None
        self.cancelled = False
        self.cancellation_details: ActivityCancellationDetails | None = None
        self.worker_shutdown = worker_shutdown
        self.interruption: Interruption | None = None
        """Of a sync activity that is interrupted: its heartbeats raise nothing then."""
        self.client = None if threaded else client

    @property
    def info(self) -> Info:
        if self._info is None:
            self._info = info_of(self._task, self.converter, started=self._started, is_local=self._is_local)
        return self._info

    def require_info(self) -> None:
        """Raises PayloadCodecError where the key is missing of what the attempt before has told. To be called
        before any code runs, for `info`, and each line that is logged, would raise it amid that."""
        self.info  # noqa: B018

    @property
    def headers(self) -> dict[str, Payload]:
        """As they came."""
        return self._task.headers

    @property
    def shielded(self) -> Callable[[], AbstractContextManager[None]] | None:
        return None if self.interruption is None else self.interruption.shielded

    def heartbeat(self, *details: Any) -> None:
        reason, self._raise_reason = self._raise_reason, None
        if reason is not None:
            raise CanceledError(reason)
        # Broken off halfway it might never wake the loop again, or take that for an error of the values.
        with nullcontext() if self.interruption is None else self.interruption.shielded():
            # Encoded here: the activity may change the values while the message waits, and an error is its own.
            self._on_heartbeat(self.converter.to_whole_payload(details) if details else None)

    async def wait_for_cancelled(self) -> None:
        if self._async_event is None:
            self._async_event = asyncio.Event()
            if self.cancelled:
                self._async_event.set()
        await self._async_event.wait()

    def wait_for_cancelled_sync(self, timeout_seconds: float | None) -> None:
        if self._thread_event is None:
            raise RuntimeError(
                "An async activity would block its worker here: await activity.wait_for_cancelled()."
            )
        self._thread_event.wait(timeout_seconds)

    def explain(self, details: ActivityCancellationDetails) -> None:
        """Why it is about to be cancelled: the first word counts, and without one the workflow has asked."""
        self.cancellation_details = self.cancellation_details or details

    def cancel(self, reason: str) -> None:
        """Ask the activity to stop. On the loop; asking twice is ordinary."""
        if self.cancelled:
            return
        self.explain(ActivityCancellationDetails(cancel_requested=True))
        self.cancelled = True
        if self._thread_event is not None:
            self._thread_event.set()
            if self.interruption is None:
                self._raise_reason = reason
            else:
                self.interruption.ask()
        if self._async_event is not None:
            self._async_event.set()


def info_of(
    task: ActivityTask, converter: DataConverter, *, started: datetime | None = None, is_local: bool = False
) -> Info:
    return Info(
        workflow_id=task.workflow_id,
        run_id=task.run_id,
        workflow_type=task.workflow_type,
        activity_id=task.activity_id,
        activity_type=task.activity_type,
        task_queue=task.task_queue,
        attempt=task.attempt,
        scheduled_at=datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=task.scheduled_at),
        start_to_close_timeout=_duration(task.start_to_close),
        schedule_to_close_timeout=_duration(task.schedule_to_close),
        # With automatic heartbeats it is the engine's own, which nobody asked for.
        heartbeat_timeout=None if task.auto_heartbeat else _duration(task.heartbeat_timeout),
        heartbeat_details=_heartbeat_details(task.heartbeat_details, converter),
        idempotency_key=task.idempotency_key,
        task_token=pack(TaskToken(task.workflow_id, task.run_id, task.activity_id, task.token)),
        fence=task.fence,
        started_time=started,
        is_local=is_local,
        priority=OF_LEVEL[task.priority],
    )


def _duration(microseconds: int | None) -> timedelta | None:
    return None if microseconds is None else timedelta(microseconds=microseconds)


def _heartbeat_details(payload: Payload | None, converter: DataConverter) -> tuple[Any, ...]:
    """Ours are a list, of what `heartbeat` was called with; workers in other languages may send anything."""
    if payload is None:
        return ()
    try:
        value = converter.from_payload(payload)
    except PayloadCodecError:  # a worker that has the key can read it; what was done is not to be done anew
        raise
    except PayloadError:  # an encoding that this worker has no converter for: the activity may know better
        return (payload,)
    return tuple(value) if isinstance(value, list | tuple) else (value,)
