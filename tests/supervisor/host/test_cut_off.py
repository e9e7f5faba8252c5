"""A host from which the broker takes nothing notices it, and holds up nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from dalsegno.actors.supervisor.connection import hearing
from dalsegno.actors.supervisor.connection.hearing import CUT_OFF_SECONDS, Hearing
from dalsegno.actors.supervisor.host.cut_off import CutOffWatch
from dalsegno.actors.supervisor.membership.host_supervisor import CutOff
from dalsegno.broker import topology
from dalsegno.broker.port import Fault, OnClosed, Outcome, Outgoing
from dalsegno.errors import BrokerUnavailableError
from tests.partition_ids import nths


class FakePublisher:
    def __init__(self, session: FakeSession, on_closed: OnClosed) -> None:
        self.is_open = True
        self.fault = Fault.NONE
        self._session = session
        self._on_closed = on_closed

    def publish(self, batch: Sequence[Outgoing]) -> None:
        self._session.published += batch
        if self._session.refuses is not None:
            self.is_open, self.fault = False, Fault.TARGET
            self._on_closed(self._session.refuses)
            return
        for outgoing in batch:
            outcome = self._session.outcomes.get(outgoing.exchange)
            if outcome is not None:
                outgoing.on_outcome(outcome)

    async def close(self) -> None:
        self.is_open = False


class FakeSession:
    """Takes what it is told to take."""

    def __init__(self) -> None:
        self.is_open = True
        self.is_blocked = False
        self.outcomes: dict[str, Outcome] = {topology.DEAD_EXCHANGE: Outcome.RETURNED}
        self.refuses: str | None = None
        self.published: list[Outgoing] = []

    async def open_publisher(self, *, on_closed: OnClosed) -> FakePublisher:
        return FakePublisher(self, on_closed)


class Ears:
    def __init__(self) -> None:
        self.mended = 0
        self.hearing = Hearing(partitions=nths(2), name="host-a", mend=self._mend)

    def _mend(self) -> None:
        self.mended += 1


@pytest.fixture(autouse=True)
def swift(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hearing, "PROOF_SECONDS", 0.5)
    monkeypatch.setattr(hearing, "PROBE_SECONDS", 0.01)
    monkeypatch.setattr(hearing, "LOOK_SECONDS", 0.001)


async def test_a_session_that_confirms_is_taken_and_what_is_missing_is_mended() -> None:
    ears, session = Ears(), FakeSession()
    session.outcomes[topology.COMMANDS_EXCHANGE] = Outcome.CONFIRMED
    await ears.hearing.prove(session)  # type: ignore[arg-type]
    assert ears.mended == 0
    session.outcomes[topology.COMMANDS_EXCHANGE] = Outcome.RETURNED
    await ears.hearing.prove(session)  # type: ignore[arg-type]
    assert ears.mended == 1
    session.refuses = "NOT_FOUND - no exchange"
    await ears.hearing.prove(session)  # type: ignore[arg-type]
    assert ears.mended == 2
    keys = {outgoing.routing_key for outgoing in session.published if "slot" in outgoing.routing_key}
    assert keys == {"slot.0", "slot.1"}, "one partition after the other"


async def test_a_session_that_takes_nothing_is_refused_and_one_with_an_alarm_is_not() -> None:
    ears, session = Ears(), FakeSession()
    with pytest.raises(BrokerUnavailableError, match="cut off"):
        await ears.hearing.prove(session)  # type: ignore[arg-type]
    session.is_blocked = True
    await ears.hearing.prove(session)  # type: ignore[arg-type]


async def test_a_session_that_is_lost_is_given_up_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hearing, "PROOF_SECONDS", 1e6)
    ears, session = Ears(), FakeSession()
    session.is_open = False
    with pytest.raises(BrokerUnavailableError, match="was lost"):
        await ears.hearing.prove(session)  # type: ignore[arg-type]


async def test_the_watch_ends_when_nothing_was_taken_for_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hearing, "CUT_OFF_SECONDS", 0.1)
    ears, session = Ears(), FakeSession()
    async with asyncio.timeout(20):
        await ears.hearing.keep_proving(session)  # type: ignore[arg-type]
    assert session.published


async def test_a_marker_that_is_confirmed_tells_that_the_broker_takes_messages_and_a_refused_one_does_not() -> (
    None
):
    ears, session = Ears(), FakeSession()
    told: list[float] = []
    ears.hearing.taken = told.append
    session.outcomes[topology.COMMANDS_EXCHANGE] = Outcome.REFUSED
    await ears.hearing.prove(session)  # type: ignore[arg-type]
    assert told == []
    session.outcomes[topology.COMMANDS_EXCHANGE] = Outcome.CONFIRMED
    await ears.hearing.prove(session)  # type: ignore[arg-type]
    assert len(told) == 1
    assert told[0] >= 0


class Silence:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_a_host_that_is_cut_off_says_so_once_and_again_when_it_is_over() -> None:
    silence, told = Silence(), list[CutOff]()
    watch = CutOffWatch(silence, told.append)
    watch.look(has_others=True)
    assert told == []
    silence.seconds = CUT_OFF_SECONDS
    for _ in range(3):
        watch.look(has_others=True)
    assert len(told) == 1
    assert told[0].reason is not None
    silence.seconds = 0.0
    for _ in range(3):
        watch.look(has_others=False)
    assert told[1:] == [CutOff(None)]


def test_a_host_alone_keeps_what_it_has() -> None:
    silence, told = Silence(), list[CutOff]()
    silence.seconds = 10 * CUT_OFF_SECONDS
    CutOffWatch(silence, told.append).look(has_others=False)
    assert told == []
