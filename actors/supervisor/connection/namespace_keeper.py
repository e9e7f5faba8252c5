"""Sees to it that the namespace's exchanges, queues and bindings are there, also when somebody deletes one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

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
    """`declare` declares everything; what is there already is left alone."""

    def __init__(
        self,
        declare: Callable[[Session], Awaitable[None]],
        *,
        session: Callable[[], Session | None],
        declared: Callable[[], None],
        said: StateLog,
    ) -> None:
        self._declare = declare
        self._session = session
        self._declared = declared
        self._said = said
        self._declaring: asyncio.Task[None] | None = None
        self._pauses = Backoff(*PAUSE_SECONDS, jitter=False)
        self._done_at = float("-inf")

    async def declare(self, session: Session) -> None:
        """For a new session. Raises what `declare` raises."""
        await self._declare(session)

    def mend(self) -> asyncio.Task[None]:
        """Something of it is missing: declare it anew, once for all who ask meanwhile."""
        if self._declaring is None or self._declaring.done():
            self._declaring = asyncio.get_running_loop().create_task(self._mend())
        return self._declaring

    async def _mend(self) -> None:
        loop = asyncio.get_running_loop()
        since = loop.time() - self._done_at
        if since > QUIET_SECONDS:
            self._pauses.reset()
        else:
            await asyncio.sleep(max(self._pauses.next_seconds() - since, 0.0))
        session = self._session()
        if session is None:
            return  # the next one declares it
        try:
            await self._declare(session)
        except DalsegnoError as error:
            self._said.trouble("namespace_not_declared", "namespace", str(error))
        else:
            log.warning("namespace_declared_anew", reason="an exchange, a queue or a binding of it was missing")
            self._said.well("namespace_declared", "namespace")
            self._declared()
        finally:
            self._done_at = loop.time()

    def close(self) -> None:
        if self._declaring is not None:
            self._declaring.cancel()
