"""What a filter finds is what it says, on both databases, and a list by it walks an index."""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dalsegno.errors import CommandRejectedError
from dalsegno.persistence import open_database, open_store
from dalsegno.persistence.database import Role
from dalsegno.persistence.filters.conditions import (
    AllOf,
    Among,
    AnyOf,
    Compared,
    Condition,
    IsNull,
    ListFilter,
    Not,
    Order,
    StartsWith,
)
from dalsegno.persistence.filters.fields import CLOSE_TIME, FIELDS, START_TIME, Field, FieldKind
from dalsegno.persistence.filters.grammar import parse
from dalsegno.persistence.port import ListedRun, RunCount, Writer
from dalsegno.persistence.reader import SqlReader
from dalsegno.persistence.reader_port import Reader
from dalsegno.policies import WorkflowStatus
from tests.persistence.rounds import changed, creation, opened, round_of, run_of
from tests.persistence.test_lists_by_index import listening, plans

TYPES = ("Order", "Ord", "Order\U0010ffff", "ordere", "Ordes")
STATUSES = tuple(WorkflowStatus)
NOW = 1_700_000_000_000_000


@pytest.fixture
def written(host: str, writer: Writer, reader: Reader) -> list[ListedRun]:
    writes = []
    for number in range(40):
        name, status = f"w{number:02}", STATUSES[number % len(STATUSES)]
        run = opened(name, run_of(name), workflow_type=TYPES[number % len(TYPES)], started_at=number // 2)
        ended = changed(run_of(name), status, closed_at=number // 2 + number % 5 if status.closed else None)
        writes.append(creation(name, status=status, opened=(run,), changed=(ended,)))
    writer.commit(round_of(*writes))
    found, cursor = reader.runs(limit=100)
    assert (len(found), cursor) == (40, None)
    return found


# --- what it says, in Python ------------------------------------------------------------------------------

VALUES: dict[str, Callable[[ListedRun], Any]] = {
    "Status": lambda run: run.status.value,
    "Type": lambda run: run.workflow_type,
    "WorkflowID": lambda run: run.workflow_id,
    "RunID": lambda run: run.run_id,
    "TaskQueue": lambda run: run.task_queue,
    "StartTime": lambda run: run.started_at,
    "CloseTime": lambda run: run.closed_at,
    "Duration": lambda run: None if run.closed_at is None else run.closed_at - run.started_at,
}
COMPARE = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def holds(condition: Condition | None, run: ListedRun) -> bool | None:
    """None: neither true nor false."""
    match condition:
        case None:
            return True
        case AllOf(parts):
            found = [holds(part, run) for part in parts]
            return False if False in found else None if None in found else True
        case AnyOf(parts):
            found = [holds(part, run) for part in parts]
            return True if True in found else None if None in found else False
        case Not(of):
            inner = holds(of, run)
            return None if inner is None else not inner
        case IsNull(field):
            return VALUES[field.name](run) is None
    value = VALUES[condition.field.name](run)
    if value is None:
        return None
    match condition:
        case Among(_, values):
            return value in values
        case StartsWith(_, prefix):
            return bool(value.startswith(prefix))
        case Compared(_, sign, to):
            return bool(COMPARE[sign](value, to))


def values(field: Field) -> st.SearchStrategy[Any]:
    if field.kind is FieldKind.STATUS:
        return st.sampled_from([status.value for status in STATUSES])
    if field.kind is FieldKind.TEXT:
        return st.sampled_from([*TYPES, "w05", "w1", "default", "", run_of("w07"), "\0", "\ud800", "it's"])
    return st.integers(-1, 25)


@st.composite
def leaves(draw: st.DrawFn) -> Condition:
    field = draw(st.sampled_from(FIELDS))
    some = values(field)
    made: list[st.SearchStrategy[Condition]] = [
        st.builds(Among, st.just(field), st.lists(some, min_size=1, max_size=4).map(tuple)),
        st.builds(IsNull, st.just(field)),
    ]
    ordered = field.kind in (FieldKind.TIME, FieldKind.DURATION)
    made.append(
        st.builds(Compared, st.just(field), st.sampled_from(list(COMPARE) if ordered else ["=", "!="]), some)
    )
    if field.kind is FieldKind.TEXT:
        made.append(st.builds(StartsWith, st.just(field), some))
    return draw(st.one_of(made))


CONDITIONS = st.recursive(
    leaves(),
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.builds(AllOf, st.lists(inner, min_size=2, max_size=3).map(tuple)),
        st.builds(AnyOf, st.lists(inner, min_size=2, max_size=3).map(tuple)),
    ),
    max_leaves=6,
)
ORDERS = st.builds(Order, st.sampled_from([START_TIME, CLOSE_TIME]), st.booleans())


def pages(reader: Reader, wanted: ListFilter, limit: int) -> Iterator[ListedRun]:
    cursor: str | None = None
    while True:
        page, cursor = reader.find_runs(wanted, limit=limit, before=cursor)
        yield from page
        if cursor is None:
            return


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(condition=CONDITIONS, order=ORDERS, limit=st.integers(1, 12))
def test_those_are_found_of_which_the_filter_is_true_in_its_order(
    written: list[ListedRun], reader: Reader, condition: Condition, order: Order, limit: int
) -> None:
    of = VALUES[order.field.name]
    true = [run for run in written if holds(condition, run)]
    expected = sorted(
        (run for run in true if of(run) is not None),
        key=lambda run: (of(run), run.run_id),
        reverse=order.descending,
    )

    assert list(pages(reader, ListFilter(condition, order=order), limit)) == expected
    assert reader.count_runs(ListFilter(condition)) == RunCount(len(true))


def test_counts_are_grouped_the_largest_first(written: list[ListedRun], reader: Reader) -> None:
    by_status = reader.count_runs(parse("group by Status", now=NOW))
    assert by_status.count == 40
    assert dict(by_status.groups) == Counter((run.status.value,) for run in written)
    assert [count for _, count in by_status.groups] == sorted((n for _, n in by_status.groups), reverse=True)

    both = reader.count_runs(parse("CloseTime is null group by Type, Status", now=NOW))
    opened_ = [run for run in written if run.closed_at is None]
    assert (both.count, dict(both.groups)) == (
        len(opened_),
        Counter((run.workflow_type, run.status.value) for run in opened_),
    )
    assert reader.count_runs(parse("Type = 'None' group by Status", now=NOW)) == RunCount(0)


LONG = " or ".join(["Type = 'Order'"] * 200)


@pytest.mark.parametrize(
    "narrowed",
    [
        f"Type in ({', '.join(repr(f'{n}') for n in range(13))}, 'Order')",
        "Status != completed",
        f"Status != completed and Type in ({', '.join(repr(f'{n}') for n in range(13))}, 'Order')",
    ],
)
def test_a_long_filter_is_not_said_again_for_each_type_and_status(
    written: list[ListedRun], reader: Reader, narrowed: str
) -> None:
    assert isinstance(reader, SqlReader)
    said: list[str] = []

    def note(connection: Any, cursor: Any, sql: str, *_: Any) -> None:
        said.append(sql)

    wanted = parse(f"{narrowed} and ({LONG})", now=NOW)
    with listening(reader, note):
        found = list(pages(reader, wanted, 3))
    assert found == [run for run in written if holds(wanted.condition, run)]
    assert found, "there are some"
    assert max(map(len, said)) < 60_000, "a database reads it all before it can be stopped"


@pytest.mark.parametrize("ascending", [False, True])
@pytest.mark.parametrize("damage", ["text", 1.5, -5, 2 * 10**18, float("inf"), float("-inf")])
def test_damaged_times_end_no_list_before_what_is_whole_and_keep_none_from_its_end(
    sqlite_url: str, damage: object, ascending: bool
) -> None:
    """SQLite lets any value into any column."""
    store = open_store(sqlite_url)
    store.migrate(partitions=1)
    row = "INSERT INTO runs (run_id, workflow_id, workflow_type, task_queue, status, started_at)"
    with store._database.engine(Role.SCHEMA).begin() as connection:  # type: ignore[attr-defined]
        for number in range(6):
            values = (f"r{number}", "w", "Order", "orders", "running", damage if number % 2 else 100 + number)
            connection.exec_driver_sql(f"{row} VALUES (?, ?, ?, ?, ?, ?)", values)
    reader = SqlReader(open_database(sqlite_url), Role.PEOPLE)
    wanted = ListFilter(order=Order(descending=not ascending))
    for limit in (1, 2):
        found: list[str] = []
        cursor: str | None = None
        for _ in range(10):
            page, cursor = reader.find_runs(wanted, limit=limit, before=cursor)
            found += [run.run_id for run in page]
            if cursor is None:
                break
        assert cursor is None, "it has an end"
        whole = [run_id for run_id in found if run_id in ("r0", "r2", "r4")]
        assert whole == sorted(("r0", "r2", "r4"), reverse=not ascending)
        assert len(found) == len(set(found)), "none is shown twice"
    reader.close()
    store.close()


def test_a_cursor_that_no_list_gave_out_is_refused(reader: Reader) -> None:
    with pytest.raises(CommandRejectedError, match="not a cursor"):
        reader.find_runs(ListFilter(), before="nonsense")


WALKED = {
    "Status = failed": "runs_status",
    "Status in (failed, running) and StartTime > -1d": "runs_status",
    "Type = 'Order'": "runs_workflow_type",
    "Type = 'Order' and Status != completed": "runs_workflow_type",
    "Type in ('Order', 'Invoice') and not CloseTime < -1d": "runs_workflow_type",
    "WorkflowId = 'w' and Status = failed": "runs_workflow_id",
    "StartTime between -2d and -1d": "runs_started_at",
    "StartTime < -1d order by StartTime asc": "runs_started_at",
    "order by CloseTime desc": "runs_closed_at",
    "CloseTime > -1h order by CloseTime asc": "runs_closed_at",
}
INDEXES = ("runs_started_at", "runs_status", "runs_workflow_type", "runs_workflow_id", "runs_closed_at")


@pytest.mark.parametrize("text", WALKED)
def test_a_list_by_type_status_id_or_time_walks_its_index_in_order(
    store_url: str, kind: str, text: str
) -> None:
    open_store(store_url).migrate(partitions=1)
    reader = SqlReader(open_database(store_url), Role.PEOPLE)
    (plan,) = plans(reader, kind, lambda: reader.find_runs(parse(text, now=NOW)))
    told = "\n".join(plan)
    assert WALKED[text] in told, told
    assert not any(index in told for index in INDEXES if index != WALKED[text]), told
    assert not any(word in told for word in ("Seq Scan", "Bitmap", "SCAN runs\n")), told
    reader.close()
