"""The client of an environment: while it waits for what a workflow does, time may be skipped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from dalsegno.broker.port import Broker
from dalsegno.client import Client, OnSuspended
from dalsegno.client.conversation import Conversation
from dalsegno.client.engine import BrokerEngine
from dalsegno.client.links import Links
from dalsegno.client.suspensions import Suspensions
from dalsegno.client.timings import ClientTimings
from dalsegno.data_converter import DataConverter
from dalsegno.interceptors.client import ClientInterceptor
from dalsegno.observer import Observer
from dalsegno.search_attributes import SearchAttributeKey
from dalsegno.testing.errors import WorkflowSuspendedError


@dataclass(frozen=True, slots=True)
class WhileWaiting:
    """What an environment does around the waiting of its client."""

    around: Callable[[], AbstractContextManager[None]]
    check: Callable[[], None]
    """Raises when there is nobody left to wait for."""
    declared: Callable[[], None]
    """The declarations of search attributes have changed. Hosts look for that now and then; a test goes on."""


class WatchedConversation(Conversation):
    def __init__(
        self, links: Links, converter: DataConverter, suspensions: Suspensions, watched: WhileWaiting
    ) -> None:
        super().__init__(links, converter, suspensions)
        self._watched = watched
        self._around = ExitStack()

    def __enter__(self) -> Self:
        self._watched.check()
        self._around.enter_context(self._watched.around())
        return super().__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        self._around.close()
        if isinstance(error, RuntimeError):  # the client was closed under it
            self._watched.check()


@dataclass(frozen=True, slots=True)
class WatchedEngine(BrokerEngine):
    watched: WhileWaiting | None = None

    def waiting(self) -> Conversation:
        assert self.watched is not None
        return WatchedConversation(self.links, self.converter, Suspensions(self.on_suspended), self.watched)


class EnvironmentClient(Client):
    """See the module. `on_suspended` raises, unless another is given: nobody mends the code of a test."""

    def __init__(
        self,
        broker: Broker,
        watched: WhileWaiting,
        *,
        data_converter: DataConverter,
        observer: Observer | None,
        on_suspended: OnSuspended | None,
        interceptors: Sequence[ClientInterceptor],
        timings: ClientTimings | None = None,
    ) -> None:
        self._watched = watched
        super().__init__(
            broker,
            data_converter=data_converter,
            observer=observer,
            on_suspended=on_suspended or raise_it,
            interceptors=interceptors,
            timings=timings,
        )

    def _engine_over(
        self, links: Links, converter: DataConverter, timeout: float | None, on_suspended: OnSuspended
    ) -> BrokerEngine:
        return WatchedEngine(links, converter, timeout, on_suspended, watched=self._watched)

    async def declare_search_attributes(
        self, *keys: SearchAttributeKey[Any]
    ) -> tuple[SearchAttributeKey[Any], ...]:
        try:
            return await super().declare_search_attributes(*keys)
        finally:
            self._watched.declared()

    async def remove_search_attribute(self, name: str, *, force: bool = False) -> bool:
        try:
            return await super().remove_search_attribute(name, force=force)
        finally:
            self._watched.declared()


def raise_it(workflow_id: str, reason: str) -> None:
    raise WorkflowSuspendedError(workflow_id, reason)
