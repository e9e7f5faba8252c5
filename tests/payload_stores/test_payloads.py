"""How payloads become references and come back, and what is said of what cannot."""

from __future__ import annotations

import asyncio
import threading
from base64 import b64encode
from typing import Any

import pytest

from dalsegno import (
    DataConverter,
    Payload,
    PayloadError,
    PayloadLostError,
    PayloadStoreError,
    RawValue,
    stored_payloads,
)
from dalsegno.activity_code.execution import until_kept
from dalsegno.actors.supervisor.off_loop.payload_fetching import PayloadFetching
from dalsegno.actors.workflow_actor.interface.waiting import KeepPieces
from dalsegno.payload_codec import in_words
from dalsegno.payload_store import STORED, key_of, keys_in, references_in, referring_to
from dalsegno.stored_payloads import CACHE_BYTES, PLACES
from tests.payload_stores.memory import MemoryPayloadStore

LARGE = "x" * 5000


def bound(store: MemoryPayloadStore, **options: Any) -> DataConverter:
    return DataConverter(payload_store=store, threshold=1024, **options).of_workflow("w")


def test_what_is_larger_than_the_threshold_is_referred_to() -> None:
    store = MemoryPayloadStore()
    converter = bound(store)
    small, large = converter.to_payload("x" * 1000), converter.to_payload(LARGE)
    assert small.encoding == "json/plain"
    assert large.encoding == STORED
    assert len(large.data) < 150
    [(key, (_, data))] = store.pieces.items()
    assert data == f'"{LARGE}"'.encode()
    assert keys_in(b"\xff some row" + large.data + b"\x00") == {key} == references_in([{"a": (large,)}]).keys()
    in_json = b'{"$payload": {"data": "%b"}}' % b64encode(large.data)
    assert keys_in(in_json) == keys_in(in_json.replace(b"/", rb"\/")) == {key}
    assert in_words(large) == "json/plain, 5002 bytes, in the payload store"
    assert bound(store).from_payload(large, str) == LARGE
    assert bound(store).from_payload(large, Payload) == Payload("json/plain", data)
    assert bound(store).from_payload(large, RawValue).payload.encoding == "json/plain"
    assert converter.to_whole_payload(LARGE).data == converter.in_whole().to_payload(LARGE).data == data
    assert converter.to_failure(ValueError(LARGE)).message == LARGE


def test_who_has_read_it_and_sends_it_on_refers_to_it_again() -> None:
    store = MemoryPayloadStore()
    large = bound(store).to_payload(LARGE)
    read = bound(store).from_payload(large, RawValue)
    assert bound(store).to_payload(read) == large
    assert store.puts == [key_of(f'"{LARGE}"'.encode())] * 2, "so that it is not swept"


async def test_on_a_loop_nobody_waits_for_the_store_but_who_sends_it() -> None:
    store = MemoryPayloadStore()
    converter = bound(store)
    stored = converter._stored
    assert stored is not None
    large = converter.to_payload(LARGE)
    await stored.kept(large)
    assert store.pieces.keys() == references_in(large).keys()
    other = bound(store)
    assert other._stored is not None
    await other._stored.fetch([large])
    store.is_away = True
    assert other.from_payload(large) == LARGE
    another = converter.to_payload(LARGE + "y")
    with pytest.raises(PayloadStoreError, match="does not take a payload: ConnectionError"):
        await stored.kept(another)


async def test_who_gives_up_waiting_takes_nothing_from_others() -> None:
    store = MemoryPayloadStore()
    converter = bound(store)
    assert converter._stored is not None
    large = converter.to_payload(LARGE)
    first = asyncio.ensure_future(converter._stored.kept(large))
    second = asyncio.ensure_future(converter._stored.kept(large))
    await asyncio.sleep(0)
    first.cancel()
    await second
    assert store.pieces


def test_what_a_store_does_not_give_is_said() -> None:
    store = MemoryPayloadStore()
    large = bound(store).to_payload(LARGE)
    [key] = store.pieces
    store.is_away = True
    converter = bound(store)
    with pytest.raises(
        PayloadStoreError, match=r"MemoryPayloadStore. does not give a payload: ConnectionError"
    ):
        converter.from_payload(large)
    store.is_away = False
    store.pieces[key] = 0.0, b"changed"
    with pytest.raises(PayloadLostError, match="other bytes"):
        converter.from_payload(large)
    store.pieces.clear()
    with pytest.raises(PayloadLostError, match=f"has lost a payload of 5,002 bytes .key {key}"):
        converter.from_payload(large)
    with pytest.raises(PayloadError, match="reference to a stored payload is damaged"):
        converter.from_payload(Payload(STORED, large.data[:-20]))
    with pytest.raises(
        PayloadError, match=r"encoding 'stored/sha256'.*takes the data converter of whoever wrote"
    ):
        DataConverter.default.from_payload(large)


async def test_all_that_was_fetched_is_at_hand_and_no_more_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryPayloadStore()
    monkeypatch.setattr(stored_payloads, "CACHE_BYTES", 10_000)
    large = [bound(store).in_whole().to_payload(LARGE + str(number)) for number in range(5)]
    references = [referring_to(payload)[1] for payload in large]
    for payload in large:
        store.put(key_of(payload.data), payload.data)
    converter = bound(store)
    assert converter._stored is not None
    await converter._stored.fetch(references)
    store.is_away = True
    assert [converter.from_payload(each) for each in references] == [LARGE + str(n) for n in range(5)]
    store.is_away = False
    monkeypatch.setattr(stored_payloads, "HELD_SECONDS", -1.0)
    other = bound(store)
    assert other._stored is not None
    await other._stored.fetch(references)
    assert other._stored._cached_bytes <= 10_000


async def test_what_is_needed_stays_at_hand_until_the_rest_has_come(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also what was there before, or is still on its way to the store."""
    store = MemoryPayloadStore()
    monkeypatch.setattr(stored_payloads, "CACHE_BYTES", 10_000)
    large = [Payload("json/plain", f'"{LARGE}{number}"'.encode()) for number in range(6)]
    needed = references_in([referring_to(payload)[1] for payload in large[:3]])
    converter = bound(store)
    stored = converter._stored
    assert stored is not None
    for payload in large[:3]:
        store.put(key_of(payload.data), payload.data)
    await stored.have(dict(list(needed.items())[:1]))
    stored._held.clear()  # that was long ago
    assert len(stored.lacks(needed)) == 2
    await stored.have(needed)
    assert not stored.lacks(needed)
    store.is_away = True
    made = [stored.put_soon(key_of(payload.data), payload.data) for payload in large[3:]]
    assert not stored.lacks(references_in([referring_to(payload)[1] for payload in large[3:]]))
    assert all(isinstance(put.exception(), PayloadStoreError) for put in made)


async def test_what_was_made_for_nobody_and_swept_since_is_put_again() -> None:
    store = MemoryPayloadStore()
    converter = bound(store)
    assert converter._stored is not None
    [key] = references_in(converter.to_payload(LARGE))  # whoever made it has given up
    await asyncio.wait([asyncio.wrap_future(converter._stored._putting[key])])
    store.pieces.clear()
    await converter._stored.kept(converter.to_payload(LARGE))
    assert store.pieces


class HangingStore(MemoryPayloadStore):
    """Answers nobody before it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.let_go = threading.Event()

    def _answer(self) -> None:
        self.let_go.wait()


def test_little_waits_before_a_store_that_hangs() -> None:
    """However often it is asked by who waits no longer, or for the same."""
    store = HangingStore()
    stored = bound(store)._stored
    assert stored is not None
    first = [stored.put_soon(str(number), b"") for number in range(PLACES)]
    made = KeepPieces({str(number): b"" for number in range(100, 200)})
    told: list[object] = []
    fetching = PayloadFetching(stored, None, deliver=lambda call: call(), now=lambda: 0)
    fetching.work(made, told.append)
    _, reference = referring_to(Payload("json/plain", LARGE.encode()))
    [needed] = references_in(reference).values()
    assert stored.get_soon(needed) is stored.get_soon(needed)
    assert len(stored._errands._waiting) == 101
    assert not told
    fetching.give_up(made)
    assert len(told) == 1
    assert not fetching.is_at_work
    assert len(stored._errands._waiting) == 1
    got = stored.get_soon(needed)
    store.let_go.set()
    assert isinstance(got.exception(), PayloadLostError)
    assert [put.result() for put in first] == [None] * PLACES
    assert store.pieces.keys() == {str(number) for number in range(PLACES)}
    fetching.close()


async def test_a_request_to_stop_does_not_lose_a_result_that_is_on_its_way_to_the_store() -> None:
    store = MemoryPayloadStore()
    converter = bound(store)
    assert converter._stored is not None
    waiting = asyncio.ensure_future(until_kept(converter._stored, converter.to_payload(LARGE)))
    await asyncio.sleep(0)
    waiting.cancel()
    await waiting
    assert store.pieces


async def test_what_could_not_be_put_is_not_sent_by_anybody() -> None:
    store = MemoryPayloadStore()
    converter = bound(store)
    assert converter._stored is not None
    store.is_away = True
    large = converter.to_payload(LARGE)
    for _ in range(2):
        with pytest.raises(PayloadStoreError):
            await converter._stored.kept(large)
    store.is_away = False
    await converter._stored.kept(converter.to_payload(LARGE))
    await converter._stored.kept(large)
    assert store.pieces


def test_little_is_kept_in_memory() -> None:
    store = MemoryPayloadStore()
    converter = bound(store)
    assert converter._stored is not None
    for number in range(3):
        converter.to_payload(bytes([number]) * (CACHE_BYTES // 2))
    assert converter._stored._cached_bytes <= CACHE_BYTES


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"payload_store": MemoryPayloadStore}, "not the class MemoryPayloadStore: give MemoryPayloadStore"),
        ({"payload_store": "a folder"}, "with put, get, delete and keys, not a value of the type str"),
        ({"payload_store": MemoryPayloadStore(), "threshold": 10}, "1024 at least, not 10"),
        ({"threshold": "1 MB"}, "threshold must be a number of bytes"),
    ],
)
def test_what_is_no_store_or_threshold_is_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises((TypeError, ValueError), match=says):
        DataConverter(**options)
