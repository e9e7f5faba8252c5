"""What people list and page through."""

from __future__ import annotations

import pytest

from dalsegno.errors import CommandRejectedError
from dalsegno.persistence.port import Writer
from dalsegno.persistence.reader_port import Reader
from dalsegno.policies import WorkflowStatus
from tests.persistence.rounds import changed, creation, journal_row, opened, round_of, run_of, step

pytestmark = pytest.mark.usefixtures("host")


def start(writer: Writer, *started: tuple[str, int, str]) -> None:
    """(workflow ID, time, type)"""
    writer.commit(
        round_of(
            *(
                creation(name, opened=(opened(name, run_of(name), started_at=at, workflow_type=kind),))
                for name, at, kind in started
            )
        )
    )


def test_runs_are_listed_newest_first_in_pages_without_gaps_or_repetition(
    writer: Writer, reader: Reader
) -> None:
    # Three started in one microsecond, across the end of a page.
    start(writer, ("a", 10, "T"), ("b", 40, "T"), ("c", 20, "T"), ("d", 20, "T"), ("e", 20, "T"))

    first, cursor = reader.runs(limit=2)
    second, next_cursor = reader.runs(limit=2, before=cursor)
    third, end = reader.runs(limit=2, before=next_cursor)

    assert [[run.workflow_id for run in page] for page in (first, second, third)] == [
        ["b", "e"],
        ["d", "c"],
        ["a"],
    ]
    assert end is None


def test_a_page_that_ends_with_the_last_run_has_no_cursor(writer: Writer, reader: Reader) -> None:
    start(writer, ("a", 10, "T"), ("b", 20, "T"))
    assert reader.runs(limit=2)[1] is None
    assert reader.runs(limit=1)[1] is not None


def test_a_run_that_starts_while_someone_pages_does_not_move_the_pages(writer: Writer, reader: Reader) -> None:
    start(writer, ("a", 10, "T"), ("b", 20, "T"))
    _, cursor = reader.runs(limit=1)
    start(writer, ("c", 30, "T"))
    page, _ = reader.runs(limit=5, before=cursor)
    assert [run.workflow_id for run in page] == ["a"]


def test_filters_narrow_the_list_and_can_be_combined(writer: Writer, reader: Reader) -> None:
    start(writer, ("a", 10, "Order"), ("b", 20, "Order"), ("c", 30, "Invoice"))
    failed = changed(run_of("a"), WorkflowStatus.FAILED, closed_at=50, reason="out of stock")
    writer.commit(round_of(step("a", 2, status=WorkflowStatus.FAILED, changed=(failed,))))

    def listed(**filters: object) -> list[str]:
        return [run.workflow_id for run in reader.runs(**filters)[0]]  # type: ignore[arg-type]

    assert listed(workflow_types=["Order"]) == ["b", "a"]
    assert listed(workflow_types=["Order", "Invoice"]) == ["c", "b", "a"]
    assert listed(statuses=[WorkflowStatus.RUNNING]) == ["c", "b"]
    assert listed(statuses=[WorkflowStatus.RUNNING, WorkflowStatus.FAILED]) == ["c", "b", "a"]
    assert listed(workflow_id="b") == ["b"]
    assert listed(workflow_types=["Order"], statuses=[WorkflowStatus.FAILED]) == ["a"]
    assert listed(workflow_types=["Or%"]) == []
    assert listed(workflow_types=["a\0"]) == []
    assert listed(workflow_id="a\0") == []
    (run,) = reader.runs(statuses=[WorkflowStatus.FAILED])[0]
    assert (run.closed_at, run.reason) == (50, "out of stock")


@pytest.mark.parametrize(
    "cursor", ["", "nonsense", "12", "12.", ".x", "-1.x", "1e3.x", "9" * 30 + ".x", "1.\0", "²."]
)
def test_what_is_no_cursor_is_refused(reader: Reader, cursor: str) -> None:
    with pytest.raises(CommandRejectedError):
        reader.runs(before=cursor)


def test_a_run_is_found_under_its_own_workflow_only(writer: Writer, reader: Reader) -> None:
    start(writer, ("a", 10, "T"), ("b", 20, "T"))
    found = reader.run("a", run_of("a"))
    assert found is not None
    assert found == reader.run("a", None)
    assert reader.run("a", run_of("b")) is None
    assert reader.run("nobody", None) is None
    assert reader.run("a\0", None) is None


def test_the_newest_run_is_the_current_one_even_of_two_that_started_together(
    writer: Writer, reader: Reader
) -> None:
    start(writer, ("a", 10, "T"))
    for old, new in ((run_of("a"), "x"), ("x", "b")):
        following = step(
            "a",
            1,
            expected_run_id=old,
            expected_sequence=1,
            run_id=new,
            journal=(),
            opened=(opened("a", new, started_at=10),),
        )
        writer.commit(round_of(following))
        newest = reader.run("a", None)
        assert newest is not None
        assert newest.run_id == new


def test_history_is_paged_oldest_first(writer: Writer, reader: Reader) -> None:
    rows = [journal_row(run_of("a"), number, events=bytes([number])) for number in range(1, 8)]
    writer.commit(round_of(creation("a", sequence=7, journal=tuple(rows)), creation("b")))

    assert reader.history(run_of("a"), limit=3)[0] == rows[:3]
    assert reader.history(run_of("a"), after=3, limit=3)[0] == rows[3:6]
    assert reader.history(run_of("a"), after=6)[0] == rows[6:]
    assert reader.history(run_of("a"), after=7)[0] == []
    assert reader.history("unknown")[0] == []
