"""Whatever lies in pieces reads as if it lay in the value, and is put there once."""

from __future__ import annotations

import copy
import json
import pickle
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dalsegno import Blob, DataConverter, DefaultPayloadConverter, Log
from dalsegno.errors import PayloadError
from dalsegno.payload import Payload, RawValue
from dalsegno.payload_store import references_in
from dalsegno.pieces import PIECES, enveloped, opened
from dalsegno.shelf import BLOB_BYTES, PIECE_BYTES, filled
from tests.payload_stores.memory import MemoryPayloadStore


@dataclass
class Said:
    who: str
    words: Log[str] = field(default_factory=Log)


@dataclass
class Talk:
    said: Log[Said]
    pictures: list[Blob] = field(default_factory=list)
    aside: Log[int] | None = None
    anything: Any = None


texts = st.integers(0, 3000).map(lambda size: "x" * size)
grown = st.lists(st.lists(texts, max_size=6), max_size=12)


def converter(store: MemoryPayloadStore, workflow_id: str = "w", **more: Any) -> DataConverter:
    return DataConverter(payload_store=store, **more).of_workflow(workflow_id)


@given(grown, st.binary(max_size=2 * BLOB_BYTES))
def test_a_state_that_grows_from_sign_to_sign_is_read_as_it_is(signs: list[list[str]], picture: bytes) -> None:
    store = MemoryPayloadStore()
    of = converter(store)
    talk = Talk(Log(), [Blob(picture)], Log([1, 2]), {"log": Log([3])})
    plain: list[Said] = []
    for new in signs:
        talk.said.extend(Said(text[:3], Log([text, text])) for text in new)
        plain.extend(Said(text[:3], Log([text, text])) for text in new)
        payload = of.at_sign().to_payload(talk, Talk)
        talk = of.from_payload(payload, Talk)
        assert of.at_sign().to_payload(talk, Talk) == payload, "what is there is not put again"
        assert references_in(payload).keys() <= store.pieces.keys()
        assert len(json.dumps([text for said in talk.said._tail for text in said.words])) < PIECE_BYTES
    assert list(talk.said) == plain
    assert talk.pictures == [Blob(picture)]
    assert (talk.aside, len(talk.said)) == (Log([1, 2]), len(plain))
    untyped = of.from_payload(of.at_sign().to_payload(talk, Talk))
    assert [said["words"] for said in untyped["said"]] == [list(said.words) for said in plain]
    elsewhere = DataConverter().to_payload(talk, Talk)
    assert of.from_payload(of.to_whole_payload(talk, Talk), Payload) == elsewhere
    assert of.from_payload(of.at_sign().to_payload(talk, Talk), Payload) == elsewhere


@given(st.lists(texts))
def test_what_is_left_fills_no_piece(items: list[str]) -> None:
    full, left = filled(items)
    assert [item for piece in [*full, left] for item in piece] == items
    assert all(
        sum(map(len, piece[:-1])) < PIECE_BYTES <= sum(len(text) + 3 for text in piece) for piece in full
    )
    assert sum(map(len, left)) < PIECE_BYTES


def signed(of: DataConverter, *texts: str) -> Log[str]:
    log: Log[str] = of.from_payload(of.at_sign().to_payload(Log(texts), Log[str]), Log[str])
    return log


def test_only_its_own_workflow_and_only_items_of_its_kind_are_referred_to() -> None:
    store = MemoryPayloadStore()
    mine, other = converter(store), converter(store, "other")
    log = signed(mine, *["word " * 500] * 9)
    assert mine.to_payload(log[2:5], Log[str]).encoding == PIECES
    assert other.to_payload(log, Log[str]).encoding == "json/plain"
    assert mine.to_payload(log, Log[Any]).encoding == "json/plain"
    assert mine.to_payload(log, list[str]).encoding == "json/plain"
    assert mine.to_payload({"log": log}).encoding == "json/plain"
    with pytest.raises(PayloadError, match=r"Expected `int`"):
        mine.to_payload(log, Log[int])


def test_who_passes_it_on_unread_passes_all_of_it_on() -> None:
    of = converter(MemoryPayloadStore())
    payload = of.at_sign().to_payload(Log(["word " * 1000] * 3), Log[str])
    raw = of.from_payload(payload, RawValue)
    assert of.from_payload(of.to_payload(raw), list[str]) == ["word " * 1000] * 3


class Reversing(DefaultPayloadConverter):
    def to_payload(self, value: Any, type_hint: Any = Any) -> Payload:
        payload = super().to_payload(value, type_hint)
        return Payload(f"reversed/{payload.encoding}", payload.data[::-1])

    def from_payload(self, payload: Payload, type_hint: Any = Any) -> Any:
        encoding = payload.encoding.removeprefix("reversed/")
        return super().from_payload(Payload(encoding, payload.data[::-1]), type_hint)


def test_pieces_pass_the_converter_of_a_user() -> None:
    store = MemoryPayloadStore()
    of = converter(store, payload_converter_class=Reversing)
    payload = of.at_sign().to_payload(Talk(Log([Said("Anna-" * 2000)]), [Blob(b"picture" * 999)]), Talk)
    assert len(store.pieces) == 2
    assert not any(b"Anna" in data or b"picture" in data for _, data in store.pieces.values())
    read = of.from_payload(payload, Talk)
    assert (read.said[0].who, bytes(read.pictures[0])) == ("Anna-" * 2000, b"picture" * 999)


@pytest.mark.parametrize(
    "changed",
    [b"[[7,1,0,1]]", b"[[0,2,0,1]]", b"[[0,1,1,1]]", b"[[0,1,0]]", b'[["0",1,0,1]]', b"[0]", b"[[-1,1,0,1]]"],
)
@pytest.mark.parametrize("hint", [Log[str], Any, Payload])
def test_a_damaged_payload_is_refused_in_a_sentence(changed: bytes, hint: Any) -> None:
    of = converter(MemoryPayloadStore())
    inner, references = opened(of.at_sign().to_payload(Log(["word " * 1000]), Log[str]))
    damaged = enveloped(Payload(inner.encoding, inner.data.replace(b"[[0,1,0,1]]", changed)), references)
    with pytest.raises(PayloadError, match=r"damaged|does not fit|not what a Log refers to"):
        list(of.from_payload(damaged, hint))


def test_it_is_copied_and_pickled_as_a_list_is() -> None:
    of = converter(MemoryPayloadStore())
    signed = of.at_sign().to_payload(Talk(Log([Said("Ann" * 3000)]), [Blob(b"picture" * 999)]), Talk)
    talk = of.from_payload(signed, Talk)
    talk.said += [Said("Bob")]
    for again in (
        copy.deepcopy(talk),
        pickle.loads(pickle.dumps(talk)),
        Talk(copy.copy(talk.said), talk.pictures),
    ):
        assert again == talk
        again.said.append(Said("Eve"))
        assert len(again.said) == len(talk.said) + 1
    assert of.to_payload(copy.deepcopy(talk), Talk) == of.to_payload(talk, Talk)
    copied = copy.deepcopy(talk)
    copied.said[-1].who = "Joe"
    assert talk.said[-1].who == "Bob"
    assert copy.copy(talk.pictures[0]) is talk.pictures[0]


def test_with_a_threshold_that_nothing_has_all_is_written_whole() -> None:
    store = MemoryPayloadStore()
    only_reads = converter(store, threshold=2**40)
    payload = converter(store).at_sign().to_payload(Log(["word " * 1000]), Log[str])
    put = len(store.pieces)
    log = only_reads.from_payload(payload, Log[str])
    assert list(log) == ["word " * 1000]
    assert only_reads.at_sign().to_payload(log, Log[str]).encoding == "json/plain"
    assert len(store.pieces) == put


def test_without_the_store_it_is_said_what_is_missing() -> None:
    payload = converter(MemoryPayloadStore()).at_sign().to_payload(Log(["word " * 1000]), Log[str])
    with pytest.raises(PayloadError, match=r"encoding 'pieces/1': that takes the data converter"):
        DataConverter().from_payload(payload, Log[str])


def test_a_blob_is_made_of_bytes() -> None:
    with pytest.raises(TypeError, match=r"A Blob is made of bytes, not of a value of the type str"):
        Blob("text")  # type: ignore[arg-type]
    assert {Blob(b"1"): 1}[Blob(bytearray(b"1"))] == 1
    assert (repr(Blob(b"123")), len(Blob(b"123"))) == ("<Blob of 3 bytes>", 3)
