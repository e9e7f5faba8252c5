"""Keeping a session: connect, set up, wait until it breaks, drop all of it, and again after a while.

Nothing is ever repaired: whatever closes (the connection, a consumer), the whole session is closed and rebuilt.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from dalsegno._log import get_logger
from dalsegno.backoff import Backoff
from dalsegno.broker.port import Broker, OnClosed, Session
from dalsegno.errors import BrokerUnavailableError, ConfigurationError
from dalsegno.loop_clock import LoopClock, sleep
from dalsegno.workers.settings import WorkerTiming

log = get_logger("dalsegno.worker")


class Tenant(Protocol):
    """Who lives on the session."""

    async def set_up(self, session: Session, on_closed: OnClosed) -> None:
        """Declare and open what is needed. Raises BrokerUnavailableError, ConfigurationError."""

    async def watch(self, session: Session) -> str:
        """Run beside the session; return the reason if it is to be rebuilt although nothing closed it."""

    async def tear_down(self) -> None:
        """The session ends, or has ended. Called once for each `set_up`, even one that failed."""


class SessionKeeper:
    def __init__(
        self, broker: Broker, tenant: Tenant, *, name: str, timing: WorkerTiming, clock: LoopClock
    ) -> None:
        self._broker = broker
        self._tenant = tenant
        self._name = name
        self._backoff = Backoff(timing.reconnect_after, timing.reconnect_after_max)
        self._clock = clock
        self._was_up = False

    async def run(self) -> None:
        """Until cancelled, which closes the session.

        Raises ConfigurationError, but only before the first session: what a running worker meets later (a
        rotated password, say) may be mended while it waits.
        """
        while True:
            try:
                reason = await self._one_session()
            except BrokerUnavailableError as error:
                reason = str(error)
            except ConfigurationError as error:
                if not self._was_up:
                    raise
                reason = str(error)
            seconds = self._backoff.next_seconds()
            log.warning("broker_session_lost", reason=reason, retry_in_seconds=round(seconds, 2))
            await sleep(self._clock, seconds)

    async def _one_session(self) -> str:
        """Why it ended. Raises what connecting and setting up raise."""
        loop = asyncio.get_running_loop()
        closed: asyncio.Future[str] = loop.create_future()

        def on_closed(reason: str) -> None:
            if not closed.done():
                closed.set_result(reason)

        session = await self._broker.connect(on_closed=on_closed, name=self._name)
        try:
            await self._tenant.set_up(session, on_closed)
            self._was_up = True
            self._backoff.reset()
            log.info("broker_session_ready", name=self._name)
            watch = loop.create_task(self._tenant.watch(session))
            try:
                await asyncio.wait({closed, watch}, return_when=asyncio.FIRST_COMPLETED)
                return closed.result() if closed.done() else watch.result()
            finally:
                watch.cancel()
                await asyncio.gather(watch, return_exceptions=True)
        finally:
            await self._tenant.tear_down()
            await session.close()
