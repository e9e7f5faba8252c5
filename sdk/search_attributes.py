"""Search attributes: typed values of a run by which runs are found (docs/search-attributes.md).

    CUSTOMER = SearchAttributeKey.for_keyword("Customer")
    await client.start(..., search_attributes=TypedSearchAttributes([SearchAttributePair(CUSTOMER, "c-7")]))
    workflow.upsert_search_attributes([CUSTOMER.value_set("c-8")])

A namespace knows the attributes that were declared for it, each with its type. A key that names another, or a
declared one with another type, is refused where it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar, overload

from msgspec import Struct
from msgspec.structs import force_setattr

from dalsegno import given

T = TypeVar("T")
D = TypeVar("D")

KEYWORD_BYTES_MAX = 1_000
"""Of one keyword: an index holds it."""
TEXT_BYTES_MAX = 4_000
KEYWORDS_MAX = 100
"""In a list."""
ATTRIBUTES_MAX = 100
ATTRIBUTES_BYTES_MAX = 32_000
"""Of one run, names and values together."""
INT_MIN, INT_MAX = -(2**63), 2**63 - 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_TIME_MIN, _TIME_MAX = (
    (moment - _EPOCH) // _MICROSECOND
    for moment in (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))
)


class SearchAttributeIndexedValueType(StrEnum):
    """The types that an attribute may have."""

    TEXT = "text"
    """Any text; it is not indexed."""
    KEYWORD = "keyword"
    """A short text."""
    INT = "int"
    DOUBLE = "double"
    BOOL = "bool"
    DATETIME = "datetime"
    KEYWORD_LIST = "keyword_list"


_Type = SearchAttributeIndexedValueType
AttributePlain = bool | int | float | str | tuple[str, ...]
Declared = Mapping[str, SearchAttributeIndexedValueType]
"""The attributes of a namespace, by their names."""
NONE_DECLARED: Declared = {}


class AttributeValue(Struct, frozen=True):
    """A value as messages and stored rows have it: a datetime is whole microseconds since 1970. Raises
    TypeError and ValueError for one that its type cannot have."""

    type: SearchAttributeIndexedValueType
    value: bool | int | float | str | tuple[str, ...]

    def __post_init__(self) -> None:
        force_setattr(self, "value", _CHECKED[self.type](f"A {self.type.value}", self.value))


class SearchAttributeKey(Generic[T]):
    """A name with its type. Equal to another of the same name and type."""

    __slots__ = ("_name", "_type")

    def __init__(self, name: str, indexed_value_type: SearchAttributeIndexedValueType) -> None:
        """`for_keyword` and its like are the usual way."""
        self._name = given.name("The name of a search attribute", name)
        self._type = given.choice("The type of a search attribute", indexed_value_type, _Type)

    @property
    def name(self) -> str:
        return self._name

    @property
    def indexed_value_type(self) -> SearchAttributeIndexedValueType:
        return self._type

    def value_set(self, value: T) -> SearchAttributeUpdate[T]:
        """For workflow.upsert_search_attributes. Raises TypeError and ValueError for what is no such value."""
        return SearchAttributeUpdate(self, value)

    def value_unset(self) -> SearchAttributeUpdate[T]:
        """For workflow.upsert_search_attributes: the run has the attribute no more."""
        return SearchAttributeUpdate(self, None)

    @staticmethod
    def for_text(name: str) -> SearchAttributeKey[str]:
        return SearchAttributeKey(name, _Type.TEXT)

    @staticmethod
    def for_keyword(name: str) -> SearchAttributeKey[str]:
        return SearchAttributeKey(name, _Type.KEYWORD)

    @staticmethod
    def for_int(name: str) -> SearchAttributeKey[int]:
        return SearchAttributeKey(name, _Type.INT)

    @staticmethod
    def for_float(name: str) -> SearchAttributeKey[float]:
        return SearchAttributeKey(name, _Type.DOUBLE)

    @staticmethod
    def for_bool(name: str) -> SearchAttributeKey[bool]:
        return SearchAttributeKey(name, _Type.BOOL)

    @staticmethod
    def for_datetime(name: str) -> SearchAttributeKey[datetime]:
        return SearchAttributeKey(name, _Type.DATETIME)

    @staticmethod
    def for_keyword_list(name: str) -> SearchAttributeKey[Sequence[str]]:
        return SearchAttributeKey(name, _Type.KEYWORD_LIST)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SearchAttributeKey):
            return NotImplemented
        return (self._name, self._type) == (other._name, other._type)

    def __hash__(self) -> int:
        return hash((self._name, self._type))

    def __repr__(self) -> str:
        return f"SearchAttributeKey({self._name!r}, {self._type})"


class SearchAttributeUpdate(Generic[T]):
    """What `value_set` and `value_unset` give. `value` None: it is unset."""

    __slots__ = ("_stored", "key")

    def __init__(self, key: SearchAttributeKey[T], value: T | None) -> None:
        self.key = key
        self._stored = None if value is None else stored_value(key, value)

    @property
    def value(self) -> T | None:
        return None if self._stored is None else shown_value(self._stored)

    @property
    def stored(self) -> AttributeValue | None:
        """As messages and stored rows have it."""
        return self._stored


class SearchAttributePair(NamedTuple, Generic[T]):
    """A key with its value."""

    key: SearchAttributeKey[T]
    value: T


class TypedSearchAttributes(Collection[SearchAttributePair[Any]]):
    """The attributes of a run, in the order of their names."""

    __slots__ = ("search_attributes",)
    empty: ClassVar[TypedSearchAttributes]

    def __init__(self, search_attributes: Iterable[SearchAttributePair[Any]] = ()) -> None:
        """Raises TypeError and ValueError, also for two pairs of one name."""
        pairs: dict[str, SearchAttributePair[Any]] = {}
        for pair in _pairs(search_attributes):
            if pair.key.name in pairs:
                raise ValueError(f"The search attribute {pair.key.name!r} is given twice.")
            stored_value(pair.key, pair.value)
            pairs[pair.key.name] = pair
        self.search_attributes: tuple[SearchAttributePair[Any], ...] = tuple(
            pairs[name] for name in sorted(pairs)
        )

    def __len__(self) -> int:
        return len(self.search_attributes)

    def __iter__(self) -> Iterator[SearchAttributePair[Any]]:
        return iter(self.search_attributes)

    def __contains__(self, key: object) -> bool:
        return any(pair.key == key for pair in self.search_attributes)

    def __getitem__(self, key: SearchAttributeKey[T]) -> T:
        """Raises KeyError where the run does not have it."""
        for pair in self.search_attributes:
            if pair.key == key:
                value: T = pair.value
                return value
        raise KeyError(key)

    @overload
    def get(self, key: SearchAttributeKey[T]) -> T | None: ...
    @overload
    def get(self, key: SearchAttributeKey[T], default: D) -> T | D: ...
    def get(self, key: SearchAttributeKey[Any], default: Any = None) -> Any:
        return next((pair.value for pair in self.search_attributes if pair.key == key), default)

    def updated(self, *search_attributes: SearchAttributePair[Any]) -> TypedSearchAttributes:
        """These, and the others that this has."""
        new = {pair.key.name for pair in search_attributes}
        return TypedSearchAttributes(
            [*(pair for pair in self.search_attributes if pair.key.name not in new), *search_attributes]
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TypedSearchAttributes):
            return NotImplemented
        return self.search_attributes == other.search_attributes

    def __hash__(self) -> int:
        return hash(tuple(pair.key for pair in self.search_attributes))

    def __repr__(self) -> str:
        return f"TypedSearchAttributes({list(self.search_attributes)!r})"


# --- as they are stored --------------------------------------------------------------------------------------


def stored_value(key: SearchAttributeKey[Any], value: object) -> AttributeValue:
    """Raises TypeError and ValueError, which name the attribute."""
    what = f"The search attribute {key.name!r}"
    if key.indexed_value_type is _Type.DATETIME:
        value = _microseconds(what, value)
    return AttributeValue(key.indexed_value_type, _CHECKED[key.indexed_value_type](what, value))


_TYPED = "TypedSearchAttributes([SearchAttributePair(SearchAttributeKey.for_keyword('Customer'), 'c-7')])"


def stored_attributes(what: str, attributes: object) -> dict[str, AttributeValue]:
    """Of a start. Raises TypeError and ValueError."""
    if attributes is None:
        return {}
    if not isinstance(attributes, TypedSearchAttributes):
        raise given.wrong_type(what, attributes, f"TypedSearchAttributes, as in {_TYPED}")
    stored = {pair.key.name: stored_value(pair.key, pair.value) for pair in attributes}
    if (why := why_too_much(stored)) is not None:
        raise ValueError(f"{what}: {why}.")
    return stored


def shown_attributes(stored: Mapping[str, AttributeValue]) -> TypedSearchAttributes:
    return TypedSearchAttributes(
        SearchAttributePair(SearchAttributeKey[Any](name, one.type), shown_value(one))
        for name, one in stored.items()
    )


def shown_value(stored: AttributeValue) -> Any:
    value = stored.value
    if stored.type is _Type.DATETIME and isinstance(value, int):
        return _EPOCH + value * _MICROSECOND
    return list(value) if isinstance(value, tuple) else value


def why_unfit(attributes: Mapping[str, AttributeValue | None], declared: Declared) -> str | None:
    """Why these cannot be set in a namespace that has declared those; None if they can."""
    for name, one in attributes.items():
        type_ = declared.get(name)
        if type_ is None:
            there_are = ", ".join(sorted(declared))
            return (
                f"the search attribute {name!r} is not declared in this namespace, "
                + (f"which has {there_are}" if declared else "which has none")
                + f" (`dalsegno namespace search-attributes add {name} TYPE` declares it)"
            )
        if one is not None and one.type is not type_:
            return f"the search attribute {name!r} is declared as {type_.value}, and this is {one.type.value}"
    return None


def why_too_much(attributes: Mapping[str, AttributeValue]) -> str | None:
    """Why a run cannot have all of these; None if it can."""
    if len(attributes) > ATTRIBUTES_MAX:
        return f"a run may have {ATTRIBUTES_MAX} search attributes, and these are {len(attributes)}"
    size = sum(len(name.encode()) + size_of(one) for name, one in attributes.items())
    if size > ATTRIBUTES_BYTES_MAX:
        return f"a run's search attributes may have {ATTRIBUTES_BYTES_MAX:,} bytes, and these have {size:,}"
    return None


def size_of(attribute: AttributeValue) -> int:
    """In bytes, about."""
    match attribute.value:
        case str(text):
            return len(text.encode())
        case tuple(keywords):
            return sum(len(keyword.encode()) for keyword in keywords)
        case _:
            return 8


def _pairs(pairs: Iterable[Any]) -> Iterator[SearchAttributePair[Any]]:
    if not isinstance(pairs, Iterable):
        raise given.wrong_type("TypedSearchAttributes", pairs, "given pairs of keys and values")
    for pair in pairs:
        if not (isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[0], SearchAttributeKey)):
            raise given.wrong_type("A search attribute", pair, "a SearchAttributePair")
        yield SearchAttributePair(*pair)


# --- values --------------------------------------------------------------------------------------------------


def _microseconds(what: str, value: object) -> int:
    if not isinstance(value, datetime):
        raise given.wrong_type(what, value, "a datetime")
    try:
        return (value - _EPOCH) // _MICROSECOND
    except TypeError:
        raise given.wrong_value(what, value, "a datetime with a time zone") from None


def _text(most: int, what: str, value: object) -> str:
    text = given.text(what, value)
    if (size := len(text.encode())) > most:
        raise ValueError(f"{what} may have {most:,} bytes, and {given.shown(text)} has {size:,}.")
    return text


def _keyword(what: str, value: object) -> str:
    return _text(KEYWORD_BYTES_MAX, what, value)


def _long_text(what: str, value: object) -> str:
    return _text(TEXT_BYTES_MAX, what, value)


def _keywords(what: str, value: object) -> tuple[str, ...]:
    """Each once."""
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise given.wrong_type(what, value, "a list of texts")
    keywords = tuple(dict.fromkeys(_keyword(f"Each of {what[0].lower()}{what[1:]}", one) for one in value))
    if not 1 <= len(keywords) <= KEYWORDS_MAX:
        raise given.wrong_value(what, value, f"a list of 1 to {KEYWORDS_MAX} texts")
    return keywords


def _int(what: str, value: object) -> int:
    return given.whole(what, value, least=INT_MIN, most=INT_MAX)


def _time(what: str, value: object) -> int:
    return given.whole(what, value, least=_TIME_MIN, most=_TIME_MAX)


_CHECKED: Mapping[SearchAttributeIndexedValueType, Callable[[str, object], AttributePlain]] = {
    _Type.TEXT: _long_text,
    _Type.KEYWORD: _keyword,
    _Type.INT: _int,
    _Type.DOUBLE: given.number,
    _Type.BOOL: given.flag,
    _Type.DATETIME: _time,
    _Type.KEYWORD_LIST: _keywords,
}

TypedSearchAttributes.empty = TypedSearchAttributes()
