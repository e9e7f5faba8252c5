"""What a commit writes, and what it leaves alone."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from dalsegno.persistence.port import Writer
from dalsegno.persistence.reader_port import Reader
from dalsegno.policies import WorkflowStatus
from tests.partition_ids import FIRST, nth
from tests.persistence.rounds import (
    changed,
    creation,
    journal_row,
    opened,
    round_of,
    run_of,
    seen,
    signals,
    snapshot,
    step,
)

pytestmark = pytest.mark.usefixtures("host")


def sequence_of(reader: Reader, workflow_id: str) -> int | None:
    (loaded,) = reader.load([workflow_id])
    return loaded.instance.sequence if loaded.instance else None


def test_a_new_instance_is_stored_with_its_run_and_its_journal(writer: Writer, reader: Reader) -> None:
    write = creation("order-1", slot=9, wake_at=5_000, seen=(seen("order-1", "m1"),))

    outcome = writer.commit(round_of(write))

    assert (outcome.lost, outcome.missed, outcome.rejected) == (frozenset(), frozenset(), {})
    (loaded,) = reader.load(["order-1"])
    assert loaded.instance is not None
    assert (loaded.instance.slot, loaded.instance.run_id, loaded.instance.sequence) == (9, write.run_id, 1)
    assert (loaded.instance.status, loaded.instance.wake_at) == (WorkflowStatus.RUNNING, 5_000)
    assert loaded.instance.journal == write.journal
    assert loaded.seen == signals(m1="")
    run = reader.run("order-1", write.run_id)
    assert run is not None
    assert (run.workflow_type, run.task_queue, run.status) == ("Order", "orders", WorkflowStatus.RUNNING)


def test_a_commit_answers_with_the_database_time(writer: Writer, reader: Reader) -> None:
    first = writer.commit(round_of(creation("order-1"))).now
    second = writer.commit(round_of(step("order-1", 2))).now
    assert 1_700_000_000_000_000 < first <= second


def test_an_instance_that_exists_is_not_created_again(writer: Writer, reader: Reader) -> None:
    writer.commit(round_of(creation("order-1")))
    again = creation("order-1", run_id="other", seen=(seen("order-1", "m1"),))

    outcome = writer.commit(round_of(again, creation("order-2")))

    assert outcome.missed == {"order-1"}
    assert reader.run("order-1", "other") is None
    assert reader.history("other")[0] == []
    assert reader.load(["order-1"])[0].seen == {}
    assert sequence_of(reader, "order-2") == 1


@pytest.mark.parametrize("stale", [step("order-1", 3), step("order-1", 2, expected_run_id="another-run")])
def test_a_write_that_expects_another_state_is_missed_whole_and_its_neighbour_is_not(
    writer: Writer, reader: Reader, stale: object
) -> None:
    writer.commit(round_of(creation("order-1"), creation("order-2")))

    outcome = writer.commit(round_of(stale, step("order-2", 2)))  # type: ignore[arg-type]

    assert outcome.missed == {"order-1"}
    assert sequence_of(reader, "order-1") == 1
    assert [row.sequence for row in reader.history(run_of("order-1"))[0]] == [1]
    assert sequence_of(reader, "order-2") == 2


def test_a_step_of_an_instance_that_does_not_exist_is_missed(writer: Writer, reader: Reader) -> None:
    assert writer.commit(round_of(step("order-1", 2))).missed == {"order-1"}
    assert sequence_of(reader, "order-1") is None
    assert reader.history(run_of("order-1"))[0] == []


def test_a_wake_up_can_be_moved_without_a_journal_row(writer: Writer, reader: Reader) -> None:
    writer.commit(round_of(creation("order-1", wake_at=10)))
    moved = step("order-1", 1, expected_sequence=1, wake_at=20, journal=())

    writer.commit(round_of(moved))

    (due,) = reader.due([7], before=20, limit=10)
    assert due.wake_at == 20
    assert sequence_of(reader, "order-1") == 1


def test_several_activations_of_one_instance_are_committed_together(writer: Writer, reader: Reader) -> None:
    rows = tuple(journal_row(run_of("order-1"), sequence) for sequence in (1, 2, 3))
    writer.commit(round_of(creation("order-1", sequence=3, journal=rows)))
    assert reader.history(run_of("order-1"))[0] == list(rows)


def test_a_run_that_begins_and_ends_in_one_round_is_closed_with_its_result(
    writer: Writer, reader: Reader
) -> None:
    run_id = run_of("order-1")
    end = (
        changed(run_id, WorkflowStatus.SUSPENDED, reason="a bug"),
        changed(run_id, WorkflowStatus.COMPLETED, closed_at=2_000, result=b"done"),
    )
    writer.commit(round_of(creation("order-1", status=WorkflowStatus.COMPLETED, changed=end)))

    run = reader.remains("order-1").run
    assert run is not None
    assert (run.status, run.closed_at, run.result, run.reason) == (
        WorkflowStatus.COMPLETED,
        2_000,
        b"done",
        None,
    )


def test_of_several_changes_to_a_run_in_one_round_the_last_is_kept(writer: Writer, reader: Reader) -> None:
    run_id = run_of("order-1")
    writer.commit(round_of(creation("order-1", opened=(opened("order-1", run_id, memo=b"memo"),))))
    changes = (
        changed(run_id, WorkflowStatus.SUSPENDED, reason="a bug"),
        changed(run_id, WorkflowStatus.FAILED, closed_at=9, reason="by hand", result=b"failure"),
    )

    writer.commit(round_of(step("order-1", 2, changed=changes)))

    run = reader.remains("order-1").run
    assert run is not None
    assert (run.status, run.closed_at, run.reason, run.result, run.memo) == (
        WorkflowStatus.FAILED,
        9,
        "by hand",
        b"failure",
        b"memo",
    )


def test_continue_as_new_closes_a_run_and_opens_the_next_in_one_write(writer: Writer, reader: Reader) -> None:
    writer.commit(round_of(creation("order-1")))
    closing = changed(run_of("order-1"), WorkflowStatus.COMPLETED, closed_at=2_000)
    write = step(
        "order-1",
        1,
        expected_run_id=run_of("order-1"),
        expected_sequence=1,
        run_id="second",
        journal=(journal_row(run_of("order-1"), 2), journal_row("second", 1)),
        opened=(opened("order-1", "second", started_at=2_000),),
        changed=(closing,),
    )

    assert not writer.commit(round_of(write)).missed

    newest = reader.run("order-1", None)
    assert newest is not None
    assert newest.run_id == "second"
    first = reader.run("order-1", run_of("order-1"))
    assert first is not None
    assert first.closed_at == 2_000


def test_a_snapshot_replaces_the_older_one_and_trims_the_journal(writer: Writer, reader: Reader) -> None:
    run_id = run_of("order-1")
    writer.commit(round_of(creation("order-1", snapshot=snapshot(run_id, 1))))
    writer.commit(round_of(step("order-1", 2)))
    newer = snapshot(run_id, 3, trim_to=2, body=b"newer", checksum=b"other", format=2)

    writer.commit(round_of(step("order-1", 3, snapshot=newer)))

    (loaded,) = reader.load(["order-1"])
    assert loaded.instance is not None
    assert loaded.instance.snapshot == snapshot(run_id, 3, body=b"newer", checksum=b"other", format=2)
    assert [row.sequence for row in reader.history(run_id)[0]] == [3]


def test_a_trim_covers_rows_of_its_own_commit_and_of_no_other_run(writer: Writer, reader: Reader) -> None:
    writer.commit(round_of(creation("order-1"), creation("order-2")))
    trimmed = snapshot(run_of("order-1"), 2, trim_to=2)

    writer.commit(round_of(step("order-1", 2, snapshot=trimmed)))

    assert reader.history(run_of("order-1"))[0] == []
    assert len(reader.history(run_of("order-2"))[0]) == 1


def test_a_missed_write_trims_nothing_and_leaves_the_snapshot(writer: Writer, reader: Reader) -> None:
    run_id = run_of("order-1")
    writer.commit(round_of(creation("order-1", snapshot=snapshot(run_id, 1))))

    stale = step("order-1", 5, snapshot=snapshot(run_id, 5, trim_to=5, body=b"wrong"))
    assert writer.commit(round_of(stale)).missed == {"order-1"}

    (loaded,) = reader.load(["order-1"])
    assert loaded.instance is not None
    assert loaded.instance.snapshot == snapshot(run_id, 1)
    assert len(reader.history(run_id)[0]) == 1


def test_commands_refused_for_workflows_that_do_not_exist_are_remembered_with_their_answer(
    writer: Writer, reader: Reader
) -> None:
    refused = [
        (FIRST, 7, seen("nobody", "m1", answer="not_found")),
        (FIRST, 7, seen("nobody", "m2", answer="closed")),
    ]

    writer.commit(round_of(refused=refused))
    writer.commit(round_of(creation("order-1"), refused=refused))

    (loaded,) = reader.load(["nobody"])
    assert loaded.instance is None
    assert loaded.seen == signals(m1="not_found", m2="closed")


def test_a_round_of_every_part_at_once_is_committed(writer: Writer, reader: Reader) -> None:
    writer.commit(round_of(creation("order-1"), creation("order-2")))
    busy = step(
        "order-1",
        2,
        snapshot=snapshot(run_of("order-1"), 2, trim_to=1),
        changed=(changed(run_of("order-1"), WorkflowStatus.SUSPENDED, reason="a bug"),),
        seen=(seen("order-1", "m1"),),
        status=WorkflowStatus.SUSPENDED,
    )
    both = round_of(creation("order-3"), busy, refused=[(nth(1), 8, seen("nobody", "m1", answer="not_found"))])

    outcome = writer.commit(both)

    assert (outcome.lost, outcome.missed, outcome.rejected) == (frozenset(), frozenset(), {})
    assert [sequence_of(reader, name) for name in ("order-1", "order-2", "order-3")] == [2, 1, 1]
    assert [row.sequence for row in reader.history(run_of("order-1"))[0]] == [2]
    assert reader.suspended([7], after="", limit=10) == ["order-1"]
    assert reader.load(["nobody"])[0].seen == signals(m1="not_found")


def test_a_round_with_nothing_to_write_checks_its_fences(writer: Writer) -> None:
    outcome = writer.commit(round_of(epochs={FIRST: 1, nth(1): 99}))
    assert outcome.lost == {nth(1)}


def test_two_writes_for_one_workflow_in_a_round_are_a_fault_of_the_caller(writer: Writer) -> None:
    with pytest.raises(AssertionError):
        writer.commit(round_of(creation("order-1"), creation("order-1")))


def test_a_write_without_a_fence_is_a_fault_of_the_caller(writer: Writer) -> None:
    fenced_elsewhere = round_of(creation("order-1", partition=nth(1)), epochs={nth(2): 1})
    without = type(fenced_elsewhere)(
        host_id="host-a", fences=fenced_elsewhere.fences[1:], instances=fenced_elsewhere.instances
    )
    with pytest.raises(AssertionError):
        writer.commit(without)


def test_commands_of_two_types_may_have_one_message_id(writer: Writer, reader: Reader) -> None:
    both = (seen("order-1", "m1", type_="workflow.start"), seen("order-1", "m1", answer="closed"))
    assert writer.commit(round_of(creation("order-1", seen=both))).rejected == {}

    answers = {("workflow.start", "m1"): "", ("workflow.signal", "m1"): "closed"}
    assert reader.load(["order-1"])[0].seen == answers


@pytest.mark.parametrize("answer", ["", "closed"])
def test_nothing_is_written_for_a_workflow_of_which_a_command_was_answered_before(
    writer: Writer, reader: Reader, answer: str
) -> None:
    first = creation("order-1", seen=(seen("order-1", "m1", answer=answer), seen("order-1", "m2")))
    writer.commit(round_of(first, creation("order-2")))
    both = (seen("order-1", "m3"), seen("order-1", "m1"), seen("order-1", "m2", type_="workflow.cancel"))

    outcome = writer.commit(round_of(step("order-1", 2, seen=both), step("order-2", 2)))

    assert outcome.known == {"order-1": signals(m1=answer)}
    assert outcome.missed == frozenset()
    assert [sequence_of(reader, name) for name in ("order-1", "order-2")] == [1, 2]
    assert reader.load(["order-1"])[0].seen == signals(m1=answer, m2="")
    assert writer.commit(round_of(step("order-1", 2, seen=(seen("order-1", "m3"),)))).known == {}
    assert sequence_of(reader, "order-1") == 2


def test_a_command_that_was_stored_without_its_type_is_known_for_any(writer: Writer, reader: Reader) -> None:
    writer.commit(round_of(creation("order-1", seen=(seen("order-1", "m1", type_="", answer="closed"),))))
    outcome = writer.commit(round_of(step("order-1", 2, seen=(seen("order-1", "m1"),))))
    assert outcome.known == {"order-1": {("", "m1"): "closed"}}
    assert sequence_of(reader, "order-1") == 1


def test_a_workflow_is_not_begun_nor_written_over_when_a_command_was_answered_before(
    writer: Writer, reader: Reader
) -> None:
    writer.commit(round_of(refused=[(FIRST, 7, seen("order-1", "m1", answer="not_found"))]))
    begun = creation("order-1", seen=(seen("order-1", "m0"), seen("order-1", "m1")))
    for write in (begun, replace(begun, forced=True)):
        outcome = writer.commit(round_of(write))
        assert outcome.known == {"order-1": signals(m1="not_found")}
    assert reader.load(["order-1"])[0].instance is None
    assert reader.run("order-1", None) is None


def test_what_was_refused_before_is_known_with_its_answer_and_nothing_beside_it_is_written(
    writer: Writer, reader: Reader
) -> None:
    writer.commit(round_of(refused=[(FIRST, 7, seen("nobody", "m1", answer="not_found"))]))
    again = [
        (FIRST, 7, seen("nobody", "m2", answer="closed")),
        (FIRST, 7, seen("nobody", "m1", answer="closed")),
    ]
    outcome = writer.commit(round_of(creation("order-1"), refused=[*again, (FIRST, 7, seen("another", "m1"))]))
    assert outcome.known == {"nobody": signals(m1="not_found")}
    assert reader.load(["nobody"])[0].seen == signals(m1="not_found")
    assert reader.load(["another"])[0].seen == signals(m1="")
    assert sequence_of(reader, "order-1") == 1


def test_what_is_known_is_found_out_beside_data_that_is_refused(writer: Writer) -> None:
    writer.commit(round_of(creation("order-1", seen=(seen("order-1", "m1"),))))
    steps = [step("order-1", 2, seen=(seen("order-1", "m1"),)), creation("order-2\ud800"), creation("order-3")]
    outcome = writer.commit(round_of(*steps))
    assert outcome.known == {"order-1": signals(m1="")}
    assert set(outcome.rejected) == {"order-2\ud800"}


def test_what_was_answered_is_found_among_many_that_were(writer: Writer, reader: Reader) -> None:
    many = tuple(seen("order-1", f"m{number}", time=number) for number in range(3000))
    writer.commit(round_of(creation("order-1", seen=many)))
    asked = (seen("order-1", "new"), seen("order-1", "m2999"), seen("order-1", "m0"))
    outcome = writer.commit(round_of(step("order-1", 2, seen=asked)))
    assert outcome.known == {"order-1": signals(m0="", m2999="")}


@pytest.mark.parametrize("type_", ["workflow.start", ""])
def test_what_takes_the_place_of_all_that_is_there_is_not_written_if_the_command_for_it_was_answered_before(
    writer: Writer, reader: Reader, type_: str
) -> None:
    """That command is not answered by it: no row of it is written."""
    writer.commit(round_of(creation("order-1", seen=(seen("order-1", "m1", type_=type_, answer="closed"),))))
    ending = step("order-1", 2, forced=True, seen=(seen("order-1", "m2"),))

    outcome = writer.commit(round_of(replace(ending, unless=(("workflow.start", "m1"),)), creation("order-2")))

    assert outcome.known == {"order-1": {(type_, "m1"): "closed"}}
    assert [sequence_of(reader, name) for name in ("order-1", "order-2")] == [1, 1]
    unless = (("workflow.start", "m3"), ("workflow.cancel", "m2"))
    assert writer.commit(round_of(replace(ending, unless=unless))).known == {}
    assert sequence_of(reader, "order-1") == 2
    assert reader.load(["order-1"])[0].seen == {(type_, "m1"): "closed", ("workflow.signal", "m2"): ""}
