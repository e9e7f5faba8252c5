"""Histories are run again under given code: in this process, or in one whose sets iterate as the hosts' do.

A history says by its `hash_seed` how they do. Where this process was not begun with that, one is begun
(`process`), once for all histories of a namespace.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Self

from dalsegno.activity_code.registry import Registry
from dalsegno.actors.workflow_actor.program.port import KnownActivities
from dalsegno.actors.workflow_actor.program.registry import WorkflowRegistry
from dalsegno.data_converter import DataConverter
from dalsegno.interceptors.worker import WorkerInterceptor
from dalsegno.rehearsal.history import WorkflowHistory
from dalsegno.rehearsal.rehearse import Outlook, missing_activity, outlook_of, outlook_of_end
from dalsegno.workflow import PatchActivationInput


class Whatever:
    """`program.port.KnownActivities`, where it is not said which there are."""

    names: list[str] = []  # noqa: RUF012 - the protocol's

    def find(self, name: str) -> object | None:
        return self


@dataclass(frozen=True)
class ReplayCode:
    """The code under which histories are run again. Without `activities` it is not asked whether there are
    those that runs wait for."""

    workflows: Sequence[type]
    activities: Sequence[Callable[..., Any]] = ()
    data_converter: DataConverter = DataConverter.default
    failure_exception_types: tuple[type[BaseException], ...] = ()
    patch_activation_callback: Callable[[PatchActivationInput], bool] | None = None
    interceptors: Sequence[WorkerInterceptor] = ()

    def registry(self) -> WorkflowRegistry:
        """Raises DefinitionError."""
        return WorkflowRegistry(
            [(cls, None) for cls in self.workflows],
            data_converter=self.data_converter,
            local_activities=self.known_activities() or Whatever(),
            failure_exception_types=self.failure_exception_types,
            patch_activation_callback=self.patch_activation_callback,
            interceptors=self.interceptors,
        )

    def known_activities(self) -> KnownActivities | None:
        return Registry(self.activities) if self.activities else None


class Replaying:
    """An async context manager; what was begun ends with it. `here`: whatever the seed, in this process, where
    a debugger can be. `seconds`: after which code of a run that is replayed in another is said to loop."""

    def __init__(self, code: ReplayCode, *, here: bool = False, seconds: float) -> None:
        self._code = code
        self._registry = code.registry()
        self._activities = code.known_activities()
        self._here = here
        self._seconds = seconds
        self._stack = AsyncExitStack()
        self._processes: dict[int, Any] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def outlook(self, history: WorkflowHistory, *, ends_anew: bool = False) -> tuple[Outlook, str]:
        """Raises UnusableHistoryError, NewerHistoryError, and ConfigurationError where the code cannot be given
        to another process."""
        seed = history.hash_seed
        if self._here or seed is None or _own_seed() == str(seed):
            return replayed(history, self._registry, self._activities, ends_anew=ends_anew)
        from dalsegno.rehearsal.process import ReplayProcess  # it is not needed where a debugger is

        history.state()  # what is wrong with it is said here
        process = self._processes.get(seed)
        if process is None:
            process = ReplayProcess(self._code, seed, self._seconds)
            self._processes[seed] = await self._stack.enter_async_context(process)
        outlook: tuple[Outlook, str] = await process.outlook(history, ends_anew)
        return outlook


def _own_seed() -> str | None:
    return None if sys.flags.ignore_environment else os.environ.get("PYTHONHASHSEED")


def replayed(
    history: WorkflowHistory,
    registry: WorkflowRegistry,
    activities: KnownActivities | None,
    *,
    ends_anew: bool,
) -> tuple[Outlook, str]:
    """Raises UnusableHistoryError and NewerHistoryError."""
    state = history.state()
    outlook, reason = outlook_of_end(state, registry) if ends_anew else outlook_of(state, registry)
    if outlook is Outlook.FITS and activities is not None:
        missing = missing_activity(state, lambda name, _: activities.find(name) is not None)
        if missing is not None:
            return Outlook.NO_ACTIVITY, missing
    return outlook, reason
