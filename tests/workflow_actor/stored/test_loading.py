"""Recovery reads the snapshot and the journal behind it; what cannot be read is named."""

from __future__ import annotations

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dalsegno.actors.workflow_actor.activities.events import ActivityCompleted
from dalsegno.actors.workflow_actor.instance import Instance
from dalsegno.actors.workflow_actor.interface.run_info import RunInfo
from dalsegno.actors.workflow_actor.run.events import Record, RunStarted
from dalsegno.actors.workflow_actor.signals.commands import Signal
from dalsegno.actors.workflow_actor.stored.codec import CODEC, CorruptStateError, NewerStateError
from dalsegno.actors.workflow_actor.stored.loading import StoredRow, StoredSnapshot
from dalsegno.actors.workflow_actor.timers.events import TimerElapsed
from dalsegno.errors import DalsegnoError
from tests.supervisor.test_calls_per_activation import Calls
from tests.workflow_actor.rig import (
    DONE,
    T0,
    Rig,
    ScriptedCode,
    activity,
    completed,
    payload,
    sign,
    task,
    timer,
)


def a_run() -> Rig:
    rig = Rig(ScriptedCode([[activity(1), timer(1, T0 + 5)], [], []]))
    sent = task(rig.start(wants_result=True))
    rig.send(Signal(name="a", args=(payload(),)))
    rig.send(completed(sent))
    return rig


def load(
    journal: list[StoredRow],
    snapshot: StoredSnapshot | None = None,
    *,
    workflow_id: str = "w",
    run_id: str = "run-1",
) -> Instance:
    return Instance.load(workflow_id, ScriptedCode([]), snapshot=snapshot, journal=journal, run_id=run_id)


def test_loading_runs_no_user_code() -> None:
    rig = a_run()
    code = ScriptedCode([])
    instance = Instance.load("w", code, snapshot=None, journal=rig.journal, run_id="run-1")
    assert code.built == []
    assert (instance.run_id, instance.sequence) == ("run-1", 3)
    assert instance.state == rig.state


def test_a_row_in_which_very_much_was_wanted_is_taken_in_by_many_small_steps() -> None:
    rig = Rig(ScriptedCode([[*map(activity, range(1, 4_001)), *(timer(n, T0 + n) for n in range(1, 4_001))]]))
    rig.start()
    loading = Instance.loading("w", ScriptedCode([]), snapshot=None, journal=rig.journal, run_id="run-1")
    steps: list[int] = []
    loaded = None
    while loaded is None:
        calls = Calls()
        with calls.counted():
            try:
                next(loading)
            except StopIteration as end:
                loaded = end.value
        steps.append(calls.total)
    assert loaded.state == rig.state
    assert loaded.wake_at == rig.instance.wake_at
    assert max(steps[:-1]) < sum(steps) / 6


def test_a_gap_in_the_journal_is_named() -> None:
    journal = a_run().journal
    with pytest.raises(CorruptStateError, match="the journal has a gap") as caught:
        load([journal[0], journal[2]])
    assert (caught.value.run_id, caught.value.sequence) == ("run-1", 2)
    with pytest.raises(CorruptStateError, match="neither a snapshot nor a journal"):
        load([])
    assert isinstance(caught.value, DalsegnoError)


def test_rows_of_another_run_workflow_or_time_are_refused() -> None:
    journal = a_run().journal
    with pytest.raises(CorruptStateError, match="not of 'v'"):
        load(journal, workflow_id="v")
    with pytest.raises(CorruptStateError):
        load([("run-2", *row[1:]) for row in journal], run_id="run-2")
    with pytest.raises(CorruptStateError, match="sequence 2"):
        load([journal[0], (journal[1][0], 2, T0 + 1, journal[1][3])])
    with pytest.raises(CorruptStateError, match="sequence 2"):
        load([journal[0], ("run-1", 2, T0, journal[2][3])])


@pytest.mark.parametrize("blob", [b"", b"\xff", b"\x82\x01\x80", b"\x80", b"\x82\x63abc\x80", b"\xd8\x23\x61["])
def test_a_blob_that_is_none_names_its_row(blob: bytes) -> None:
    journal = a_run().journal
    with pytest.raises(CorruptStateError) as caught:
        load([journal[0], ("run-1", 2, T0, blob)])
    assert caught.value.sequence == 2


def test_events_that_do_not_fit_the_state_name_their_row() -> None:
    journal = a_run().journal
    for event in (ActivityCompleted(99, payload()), TimerElapsed(99)):
        blob = CODEC.encode_record(Record(2, T0, True, (), (event,)))
        with pytest.raises(CorruptStateError) as caught:
            load([journal[0], ("run-1", 2, T0, blob)])
        assert caught.value.sequence == 2


def test_a_run_begins_with_its_start_and_starts_once() -> None:
    info = RunInfo(workflow_id="w", run_id="run-1", workflow_type="t", task_queue="q", started_at=T0)
    begun = RunStarted(info, (), (), "3.11")
    first = ("run-1", 1, T0, CODEC.encode_record(Record(1, T0, True, (), (begun,))))
    for rows in (
        [("run-1", 1, T0, CODEC.encode_record(Record(1, T0, True, (), (TimerElapsed(1),))))],
        [("run-1", 1, T0, CODEC.encode_record(Record(1, T0, True, (), ())))],
        [first, ("run-1", 2, T0, CODEC.encode_record(Record(2, T0, True, (), (begun,))))],
    ):
        with pytest.raises(CorruptStateError):
            load(rows)
    assert load([first]).sequence == 1


def a_snapshot() -> tuple[StoredSnapshot, Rig]:
    rig = Rig(ScriptedCode([[], [sign("[1, 2, 3]"), activity(1)], [DONE]]))
    rig.start()
    rig.send(Signal(name="a"))
    assert rig.snapshot is not None
    return rig.snapshot, rig


@settings(deadline=None)
@given(st.data())
def test_a_snapshot_with_a_changed_bit_is_found_out(data: st.DataObject) -> None:
    (sequence, format_, checksum, body), _ = a_snapshot()
    place = data.draw(st.integers(0, len(body) - 1))
    changed = bytearray(body)
    changed[place] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(CorruptStateError, match="checksum") as caught:
        load([], (sequence, format_, checksum, bytes(changed)))
    assert (caught.value.run_id, caught.value.sequence) == ("run-1", 2)


def test_a_snapshot_in_the_wrong_place_is_found_out() -> None:
    (sequence, format_, checksum, body), _ = a_snapshot()
    with pytest.raises(CorruptStateError, match="checksum"):
        load([], (sequence + 1, format_, checksum, body))
    with pytest.raises(CorruptStateError, match="checksum"):
        load([], (sequence, format_, checksum, body), run_id="run-2")


def test_a_snapshot_of_a_newer_host_is_refused_with_that_reason() -> None:
    (sequence, _, checksum, body), _ = a_snapshot()
    with pytest.raises(NewerStateError, match="written by a newer version"):
        load([], (sequence, 99, checksum, body))


def test_a_journal_row_of_a_newer_host_is_refused_with_that_reason_and_named() -> None:
    journal = a_run().journal
    blob = cbor2.dumps([CODEC.newest + 1, {}])
    with pytest.raises(NewerStateError, match="written by a newer version") as caught:
        load([journal[0], ("run-1", 2, T0, blob)])
    assert (caught.value.run_id, caught.value.sequence) == ("run-1", 2)


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_a_damaged_journal_is_read_or_named_but_never_anything_else(data: st.DataObject) -> None:
    journal = a_run().journal
    row = data.draw(st.integers(0, len(journal) - 1))
    run_id, sequence, time, events = journal[row]
    damaged = bytearray(events)
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    journal[row] = (run_id, sequence, time, bytes(damaged))
    try:
        instance = load(journal)
    except (CorruptStateError, NewerStateError) as error:
        assert error.run_id == "run-1"
        assert error.sequence in (row + 1, row + 2, row + 3, 3)
    else:
        assert instance.sequence == 3
