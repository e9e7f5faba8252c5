"""A snapshot of a large state is made bit by bit, and is what it would have been at once."""

from __future__ import annotations

from itertools import pairwise
from unittest.mock import patch

import pytest
from msgspec.structs import replace

from dalsegno.actors.workflow_actor.activities.sends import TaskDue
from dalsegno.actors.workflow_actor.interface.commands import Caller
from dalsegno.actors.workflow_actor.interface.recipients import QueueOf
from dalsegno.actors.workflow_actor.run.state import EarlierEffect, Outstanding, WorkflowState
from dalsegno.actors.workflow_actor.signals.commands import Signal
from dalsegno.actors.workflow_actor.stored import snapshots
from dalsegno.actors.workflow_actor.stored.codec import CODEC, StoredCodec
from dalsegno.actors.workflow_actor.stored.formats import FORMAT_1, Format
from dalsegno.actors.workflow_actor.stored.snapshots import ACTIVATIONS_MIN, LARGE
from tests.workflow_actor.rig import Rig, ScriptedCode, activity, payload, sign, timer

FIELDS_OF_FORMAT_1 = 20
FORMATS = range(1, CODEC.newest + 1)
"""While it is written, the one before the newest, too."""

FIELDS_OF_ALL_FORMATS = 20
"""Of a state; later formats have more."""


def state_with(things: int, signals: int) -> WorkflowState:
    wanted = [it for number in range(1, things + 1) for it in (activity(number), timer(number, 5))]
    rig = Rig(ScriptedCode(lambda index, _: wanted if index == 0 else ()))
    rig.start()
    for number in range(signals):
        signal = Signal(name=f"s{number}", args=(payload("[1]"),))
        rig.instance.activate(signal, now=rig.now, entropy=bytes(32), held=True)
    return rig.state


@pytest.mark.parametrize("things", [0, 3, 30, 2_000])
@pytest.mark.parametrize("signals", [0, 30, 700])
@pytest.mark.parametrize("format_", FORMATS)
def test_its_pieces_are_its_bytes(things: int, signals: int, format_: int) -> None:
    codec, state = CODEC.writing(format_), state_with(things, signals)
    pieces = list(codec.state_in_pieces(state))
    assert b"".join(pieces) == codec.encode_state(state)
    assert len(pieces) > FIELDS_OF_FORMAT_1, "it is not made at once"


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("number", [1, 15, 16, 17, 23, 24, 255, 256, 300, 70_000])
def test_so_are_those_of_other_collections(number: int, format_: int) -> None:
    codec = CODEC.writing(format_)
    due = Outstanding(TaskDue(1), held=True, resend_at=1)
    earlier = tuple(EarlierEffect("run-0", (1, index), due, 7) for index in range(number))
    recipients = tuple(QueueOf(Caller("replies", str(index))) for index in range(number))
    state = replace(state_with(1, 1), earlier=earlier, recipients=recipients)
    pieces = list(codec.state_in_pieces(state))
    assert b"".join(pieces) == codec.encode_state(state)
    assert max(map(len, pieces)) < 20_000


class Whole:
    """A layout that makes all of it at once."""

    dumps = FORMAT_1.layout.dumps
    body = FORMAT_1.layout.body
    load = FORMAT_1.layout.load


def test_a_layout_need_not_make_it_bit_by_bit() -> None:
    codec = StoredCodec([Format(1, Whole())])
    state = state_with(2, 1)
    assert list(codec.state_in_pieces(state)) == [codec.encode_state(state)]


def test_a_large_one_is_made_over_several_activations_and_is_of_the_first() -> None:
    """The rig loads the instance anew after each activation, and compares."""
    rig = Rig(ScriptedCode(lambda _, __: ()))
    with patch.object(snapshots, "LARGE", 10), patch.object(snapshots, "PORTION_BYTES", 300):
        rig.start()
        found: list[tuple[int, int]] = []
        while len(found) < 3:
            due = rig.send(Signal(name="a", args=(payload(),))).snapshot
            if due is not None:
                found.append((due.sequence, rig.instance.sequence))
                rig.reload() if len(found) == 1 else None
    assert found[0][0] == ACTIVATIONS_MIN
    assert all(at < written for at, written in found)


def test_a_sign_does_not_wait_for_one_that_was_begun() -> None:
    steps = ACTIVATIONS_MIN + 3
    rig = Rig(ScriptedCode([*([()] * steps), [sign()], *([()] * 200)]))
    with patch.object(snapshots, "LARGE", 10), patch.object(snapshots, "PORTION_BYTES", 50):
        rig.start()
        while rig.instance.sequence < steps:
            assert rig.send(Signal(name="a")).snapshot is None
        signed = rig.send(Signal(name="a")).snapshot
        assert signed is not None
        assert signed.sequence == rig.instance.sequence
        later = [rig.send(Signal(name="a")).snapshot for _ in range(ACTIVATIONS_MIN - 1)]
        assert not any(later)


def test_no_activation_makes_more_than_a_portion() -> None:
    wanted = [activity(number) for number in range(1, 3 * LARGE)]
    rig = Rig(ScriptedCode(lambda index, _: wanted if index == 0 else ()))
    instance = rig.instance
    rig.start()
    made: list[int] = []
    snapshot = None
    while snapshot is None:
        signal = Signal(name="a", args=(payload('"' + "x" * 10_000 + '"'),))
        (activation,) = instance.activate(signal, now=rig.now, entropy=bytes(32), held=True)
        snapshot = activation.snapshot
        begun = instance.snapshots._begun
        made.append(0 if begun is None else sum(map(len, begun._made)))
    portions = [after - before for before, after in pairwise(made) if after > before]
    assert len(portions) >= 3
    assert max(portions) < 2 * snapshots.PORTION_BYTES
    assert CODEC.decode_state(snapshot.body).sequence == snapshot.sequence < instance.sequence
