"""What is large goes to the store by all ways, and comes back; a store that is away, or has lost something,
harms no workflow."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from dalsegno import (
    Client,
    CodecChain,
    CompressionCodec,
    DataConverter,
    PayloadLostError,
    PayloadStoreError,
    QueryFailedError,
    WorkflowHandle,
    WorkflowStatus,
)
from dalsegno.actors.workflow_actor import gates
from dalsegno.actors.workflow_actor.run.log import CHUNK
from dalsegno.payload_store import keys_in
from dalsegno.testing import WorkflowEnvironment
from tests.encrypted import encrypted
from tests.payload_stores.large import (
    LARGE,
    Child,
    Making,
    Teller,
    Told,
    Waiting,
    enlarge,
    enlarge_in_thread,
)
from tests.payload_stores.memory import MemoryPayloadStore

WORKFLOWS = [Child, Teller, Waiting, Making]
ACTIVITIES: list[Any] = [enlarge, enlarge_in_thread]


class Seen:
    """Who is told of suspensions."""

    def __init__(self) -> None:
        self.reasons: list[str] = []

    def __call__(self, workflow_id: str, reason: str) -> None:
        self.reasons.append(reason)


@asynccontextmanager
async def environment(converter: DataConverter, seen: Seen | None = None) -> AsyncIterator[WorkflowEnvironment]:
    begun = await WorkflowEnvironment.start_time_skipping(data_converter=converter, on_suspended=seen)
    async with begun as env, env.worker(workflows=WORKFLOWS, activities=ACTIVITIES):
        yield env


@pytest.fixture
def store() -> MemoryPayloadStore:
    return MemoryPayloadStore()


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
async def env(store: MemoryPayloadStore, seen: Seen) -> AsyncIterator[WorkflowEnvironment]:
    converter = DataConverter(payload_store=store, threshold=2048)
    async with environment(converter, seen) as env:
        yield env


def rows(env: WorkflowEnvironment, run_id: str) -> list[bytes]:
    reader = env._stage._store.people_reader()  # type: ignore[attr-defined]
    run = reader.load_run(run_id)
    return [row.events for row in run.journal] + ([run.snapshot.body] if run.snapshot is not None else [])


async def by_every_way(client: Client) -> WorkflowHandle[str]:
    teller = await client.start(Teller.run, Told(), id="teller")
    await teller.signal(Teller.tell, LARGE)
    assert await teller.execute_update(Teller.ask, LARGE) == f"{LARGE}:"
    waiting = await client.start(Waiting.run, LARGE, id="waiting")
    assert await waiting.query(Waiting.echo, LARGE) == [LARGE, LARGE]
    await teller.signal(Teller.end)
    told = await teller.result()
    assert sorted(told[: -len(LARGE)]) == sorted("!?!  ")
    return teller


async def test_by_every_way_only_references_travel_and_are_kept(
    env: WorkflowEnvironment, store: MemoryPayloadStore, seen: Seen
) -> None:
    handle = await by_every_way(env.client)
    description = await env.client.get_workflow_handle("teller").describe()
    stored = [*rows(env, handle.run_id or ""), *rows(env, description.run_id)]
    assert max(map(len, stored)) < 8 * 1024
    referred = set().union(*map(keys_in, stored))
    assert referred <= store.pieces.keys()
    assert referred
    assert not seen.reasons


async def test_behind_codecs_the_store_holds_what_they_made(store: MemoryPayloadStore) -> None:
    plain = DataConverter(payload_store=store, threshold=2048, payload_codec=CompressionCodec())
    async with environment(plain) as env:
        assert await env.client.execute(Waiting.run, LARGE, id="w", start_signal="end") == len(LARGE)
    assert not store.pieces, "it is small by then"
    assert isinstance(encrypted.payload_codec, CodecChain)
    sealed = DataConverter(payload_store=store, threshold=1024, payload_codec=encrypted.payload_codec)
    async with environment(sealed) as env:
        await by_every_way(env.client)
    assert store.pieces
    assert not any(b"large" in data for _, data in store.pieces.values())


async def test_a_store_that_is_away_has_the_workflow_wait(
    env: WorkflowEnvironment, store: MemoryPayloadStore, seen: Seen
) -> None:
    store.is_away = True
    with pytest.raises(PayloadStoreError, match=r"MemoryPayloadStore.*ConnectionError: nobody answers"):
        await env.client.start(Waiting.run, LARGE, id="waiting")
    making = await env.client.start(Making.run, 100_000, id="making")
    assert "does not take a payload: ConnectionError: nobody answers" in await reason(making)
    assert not set().union(*map(keys_in, rows(env, making.run_id or ""))), (
        "it refers to nothing that is not there"
    )
    store.is_away = False
    assert len(await making.result()) == 100_000
    assert seen.reasons


async def test_what_a_store_has_lost_is_waited_for_and_named(store: MemoryPayloadStore, seen: Seen) -> None:
    converter = DataConverter(payload_store=store, threshold=2048)
    begun = await WorkflowEnvironment.start_time_skipping(data_converter=converter, on_suspended=seen)
    async with begun as env:
        async with env.worker(workflows=[Waiting]):
            waiting = await env.client.start(Waiting.run, LARGE, id="waiting")
        [(key, piece)] = store.pieces.items()
        forget(env, key)
        del store.pieces[key]
        await waiting.signal(Waiting.end)
        async with env.worker(workflows=[Waiting]):
            assert f"has lost a payload of 240,002 bytes (key {key})" in await reason(waiting)
            store.pieces[key] = piece
            assert await waiting.result() == len(LARGE)


async def reason(handle: WorkflowHandle[Any]) -> str:
    described = await handle.describe()
    assert described.status is WorkflowStatus.SUSPENDED
    return described.suspended_reason or ""


async def test_a_long_log_is_brought_back_when_what_it_refers_to_is_there(
    store: MemoryPayloadStore, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gates, "LONG_LOG", 10)
    converter = DataConverter(payload_store=store, threshold=2048)
    begun = await WorkflowEnvironment.start_time_skipping(data_converter=converter, on_suspended=seen)
    async with begun as env:
        async with env.worker(workflows=[Waiting]):
            waiting = await env.client.start(Waiting.run, LARGE, id="waiting")
            for number in range(CHUNK + 1):
                await waiting.signal(Waiting.say, f"{number}" * 1000)
        for key in store.pieces:
            forget(env, key)
        got = len(store.gets)
        async with env.worker(workflows=[Waiting]):
            store.is_away = True
            with pytest.raises(
                QueryFailedError, match=r"does not give a payload: ConnectionError: nobody answers"
            ):
                await waiting.query(Waiting.echo, "gone")
            store.is_away = False
            assert (await waiting.query(Waiting.echo, "still"))[0] == "still"
            assert len(store.gets) > got
            await waiting.signal(Waiting.end)
            assert await waiting.result() == len(LARGE)
    assert not seen.reasons


async def test_a_run_that_is_over_is_asked_what_it_was_given(
    env: WorkflowEnvironment, store: MemoryPayloadStore
) -> None:
    first = await env.client.start(Waiting.run, LARGE, id="waiting")
    await first.signal(Waiting.end)
    await first.result()
    second = await env.client.start(Waiting.run, "another", id="waiting")
    for key in store.pieces:
        forget(env, key)
    of_first = env.client.get_workflow_handle("waiting", run_id=first.run_id)
    assert await of_first.query(Waiting.echo, "still") == ["still", LARGE]
    await second.signal(Waiting.end)


async def test_a_client_is_told_what_was_lost(env: WorkflowEnvironment, store: MemoryPayloadStore) -> None:
    making = await env.client.start(Making.run, 100_000, id="making")
    await making.result()
    [key] = store.pieces
    forget(env, key)
    store.pieces.clear()
    with pytest.raises(PayloadLostError, match=key):
        await making.result()


async def test_an_attempt_that_cannot_have_its_arguments_is_tried_again(
    env: WorkflowEnvironment, store: MemoryPayloadStore
) -> None:
    teller = await env.client.start(Teller.run, Told(["one"]), id="teller")
    store.is_away = True
    await asyncio.sleep(0)
    await teller.signal(Teller.end)
    store.is_away = False
    assert (await teller.result()).endswith(LARGE)


def forget(env: WorkflowEnvironment, key: str) -> None:
    """What was put lately is at hand here still."""
    stored = env.client._engine.converter._stored
    assert stored is not None
    stored._cache.pop(key, None)
