"""What refers to pieces of a payload store can be read back, and is found by who looks for keys."""

from __future__ import annotations

import json
from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dalsegno.codecs.branches import Branch, StoredReference
from dalsegno.errors import PayloadError
from dalsegno.payload import Payload
from dalsegno.payload_store import keys_in
from dalsegno.pieces import PIECES, branches_of, enveloped, node_of, opened

keys = st.binary(min_size=32, max_size=32).map(bytes.hex)
labels = st.sampled_from(["json/plain", "encrypted/aes-256-gcm/2026", "node/2"])
references = st.builds(StoredReference, keys, st.integers(1, 10**9), labels)


@given(st.lists(references, max_size=40), st.binary(max_size=60))
def test_an_envelope_is_opened_again_and_shows_its_keys(listed: list[StoredReference], data: bytes) -> None:
    inner = Payload("encrypted/x", data)
    envelope = enveloped(inner, listed)
    assert opened(envelope) == (inner, listed)
    wanted = {reference.key for reference in listed}
    assert keys_in(b"before" + envelope.data) >= wanted
    assert keys_in(json.dumps({"data": b64encode(envelope.data).decode()}).encode()) >= wanted


@given(st.lists(st.builds(Branch, references, st.integers(1, 10**6)), max_size=40))
def test_a_node_is_read_again_and_is_small(branches: list[Branch]) -> None:
    node = node_of(branches)
    assert branches_of(node) == tuple(branches)
    assert len(node) <= 60 + 48 * len(branches)


@given(st.binary(max_size=80))
def test_what_is_damaged_is_refused_in_a_sentence(data: bytes) -> None:
    for read in (lambda: branches_of(data), lambda: opened(Payload(PIECES, data))):
        try:
            read()
        except PayloadError as error:
            assert "is damaged" in str(error)


def test_an_envelope_without_an_end_is_damaged() -> None:
    with pytest.raises(PayloadError, match="is damaged"):
        opened(Payload(PIECES, b"nothing"))
