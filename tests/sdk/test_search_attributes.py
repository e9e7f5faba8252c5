"""Keys and values of search attributes: what can be one, and what is refused where it is written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest

from dalsegno import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes
from dalsegno.search_attributes import (
    ATTRIBUTES_MAX,
    AttributeValue,
    SearchAttributeIndexedValueType,
    shown_attributes,
    shown_value,
    stored_attributes,
    stored_value,
)

NOON = datetime(2026, 11, 30, 12, 0, 0, 1, tzinfo=UTC)
KEYS: dict[str, Any] = {
    "text": SearchAttributeKey.for_text("A"),
    "keyword": SearchAttributeKey.for_keyword("A"),
    "int": SearchAttributeKey.for_int("A"),
    "double": SearchAttributeKey.for_float("A"),
    "bool": SearchAttributeKey.for_bool("A"),
    "datetime": SearchAttributeKey.for_datetime("A"),
    "keyword_list": SearchAttributeKey.for_keyword_list("A"),
}


@pytest.mark.parametrize(
    ("type_", "value", "comes_back"),
    [
        ("text", "a\n" * 1_000, None),
        ("keyword", "", None),
        ("keyword", "ü" * 500, None),
        ("int", -(2**63), None),
        ("int", 2**63 - 1, None),
        ("double", 0.1, None),
        ("double", 3, 3.0),
        ("bool", False, None),
        ("datetime", NOON, None),
        ("datetime", NOON.astimezone(timezone(timedelta(hours=5))), NOON),
        ("datetime", datetime.min.replace(tzinfo=UTC), None),
        ("datetime", datetime.max.replace(tzinfo=UTC), None),
        ("keyword_list", ["b", "a", "b"], ["b", "a"]),
        ("keyword_list", ("a",), ["a"]),
    ],
)
def test_a_value_is_stored_and_comes_back_as_it_was(type_: str, value: Any, comes_back: Any) -> None:
    stored = stored_value(KEYS[type_], value)
    read = msgspec.msgpack.decode(msgspec.msgpack.encode(stored), type=AttributeValue)
    assert read == stored
    expected = value if comes_back is None else comes_back
    assert shown_value(read) == expected
    assert type(shown_value(read)) is type(expected)
    assert KEYS[type_].value_set(value).value == expected


@pytest.mark.parametrize(
    ("type_", "value", "error", "said"),
    [
        ("text", 1, TypeError, "must be text"),
        ("text", "x" * 4_001, ValueError, "may have 4,000 bytes"),
        ("keyword", "x" * 1_001, ValueError, "may have 1,000 bytes"),
        ("keyword", "ü" * 501, ValueError, "may have 1,000 bytes"),
        ("keyword", "a\0", ValueError, "NUL"),
        ("keyword", "\ud800", ValueError, "surrogate"),
        ("keyword", b"a", TypeError, "must be text"),
        ("int", True, TypeError, "a whole number"),
        ("int", 1.0, TypeError, "a whole number"),
        ("int", "1", TypeError, "a whole number"),
        ("int", 2**63, ValueError, "a whole number from"),
        ("double", "1", TypeError, "a finite number"),
        ("double", True, TypeError, "a finite number"),
        ("double", float("nan"), ValueError, "a finite number"),
        ("double", float("inf"), ValueError, "a finite number"),
        ("bool", 1, TypeError, "True or False"),
        ("datetime", "2026-11-30", TypeError, "a datetime"),
        ("datetime", datetime(2026, 11, 30), ValueError, "with a time zone"),
        ("datetime", NOON.date(), TypeError, "a datetime"),
        ("keyword_list", "abc", TypeError, "a list of texts"),
        ("keyword_list", [], ValueError, "a list of 1 to 100 texts"),
        ("keyword_list", [str(n) for n in range(101)], ValueError, "a list of 1 to 100 texts"),
        ("keyword_list", ["a", 1], TypeError, "must be text"),
        ("keyword_list", {"a"}, TypeError, "a list of texts"),
    ],
)
def test_what_is_no_such_value_is_refused_at_the_call_with_the_name(
    type_: str, value: Any, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said) as by_update:
        KEYS[type_].value_set(value)
    assert "'A'" in str(by_update.value)
    with pytest.raises(error, match=said):
        TypedSearchAttributes([SearchAttributePair(KEYS[type_], value)])


@pytest.mark.parametrize(
    "body", [{"type": "int", "value": "1"}, {"type": "money", "value": 1}, {"type": "int"}]
)
def test_a_value_of_another_type_is_refused_where_it_is_read(body: object) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(body, AttributeValue)


def test_attributes_are_found_by_key_and_name_with_type() -> None:
    total, customer = SearchAttributeKey.for_int("Total"), SearchAttributeKey.for_keyword("Customer")
    attributes = TypedSearchAttributes([SearchAttributePair(total, 3), SearchAttributePair(customer, "anna")])
    assert [pair.key.name for pair in attributes] == ["Customer", "Total"]
    assert (len(attributes), attributes[total], attributes.get(customer)) == (2, 3, "anna")
    assert total in attributes
    assert SearchAttributeKey.for_float("Total") not in attributes
    assert attributes.get(SearchAttributeKey.for_bool("X"), "none") == "none"
    with pytest.raises(KeyError):
        attributes[SearchAttributeKey.for_float("Total")]
    again = attributes.updated(SearchAttributePair(total, 4))
    assert (again[total], again[customer], attributes[total]) == (4, "anna", 3)
    assert shown_attributes(stored_attributes("x", again)) == again
    assert len(TypedSearchAttributes.empty) == 0
    assert customer.value_unset().value is None


@pytest.mark.parametrize(
    ("make", "error", "said"),
    [
        (lambda: TypedSearchAttributes([KEYS["int"]]), TypeError, "must be a SearchAttributePair"),
        (lambda: TypedSearchAttributes({"A": 1}), TypeError, "must be a SearchAttributePair"),
        (lambda: TypedSearchAttributes(7), TypeError, "pairs of keys and values"),
        (
            lambda: TypedSearchAttributes(
                [SearchAttributePair(KEYS["int"], 1), SearchAttributePair(KEYS["text"], "")]
            ),
            ValueError,
            "'A' is given twice",
        ),
        (lambda: SearchAttributeKey.for_int(""), ValueError, "name of a search attribute"),
        (lambda: SearchAttributeKey.for_int(7), TypeError, "name of a search attribute"),
        (lambda: SearchAttributeKey("A", "money"), ValueError, "type of a search attribute"),
        (
            lambda: stored_attributes("search_attributes", {"A": ["x"]}),
            TypeError,
            r"must be TypedSearchAttributes, as in TypedSearchAttributes\(\[.*for_keyword",
        ),
        (
            lambda: stored_attributes(
                "search_attributes",
                TypedSearchAttributes(
                    SearchAttributePair(SearchAttributeKey.for_int(f"A{n}"), n)
                    for n in range(ATTRIBUTES_MAX + 1)
                ),
            ),
            ValueError,
            "a run may have 100 search attributes, and these are 101",
        ),
    ],
)
def test_what_are_no_attributes_is_refused(make: Any, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        make()


def test_each_type_has_a_key() -> None:
    assert {key.indexed_value_type for key in KEYS.values()} == set(SearchAttributeIndexedValueType)
    assert repr(KEYS["int"]) == "SearchAttributeKey('A', int)"
    assert hash(KEYS["int"]) == hash(SearchAttributeKey.for_int("A"))
