"""Logs and Blobs in the state of a sign: what is new is put into the store, and once; whatever dies, is away or
is lost, the talk is whole or waits."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing

import pytest

from dalsegno import (
    Blob,
    Client,
    CodecChain,
    DataConverter,
    Log,
    PayloadCodec,
    PayloadLostError,
    WorkflowHandle,
)
from dalsegno.cli.histories import _redaction
from dalsegno.payload import Payload
from dalsegno.payload_store import key_of, keys_in, references_in
from dalsegno.rehearsal.exporting import history_of
from dalsegno.rehearsal.redaction import ALL, Redaction
from dalsegno.testing import Replayer, WorkflowEnvironment
from tests.encrypted import encrypted
from tests.payload_stores.memory import MemoryPayloadStore
from tests.payload_stores.talking import ACTIVITIES, WORKFLOWS, Line, Relay, Talk, Talker
from tests.payload_stores.test_in_workflows import Seen, forget, reason, rows

TEXT = "what was said " * 30
PICTURE = bytes(range(256)) * 40


@pytest.fixture
def store() -> MemoryPayloadStore:
    return MemoryPayloadStore()


@asynccontextmanager
async def environment(converter: DataConverter) -> AsyncIterator[WorkflowEnvironment]:
    async with await WorkflowEnvironment.start_time_skipping(
        data_converter=converter, on_suspended=Seen()
    ) as env:
        yield env


@pytest.fixture
async def env(store: MemoryPayloadStore) -> AsyncIterator[WorkflowEnvironment]:
    async with environment(DataConverter(payload_store=store)) as env:
        yield env


async def talked(client: Client, times: int) -> WorkflowHandle[Log[Line]]:
    handle = await client.start(Talker.run, Talk(picture=Blob(PICTURE)), id="talk")
    for number in range(times):
        told = await handle.execute_update(Talker.tell, args=[TEXT, 5])
        assert told == f"{5 * number + 5} {5 * number + 4}"
    return handle


async def test_a_talk_is_stored_about_once_and_whole_after_any_death(
    env: WorkflowEnvironment, store: MemoryPayloadStore
) -> None:
    async with env.worker(workflows=WORKFLOWS, activities=ACTIVITIES):
        handle = await talked(env.client, 100)
        assert await handle.execute_update(Talker.look) == len(PICTURE)
    talk = sum(
        len(json.dumps({"number": n, "text": f"{n}: {TEXT}"}, separators=(",", ":"))) for n in range(500)
    )
    stored = sum(len(data) for _, data in store.pieces.values())
    in_rows = sum(map(len, rows(env, handle.run_id or "")))
    assert stored + in_rows < 1.1 * talk + 3 * len(PICTURE)
    for key in list(store.pieces):
        forget(env, key)
    got = len(store.gets)
    async with env.worker(workflows=WORKFLOWS, activities=ACTIVITIES):
        assert await handle.query(Talker.line, 3) == f"3: {TEXT}"
        assert len(store.gets) - got == len(store.pieces), "all of it, and once"
        assert await handle.execute_update(Talker.tell, args=["more", 1]) == "501 500"
        await handle.signal(Talker.end)
        lines = await handle.result()
        assert [line.number for line in lines] == list(range(501))


async def test_what_others_give_back_or_are_given_is_whole(store: MemoryPayloadStore) -> None:
    sealed = DataConverter(payload_store=store, payload_codec=encrypted.payload_codec)
    assert isinstance(sealed.payload_codec, CodecChain)
    async with environment(sealed) as env, env.worker(workflows=WORKFLOWS, activities=ACTIVITIES):
        handle = await talked(env.client, 20)
        assert await handle.execute_update(Talker.have_heard) == sum(range(100))
        assert await handle.execute_update(Talker.cut_to_the_middle) == 50
        assert (await handle.execute_update(Talker.tell, args=["x", 10])).startswith("60 ")
        assert await handle.query(Talker.line, 0) == f"25: {TEXT}"
        assert await env.client.execute(Relay.run, Log[Line](), id="relay") == 100
        assert not any(b"said" in data or b"again" in data for _, data in store.pieces.values())
        assert not any(b"said" in row for row in rows(env, handle.run_id or ""))
        await handle.signal(Talker.end)
        assert len(await handle.result()) == 60


async def test_a_piece_that_is_lost_is_waited_for_and_named(
    env: WorkflowEnvironment, store: MemoryPayloadStore
) -> None:
    async with env.worker(workflows=WORKFLOWS, activities=ACTIVITIES):
        handle = await talked(env.client, 10)
    for key in list(store.pieces):
        forget(env, key)
    key = next(key for key, (_, data) in store.pieces.items() if b"number" in data)
    piece = store.pieces.pop(key)
    await handle.signal(Talker.end)
    async with env.worker(workflows=WORKFLOWS, activities=ACTIVITIES):
        assert f"has lost a payload of {len(piece[1]):,} bytes (key {key})" in await reason(handle)
        store.pieces[key] = piece
        lines = await handle.result()
        assert len(lines) == 50
        forget(env, key)
        del store.pieces[key]
        with pytest.raises(PayloadLostError, match=key):
            await handle.result()


async def test_a_store_that_is_away_at_the_sign_has_it_wait(
    env: WorkflowEnvironment, store: MemoryPayloadStore
) -> None:
    async with env.worker(workflows=WORKFLOWS, activities=ACTIVITIES):
        handle = await talked(env.client, 1)
        before = set(store.pieces)
        store.is_away = True
        await handle.signal(Talker.hear, args=[TEXT, 20])
        assert "does not take a payload" in await reason(handle)
        referred = set().union(*map(keys_in, rows(env, handle.run_id or "")))
        assert referred <= before, "it refers to nothing that is not there"
        store.is_away = False
        assert await handle.execute_update(Talker.tell, args=[TEXT, 1]) == "26 25"


async def test_without_a_store_it_is_a_list_and_bytes() -> None:
    async with environment(DataConverter()) as env, env.worker(workflows=WORKFLOWS, activities=ACTIVITIES):
        handle = await talked(env.client, 5)
        assert await handle.execute_update(Talker.look) == len(PICTURE)
        assert b"25: what was said" not in b"".join(rows(env, handle.run_id or ""))
        await handle.signal(Talker.end)
        assert [line.number for line in await handle.result()] == list(range(25))


async def test_nobody_takes_pieces_for_more_than_they_are(store: MemoryPayloadStore) -> None:
    converter = DataConverter(payload_store=store).of_workflow("w")
    payload = converter.at_sign().to_payload(Log([TEXT] * 100), Log[str])
    assert references_in(payload).keys() == store.pieces.keys()
    assert converter.from_payload(payload) == [TEXT] * 100
    assert converter.from_payload(payload, list[str]) == [TEXT] * 100
    whole = converter.from_payload(payload, Payload)
    assert whole.encoding == "json/plain"
    assert key_of(whole.data) == key_of(json.dumps([TEXT] * 100, separators=(",", ":")).encode())


@pytest.mark.parametrize("codec", [None, encrypted.payload_codec])
async def test_an_export_has_the_pieces_in_it_for_who_has_the_key(
    store: MemoryPayloadStore, codec: PayloadCodec | None
) -> None:
    converter = DataConverter(payload_store=store, payload_codec=codec)
    async with environment(converter) as env, env.worker(workflows=WORKFLOWS, activities=ACTIVITIES):
        await talked(env.client, 20)
        with closing(env._stage._store.people_reader()) as reader:  # type: ignore[attr-defined]
            bringing, referring = _redaction("talk", (), converter), Redaction()
            whole = history_of(reader, None, "talk", redaction=bringing)
            history_of(reader, None, "talk", redaction=referring)
            zeros = history_of(reader, None, "talk", redaction=_redaction("talk", [ALL], converter))
    assert (bringing.referred, referring.referred > 0) == (0, True)
    store.pieces.clear()
    sealed = DataConverter(payload_codec=codec)
    assert (await Replayer(workflows=WORKFLOWS, data_converter=sealed).replay_workflow(whole)).fits
    assert zeros.redacted
