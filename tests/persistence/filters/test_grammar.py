"""What a filter says, and what is told of one that says nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
from dalsegno.persistence.filters.fields import (
    CLOSE_TIME,
    FIELDS,
    START_TIME,
    STATUS,
    TYPE,
    WORKFLOW_ID,
    field_of,
)
from dalsegno.persistence.filters.grammar import parse
from dalsegno.persistence.filters.tokens import FILTER_CHARACTERS_MAX, InvalidFilterError

NOW = 1_700_000_000_000_000
DAY = 86_400_000_000
QUEUE, DURATION = field_of("taskqueue"), field_of("duration")
assert QUEUE is not None
assert DURATION is not None

CONDITIONS: dict[str, Condition | None] = {
    "": None,
    "  ": None,
    "Status = running": Compared(STATUS, "=", "running"),
    "status = 'Running'": Compared(STATUS, "=", "running"),
    "ExecutionStatus = 'TimedOut'": Compared(STATUS, "=", "timed_out"),
    "Status in (failed, timed_out, failed)": Among(STATUS, ("failed", "timed_out")),
    "Status not in (failed)": Not(Among(STATUS, ("failed",))),
    'Type = "Order"': Compared(TYPE, "=", "Order"),
    "WorkflowType <> 'Order'": Compared(TYPE, "!=", "Order"),
    "`WorkflowId` starts_with 'o-'": StartsWith(WORKFLOW_ID, "o-"),
    "TaskQueue == 'a \\'b\\' \\\\'": Compared(QUEUE, "=", "a 'b' \\"),
    "StartTime > -1d": Compared(START_TIME, ">", NOW - DAY),
    "StartTime > '-1d12h'": Compared(START_TIME, ">", NOW - DAY - DAY // 2),
    "StartTime <= now": Compared(START_TIME, "<=", NOW),
    "StartTime < +1.5h": Compared(START_TIME, "<", NOW + 5_400_000_000),
    "StartTime >= 1970-01-02": Compared(START_TIME, ">=", DAY),
    "StartTime >= '1970-01-01T01:00:00+01:00'": Compared(START_TIME, ">=", 0),
    "CloseTime between 1970-01-01T00:00:01Z and now": AllOf(
        (Compared(CLOSE_TIME, ">=", 1_000_000), Compared(CLOSE_TIME, "<=", NOW))
    ),
    "CloseTime is null": IsNull(CLOSE_TIME),
    "CloseTime IS NOT NULL": Not(IsNull(CLOSE_TIME)),
    "ExecutionDuration > 90s": Compared(DURATION, ">", 90_000_000),
    "Type = 'a' or Type = 'b' and not Status = failed": AnyOf(
        (
            Compared(TYPE, "=", "a"),
            AllOf((Compared(TYPE, "=", "b"), Not(Compared(STATUS, "=", "failed")))),
        )
    ),
    "(Type = 'a' or Type = 'b') and StartTime > -1w": AllOf(
        (
            AnyOf((Compared(TYPE, "=", "a"), Compared(TYPE, "=", "b"))),
            Compared(START_TIME, ">", NOW - 7 * DAY),
        )
    ),
    "WorkflowID = 'group by'": Compared(WORKFLOW_ID, "=", "group by"),
}


@pytest.mark.parametrize("text", CONDITIONS)
def test_a_filter_is_read(text: str) -> None:
    assert parse(text, now=NOW) == ListFilter(CONDITIONS[text])


def test_what_stands_behind_the_condition_orders_and_groups() -> None:
    ordered = parse("Status = failed order by CloseTime desc", now=NOW)
    assert ordered == ListFilter(Compared(STATUS, "=", "failed"), order=Order(CLOSE_TIME, descending=True))
    assert parse("ORDER BY StartTime", now=NOW) == ListFilter(order=Order(START_TIME, descending=False))
    grouped = parse("group by Status, Type, Status order by StartTime asc", now=NOW)
    assert grouped == ListFilter(group_by=(STATUS, TYPE), order=Order(START_TIME, descending=False))


UNREADABLE = {
    "Totl > 10": (1, "no field 'Totl'; there are Status, Type, WorkflowID"),
    "Status = running and Totl = 1": (22, "no field 'Totl'"),
    "Status = lost": (10, "one of running, suspended"),
    "Status > failed": (8, "cannot be compared by '>'; =, !=, in can be used"),
    "Status between failed and running": (8, "has no order"),
    "Status": (7, "an operator is expected after Status, but the filter ends"),
    "Status =": (9, "but the filter ends"),
    "Status = running Type = 'a'": (18, "'and', 'or', 'group by', 'order by' or the end is expected"),
    "Type = Order": (8, "a text in quotes, but there is 'Order'"),
    "Type = 5": (8, "a text in quotes, but there is '5'"),
    "Type = 'Order": (8, "the text that begins with ' has no end"),
    "Type < 'a'": (6, "=, !=, in, starts_with can be used"),
    "Type in ()": (10, "a text in quotes, but there is ')'"),
    "Type in ('a'": (13, "')' is expected here"),
    "Type in 'a'": (9, "'(' is expected here"),
    "Type is 'a'": (9, "'null' is expected"),
    "Type not = 'a'": (10, "an operator is expected"),
    "StartTime > 1d": (13, "like -1d, but there is '1d'"),
    "StartTime > 5": (13, "a time"),
    "StartTime > 'yesterday'": (13, "a time"),
    "StartTime > 2026-13-01": (13, "a time"),
    "StartTime > -9999999w": (13, "three thousand years"),
    f"StartTime > -{'9' * 500}w": (13, "three thousand years"),
    "StartTime starts_with '2'": (11, "is no text"),
    "StartTime > 5x": (13, "neither a number nor a duration"),
    "Duration > 5": (12, "a duration, like 90s or 2h30m, but there is '5'"),
    "(Status = failed": (17, "')' is expected"),
    "Status = failed)": (16, "the end is expected"),
    "and": (1, "no field 'and'"),
    "Status = failed and": (20, "the name of a field is expected here, but the filter ends"),
    "Status ; drop": (8, "';' means nothing here"),
    "group Status": (1, "no field 'group'"),
    "order by Type": (10, "StartTime, CloseTime or an indexed search attribute of one value, not by Type"),
    "group by StartTime": (10, "not grouped by StartTime, which is a time"),
    "Status = failed group Type": (23, "'by' is expected here"),
    "not " * 60 + "Status = failed": (201, "nested more than 50 deep"),
    "(" * 60 + "Status = failed" + ")" * 60: (51, "nested more than 50 deep"),
    " " * FILTER_CHARACTERS_MAX + "Status = failed": (4_001, "4,000 are allowed"),
}


@pytest.mark.parametrize("text", UNREADABLE)
def test_what_cannot_be_read_is_told_with_its_place_and_what_is_expected(text: str) -> None:
    position, what = UNREADABLE[text]
    with pytest.raises(InvalidFilterError) as raised:
        parse(text, now=NOW)
    assert raised.value.position == position
    assert what in str(raised.value)
    assert str(raised.value).startswith(f"The filter cannot be read at character {position}: ")


@given(st.text() | st.text(alphabet="()<>=!'\"`,.-+ 019dhTZandortSus\\"))
def test_whatever_is_asked_is_read_or_refused(text: str) -> None:
    try:
        parse(text, now=NOW)
    except InvalidFilterError as error:
        assert 1 <= error.position <= len(text) + 1


@given(st.sampled_from(FIELDS), st.sampled_from([str.upper, str.lower, str.title]))
def test_a_name_is_known_whatever_its_case(field: object, case: object) -> None:
    assert callable(case)
    assert field_of(case(field.name)) is field  # type: ignore[attr-defined]
