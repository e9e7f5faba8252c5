"""A worker of an environment: workflows and activities for one task queue, for as long as it is there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Protocol, Self

from dalsegno.errors import ConfigurationError
from dalsegno.given import shown
from dalsegno.interceptors.client import ClientInterceptor
from dalsegno.interceptors.worker import WorkerInterceptor


class ActivityWorker(Protocol):
    """What there has to be of a worker; `Worker` is one."""

    @property
    def under_way(self) -> int: ...

    async def __aenter__(self) -> object: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None: ...


class EnvironmentWorker:
    """`async with`, once. `bring` are called at its beginning, and what they return at its end. Once `settle`
    has returned, what waited for this code goes on."""

    def __init__(
        self,
        worker: ActivityWorker | None,
        bring: Sequence[Callable[[], Callable[[], None]]] = (),
        *,
        settle: Callable[[], Awaitable[None]] | None = None,
        gone: Callable[[Self], None] = lambda _: None,
    ) -> None:
        self._worker = worker
        self._bring = bring
        self._settle = settle
        self._gone = gone
        self._stack = AsyncExitStack()
        self._begun = False

    @property
    def under_way(self) -> int:
        """How many attempts at activities are here."""
        return 0 if self._worker is None else self._worker.under_way

    async def __aenter__(self) -> Self:
        if self._begun:
            raise RuntimeError("A worker runs once; make another one by env.worker().")
        self._begun = True
        async with AsyncExitStack() as stack:
            stack.callback(self._gone, self)
            for bring in self._bring:
                stack.callback(bring())
            if self._worker is not None:
                await stack.enter_async_context(self._worker)
            if self._settle is not None:
                await self._settle()
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()


def checked(workflows: Sequence[type], activities: Sequence[Callable[..., Any]]) -> None:
    """Raises ConfigurationError."""
    for name, value in (("workflows", workflows), ("activities", activities)):
        if not isinstance(value, list | tuple):
            raise ConfigurationError(f"{name} must be a list, not {type(value).__name__}.")
    if not workflows and not activities:
        raise ConfigurationError("A worker needs workflows=[...] or activities=[...], or both.")


def checked_interceptors(interceptors: Sequence[Any]) -> list[WorkerInterceptor]:
    """Those that are of workflows and activities. Raises ConfigurationError for what is no interceptor."""
    for one in interceptors:
        if not isinstance(one, ClientInterceptor | WorkerInterceptor):
            raise ConfigurationError(
                f"interceptors must hold objects of subclasses of ClientInterceptor or WorkerInterceptor, not "
                f"{shown(one)}."
            )
    return [one for one in interceptors if isinstance(one, WorkerInterceptor)]
