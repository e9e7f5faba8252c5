"""Open deadlines, as they are written beside their runs and listed."""

from __future__ import annotations

import pytest

from dalsegno.errors import CommandRejectedError
from dalsegno.persistence.deadlines_port import DeadlineRow
from dalsegno.persistence.port import Writer
from dalsegno.persistence.reader_port import Reader
from dalsegno.persistence.tables import HEAD, MIN_REVISION
from dalsegno.policies import WorkflowStatus
from tests.persistence.rounds import changed, creation, opened, round_of, run_of, step

FAR = 253_402_300_799_000_000


pytestmark = pytest.mark.usefixtures("host")


@pytest.fixture
def tables() -> str:
    return HEAD


def found(reader: Reader, *, at_risk: bool = False) -> list[tuple[str, str]]:
    return [(one.workflow_id, one.name) for one in reader.deadlines(at_risk=at_risk)[0]]


def row(workflow_id: str, number: int, name: str, at: int, *, risk_at: int | None = None) -> DeadlineRow:
    return DeadlineRow(run_of(workflow_id), number, name, at, at if risk_at is None else risk_at)


def begin(writer: Writer, workflow_id: str, *rows: DeadlineRow) -> None:
    run = opened(workflow_id, run_of(workflow_id))
    writer.commit(round_of(creation(workflow_id, opened=(run,), deadlines=rows)))


def over(one: DeadlineRow) -> DeadlineRow:
    return DeadlineRow(one.run_id, one.number, one.name, one.due_at, one.risk_at, is_over=True)


def test_they_are_listed_as_they_are_at_risk_until_they_are_over(writer: Writer, reader: Reader) -> None:
    late, risky, fine = row("a", 1, "late", 10), row("a", 2, "risky", FAR, risk_at=20), row("b", 1, "fine", FAR)
    begin(writer, "a", late, risky)
    begin(writer, "b", fine)
    assert found(reader) == [("a", "late"), ("a", "risky"), ("b", "fine")]
    assert found(reader, at_risk=True) == [("a", "late"), ("a", "risky")]
    (first, *_), _ = reader.deadlines()
    assert (first.run_id, first.workflow_type, first.status) == (run_of("a"), "Order", WorkflowStatus.RUNNING)
    assert first.now > first.due_at
    writer.commit(round_of(step("a", 2, deadlines=(over(late),))))
    assert found(reader, at_risk=True) == [("a", "risky")]


def test_one_that_is_set_and_over_in_a_round_is_not_written(writer: Writer, reader: Reader) -> None:
    one = row("a", 1, "brief", 10)
    begin(writer, "a", one, over(one))
    assert found(reader) == []


def test_one_that_is_listed_anew_and_over_in_a_round_is_gone(writer: Writer, reader: Reader) -> None:
    """Who has loaded the workflow lists all that are open anew, not knowing which of them have rows."""
    one, other = row("a", 1, "late", 10), row("a", 2, "other", 20)
    begin(writer, "a", one, other)
    writer.commit(round_of(step("a", 2, deadlines=(one, other, over(one)))))
    assert found(reader) == [("a", "other")]


def test_those_of_a_run_that_has_ended_are_not_listed(writer: Writer, reader: Reader) -> None:
    """Also where whoever ended it could not say which they are."""
    begin(writer, "a", row("a", 1, "late", 10))
    ended = changed(run_of("a"), WorkflowStatus.TERMINATED, closed_at=50)
    writer.commit(round_of(step("a", 2, status=WorkflowStatus.TERMINATED, changed=(ended,))))
    assert found(reader) == []


def test_all_of_a_run_may_be_over_without_saying_which_they_are(writer: Writer, reader: Reader) -> None:
    begin(writer, "a", row("a", 1, "late", 10), row("a", 2, "later", 20))
    begin(writer, "b", row("b", 1, "of another", 30))
    writer.commit(round_of(step("a", 2, deadlines=(DeadlineRow.all_over(run_of("a")),))))
    assert found(reader) == [("b", "of another")]


def test_pages_follow_each_other_without_gaps_or_repetition(writer: Writer, reader: Reader) -> None:
    for name in "abc":
        begin(writer, name, *(row(name, number, f"{name}{number}", 10) for number in range(3)))
    listed, cursor = reader.deadlines(limit=2)
    while cursor is not None:
        page, cursor = reader.deadlines(limit=2, before=cursor)
        listed += page
    assert sorted(one.name for one in listed) == [f"{name}{number}" for name in "abc" for number in range(3)]


@pytest.mark.parametrize("odd", ["", "nonsense", "1.2", "1.2.a\0", f"{'9' * 30}.1.a", "1.x.a"])
def test_what_is_no_cursor_is_refused(reader: Reader, odd: str) -> None:
    with pytest.raises(CommandRejectedError, match="not a cursor"):
        reader.deadlines(before=odd)


@pytest.mark.parametrize("tables", [MIN_REVISION])
def test_older_tables_have_none_and_what_has_some_is_written_without(writer: Writer, reader: Reader) -> None:
    one = row("a", 1, "late", 10)
    begin(writer, "a", one)
    writer.commit(round_of(step("a", 2, deadlines=(over(one),))))
    assert reader.deadlines() == ([], None)
    run = reader.run("a", None)
    assert run is not None
    assert run.run_id == run_of("a")
