"""Recovery reads the newest snapshot and the journal behind it, never more."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from dalsegno.persistence import visibility
from dalsegno.persistence.port import Due, JournalRow, Membership, Writer
from dalsegno.persistence.reader_port import Reader
from dalsegno.policies import WorkflowStatus
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


def grow(writer: Writer, workflow_id: str, *, activations: int, snapshot_at: int | None = None) -> None:
    run_id = run_of(workflow_id)
    rows = tuple(journal_row(run_id, number) for number in range(1, activations + 1))
    latest = None if snapshot_at is None else snapshot(run_id, snapshot_at)
    writer.commit(round_of(creation(workflow_id, sequence=activations, journal=rows, snapshot=latest)))


def test_only_the_journal_behind_the_snapshot_is_loaded(writer: Writer, reader: Reader) -> None:
    grow(writer, "order-1", activations=10, snapshot_at=7)

    (loaded,) = reader.load(["order-1"])

    assert loaded.instance is not None
    assert loaded.instance.snapshot == snapshot(run_of("order-1"), 7)
    assert [row.sequence for row in loaded.instance.journal] == [8, 9, 10]


def test_no_row_before_the_snapshot_leaves_the_database(
    writer: Writer, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    grow(writer, "order-1", activations=200, snapshot_at=198)
    fetched = []

    def counted(row: sa.Row[Any]) -> JournalRow:
        fetched.append(row)
        return visibility.journal_row(row)

    monkeypatch.setattr("dalsegno.persistence.reader.journal_row", counted)
    reader.load(["order-1"])
    reader.load_run(run_of("order-1"))

    assert [row.sequence for row in fetched] == [199, 200] * 2


def test_without_a_snapshot_the_whole_journal_is_loaded_oldest_first(writer: Writer, reader: Reader) -> None:
    grow(writer, "order-1", activations=12)
    (loaded,) = reader.load(["order-1"])
    assert loaded.instance is not None
    assert loaded.instance.snapshot is None
    assert [row.sequence for row in loaded.instance.journal] == list(range(1, 13))


def test_many_are_loaded_in_the_order_asked_for_with_those_that_do_not_exist(
    writer: Writer, reader: Reader
) -> None:
    for number in range(3):
        grow(writer, f"order-{number}", activations=number + 1, snapshot_at=1)
    asked = ["order-2", "nobody", "order-0", "no\0body", "order-1", "order-\ud800"]

    loaded = reader.load(asked)

    assert [one.workflow_id for one in loaded] == asked
    assert [one.instance and len(one.instance.journal) for one in loaded] == [2, None, 0, None, 1, None]
    assert reader.load([]) == []


def test_no_more_answers_are_loaded_than_are_wanted(writer: Writer, reader: Reader) -> None:
    answers = tuple(
        seen("order-1", f"m{number}", time=number, answer="closed" * (number % 2)) for number in range(5)
    )
    writer.commit(round_of(creation("order-1", seen=answers), creation("order-2")))

    some, none = reader.load(["order-1", "order-2"], seen_limit=3)
    assert len(some.seen) == 3
    assert (
        some.seen.items() <= signals(**{f"m{number}": "closed" * (number % 2) for number in range(5)}).items()
    )
    assert none.seen == {}
    (all_,) = reader.load(["order-1"], seen_limit=5)
    assert len(all_.seen) == 5


def test_the_strikes_of_the_current_run_come_with_it(
    writer: Writer, reader: Reader, membership: Membership
) -> None:
    writer.commit(round_of(creation("order-1"), creation("order-2")))
    membership.strike(run_of("order-1"), "signal b")
    membership.strike(run_of("order-1"), "signal a")
    membership.strike(run_of("order-1"), "signal a")
    membership.strike("an older run", "signal a")

    struck, other = reader.load(["order-1", "order-2"])

    assert struck.strikes == (("signal a", 2), ("signal b", 1))
    assert other.strikes == ()


def test_a_run_that_is_no_longer_current_can_be_loaded_without_a_wake_up(
    writer: Writer, reader: Reader
) -> None:
    old = run_of("order-1")
    writer.commit(round_of(creation("order-1", slot=9, wake_at=5, snapshot=snapshot(old, 1))))
    following = step(
        "order-1",
        1,
        expected_run_id=old,
        expected_sequence=1,
        run_id="second",
        wake_at=6,
        journal=(journal_row(old, 2), journal_row("second", 1)),
        opened=(opened("order-1", "second"),),
        changed=(changed(old, WorkflowStatus.COMPLETED, closed_at=9),),
    )
    writer.commit(round_of(following))

    first, second = reader.load_run(old), reader.load_run("second")

    assert first is not None
    assert second is not None
    assert (first.workflow_id, first.slot, first.sequence) == ("order-1", 9, 2)
    assert (first.status, first.wake_at) == (WorkflowStatus.COMPLETED, None)
    assert (first.snapshot, [row.sequence for row in first.journal]) == (snapshot(old, 1), [2])
    assert (second.sequence, second.status, second.wake_at) == (1, WorkflowStatus.RUNNING, 6)
    assert second == reader.load(["order-1"])[0].instance
    assert reader.load_run("unknown") is None
    assert reader.load_run("un\0known") is None


def test_a_load_sees_what_a_commit_just_before_it_wrote(writer: Writer, reader: Reader) -> None:
    assert reader.load(["order-1"])[0].instance is None
    for sequence in range(1, 6):
        writer.commit(round_of(creation("order-1") if sequence == 1 else step("order-1", sequence)))
        (loaded,) = reader.load(["order-1"])
        assert loaded.instance is not None
        assert loaded.instance.sequence == len(loaded.instance.journal) == sequence


def test_what_is_due_comes_earliest_first_from_the_slots_asked_for(writer: Writer, reader: Reader) -> None:
    wakes = {"a": (1, 30), "b": (2, 10), "c": (1, 20), "d": (3, 5), "e": (2, None), "f": (2, 31)}
    writer.commit(round_of(*(creation(name, slot=slot, wake_at=at) for name, (slot, at) in wakes.items())))

    assert reader.due([1, 2], before=30, limit=10) == [Due("b", 2, 10), Due("c", 1, 20), Due("a", 1, 30)]
    assert reader.due([1, 2], before=30, limit=2) == [Due("b", 2, 10), Due("c", 1, 20)]
    assert reader.due([], before=30, limit=2) == []


def test_a_closed_run_that_still_has_something_to_send_is_due(writer: Writer, reader: Reader) -> None:
    writer.commit(round_of(creation("order-1", status=WorkflowStatus.COMPLETED, wake_at=10)))
    assert reader.due([7], before=10, limit=1) == [Due("order-1", 7, 10)]


def test_the_suspended_of_the_slots_asked_for_are_found(writer: Writer, reader: Reader) -> None:
    suspended = {"status": WorkflowStatus.SUSPENDED}
    writer.commit(
        round_of(
            creation("a", slot=1, **suspended),
            creation("b", slot=2, **suspended),
            creation("c", slot=1),
            creation("d", slot=1, **suspended),
        )
    )
    assert set(reader.suspended([1], after="", limit=10)) == {"a", "d"}
    assert len(reader.suspended([1, 2], after="", limit=2)) == 2
    writer.commit(round_of(step("a", 2)))
    assert reader.suspended([1], after="", limit=10) == ["d"]


def test_the_open_ones_with_a_wake_up_are_found_page_by_page(writer: Writer, reader: Reader) -> None:
    writer.commit(
        round_of(
            creation("a", slot=1, wake_at=2**50),
            creation("b", slot=2, wake_at=5),
            creation("c", slot=1),
            creation("d", slot=1, wake_at=5, status=WorkflowStatus.SUSPENDED),
            creation("e", slot=1, wake_at=5, status=WorkflowStatus.COMPLETED),
            creation("f", slot=3, wake_at=5),
        )
    )
    assert reader.waiting([1, 2], after="", limit=10) == ["a", "b", "d"]
    assert reader.waiting([1, 2], after="", limit=2) == ["a", "b"]
    assert reader.waiting([1, 2], after="b", limit=2) == ["d"]
    assert reader.waiting([1, 2], after="d", limit=2) == []


def test_all_suspended_are_found_page_by_page_whatever_their_names(writer: Writer, reader: Reader) -> None:
    names = ["B", "a", "\u00e4", "b-1", "b1", "Z", "z", "\U0001f3bc", "_", " "]
    suspended = {"status": WorkflowStatus.SUSPENDED}
    writer.commit(round_of(*(creation(name, slot=at % 3, **suspended) for at, name in enumerate(names))))
    found: list[str] = []
    while page := reader.suspended([0, 1, 2], after=found[-1] if found else "", limit=3):
        found.extend(page)
    assert sorted(found) == sorted(names)


def test_many_are_loaded_up_to_the_one_with_which_their_bytes_are_reached(
    writer: Writer, reader: Reader
) -> None:
    """What is behind the snapshot counts, and what is before it does not."""
    sizes = {}
    for number in range(5):
        workflow_id = f"order-{number}"
        grow(writer, workflow_id, activations=30, snapshot_at=20)
        (loaded,) = reader.load([workflow_id])
        assert loaded.instance is not None
        assert loaded.instance.snapshot is not None
        rows = loaded.instance.journal
        sizes[workflow_id] = len(loaded.instance.snapshot.body) + sum(len(row.events) for row in rows)
    (size,) = set(sizes.values())
    asked = ["order-3", "order-1", "unknown", "order-0", "order-4"]

    def loaded_within(bytes_max: int) -> list[str]:
        return [loaded.workflow_id for loaded in reader.load(asked, bytes_max=bytes_max)]

    assert loaded_within(1) == asked[:1]
    assert loaded_within(size) == asked[:1]
    assert loaded_within(size + 1) == asked[:2]
    assert loaded_within(2 * size + 1) == asked[:4]
    assert loaded_within(100 * size) == asked
    assert [loaded.workflow_id for loaded in reader.load(asked[:1], bytes_max=0)] == asked[:1]
