"""A filter as a condition.

    filter     = [any] ["group by" field {"," field}] ["order by" field ["asc" | "desc"]]
    any        = all {"or" all}
    all        = not {"and" not}
    not        = "not" not | "(" any ")" | comparison
    comparison = field ("=" | "!=" | "<" | "<=" | ">" | ">=") value
               | field ["not"] "in" "(" value {"," value} ")"
               | field ["not"] "between" value "and" value
               | field ["not"] "starts_with" value
               | field "is" ["not"] "null"

Words are read whatever their case. A list of keywords is equal to what is one of them. A comparison with what a
run does not have (the close time of an open one) is neither true nor false, as in SQL, so `not` does not make
it true."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from sys import float_info
from typing import Final

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
    Value,
)
from dalsegno.persistence.filters.fields import CLOSE_TIME, NAMES, START_TIME, Field, FieldKind, field_of
from dalsegno.persistence.filters.tokens import InvalidFilterError, Kind, Token, tokens_of
from dalsegno.policies import WorkflowStatus
from dalsegno.search_attributes import INT_MAX, NONE_DECLARED, Declared

DEPTH_MAX = 50
DOUBLE_MAX = float_info.max
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS = {
    "ms": 1_000,
    "s": 1_000_000,
    "m": 60_000_000,
    "h": 3_600_000_000,
    "d": 86_400_000_000,
    "w": 604_800_000_000,
}
_MICROSECONDS_MAX = 10**17
_SPAN = re.compile(r"([+-]?)((?:\d+(?:\.\d+)?(?:ms|[smhdw]))+)")
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhdw])")
_EQUAL, _ORDERED = ("=", "!="), ("=", "!=", "<", "<=", ">", ">=")
_OPERATORS: Final = {
    FieldKind.TEXT: _EQUAL,
    FieldKind.STATUS: _EQUAL,
    FieldKind.TIME: _ORDERED,
    FieldKind.DURATION: _ORDERED,
    FieldKind.INT: _ORDERED,
    FieldKind.DOUBLE: _ORDERED,
    FieldKind.BOOL: _EQUAL,
    FieldKind.KEYWORDS: _EQUAL,
}
_GROUPED = (FieldKind.TEXT, FieldKind.STATUS, FieldKind.INT, FieldKind.BOOL)
_INT = re.compile(r"[+-]?\d+")
_TRUTH = {"true": 1, "false": 0}
WORDS: Final = frozenset(
    (
        *(
            "and",
            "or",
            "not",
            "in",
            "between",
            "starts_with",
            "is",
            "null",
            "group",
            "order",
            "by",
            "asc",
            "desc",
        ),
        *("now", *_TRUTH),
    )
)
"""What means something by itself."""
_NAMED_MAX = 50
"""Search attributes that an error lists."""
_SAME = {"==": "=", "<>": "!="}
_STATUSES = {status.value.replace("_", ""): status for status in WorkflowStatus}


def parse(text: str, *, now: int, declared: Declared = NONE_DECLARED) -> ListFilter:
    """`now` in microseconds since 1970, from which relative times count. `declared` are the search attributes
    that it may name. Raises InvalidFilterError."""
    return _Reading(tokens_of(text), now, declared).filter()


class _Reading:
    """By recursive descent, one token ahead."""

    def __init__(self, tokens: Sequence[Token], now: int, declared: Declared) -> None:
        self._tokens = tokens
        self._declared = declared
        self._at = 0
        self._now = now
        self._depth = 0

    @property
    def _next(self) -> Token:
        return self._tokens[self._at]

    def _take(self) -> Token:
        token = self._next
        self._at += token.kind is not Kind.END
        return token

    def _takes(self, *words: str) -> bool:
        """The next is one of these words, which is taken."""
        if not self._next.says(*words):
            return False
        self._take()
        return True

    def _expect(self, word: str) -> None:
        if not self._takes(word):
            raise self._wrong(f"{word!r} is expected here, but {self._next.shown}")

    def _wrong(self, what: str, token: Token | None = None) -> InvalidFilterError:
        return InvalidFilterError((token or self._next).position, what)

    def filter(self) -> ListFilter:
        begins = self._next
        condition = None
        if begins.kind is not Kind.END and not self._is_clause():
            condition = self._any()
        group_by = self._group_by() if self._takes("group") else ()
        order = self._order_by() if self._takes("order") else Order()
        if self._next.kind is not Kind.END:
            raise self._wrong(
                f"'and', 'or', 'group by', 'order by' or the end is expected here, but {self._next.shown}"
            )
        return ListFilter(condition, group_by, order)

    def _is_clause(self) -> bool:
        return self._next.says("group", "order") and self._tokens[self._at + 1].says("by")

    def _any(self) -> Condition:
        return self._joined("or", self._all, AnyOf)

    def _all(self) -> Condition:
        return self._joined("and", self._not, AllOf)

    def _joined(
        self, word: str, part: Callable[[], Condition], whole: Callable[[tuple[Condition, ...]], Condition]
    ) -> Condition:
        parts = [part()]
        while self._takes(word):
            parts.append(part())
        return parts[0] if len(parts) == 1 else whole(tuple(parts))

    def _not(self) -> Condition:
        begins = self._next
        self._depth += 1
        if self._depth > DEPTH_MAX:
            raise self._wrong(f"conditions are nested more than {DEPTH_MAX} deep", begins)
        try:
            if self._takes("not"):
                return Not(self._not())
            if self._takes("("):
                inner = self._any()
                self._expect(")")
                return inner
            return self._comparison()
        finally:
            self._depth -= 1

    def _comparison(self) -> Condition:
        field = self._field()
        if self._takes("is"):
            negated = self._takes("not")
            self._expect("null")
            return Not(IsNull(field)) if negated else IsNull(field)
        negated = self._takes("not")
        if self._next.says("in", "between", "starts_with"):
            condition = self._set_or_range(field)
            return Not(condition) if negated else condition
        token = self._take()
        operator = _SAME.get(token.text, token.text) if token.kind is Kind.SIGN else token.text
        if negated or operator not in _ORDERED:
            raise self._wrong(f"an operator is expected after {field.name}, but {token.shown}", token)
        if operator not in _OPERATORS[field.kind]:
            allowed = ", ".join([*_OPERATORS[field.kind], "in", *(["starts_with"] if _is_text(field) else [])])
            raise self._wrong(f"{field.name} cannot be compared by {operator!r}; {allowed} can be used", token)
        return Compared(field, operator, self._value(field))

    def _set_or_range(self, field: Field) -> Condition:
        token = self._take()
        word = token.text.lower()
        if word == "in":
            self._expect("(")
            values = [self._value(field)]
            while self._takes(","):
                values.append(self._value(field))
            self._expect(")")
            return Among(field, tuple(dict.fromkeys(values)))
        if word == "starts_with":
            if not _is_text(field):
                raise self._wrong(f"{field.name} is no text, so it cannot be compared by 'starts_with'", token)
            return StartsWith(field, str(self._value(field)))
        if "<" not in _OPERATORS[field.kind]:
            raise self._wrong(f"{field.name} has no order, so it cannot be compared by 'between'", token)
        low = self._value(field)
        self._expect("and")
        return AllOf((Compared(field, ">=", low), Compared(field, "<=", self._value(field))))

    def _field(self) -> Field:
        token = self._take()
        if token.kind is not Kind.NAME:
            raise self._wrong(f"the name of a field is expected here, but {token.shown}", token)
        field = field_of(token.text, self._declared)
        if field is None:
            names = ", ".join([NAMES, *islice(self._declared, _NAMED_MAX)])
            raise self._wrong(f"there is no field {token.text!r}; there are {names}", token)
        return field

    def _group_by(self) -> tuple[Field, ...]:
        self._expect("by")
        fields: list[Field] = []
        while True:
            token = self._next
            field = self._field()
            if field.kind not in _GROUPED:
                raise self._wrong(f"runs are not grouped by {field.name}, which is a {field.kind.value}", token)
            if field not in fields:
                fields.append(field)
            if not self._takes(","):
                return tuple(fields)

    def _order_by(self) -> Order:
        self._expect("by")
        token = self._next
        field = self._field()
        has_order = field.indexed is not None and field.kind is not FieldKind.KEYWORDS
        if field not in (START_TIME, CLOSE_TIME) and not has_order:
            raise self._wrong(
                "runs are ordered by StartTime, CloseTime or an indexed search attribute of one value, not by "
                f"{field.name}",
                token,
            )
        if self._takes("desc"):
            return Order(field)
        self._takes("asc")
        return Order(field, descending=False)

    # --- values --------------------------------------------------------------------------------------------

    def _value(self, field: Field) -> Value:
        token = self._take()
        match field.kind:
            case FieldKind.STATUS:
                return self._status(token)
            case FieldKind.TIME:
                return self._time(field, token)
            case FieldKind.DURATION:
                return self._duration(field, token)
            case FieldKind.INT | FieldKind.DOUBLE:
                return self._number(field, token)
            case FieldKind.BOOL:
                return self._truth(field, token)
            case FieldKind.TEXT | FieldKind.KEYWORDS:
                if token.kind is not Kind.TEXT:
                    raise self._wrong(
                        f"{field.name} is compared with a text in quotes, but {token.shown}", token
                    )
                return token.text

    def _status(self, token: Token) -> str:
        status = _STATUSES.get(token.text.lower().replace("_", ""))
        if token.kind not in (Kind.NAME, Kind.TEXT) or status is None:
            raise self._wrong(
                f"a status is expected here, one of {', '.join(WorkflowStatus)}, but {token.shown}", token
            )
        return status.value

    def _time(self, field: Field, token: Token) -> int:
        if token.says("now"):
            return self._now
        span = _SPAN.fullmatch(token.text) if token.kind in (Kind.SPAN, Kind.TEXT) else None
        if span is not None and span[1]:
            return self._bounded(self._now + _microseconds(span), token)
        try:
            if token.kind not in (Kind.TEXT, Kind.TIME):
                raise ValueError(token.text)
            moment = datetime.fromisoformat(token.text)
        except ValueError:
            raise self._wrong(
                f"{field.name} is compared with a time, like '2026-11-30T12:00:00Z', or one from now on, "
                f"like -1d, but {token.shown}",
                token,
            ) from None
        aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        return (aware - _EPOCH) // timedelta(microseconds=1)

    def _duration(self, field: Field, token: Token) -> int:
        span = _SPAN.fullmatch(token.text) if token.kind in (Kind.SPAN, Kind.TEXT) else None
        if span is None:
            raise self._wrong(
                f"{field.name} is compared with a duration, like 90s or 2h30m, but {token.shown}", token
            )
        return self._bounded(_microseconds(span), token)

    def _number(self, field: Field, token: Token) -> int | float:
        is_whole = _INT.fullmatch(token.text) is not None
        if token.kind is not Kind.NUMBER or (field.kind is FieldKind.INT and not is_whole):
            raise self._wrong(f"{field.name} is compared with a {field.kind.value}, but {token.shown}", token)
        number: int | float = float(token.text)
        if field.kind is FieldKind.INT:
            number = int(token.text) if abs(number) < 1e20 else INT_MAX + 1
        if not abs(number) <= (INT_MAX if field.kind is FieldKind.INT else DOUBLE_MAX):
            raise self._wrong("no number is as large as that", token)
        return number

    def _truth(self, field: Field, token: Token) -> int:
        if token.kind not in (Kind.NAME, Kind.TEXT) or token.text.lower() not in _TRUTH:
            raise self._wrong(f"{field.name} is compared with true or false, but {token.shown}", token)
        return _TRUTH[token.text.lower()]

    def _bounded(self, microseconds: int, token: Token) -> int:
        if abs(microseconds) > _MICROSECONDS_MAX:
            raise self._wrong("that is more than three thousand years", token)
        return microseconds


def _is_text(field: Field) -> bool:
    return field.kind is FieldKind.TEXT


def _microseconds(span: re.Match[str]) -> int:
    size = (
        sum(round(float(number) * _UNITS[unit]) for number, unit in _PART.findall(span[2]))
        if len(span[2]) < 100
        else 2 * _MICROSECONDS_MAX
    )
    return -size if span[1] == "-" else size
