"""A list walks an index from its newest run on, and reads no more than it shows."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import pytest
import sqlalchemy as sa

from dalsegno.errors import CommandRejectedError, StoreUnavailableError, TooSlowError
from dalsegno.persistence import database as database_module
from dalsegno.persistence import open_database, open_store, sqlite
from dalsegno.persistence.database import Role, StatementTimeoutError
from dalsegno.persistence.port import Writer
from dalsegno.persistence.reader import SqlReader
from dalsegno.persistence.reader_port import Reader
from dalsegno.policies import WorkflowStatus
from tests.partition_ids import FIRST
from tests.persistence.rounds import changed, creation, journal_row, opened, round_of, run_of, step

RUNNING, FAILED = WorkflowStatus.RUNNING, WorkflowStatus.FAILED

LISTS: dict[str, tuple[dict[str, Any], str]] = {
    "all": ({}, "runs_started_at"),
    "by status": ({"statuses": [FAILED]}, "runs_status"),
    "by statuses": ({"statuses": [FAILED, RUNNING]}, "runs_status"),
    "by type": ({"workflow_types": ["Order"]}, "runs_workflow_type"),
    "by types and statuses": (
        {"workflow_types": ["Order", "Invoice"], "statuses": [FAILED, RUNNING]},
        "runs_workflow_type",
    ),
    "of one workflow": ({"workflow_id": "w", "statuses": [FAILED]}, "runs_workflow_id"),
}


@pytest.mark.parametrize("before", [None, "12345.run-1"], ids=["from the newest", "from a cursor"])
@pytest.mark.parametrize("name", LISTS)
def test_a_list_walks_one_index_and_sorts_nothing_but_what_it_found(
    store_url: str, kind: str, name: str, before: str | None
) -> None:
    filters, index = LISTS[name]
    open_store(store_url).migrate(partitions=1)
    reader = SqlReader(open_database(store_url), Role.PEOPLE)
    (plan,) = plans(reader, kind, lambda: reader.runs(**filters, before=before))
    text = "\n".join(plan)
    assert index in text, text
    others = {"runs_started_at", "runs_status", "runs_workflow_type", "runs_workflow_id", "runs_pkey"} - {index}
    assert not any(other in text for other in others), text
    walks = len(filters.get("statuses", WorkflowStatus)) * len(filters.get("workflow_types", "1"))
    several = walks if walks > 1 and name not in ("all", "of one workflow") else 0
    if kind == "sqlite":
        walked = [line for line in plan if " runs " in line]
        assert len(walked) == max(several, 1), text
        assert all(f"USING INDEX {index}" in line for line in walked), text
        assert several or "TEMP B-TREE" not in text, text  # of several, what each walk found is sorted
    else:
        assert not any(word in text for word in ("Seq Scan", "Bitmap", "Hash")), text
        assert text.count("Sort Key") == (1 if several else 0), text
    reader.close()


def plans(reader: SqlReader, kind: str, ask: Any) -> list[list[str]]:
    """Of the statements by which it is asked."""
    found: list[list[str]] = []

    def explain(connection: Any, cursor: Any, sql: str, parameters: Any, _x: Any, _m: bool) -> None:
        if not sql.startswith("SELECT"):
            return
        driver = connection.connection.driver_connection.cursor()
        driver.execute(f"EXPLAIN {'QUERY PLAN ' if kind == 'sqlite' else ''}{sql}", parameters)
        found.append([str(row[-1]) for row in driver.fetchall()])

    with listening(reader, explain):
        ask()
    return found


@contextmanager
def listening(reader: SqlReader, listener: Any) -> Iterator[None]:
    engine = reader._owned._engine
    sa.event.listen(engine, "before_cursor_execute", listener)
    try:
        yield
    finally:
        sa.event.remove(engine, "before_cursor_execute", listener)


def test_a_list_fetches_no_results_and_no_memos(host: str, writer: Writer, reader: Reader) -> None:
    large = secrets.token_bytes(100_000)
    writer.commit(round_of(creation("a", opened=(opened("a", run_of("a"), memo=large),))))
    end = changed(run_of("a"), WorkflowStatus.COMPLETED, closed_at=2_000, result=large)
    writer.commit(round_of(step("a", 2, status=WorkflowStatus.COMPLETED, changed=(end,))))
    assert isinstance(reader, SqlReader)
    asked: list[str] = []

    def note(connection: Any, cursor: Any, sql: str, *_: Any) -> None:
        asked.append(sql)

    with listening(reader, note):
        (listed,), _ = reader.runs()
        assert reader.run("a", None) == listed
    assert [sql for sql in asked if "result" in sql or "memo" in sql] == []
    assert not {"result", "memo"} & set(listed.__struct_fields__)


def test_pages_of_several_types_and_statuses_go_on_where_the_one_before_ended(
    host: str, writer: Writer, reader: Reader
) -> None:
    writes = []
    for number in range(30):
        name, type_ = f"w{number:02}", ("Order", "Invoice", "Other")[number % 3]
        run = opened(name, run_of(name), workflow_type=type_, started_at=number // 2)
        end = (changed(run_of(name), FAILED, closed_at=99),) if number % 4 == 0 else ()
        status = FAILED if end else RUNNING
        writes.append(creation(name, status=status, opened=(run,), changed=end))
    writer.commit(round_of(*writes))
    expected = [run.workflow_id for run in reader.runs()[0] if run.workflow_type != "Other"]

    found: list[str] = []
    cursor: str | None = None
    while True:
        page, cursor = reader.runs(workflow_types=["Invoice", "Order", "Order"], limit=3, before=cursor)
        found += [run.workflow_id for run in page]
        if cursor is None:
            break

    assert found == expected
    failed = reader.runs(workflow_types=["Order", "Other"], statuses=[FAILED])[0]
    assert {(run.workflow_type, run.status) for run in failed} == {("Order", FAILED), ("Other", FAILED)}


def test_more_types_than_one_statement_can_look_for_are_refused_in_words(reader: Reader) -> None:
    with pytest.raises(CommandRejectedError, match=r"At most \d+ workflow types .* list fewer"):
        reader.runs(workflow_types=[f"type-{number}" for number in range(1_000)])


def test_as_many_types_as_a_refusal_names_are_listed_with_the_same_statuses(reader: Reader) -> None:
    types = [f"type-{number}" for number in range(200)]
    statuses = [[], [FAILED, RUNNING], [FAILED], list(WorkflowStatus)]
    for wanted in statuses:
        with pytest.raises(CommandRejectedError) as refused:
            reader.runs(workflow_types=types, statuses=wanted)
        most = int(str(refused.value).split()[2])
        assert most == 100 // (len(wanted) or len(WorkflowStatus))
        assert reader.runs(workflow_types=types[:most], statuses=wanted) == ([], None)
        with pytest.raises(CommandRejectedError):
            reader.runs(workflow_types=types[: most + 1], statuses=wanted)


def test_lists_by_type_work_on_tables_without_their_index(store_url: str) -> None:
    store = open_store(store_url)
    store.migrate(partitions=1)
    database = open_database(store_url)
    with database.engine(Role.SCHEMA).begin() as connection:
        connection.execute(sa.text("DROP INDEX runs_workflow_type"))
    store.membership().join("host-a", ttl=3_600_000_000, version="1")
    store.membership().take([FIRST], "host-a")
    store.writer().commit(round_of(creation("a"), creation("b")))
    listed, _ = store.people_reader().runs(workflow_types=["Order"])
    assert {run.workflow_id for run in listed} == {"a", "b"}
    store.close()


# --- histories ------------------------------------------------------------------------------------------------


def test_a_page_of_a_history_is_cut_by_bytes_but_never_empty(host: str, writer: Writer, reader: Reader) -> None:
    sizes = [10, 50_000, 10, 90_000, 10, 10]
    rows = tuple(journal_row(run_of("a"), n, events=b"x" * size) for n, size in enumerate(sizes, 1))
    writer.commit(round_of(creation("a", sequence=len(rows), journal=rows)))
    pages, after = [], 0
    while True:
        page, behind = reader.history(run_of("a"), after=after, bytes_max=60_000)
        pages.append([row.sequence for row in page])
        if behind is None:
            break
        after = behind
    assert pages == [[1, 2, 3], [4], [5, 6]]


# --- what takes too long --------------------------------------------------------------------------------------


def test_what_takes_the_database_too_long_ends_in_a_sentence_that_says_how_to_ask_for_less(
    kind: str, store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(store_url)
    store.migrate(partitions=1)
    if kind == "sqlite":
        monkeypatch.setattr(sqlite, "PEOPLE_SECONDS", 0)
        monkeypatch.setattr(sqlite, "PROGRESS_STEPS", 1)
        reader = store.people_reader()
        with pytest.raises(TooSlowError, match=r"more than 5 s\. Narrow the list by workflow ID, or by type"):
            reader.runs()
        with pytest.raises(TooSlowError, match="Ask for fewer entries at once"):
            reader.history("r")
        monkeypatch.undo()
    else:
        reader = SqlReader(open_database(store_url), Role.PEOPLE)
        with pytest.raises(TooSlowError, match=r"more than 5 s\. Narrow"), reader._asked("Narrow it."):
            connection = reader._owned._connection
            assert connection is not None
            connection.execute(sa.text("SET LOCAL statement_timeout = '10ms'"))
            connection.execute(sa.text("SELECT pg_sleep(60)"))
    assert reader.runs() == ([], None)
    reader.close()
    store.close()


def test_a_host_that_is_cut_short_is_told_that_the_store_is_away_and_asks_again(store_url: str) -> None:
    """What is told to people would be a refusal, of a sentence that nobody reads."""
    open_store(store_url).migrate(partitions=1)
    reader = SqlReader(open_database(store_url), Role.READER)
    for look in (
        reader.cluster,
        reader.watermark,
        lambda: reader.strikes(["r"]),
        lambda: reader.load_run("r"),
        lambda: reader.runs(),
    ):
        with (
            patch.object(reader._owned, "transaction", side_effect=StatementTimeoutError("cut short")),
            pytest.raises(StoreUnavailableError, match="cut short"),
        ):
            look()
    reader.close()


@pytest.mark.postgres
def test_a_persons_statement_has_less_time_than_any_other_reader(postgres_schema_url: str) -> None:
    database = open_database(postgres_schema_url)
    found = {}
    for role in (Role.PEOPLE, Role.READER):
        with database.engine(role).connect() as connection:
            found[role] = connection.scalar(sa.text("SHOW statement_timeout"))
    assert found == {Role.PEOPLE: f"{database_module.PEOPLE_SECONDS}s", Role.READER: "30s"}
