"""Where a workflow is tested: host, worker and client in the test's own process, and time that can be skipped.

async with await WorkflowEnvironment.start_time_skipping() as env:
    async with env.worker(workflows=[Order], activities=[charge]):
        assert await env.client.execute_workflow(Order.run, "o-1", id="o-1") == "charged"
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self

from dalsegno import given
from dalsegno.broker.port import Broker
from dalsegno.client import Client, OnSuspended
from dalsegno.client.timings import ClientTimings
from dalsegno.data_converter import DataConverter
from dalsegno.data_converter import required as required_converter
from dalsegno.errors import UnsupportedError
from dalsegno.interceptors.client import ClientInterceptor
from dalsegno.interceptors.worker import WorkerInterceptor
from dalsegno.observer import Observer
from dalsegno.policies import Duration
from dalsegno.rehearsal import WorkflowHistory
from dalsegno.search_attributes import SearchAttributeKey
from dalsegno.testing.clock import MICROSECONDS
from dalsegno.testing.errors import EnvironmentClosedError, TimeBackwardsError
from dalsegno.testing.in_use import LocalActivities, WorkflowsInUse
from dalsegno.testing.local_client import EnvironmentClient, WhileWaiting
from dalsegno.testing.skipping import TimeSkipping
from dalsegno.testing.stage import Stage
from dalsegno.testing.worker import ActivityWorker, EnvironmentWorker, checked, checked_interceptors
from dalsegno.workers import Worker

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Interceptors = ClientInterceptor | WorkerInterceptor


class WorkflowEnvironment:
    """Made by `start_time_skipping`, `start_local` or `from_client`; `async with` ends it, or `shutdown`."""

    _around: Sequence[WorkerInterceptor] = ()
    """What its workers have for interceptors."""

    def __init__(self, client: Client) -> None:
        """`from_client` and the others are the usual way."""
        self._client = client
        self._is_closed = False

    @property
    def client(self) -> Client:
        """Raises EnvironmentClosedError."""
        self._check()
        return self._client

    @classmethod
    async def start_local(
        cls,
        *,
        data_converter: DataConverter = DataConverter.default,
        search_attributes: Sequence[SearchAttributeKey[Any]] = (),
        observer: Observer | None = None,
        on_suspended: OnSuspended | None = None,
        interceptors: Sequence[Interceptors] = (),
    ) -> WorkflowEnvironment:
        """In this process, and in real time. The rest is as with `start_time_skipping`."""
        return await LocalEnvironment.begun(
            *(False, data_converter, search_attributes, observer, on_suspended, interceptors)
        )

    @classmethod
    async def start_time_skipping(
        cls,
        *,
        data_converter: DataConverter = DataConverter.default,
        search_attributes: Sequence[SearchAttributeKey[Any]] = (),
        observer: Observer | None = None,
        on_suspended: OnSuspended | None = None,
        interceptors: Sequence[Interceptors] = (),
    ) -> WorkflowEnvironment:
        """In this process. While a result is awaited and nothing is under way, time goes to what is due next.

        `search_attributes` are declared. A workflow that is suspended, because its code has a bug or is not
        there, fails who waits for it with WorkflowSuspendedError, unless `on_suspended` is given: then that is
        called, and the waiting goes on. A failed `assert` in workflow code fails its run. `interceptors` are
        those of the client, of workflows and of activities: each is asked for what it intercepts.
        """
        return await LocalEnvironment.begun(
            *(True, data_converter, search_attributes, observer, on_suspended, interceptors)
        )

    @classmethod
    def from_client(cls, client: Client) -> WorkflowEnvironment:
        """Around real servers, in real time. Their hosts run the workflows; the client stays the caller's."""
        return WorkflowEnvironment(client)

    # --- time ------------------------------------------------------------------------------------------------

    @property
    def supports_time_skipping(self) -> bool:
        return False

    async def get_current_time(self) -> datetime:
        """The time by which timers and timeouts go, in UTC."""
        self._check()
        return datetime.now(UTC)

    async def sleep(self, duration: Duration) -> None:
        """Returns when time has gone on so far, and what was due by then is done. Raises TimeBackwardsError."""
        self._check()
        await asyncio.sleep(_forwards(duration))

    @contextmanager
    def auto_time_skipping_disabled(self) -> Iterator[None]:
        """Time goes by itself while results are awaited in this block; `sleep` skips all the same."""
        self._check()
        yield

    async def fetch_history(self, workflow_id: str, run_id: str | None = None) -> WorkflowHistory:
        """Of that run, or the workflow's newest, for a `Replayer`. Raises WorkflowNotFoundError."""
        self._check()
        raise UnsupportedError(
            "This environment is around real servers: `dalsegno workflow export` has the history of a workflow "
            "from its database, and testing.stored_histories(database) that of all."
        )

    # --- workers ---------------------------------------------------------------------------------------------

    def worker(
        self,
        *,
        task_queue: str = "default",
        workflows: Sequence[type] = (),
        activities: Sequence[Callable[..., Any]] = (),
        **options: Any,
    ) -> EnvironmentWorker:
        """Code for one task queue, while the block of `async with` lasts. Instances outlive it: they wait until
        there is code for them again. An activity is replaced by another function of its name (`mocked`).
        `options` are those of `dalsegno.Worker`; `drain_timeout` is 0 here."""
        self._check()
        checked(workflows, activities)
        if workflows:
            raise UnsupportedError(
                "This environment is around real servers, whose hosts have the workflows: give worker() "
                "activities only, and start the hosts with the workflows."
            )
        return EnvironmentWorker(self._activity_worker(task_queue, activities, options))

    def _activity_worker(
        self, task_queue: str, activities: Sequence[Callable[..., Any]], options: Mapping[str, Any]
    ) -> ActivityWorker | None:
        if not activities:
            return None
        engine = self._client._engine
        own = {"drain_timeout": 0.0, "data_converter": engine.converter, "interceptors": self._around}
        options = {**own, **options}
        return Worker(engine.links.broker, task_queue=task_queue, activities=activities, **options)

    # --- its end ---------------------------------------------------------------------------------------------

    async def shutdown(self) -> None:
        """Twice is ordinary."""
        self._is_closed = True

    async def __aenter__(self) -> Self:
        self._check()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.shutdown()

    def _check(self) -> None:
        if self._is_closed:
            raise EnvironmentClosedError("A WorkflowEnvironment")


class LocalEnvironment(WorkflowEnvironment):
    """With a host of its own, on a stage. To be `opened`."""

    def __init__(
        self,
        stage: Stage,
        skips: bool,
        activities: LocalActivities,
        data_converter: DataConverter,
        observer: Observer | None,
        on_suspended: OnSuspended | None,
        interceptors: Sequence[Interceptors],
        *,
        broker: Broker | None = None,
        timings: ClientTimings | None = None,
    ) -> None:
        """`broker` is the stage's as client and workers see it."""
        self._around = [one for one in interceptors if isinstance(one, WorkerInterceptor)]
        self._stage = stage
        self._activities = activities
        self._workflows = WorkflowsInUse(stage.code, stage.code_changed)
        self._workers: list[EnvironmentWorker] = []
        self._skipping = TimeSkipping(self) if skips else None
        around = nullcontext if self._skipping is None else self._skipping.awaited
        client = EnvironmentClient(
            broker or stage.broker,
            WhileWaiting(around, self._check, stage.attributes_changed),
            data_converter=data_converter,
            observer=observer,
            on_suspended=on_suspended,
            interceptors=[one for one in interceptors if isinstance(one, ClientInterceptor)],
            timings=timings,
        )
        super().__init__(client)

    @classmethod
    async def begun(
        cls,
        skips: bool,
        data_converter: DataConverter,
        search_attributes: Sequence[SearchAttributeKey[Any]],
        observer: Observer | None,
        on_suspended: OnSuspended | None,
        interceptors: Sequence[Interceptors],
    ) -> WorkflowEnvironment:
        required_converter("data_converter", data_converter)
        activities = LocalActivities()
        stage = Stage(
            activities,
            data_converter=data_converter,
            search_attributes=search_attributes,
            observer=observer,
            interceptors=checked_interceptors(interceptors),
        )
        try:
            environment = cls(*(stage, skips, activities, data_converter, observer, on_suspended, interceptors))
            await environment.opened()
        except BaseException:
            await stage.close()
            raise
        return environment

    async def opened(self) -> None:
        """Who calls it closes the stage if this raises."""
        self._stage.on_error = self._client.close
        await self._stage.start()
        await self._client.__aenter__()
        if self._skipping is not None:
            self._skipping.start()

    def _check(self) -> None:
        self._stage.check()
        super()._check()

    # --- what time is of (see skipping.Skippable) ------------------------------------------------------------

    @property
    def is_at_rest(self) -> bool:
        return not any(worker.under_way for worker in self._workers) and self._stage.is_at_rest

    @property
    def next_wake_up(self) -> int | None:
        return self._stage.next_wake_up

    def now(self) -> int:
        return self._stage.clock.now()

    def skip_to(self, at: int) -> None:
        self._stage.skip_to(at)

    # --- time ------------------------------------------------------------------------------------------------

    @property
    def supports_time_skipping(self) -> bool:
        return self._skipping is not None

    async def get_current_time(self) -> datetime:
        self._check()
        return EPOCH + timedelta(microseconds=self.now())

    async def sleep(self, duration: Duration) -> None:
        self._check()
        seconds = _forwards(duration)
        if self._skipping is None:
            await asyncio.sleep(seconds)
        else:
            await self._skipping.sleep_until(self.now() + round(seconds * MICROSECONDS))
        self._check()

    @contextmanager
    def auto_time_skipping_disabled(self) -> Iterator[None]:
        self._check()
        with nullcontext() if self._skipping is None else self._skipping.disabled():
            yield

    async def fetch_history(self, workflow_id: str, run_id: str | None = None) -> WorkflowHistory:
        self._check()
        return self._stage.history_of(workflow_id, run_id)

    # --- workers, and the end --------------------------------------------------------------------------------

    def worker(
        self,
        *,
        task_queue: str = "default",
        workflows: Sequence[type] = (),
        activities: Sequence[Callable[..., Any]] = (),
        **options: Any,
    ) -> EnvironmentWorker:
        self._check()
        checked(workflows, activities)
        bring: list[Callable[[], Callable[[], None]]] = []
        if workflows:
            bring.append(lambda: self._workflows.bring(workflows, task_queue))
        if activities:
            bring.append(lambda: self._activities.bring(activities))
        worker = EnvironmentWorker(
            self._activity_worker(task_queue, activities, options),
            bring,
            settle=self._stage.settle,
            gone=self._workers.remove,
        )
        self._workers.append(worker)
        return worker

    async def shutdown(self) -> None:
        """What was under way ends where it stands. Twice is ordinary."""
        if self._is_closed:
            return
        await super().shutdown()
        if self._skipping is not None:
            await self._skipping.stop()
        for worker in list(self._workers):
            await worker.__aexit__(None, None, None)
        await self._client.close()
        await self._stage.close()


def _forwards(duration: Duration) -> float:
    seconds = duration.total_seconds() if isinstance(duration, timedelta) else duration
    if isinstance(seconds, int | float) and seconds < 0:
        raise TimeBackwardsError(seconds)
    return given.seconds("duration", duration)
