"""Search attributes in the database: what is declared, and what runs have, on both databases."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from dalsegno.errors import CommandRejectedError, SchemaError
from dalsegno.persistence import open_store
from dalsegno.persistence.attributes_port import SearchAttributes
from dalsegno.persistence.port import AttributeSet, Store
from dalsegno.persistence.search_attributes import NAME_CHARACTERS_MAX
from dalsegno.persistence.tables import MIN_REVISION
from dalsegno.search_attributes import AttributeValue
from dalsegno.search_attributes import SearchAttributeIndexedValueType as Type
from tests.partition_ids import nths
from tests.persistence.bare import tables_of
from tests.persistence.rounds import HOUR, creation, opened, round_of, run_of, step

EACH = {
    "Customer": AttributeValue(Type.KEYWORD, "c-7"),
    "Note": AttributeValue(Type.TEXT, "Ünïcode, and \n lines"),
    "Total": AttributeValue(Type.INT, -(2**63)),
    "Price": AttributeValue(Type.DOUBLE, 0.1 + 0.2),
    "Paid": AttributeValue(Type.BOOL, False),
    "Due": AttributeValue(Type.DATETIME, -1),
    "Tags": AttributeValue(Type.KEYWORD_LIST, ("b", "a", "c")),
}


@pytest.fixture
def namespace(store_url: str) -> Iterator[Store]:
    store = open_store(store_url)
    store.migrate(partitions=4)
    membership = store.membership()
    membership.join("host-a", ttl=HOUR, version="1")
    membership.take(nths(4), "host-a")
    yield store
    store.close()


@pytest.fixture
def attributes(namespace: Store) -> SearchAttributes:
    return namespace.search_attributes()


def declare_each(attributes: SearchAttributes) -> None:
    for name, value in EACH.items():
        assert attributes.add(name, value.type)


def sets(name: str, values: Mapping[str, AttributeValue | None], **changes: Any) -> tuple[AttributeSet, ...]:
    return tuple(
        AttributeSet(run_id=run_of(name), begun_at=1_000, name=one, value=value, **changes)
        for one, value in values.items()
    )


def test_what_is_declared_is_told_by_name_to_those_who_ask_and_to_hosts(
    namespace: Store, attributes: SearchAttributes
) -> None:
    assert attributes.declared() == {}
    declare_each(attributes)
    declared = {name: EACH[name].type for name in sorted(EACH)}
    assert list(attributes.declared().items()) == list(declared.items())
    assert namespace.membership().cluster().attributes == declared
    assert not attributes.add("Total", Type.INT), "it was declared"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("status", "filters have a field of that name"),
        ("incidents", "filters have a field of that name"),
        ("WorkflowType", "filters have a field of that name"),
        ("Between", "a word of the filter language"),
        ("true", "a word of the filter language"),
        ("", "must begin with a letter"),
        ("1st", "must begin with a letter"),
        ("a'b", "must begin with a letter"),
        ("a:b", "must begin with a letter"),
        ("a b", "must begin with a letter"),
        ("x" * (NAME_CHARACTERS_MAX + 1), "at most 100"),
        ("total", "'Total' of the type int"),
    ],
)
def test_a_name_that_no_filter_could_tell_from_another_is_refused(
    attributes: SearchAttributes, name: str, said: str
) -> None:
    attributes.add("Total", Type.INT)
    with pytest.raises(CommandRejectedError, match=said):
        attributes.add(name, Type.KEYWORD)
    assert list(attributes.declared()) == ["Total"]


def test_a_declared_attribute_keeps_its_type(attributes: SearchAttributes) -> None:
    attributes.add("Total", Type.INT)
    with pytest.raises(CommandRejectedError, match=r"of the type int.*removing the attribute first"):
        attributes.add("Total", Type.DOUBLE)
    assert attributes.declared() == {"Total": Type.INT}


def test_many_may_declare_the_same_at_the_same_time(store_url: str, namespace: Store) -> None:
    names = [f"Name{number}" for number in range(20)]

    def declare() -> list[bool]:
        store = open_store(store_url)
        try:
            return [store.search_attributes().add(name, Type.INT) for name in names]
        finally:
            store.close()

    with ThreadPoolExecutor(4) as threads:
        declared = [future.result() for future in [threads.submit(declare) for _ in range(4)]]
    assert [sum(one) for one in zip(*declared, strict=True)] == [1] * len(names), "by one of them"
    assert list(namespace.search_attributes().declared()) == sorted(names)


def test_a_run_has_the_values_that_were_written_with_it_and_lists_show_them(
    namespace: Store, attributes: SearchAttributes
) -> None:
    declare_each(attributes)
    writer, reader = namespace.writer(), namespace.reader()
    writer.commit(round_of(creation("w", attributes=sets("w", EACH)), creation("v")))
    runs, _ = reader.runs()
    assert {run.workflow_id: run.attributes for run in runs} == {"w": EACH, "v": {}}


def test_what_is_set_later_takes_the_place_of_what_was_and_what_is_taken_back_is_gone(
    namespace: Store, attributes: SearchAttributes
) -> None:
    declare_each(attributes)
    writer, reader = namespace.writer(), namespace.reader()
    first = {"Tags": EACH["Tags"], "Total": AttributeValue(Type.INT, 1), "Paid": EACH["Paid"]}
    writer.commit(round_of(creation("w", attributes=sets("w", first))))
    shorter = AttributeValue(Type.KEYWORD_LIST, ("x",))
    again = (
        *sets("w", {"Total": AttributeValue(Type.INT, 2)}),
        *sets("w", {"Total": AttributeValue(Type.INT, 3), "Paid": None}),
        *sets("w", {"Tags": shorter}, places=3),
    )
    writer.commit(round_of(step("w", 2, attributes=again)))
    (run,), _ = reader.runs()
    assert run.attributes == {"Tags": shorter, "Total": AttributeValue(Type.INT, 3)}


def test_attributes_of_what_is_not_written_are_not_written_either(
    namespace: Store, attributes: SearchAttributes
) -> None:
    declare_each(attributes)
    writer, reader = namespace.writer(), namespace.reader()
    writer.commit(round_of(creation("w")))
    outcome = writer.commit(round_of(step("w", 7, attributes=sets("w", EACH))))
    assert outcome.missed == {"w"}
    (run,), _ = reader.runs()
    assert run.attributes == {}


def test_what_runs_have_is_removed_by_force_alone(namespace: Store, attributes: SearchAttributes) -> None:
    declare_each(attributes)
    namespace.writer().commit(round_of(creation("w", attributes=sets("w", EACH))))
    with pytest.raises(CommandRejectedError, match="Runs have the search attribute 'Tags'; with force"):
        attributes.remove("Tags")
    assert attributes.remove("Tags", force=True) == 3
    with pytest.raises(CommandRejectedError, match="no search attribute 'Tags'; there are Customer, Due"):
        attributes.remove("Tags")
    attributes.add("Tags", Type.KEYWORD)
    (run,), _ = namespace.reader().runs()
    assert run.attributes == {name: value for name, value in EACH.items() if name != "Tags"}


def test_what_no_run_has_is_removed_without_force(attributes: SearchAttributes) -> None:
    attributes.add("Total", Type.INT)
    assert attributes.remove("Total") == 0
    assert attributes.declared() == {}


def test_a_page_ends_by_the_bytes_of_its_attributes_too(namespace: Store, attributes: SearchAttributes) -> None:
    attributes.add("Note", Type.TEXT)
    long = {"Note": AttributeValue(Type.TEXT, "x" * 4_000)}
    writes = [
        creation(name, opened=(opened(name, run_of(name)),), attributes=sets(name, long)) for name in "abcde"
    ]
    namespace.writer().commit(round_of(*writes))
    reader = namespace.reader()
    page, cursor = reader.runs(bytes_max=10_000)
    assert len(page) == 2
    rest, end = reader.runs(before=cursor, bytes_max=10**6)
    assert (len(rest), end) == (3, None)


def test_older_tables_have_no_attributes_and_say_how_to_get_them(store_url: str) -> None:
    tables_of(store_url, MIN_REVISION)
    store = open_store(store_url)
    attributes = store.search_attributes()
    assert attributes.declared() == store.membership().cluster().attributes == {}
    for change in (lambda: attributes.add("Total", Type.INT), lambda: attributes.remove("Total")):
        with pytest.raises(SchemaError, match="run `dalsegno init`"):
            change()
    store.close()
