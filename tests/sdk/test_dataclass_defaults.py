"""A dataclass is written with all its fields, also with those that were left at their default."""

from __future__ import annotations

import copy
import dataclasses
import json
from collections.abc import Callable
from dataclasses import InitVar, dataclass, field
from typing import Annotated, Any, ClassVar, NamedTuple

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dalsegno.data_converter import DataConverter
from dalsegno.payload import JSON_PLAIN, Payload
from dalsegno.signed_state import restore
from tests.default_converter import decode_args, encode_args, from_payload, to_payload


@dataclass
class Subscription:
    name: str
    days: int = 30
    n: int = 0


@dataclass(frozen=True)
class Frozen:
    name: str
    price: float = 1.5
    tags: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Slots:
    name: str
    days: int = 30


@dataclass
class BelowSlots(Slots):
    n: int = 7


@dataclass(slots=True)
class SlotsBelow(Subscription):
    kind: str = "k"


@dataclass
class Inherited(Subscription):
    state_version: ClassVar[int] = 1
    days: int = 31
    m: int | None = None
    kept: int = field(default=5, init=False)


@dataclass
class ByItsAttributes:
    name: str
    days: int = 30

    def __eq__(self, other: object) -> bool:
        return vars(self) == vars(other)


class Pair(NamedTuple):
    left: Subscription
    right: Frozen


class Struct(msgspec.Struct):
    inner: Subscription
    note: str = ""


KINDS = (Subscription, Frozen, Slots, BelowSlots, SlotsBelow, Inherited, ByItsAttributes)


@dataclass
class Holder:
    listed: list[Frozen]
    named: dict[str, Inherited]
    pair: Pair
    struct: Struct
    either: Subscription | str | None = None
    numbered: dict[int, tuple[BelowSlots, ...]] = field(default_factory=dict)
    label: str = "none"


def document(kind: Any, *, required: dict[str, Any], optional: dict[str, Any]) -> st.SearchStrategy[Any]:
    """What `kind` may be decoded from, beside a way to construct the same."""
    names = [*required, *optional]
    values = st.fixed_dictionaries(required, optional=optional)
    return values.map(lambda given: (kind, {name: given[name] for name in names if name in given}))


name, number = st.text(max_size=3), st.integers(0, 9)
subscription = document(Subscription, required={"name": name}, optional={"days": number, "n": number})
frozen = document(Frozen, required={"name": name}, optional={"price": st.just(2.5), "tags": st.lists(name)})
inherited = document(Inherited, required={"name": name}, optional={"days": number, "n": number, "m": number})
holder = document(
    Holder,
    required={
        "listed": st.lists(frozen, max_size=3),
        "named": st.dictionaries(name, inherited, max_size=3),
        "pair": st.tuples(subscription, frozen).map(lambda both: (Pair, list(both))),
        "struct": document(Struct, required={"inner": subscription}, optional={"note": name}),
    },
    optional={
        "either": st.none() | name | subscription,
        "numbered": st.dictionaries(
            number,
            st.lists(document(BelowSlots, required={"name": name}, optional={"n": number})).map(tuple),
            max_size=2,
        ),
        "label": name,
    },
)


def made(part: Any) -> Any:
    match part:
        case (type() as kind, dict() as given):
            return kind(**{name: made(value) for name, value in given.items()})
        case (type() as kind, list() as given):
            return kind(*map(made, given))
        case dict():
            return {key: made(value) for key, value in part.items()}
        case list() | tuple():
            return type(part)(map(made, part))
    return part


def written(part: Any) -> Any:
    match part:
        case (type(), dict() | list() as given):
            return written(given)
        case dict():
            return {key: written(value) for key, value in part.items()}
        case list() | tuple():
            return list(map(written, part))
    return part


def parse(value: Any, hint: Any) -> Any:
    return from_payload(Payload(JSON_PLAIN, json.dumps(value).encode()), hint)


@given(holder)
def test_what_was_decoded_has_all_fields_and_the_bytes_of_what_was_constructed(part: Any) -> None:
    constructed, decoded = made(part), parse(written(part), Holder)
    assert decoded == constructed
    assert to_payload(decoded) == to_payload(constructed)
    assert from_payload(to_payload(decoded)) == json.loads(msgspec.json.encode(constructed))
    by_other_means = msgspec.json.decode(json.dumps(written(part)), type=Holder)
    assert to_payload(by_other_means) == to_payload(constructed)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_dataclass_is_written_whole(kind: type) -> None:
    decoded = parse({"name": "ann"}, kind)
    assert decoded == kind("ann")
    names = {one.name for one in dataclasses.fields(kind)}
    assert from_payload(to_payload(decoded)).keys() == names
    assert to_payload(decoded) == to_payload(kind("ann")) == to_payload(copy.copy(decoded))


def test_a_state_that_was_started_with_little_is_stored_with_all() -> None:
    state = parse({"name": "ann"}, Subscription)
    state.n += 2
    stored = to_payload(state)
    assert stored.data == b'{"name":"ann","days":30,"n":2}'
    later = dataclasses.make_dataclass("Later", [("name", str), ("days", int, 7), ("n", int, 0)])
    assert restore(stored, 1, later, DataConverter.default).days == 30


def test_arguments_arrive_whole_and_are_passed_on_whole() -> None:
    async def renew(subscription: Subscription) -> None:
        raise NotImplementedError

    [decoded] = decode_args(renew, [Payload(JSON_PLAIN, b'{"name":"ann"}')])
    assert vars(decoded) == vars(Subscription("ann"))
    assert encode_args("renew", [[decoded]]) == encode_args("renew", [[Subscription("ann")]])


def test_a_default_factory_overrides_the_plain_default_of_a_base() -> None:
    @dataclass
    class Base:
        tags: list[str] | None = None

    @dataclass
    class Derived(Base):
        tags: list[str] | None = field(default_factory=list)

    first, second = parse({}, Derived), parse({}, Derived)
    assert first.tags == []
    assert first.tags is not second.tags


def test_a_field_behind_a_descriptor_is_written_as_it_is_now() -> None:
    class Doubled:
        def __get__(self, instance: Any, owner: type) -> int:
            return 4 if instance is None else instance._size

        def __set__(self, instance: Any, value: int) -> None:
            instance._size = value * 2

    @dataclass
    class Box:
        size: int = Doubled()  # type: ignore[assignment]
        name: str = "box"

    box = parse({}, Box)
    before = to_payload(box)
    box.size = 21
    assert from_payload(before) == {"size": 8, "name": "box"}
    assert from_payload(to_payload(box)) == {"size": 42, "name": "box"}


def test_neither_class_variables_nor_init_variables_are_written() -> None:
    @dataclass
    class Opened:
        seed: InitVar[int] = 3
        limit: ClassVar[int] = 9
        n: int = 0

        def __post_init__(self, seed: int) -> None:
            self.n = seed

    opened = Opened()
    del opened.n  # the class answers: 0
    assert from_payload(to_payload(opened)) == {"n": 0}
    assert "seed" not in vars(opened)


def test_a_value_that_comes_to_contain_itself_when_it_is_decoded_is_decoded() -> None:
    value = parse({"children": [{}, {}]}, Tree)
    assert [child.parent is value for child in value.children] == [True, True]
    assert vars(value.children[0])["size"] == 1


@dataclass
class Tree:
    children: list[Tree] = field(default_factory=list)
    size: int = 1
    parent: Tree | None = None

    def __post_init__(self) -> None:
        for child in self.children:
            child.parent = self


def test_an_annotation_without_a_hash_does_no_harm() -> None:
    @dataclass
    class Documented:
        n: Annotated[int, {"doc": "how many"}] = 3

    assert from_payload(to_payload(Documented())) == {"n": 3}


@pytest.mark.parametrize("wrap", [list, tuple, lambda parts: {"a": parts}, lambda parts: {1: parts}])
def test_where_a_dataclass_stands_makes_no_difference(wrap: Callable[[Any], Any]) -> None:
    foreign = msgspec.json.decode(b'{"name":"ann"}', type=Subscription)
    assert to_payload(wrap([foreign])) == to_payload(wrap([Subscription("ann")]))
