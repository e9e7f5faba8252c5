"""A large blob is read in steps, and is what it would have been at once, or refused with the same words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any
from unittest.mock import patch

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dalsegno.actors.workflow_actor.interface.steps import PORTION, Steps, at_once
from dalsegno.actors.workflow_actor.run.chunked_map import ChunkedMap
from dalsegno.actors.workflow_actor.stored import splitting
from dalsegno.actors.workflow_actor.stored.codec import CODEC, TYPES
from dalsegno.actors.workflow_actor.stored.formats import Kind, UnreadableError
from dalsegno.actors.workflow_actor.stored.message_pack import MessagePack
from dalsegno.actors.workflow_actor.stored.splitting import PORTION_BYTES
from tests.workflow_actor.rig import Rig, ScriptedCode, activity, timer
from tests.workflow_actor.stored.golden import golden
from tests.workflow_actor.stored.test_format_3 import RECORDS
from tests.workflow_actor.stored.test_pieces import state_with

LAYOUT = MessagePack()
HEAD = 2
"""Bytes before the body."""


@cache
def blobs() -> list[tuple[Kind, bytes]]:
    """Of all kinds of events, of runs as they come, and of one with something of much."""
    found: list[tuple[Kind, bytes]] = [("record", CODEC.encode_record(record)) for record in RECORDS]
    for run in golden(CODEC.newest).runs:
        found += [("record", events) for _, _, _, events in run.journal]
        found.append(("state", run.snapshot[3]))
    found.append(("state", CODEC.encode_state(state_with(40, 300))))
    return found


@contextmanager
def all_split(*, portion_bytes: int) -> Iterator[None]:
    with (
        patch.object(splitting, "PORTION_BYTES", portion_bytes),
        patch.object(splitting, "DICT_MAX", 3),
    ):
        yield


@pytest.mark.parametrize("portion_bytes", [1, 8, 100])
def test_what_is_read_in_steps_is_what_it_was_at_once(portion_bytes: int) -> None:
    for kind, blob in blobs():
        whole = LAYOUT.load(kind, blob, TYPES[kind])
        with all_split(portion_bytes=portion_bytes):
            read = at_once(splitting.splitting(memoryview(blob)[HEAD:], TYPES[kind]))
        assert read == whole
        assert CODEC._dumps(kind, CODEC.newest, read) == blob


@settings(deadline=None, max_examples=500)
@given(st.data())
def test_what_is_damaged_is_read_alike_or_refused_with_the_same_words(data: st.DataObject) -> None:
    kind, blob = data.draw(st.sampled_from(blobs()))
    damaged = bytearray(blob)
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(HEAD, len(blob) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(damaged[: data.draw(st.integers(HEAD, len(blob)))] if data.draw(st.booleans()) else damaged)
    with all_split(portion_bytes=data.draw(st.sampled_from([1, 8, 100]))):
        in_steps = outcome(lambda: at_once(LAYOUT.loading(kind, cut, TYPES[kind])))
    assert in_steps == outcome(lambda: LAYOUT.load(kind, cut, TYPES[kind]))


def outcome(read: Callable[[], Any]) -> Any:
    try:
        return read()
    except UnreadableError as error:
        return str(error)


@pytest.mark.parametrize("change", [lambda body: [*body, "new"], lambda body: body[:3]])
def test_so_is_what_has_too_many_fields_or_too_few(change: Callable[[list[Any]], list[Any]]) -> None:
    blob = CODEC.encode_state(state_with(40, 300))
    number, body = msgspec.msgpack.decode(blob, type=tuple[int, list[msgspec.Raw]], strict=True)
    other = msgspec.msgpack.encode((number, change(body)))
    with all_split(portion_bytes=1):
        in_steps = outcome(lambda: at_once(LAYOUT.loading("state", other, TYPES["state"])))
    assert in_steps == outcome(lambda: CODEC.decode_state(other))
    assert isinstance(in_steps, str)


class Meter:
    """Notes what is read, but not what is only split."""

    def __init__(self) -> None:
        self.values = self.bytes = 0
        self._decoder_of = splitting._decoder_of

    def decoder_of(self, type_: Any) -> Any:
        return _Metered(self, self._decoder_of(type_), splits="Raw" in repr(type_))


class _Metered:
    def __init__(self, meter: Meter, decoder: Any, *, splits: bool) -> None:
        self._meter = meter
        self._decoder = decoder
        self._splits = splits

    def decode(self, part: Any) -> Any:
        if not self._splits:
            self._meter.values += 1
            self._meter.bytes += len(part)
        return self._decoder.decode(part)


def read_by(steps: Steps[Any], meter: Meter) -> tuple[Any, list[tuple[int, int]]]:
    """What comes of it, and the values and bytes that each step reads."""
    took: list[tuple[int, int]] = []
    with patch.object(splitting, "_decoder_of", meter.decoder_of):
        while True:
            meter.values = meter.bytes = 0
            try:
                next(steps)
            except StopIteration as end:
                return end.value, took
            finally:
                took.append((meter.values, meter.bytes))


def test_no_step_reads_much_however_much_there_is() -> None:
    state = state_with(10_000, 3_000)
    read, took = read_by(CODEC.decoding_state(CODEC.encode_state(state)), Meter())
    assert read == state
    assert len(took) > 50
    assert max(values for values, _ in took) <= PORTION + len(TYPES["state"].__struct_fields__)
    assert max(size for _, size in took) < 10 * PORTION_BYTES  # numbers, and what plain values there are
    assert isinstance(read.activities, ChunkedMap)


def test_nor_does_one_of_a_row_in_which_very_much_was_wanted() -> None:
    wanted = [it for number in range(1, 5_001) for it in (activity(number), timer(number, 5))]
    rig = Rig(ScriptedCode([wanted]))
    rig.start()
    ((*_, events),) = rig.journal
    read, took = read_by(CODEC.decoding_record(events), Meter())
    assert CODEC.encode_record(read) == events
    assert len(took) > 20
    assert max(values for values, _ in took) <= PORTION + len(TYPES["record"].__struct_fields__)
