"""Stored blobs that have rotted, before the functions that read them: a typed error, or a reading."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product

import pytest

from dalsegno.actors.workflow_actor.stored.codec import CODEC, UnloadableStateError
from dalsegno.actors.workflow_actor.stored.formats import UnreadableError
from dalsegno.actors.workflow_actor.stored.history import events_for_people
from dalsegno.actors.workflow_actor.stored.loading import load_state
from dalsegno.actors.workflow_actor.stored.snapshots import checksum
from tests.bad_input.damage import BLOBS
from tests.protocol.hostile import CANARY, CBOR_TABLE
from tests.verification.stored import WORKFLOW_ID, wild_history

PARTS = 200
"""Places in a blob that are tried, spread over it."""

DECODERS: dict[str, Callable[[bytes], object]] = {
    "record": CODEC.decode_record,
    "history": events_for_people,
    "state": CODEC.decode_state,
    "outcome": CODEC.decode_outcome,
    "memo": CODEC.decode_memo,
}


def of_histories() -> dict[str, list[bytes]]:
    """By decoder, what some random histories have left."""
    blobs: dict[str, list[bytes]] = {name: [] for name in DECODERS}
    for seed in range(4):
        for page in wild_history(seed, 400).pages():
            events = [row.events for row in page.rows[::29]]
            blobs["record"] += events
            blobs["history"] += events[:2]
            blobs["state"] += [page.snapshot.body] if page.snapshot is not None else []
            blobs["outcome"] += [page.head.result] if page.head.result is not None else []
            blobs["memo"] += [page.head.memo] if page.head.memo is not None else []
    return blobs


def rotten(whole: bytes) -> Iterator[bytes]:
    """Cut, and with single bits flipped, all over it."""
    yield from (whole[:length] for length in range(0, len(whole), max(1, len(whole) // PARTS)))
    every = max(1, len(whole) * 8 // PARTS)
    for position, bit in list(product(range(len(whole)), range(8)))[::every]:
        yield whole[:position] + bytes([whole[position] ^ 1 << bit]) + whole[position + 1 :]


HOSTILE = [pytest.param(blob, id=what) for what, blob in (BLOBS | CBOR_TABLE).items()]


@pytest.mark.parametrize("blob", HOSTILE)
@pytest.mark.parametrize("name", DECODERS)
def test_a_hostile_blob_is_read_or_refused(name: str, blob: bytes) -> None:
    try:
        DECODERS[name](blob)
    except UnreadableError as error:
        assert CANARY not in str(error)


@pytest.mark.parametrize("name", ["record", "history", "state", "outcome"])
def test_a_rotten_blob_is_read_or_refused(name: str) -> None:
    refused = 0
    for whole in of_histories()[name]:
        DECODERS[name](whole)
        for blob in rotten(whole):
            try:
                DECODERS[name](blob)
            except UnreadableError:
                refused += 1
    assert refused > PARTS


def test_a_rotten_snapshot_whose_checksum_fits_is_loaded_or_named() -> None:
    """The checksum keeps rot out; what has come past it, by a hand or a defect, must still be named."""
    named = 0
    for body in of_histories()["state"]:
        state = CODEC.decode_state(body)
        run_id, sequence = state.info.run_id, state.sequence
        for blob in rotten(body):
            snapshot = (sequence, CODEC.newest, checksum(blob, run_id, sequence), blob)
            try:
                load_state(WORKFLOW_ID, run_id, snapshot, [])
            except UnloadableStateError as error:
                named += 1
                assert error.run_id == run_id
    assert named > PARTS
