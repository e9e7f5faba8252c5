"""Filters over search attributes: what they find, by which index, and what is refused with its place."""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import patch

import pytest

from dalsegno.errors import CommandRejectedError
from dalsegno.persistence import attribute_walks, open_database, open_store
from dalsegno.persistence.database import Role
from dalsegno.persistence.filters.grammar import parse
from dalsegno.persistence.filters.tokens import InvalidFilterError
from dalsegno.persistence.port import AttributeSet, ListedRun, Store
from dalsegno.persistence.reader import SqlReader
from dalsegno.policies import WorkflowStatus
from dalsegno.search_attributes import AttributeValue
from dalsegno.search_attributes import SearchAttributeIndexedValueType as Type
from tests.partition_ids import nths
from tests.persistence.rounds import HOUR, changed, creation, opened, round_of, run_of
from tests.persistence.test_lists_by_index import plans

NOW = 1_700_000_000_000_000
DECLARED = {
    "Customer": Type.KEYWORD,
    "Note": Type.TEXT,
    "Total": Type.INT,
    "Price": Type.DOUBLE,
    "Paid": Type.BOOL,
    "Due": Type.DATETIME,
    "Tags": Type.KEYWORD_LIST,
    "a.b": Type.INT,
}
RUNS = 40


def values_of(number: int) -> dict[str, AttributeValue]:
    """Every third has none."""
    if number % 3 == 0:
        return {}
    return {
        "Customer": AttributeValue(Type.KEYWORD, ("anna", "ann", "ben", "")[number % 4]),
        "Note": AttributeValue(Type.TEXT, f"note {number % 2}"),
        "Total": AttributeValue(Type.INT, number % 7 - 3),
        "Price": AttributeValue(Type.DOUBLE, number / 10),
        **({"Paid": AttributeValue(Type.BOOL, number % 2 == 0)} if number % 5 else {}),
        "Due": AttributeValue(Type.DATETIME, NOW + (number - 20) * 3_600_000_000),
        "Tags": AttributeValue(Type.KEYWORD_LIST, tuple("abcde"[: number % 5 + 1])),
    }


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def known(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Store]]:
    kind = request.param
    if kind == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('attributes') / 'dalsegno.db'}"
    else:
        url = f"{request.getfixturevalue('shared_database')}?schema=attribute_filters"
    store = open_store(url)
    store.migrate(partitions=4)
    membership = store.membership()
    membership.join("host-a", ttl=HOUR, version="1")
    membership.take(nths(4), "host-a")
    attributes = store.search_attributes()
    for name, type_ in DECLARED.items():
        attributes.add(name, type_)
    writes = []
    for number in range(RUNS):
        name, closed = f"w{number:02}", number % 2 == 1
        run = opened(name, run_of(name), started_at=number // 2)
        ended = changed(run_of(name), WorkflowStatus.COMPLETED, closed_at=100 - number)
        sets = tuple(
            AttributeSet(run_id=run_of(name), begun_at=number // 2, name=one, value=value)
            for one, value in values_of(number).items()
        )
        writes.append(creation(name, opened=(run,), changed=(ended,) if closed else (), attributes=sets))
    store.writer().commit(round_of(*writes))
    yield url, store
    store.close()


@pytest.fixture
def reader(known: tuple[str, Store]) -> Iterator[SqlReader]:
    reader = SqlReader(open_database(known[0]), Role.PEOPLE)
    yield reader
    reader.close()


def numbers_where(holds: Callable[[dict[str, Any]], bool]) -> set[int]:
    return {
        number
        for number in range(RUNS)
        if holds({name: value.value for name, value in values_of(number).items()})
    }


def has(name: str, holds: Callable[[Any], bool]) -> set[int]:
    return numbers_where(lambda values: name in values and holds(values[name]))


FILTERS: dict[str, set[int]] = {
    'Customer = "ann"': has("Customer", lambda value: value == "ann"),
    'customer = "ann"': has("Customer", lambda value: value == "ann"),
    'Customer = ""': has("Customer", lambda value: value == ""),
    'Customer != "ann"': has("Customer", lambda value: value != "ann"),
    'not Customer = "ann"': has("Customer", lambda value: value != "ann"),
    'Customer in ("ann", "ben")': has("Customer", lambda value: value in ("ann", "ben")),
    'Customer starts_with "ann"': has("Customer", lambda value: value.startswith("ann")),
    "Customer is null": numbers_where(lambda values: "Customer" not in values),
    "Customer is not null": has("Customer", lambda _: True),
    'Note = "note 1"': has("Note", lambda value: value == "note 1"),
    'Note starts_with "note"': has("Note", lambda _: True),
    "Note is null": numbers_where(lambda values: "Note" not in values),
    "Total > 1": has("Total", lambda value: value > 1),
    "Total <= -2": has("Total", lambda value: value <= -2),
    "Total between -1 and 1": has("Total", lambda value: -1 <= value <= 1),
    "Total in (3, -3)": has("Total", lambda value: abs(value) == 3),
    "Price >= 1.5": has("Price", lambda value: value >= 1.5),
    "Price < 1e0 and Price > 5e-1": has("Price", lambda value: 0.5 < value < 1),
    "Paid = true": has("Paid", lambda value: value is True),
    "Paid != true": has("Paid", lambda value: value is False),
    "Paid is null": numbers_where(lambda values: "Paid" not in values),
    "Due > now": has("Due", lambda value: value > NOW),
    "Due between -2h and 2h": set(),
    "Due > -2h and Due < +2h": has("Due", lambda value: abs(value - NOW) < 7_200_000_000),
    'Tags = "c"': has("Tags", lambda value: "c" in value),
    'Tags != "c"': has("Tags", lambda value: "c" not in value),
    'Tags in ("d", "e", "none")': has("Tags", lambda value: "d" in value or "e" in value),
    'not Tags in ("d", "e")': has("Tags", lambda value: "d" not in value and "e" not in value),
    "Tags is null": numbers_where(lambda values: "Tags" not in values),
    "Tags is not null": has("Tags", lambda _: True),
    'Tags = "b" and Tags = "c"': has("Tags", lambda value: "b" in value and "c" in value),
    'Customer = "ann" or Total = 3': has("Customer", lambda value: value == "ann")
    | has("Total", lambda value: value == 3),
    'Customer = "ann" and Total > 0': has("Customer", lambda value: value == "ann")
    & has("Total", lambda value: value > 0),
    'Customer = "ann" and WorkflowID = "w05"': {5} & has("Customer", lambda value: value == "ann"),
    "Total > 0 and Status = completed": has("Total", lambda value: value > 0) & set(range(1, RUNS, 2)),
    'Total > 0 and Type = "Order" and Status = running': has("Total", lambda value: value > 0)
    & set(range(0, RUNS, 2)),
    "`a.b` = 1": set(),
    "`a.b` is null": set(range(RUNS)),
}
FILTERS["Due between -2h and 2h"] = FILTERS["Due > -2h and Due < +2h"] | has(
    "Due", lambda value: abs(value - NOW) == 7_200_000_000
)
FILTERS = {text.replace("2h", "2h").replace("and 2h", "and +2h"): found for text, found in FILTERS.items()}


@pytest.mark.parametrize("few", [attribute_walks.FEW, 2], ids=["few", "many"])
@pytest.mark.parametrize("text", FILTERS)
def test_a_filter_finds_and_counts_what_it_says_and_no_other_run(
    reader: SqlReader, text: str, few: int
) -> None:
    for order in ("", " order by StartTime", " order by CloseTime desc"):
        wanted = FILTERS[text] if "Close" not in order else {one for one in FILTERS[text] if one % 2 == 1}
        with patch.object(attribute_walks, "FEW", few):
            found = all_of(reader, text + order, limit=7)
        numbers = [int(run.workflow_id[1:]) for run in found]
        assert sorted(numbers) == sorted(wanted)
        key = [run.closed_at if "Close" in order else run.started_at for run in found]
        places = list(zip(key, (run.run_id for run in found), strict=True))
        assert places == sorted(places, reverse=order != " order by StartTime")
        assert all(run.attributes == values_of(number) for run, number in zip(found, numbers, strict=True))
    assert reader.count_runs(parse(text, now=NOW, declared=DECLARED)).count == len(FILTERS[text])


def all_of(reader: SqlReader, text: str, *, limit: int) -> list[ListedRun]:
    wanted = parse(text, now=NOW, declared=DECLARED)
    found, cursor = reader.find_runs(wanted, limit=limit)
    while cursor is not None:
        more, cursor = reader.find_runs(wanted, limit=limit, before=cursor)
        found += more
    return found


@pytest.mark.parametrize("name", ["Customer", "Total", "Price", "Paid", "Due"])
@pytest.mark.parametrize("condition", ["", "Status = completed", "Total > -1", "Customer in ('ann', 'ben')"])
@pytest.mark.parametrize("direction", ["asc", "desc"])
def test_runs_are_listed_in_the_order_of_an_attribute_that_they_have(
    reader: SqlReader, name: str, condition: str, direction: str
) -> None:
    found = all_of(reader, f"{condition} order by {name} {direction}", limit=4)
    places = [(run.attributes[name].value, run.started_at, run.run_id) for run in found]
    assert places == sorted(places, reverse=direction == "desc")
    wanted = all_of(
        reader, f"{condition} and {name} is not null" if condition else f"{name} is not null", limit=50
    )
    assert {run.run_id for run in found} == {run.run_id for run in wanted}
    assert len(found) == len(wanted)


@pytest.mark.parametrize(
    "cursor", ["", "7.run", "e30=", "W10=", "WzEsMl0=", "bm9wZQ==", "ÿ", "WzEsMSwiXHUwMDAwIl0="]
)
def test_what_is_no_cursor_of_the_order_of_an_attribute_is_refused(reader: SqlReader, cursor: str) -> None:
    wanted = parse("order by Total", now=NOW, declared=DECLARED)
    with pytest.raises(CommandRejectedError, match="not a cursor"):
        reader.find_runs(wanted, before=cursor)


@pytest.mark.parametrize("name", ["Customer", "Total", "Paid", "Note"])
def test_runs_are_counted_by_the_values_of_an_attribute_and_those_without_are_in_no_group(
    reader: SqlReader, name: str
) -> None:
    counted = reader.count_runs(parse(f"group by {name}", now=NOW, declared=DECLARED))
    values = [values_of(number).get(name) for number in range(RUNS)]
    wanted = Counter(
        str(one.value).lower() if one.type is Type.BOOL else str(one.value) for one in values if one is not None
    )
    assert dict(counted.groups) == {(value,): count for value, count in wanted.items()}
    assert counted.count == RUNS
    by_status = reader.count_runs(
        parse(f"{name} is not null group by Status, {name}", now=NOW, declared=DECLARED)
    )
    assert by_status.count == sum(wanted.values()) == sum(map(operator.itemgetter(1), by_status.groups))


@pytest.mark.parametrize(
    ("text", "position", "said"),
    [
        ("Custumer = 'x'", 1, "there is no field 'Custumer'; there are Status, .*Customer, Note, Total"),
        ("Status = failed and Total = 'x'", 29, "Total is compared with a whole number, but there is 'x'"),
        ("Total > 1.5", 9, "Total is compared with a whole number, but there is '1.5'"),
        ("Total > 99999999999999999999999", 9, "no number is as large"),
        ("Price > 1e999", 9, "no number is as large"),
        ("Price = true", 9, "Price is compared with a number"),
        ("Paid > true", 6, "Paid cannot be compared by '>'"),
        ("Paid = 1", 8, "Paid is compared with true or false, but there is '1'"),
        ("Due > 'soon'", 7, "Due is compared with a time"),
        ("Tags > 'a'", 6, "Tags cannot be compared by '>'"),
        ("Tags starts_with 'a'", 6, "Tags is no text"),
        ("Customer = ann", 12, "Customer is compared with a text in quotes"),
        ("Customer > 'a'", 10, "Customer cannot be compared by '>'"),
        ("group by Tags", 10, "runs are not grouped by Tags, which is a list of keywords"),
        ("group by Due", 10, "runs are not grouped by Due"),
        ("order by Tags", 10, "an indexed search attribute of one value, not by Tags"),
        ("order by Note", 10, "an indexed search attribute of one value, not by Note"),
    ],
)
def test_what_does_not_fit_an_attribute_is_refused_with_its_place(text: str, position: int, said: str) -> None:
    with pytest.raises(InvalidFilterError, match=said) as refused:
        parse(text, now=NOW, declared=DECLARED)
    assert refused.value.position == position


@pytest.mark.parametrize(
    ("text", "index"),
    [
        ('Customer = "ann"', "run_attributes_keyword_value"),
        ('Tags in ("a", "b")', "run_attributes_keyword_value"),
        ("Total = 3 and Status = running", "run_attributes_int_value"),
        ("Total > 3", "run_attributes_int_value"),
        ("Price between 1 and 2", "run_attributes_double_value"),
        ("order by Due desc", "run_attributes_int_value"),
    ],
)
def test_a_list_by_an_attribute_walks_its_index(
    known: tuple[str, Store], reader: SqlReader, text: str, index: str
) -> None:
    kind = "sqlite" if known[0].startswith("sqlite") else "postgres"
    wanted = parse(text, now=NOW, declared=DECLARED)
    for plan in plans(reader, kind, lambda: reader.find_runs(wanted)):
        lines = "\n".join(plan)
        if "walked" in lines and kind == "sqlite":
            assert f"INDEX {index}" in lines, lines
            assert not any(f"SCAN {table}" in lines for table in ("walked", "runs", "own")), lines
