"""A stage whose host is killed at its commits, and built anew from what is stored."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from dalsegno.activity_code.registry import Registry
from dalsegno.actors.supervisor.host.host import Host
from dalsegno.actors.supervisor.host_id import new_host_id
from dalsegno.persistence.port import Round, RoundOutcome, Watermark, Writer
from dalsegno.testing.crash_points import CrashFault, Crossings, PointKind
from dalsegno.testing.faulty_broker import Courier, FaultyBroker
from dalsegno.testing.stage import Stage


class HostKilledError(BaseException):
    """Comes out of a commit, in the place of all that the host would have done next."""


class HostLife:
    """One life of a host. What it does after its death is nothing."""

    def __init__(self, broker: FaultyBroker, killed: Callable[[], None]) -> None:
        self.host_id = new_host_id()
        self.broker = broker
        self.is_over = False
        self._killed = killed

    def kill(self) -> None:
        if not self.is_over:
            self.is_over = True
            self.broker.cut()
            self._killed()


class KillingWriter:
    """Implements Writer, for one life."""

    def __init__(self, writer: Writer, life: HostLife, crossings: Crossings) -> None:
        self._writer = writer
        self._life = life
        self._crossings = crossings

    def commit(self, round_: Round) -> RoundOutcome:
        if self._life.is_over:
            raise HostKilledError
        faults = {self._crossings.cross(PointKind.COMMIT, what) for what in _activations(round_)}
        if CrashFault.HOST_KILLED_BEFORE in faults:
            self._life.kill()
            raise HostKilledError
        outcome = self._writer.commit(round_)
        if CrashFault.HOST_KILLED_AFTER in faults:
            self._life.kill()
            raise HostKilledError
        return outcome

    def settle(self) -> None:
        self._writer.settle()

    def raise_watermark(self, *, above: int, accept: bool = False) -> Watermark | None:
        return self._writer.raise_watermark(above=above, accept=accept)

    def close(self) -> None:
        self._writer.close()


class CrashingStage(Stage):
    """`courier` has what is withheld at the broker."""

    def __init__(self, activities: Registry, crossings: Crossings, **options: Any) -> None:
        super().__init__(activities, **options)
        self.crossings = crossings
        self.courier = Courier()
        self._life: HostLife | None = None
        self._rebirth: asyncio.Task[None] | None = None

    async def start(self) -> None:
        await self.broker.start()
        await self.courier.start(self.broker)
        await self._start_host()
        await self.settle()

    async def close(self) -> None:
        self.courier.close()
        while self._rebirth is not None and not self._rebirth.done():
            await asyncio.wait({self._rebirth})
        await super().close()

    def faulty_broker(self) -> FaultyBroker:
        """As one more process sees it."""
        return FaultyBroker(self.broker, self.crossings, self.courier)

    def _new_host(self, ready: Callable[[], None]) -> Host:
        life = self._life = HostLife(self.faulty_broker(), self._killed)

        def escaped(error: BaseException) -> None:
            if not life.is_over:
                self._escaped(error)

        return self._host_of(life.broker, life.host_id, ready, escaped)

    def _watched(self, writer: Writer) -> Writer:
        assert self._life is not None
        return KillingWriter(writer, self._life, self.crossings)

    @property
    def is_up(self) -> bool:
        return self._rebirth is None or self._rebirth.done()

    @property
    def has_all_from_host(self) -> bool:
        """The host has nothing to do before it hears of somebody: of an activity, or of the test."""
        return self.is_up and self._host is not None and self._host.engine.is_at_rest

    def _killed(self) -> None:
        assert self._life is not None and self._run is not None
        self._rebirth = self._loop.create_task(self._replace(self._life, self._run))

    async def _replace(self, life: HostLife, run: asyncio.Task[None]) -> None:
        """Its parent sees it die, deletes its row, and starts another."""
        run.cancel()
        await asyncio.wait({run})
        try:
            membership = self._store.membership()
            membership.expire(life.host_id)
            membership.close()
            await self.courier.forget_watermark()
            await self._start_host()
        except Exception as error:  # noqa: BLE001 - a defect, of which the environment tells
            self._escaped(error)


def _activations(round_: Round) -> list[str]:
    """In words, what a round makes durable."""
    found = [
        f"of activation {row.sequence} of {write.workflow_id!r} ({row.cause.partition(' ')[0]})"
        for write in round_.instances
        for row in write.journal
    ]
    quiet = [
        f"of {write.workflow_id!r} without an activation" for write in round_.instances if not write.journal
    ]
    refused = [f"of a refusal ({row.type} to {row.workflow_id!r})" for _, _, row in round_.seen]
    kept = [f"of mail for {mail.workflow_id!r}" for aside in round_.asides for mail in aside.mail]
    return [*found, *quiet, *refused, *kept]
