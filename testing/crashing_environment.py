"""An environment in which one run of a scenario is disturbed, as is planned."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from dalsegno.client import OnSuspended
from dalsegno.client.timings import ClientTimings
from dalsegno.data_converter import DataConverter
from dalsegno.data_converter import required as required_converter
from dalsegno.observer import Observer
from dalsegno.search_attributes import SearchAttributeKey
from dalsegno.testing.crash_points import Crossings, Injection
from dalsegno.testing.crashing_stage import CrashingStage
from dalsegno.testing.environment import Interceptors, LocalEnvironment, WorkflowEnvironment
from dalsegno.testing.errors import StuckError
from dalsegno.testing.faulty_broker import FaultyBroker
from dalsegno.testing.in_use import LocalActivities
from dalsegno.testing.lost_worker import AT_ONCE, LosableWorker, cleared
from dalsegno.testing.worker import ActivityWorker, checked_interceptors
from dalsegno.workers import Worker

SOON = ClientTimings(ask_again=0.05)
"""A host that was killed has forgotten who waits: clients say so again."""
PATIENT_LOOKS = 15
STUCK_LOOKS = 60
"""A look is some 20 ms."""

Scenario = Callable[[WorkflowEnvironment], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class DisturbedRun:
    """What became of one run of a scenario."""

    crossings: Crossings
    error: BaseException | None


class CrashingEnvironment(LocalEnvironment):
    """Made by `disturbed`."""

    _stage: CrashingStage

    def __init__(self, *args: Any, **options: Any) -> None:
        """As LocalEnvironment."""
        super().__init__(*args, **options)
        self._frozen: list[Coroutine[Any, Any, Any]] = []
        assert self._skipping is not None
        self._skipping.is_due_at_once = self._stage.courier.__bool__
        self._stage.courier.on_withheld = self._skipping.look

    @classmethod
    async def disturbed(
        cls,
        crossings: Crossings,
        *,
        data_converter: DataConverter = DataConverter.default,
        search_attributes: Sequence[SearchAttributeKey[Any]] = (),
        observer: Observer | None = None,
        on_suspended: OnSuspended | None = None,
        interceptors: Sequence[Interceptors] = (),
    ) -> Self:
        """The options are those of `start_time_skipping`."""
        required_converter("data_converter", data_converter)
        activities = LocalActivities()
        stage = CrashingStage(
            activities,
            crossings,
            data_converter=data_converter,
            search_attributes=search_attributes,
            observer=observer,
            interceptors=checked_interceptors(interceptors),
        )
        try:
            environment = cls(
                stage,
                True,
                activities,
                data_converter,
                observer,
                on_suspended,
                interceptors,
                broker=stage.faulty_broker(),
                timings=SOON if crossings.is_disturbed else None,
            )
            await environment.opened()
        except BaseException:
            await stage.close()
            raise
        return environment

    # --- what is withheld is due when nothing else is under way -----------------------------------------------

    @property
    def next_wake_up(self) -> int | None:
        return self.now() if self._stage.courier else super().next_wake_up

    def skip_to(self, at: int) -> None:
        if self._stage.courier:
            self._stage.courier.let_go()
        else:
            super().skip_to(at)

    # --- workers ----------------------------------------------------------------------------------------------

    def _activity_worker(
        self, task_queue: str, activities: Sequence[Callable[..., Any]], options: Mapping[str, Any]
    ) -> ActivityWorker | None:
        if not activities:
            return None
        options = {
            "drain_timeout": 0.0,
            "data_converter": self._client._engine.converter,
            "interceptors": self._around,
            "timing": AT_ONCE,
            **options,
        }

        def start(broker: FaultyBroker, activities: Sequence[Callable[..., Any]]) -> Worker:
            return Worker(broker, task_queue=task_queue, activities=activities, **options)

        return LosableWorker(start, activities, self._stage.faulty_broker, self._frozen)

    async def shutdown(self) -> None:
        await super().shutdown()
        cleared(self._frozen)

    # --- the scenario -----------------------------------------------------------------------------------------

    async def played(self, scenario: Scenario, timeout: float) -> BaseException | None:
        """The error that it has come to."""
        assert self._skipping is not None
        task = asyncio.ensure_future(_called(scenario, self))
        looks = _Looks(self._stage, task)
        self._skipping.idle = looks.looked
        try:
            done, _ = await asyncio.wait({task}, timeout=timeout)
        finally:
            task.cancel()
            await asyncio.wait({task})
        if looks.is_stuck:
            return StuckError()
        if not done:
            return TimeoutError(f"It has taken longer than {timeout:g} s.")
        return task.exception() if not task.cancelled() else asyncio.CancelledError()


class _Looks:
    """While somebody waits, and the loop has nothing to call: what is withheld may be what an activity waits
    for; and where nothing is under way, who waits does so for ever. Looks are counted, not seconds, so that a
    busy machine changes nothing."""

    def __init__(self, stage: CrashingStage, task: asyncio.Future[Any]) -> None:
        self._stage = stage
        self._task = task
        self._steps = 0
        self._in_vain = 0
        self.is_stuck = False

    def looked(self) -> None:
        steps = self._stage.crossings.steps
        if steps != self._steps or not self._stage.has_all_from_host:
            self._steps, self._in_vain = steps, 0
            return
        self._in_vain += 1
        if self._stage.courier and self._in_vain > PATIENT_LOOKS:
            self._in_vain = 0
            self._stage.courier.let_go()
        elif self._stage.is_at_rest and self._in_vain > STUCK_LOOKS:
            self.is_stuck = True
            self._task.cancel()


async def _called(scenario: Scenario, environment: WorkflowEnvironment) -> None:
    await scenario(environment)


async def run(
    scenario: Scenario, injections: Sequence[Injection], *, timeout: float, options: Mapping[str, Any]
) -> DisturbedRun:
    """Once, in an environment of its own."""
    crossings = Crossings(injections)
    async with await CrashingEnvironment.disturbed(crossings, **options) as environment:
        error = await environment.played(scenario, timeout)
    if isinstance(error, KeyboardInterrupt | SystemExit):
        raise error
    return DisturbedRun(crossings, error)
