"""Sees to it that the namespace's exchanges, queues and bindings are there, also when somebody deletes one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine

from dalsegno._log import get_logger
from dalsegno.actors.supervisor.failing.state_log import StateLog
from dalsegno.backoff import Backoff
from dalsegno.broker.port import Session
from dalsegno.errors import DalsegnoError

log = get_logger()

PAUSE_SECONDS = (1.0, 30.0)
"""The shortest and the longest between two declarations: one costs the broker some two thousand bindings. It
doubles while it is asked for again and again, which is while it does not help."""
QUIET_SECONDS = 60.0
"""Not asked for so long: it has helped."""


class NamespaceKeeper:
    """`declare` declares everything; what is there already is left alone. `declared` is called whenever
    something that was missing may be there again, whoever declared it and on which session: a consumer of a
    queue that is deleted and declared again may be given nothing and told nothing, so that all are rebuilt."""

    def __init__(
        self,
        declare: Callable[[Session], Awaitable[None]],
        *,
        session: Callable[[], Session | None],
        declared: Callable[[], None],
        said: StateLog,
        spawn: Callable[[Coroutine[None, None, None]], asyncio.Task[None]],
    ) -> None:
        self._declare = declare
        self._session = session
        self._declared = declared
        self._said = said
        self._spawn = spawn
        self._declaring: asyncio.Task[None] | None = None
        self._pauses = Backoff(*PAUSE_SECONDS, jitter=False)
        self._done_at = float("-inf")
        self._missed = 0
        """How often something was missed."""
        self._mended = 0
        """As of when all of it was declared: what was missed later may have been deleted behind its back."""

    async def declare(self, session: Session) -> None:
        """On a new session, or because something is missing. Raises what `declare` raises."""
        missed = self._missed
        try:
            await self._declare(session)
        finally:
            self._done_at = asyncio.get_running_loop().time()
        if self._mended < missed:
            self._mended = missed
            log.warning("namespace_declared_anew", reason="an exchange, a queue or a binding of it was missing")
            self._said.well("namespace_declared", "namespace")
            self._declared()

    def mend(self) -> None:
        """Something of it is missing: it is declared anew, once for all who miss something meanwhile, and again
        until that has succeeded."""
        self._missed += 1
        if self._declaring is None or self._declaring.done():
            self._declaring = self._spawn(self._mend())

    async def _mend(self) -> None:
        while self._mended < self._missed:
            await self._pause()
            session = self._session()
            if session is None:
                self._done_at = asyncio.get_running_loop().time()
                continue  # the next one begins with it
            try:
                await self.declare(session)
            except DalsegnoError as error:
                self._said.trouble("namespace_not_declared", "namespace", str(error))

    async def _pause(self) -> None:
        since = asyncio.get_running_loop().time() - self._done_at
        if since > QUIET_SECONDS:
            self._pauses.reset()
        else:
            await asyncio.sleep(max(self._pauses.next_seconds() - since, 0.0))
