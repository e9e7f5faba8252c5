"""What has changed between two versions of the code, and what breaks by it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any, ClassVar, Literal, NamedTuple, TypedDict

import msgspec
import pytest

from dalsegno import activity, workflow
from dalsegno.definition import definition_of
from dalsegno.rehearsal.difference import difference
from dalsegno.rehearsal.inventory import Inventory, inventory_of


class Size(Enum):
    SMALL = 1
    LARGE = 2


class SizeNow(Enum):
    SMALL = 1


@dataclass
class Item:
    sku: str
    size: Size


@dataclass
class ItemNow:
    sku: str
    size: SizeNow
    weight: float = 0.0


@dataclass
class State:
    months: int
    items: list[Item]


@dataclass
class StateNow:
    months: int
    items: list[ItemNow]


@dataclass
class StateRenamed:
    weeks: int
    items: list[Item]


@dataclass
class StateRaised(StateRenamed):
    state_version: ClassVar[int] = 2


@dataclass
class StateMigrated(StateRaised):
    @classmethod
    def migrate_state(cls, version: int, data: dict[str, Any]) -> dict[str, Any]:
        return data


@dataclass
class StateWider:
    months: float
    items: list[Item]
    note: str | None = None


def subscription(state: Any) -> type:
    @workflow.defn(name="Subscription")
    class Subscription:
        @workflow.run
        async def run(self, state: state) -> None: ...

    return Subscription


@workflow.defn(name="Order")
class Order:
    @workflow.run
    async def run(self, item: str, count: int = 1) -> str:
        return item

    @workflow.signal
    def pay(self, cents: int) -> None: ...

    @workflow.signal
    def note(self, text: str) -> None: ...

    @workflow.query
    def total(self) -> int:
        return 1

    @workflow.update
    def add(self, item: str) -> int:
        return 1


@workflow.defn(name="Order")
class OrderNow:
    @workflow.run
    async def run(self, item: str, count: int, customer: str) -> str | None:
        return item

    @workflow.signal
    def pay(self, cents: str) -> None: ...

    @workflow.signal
    def ship(self) -> None: ...

    @workflow.query
    def total(self) -> float:
        return 1

    @workflow.update
    def add(self) -> int:
        return 1


@workflow.defn
class Added:
    @workflow.run
    async def run(self) -> None: ...


@activity.defn
async def charge(cents: int) -> str:
    return ""


@activity.defn(name="charge")
async def charge_now(cents: int, currency: str) -> str:
    return ""


@activity.defn
async def refund(cents: int) -> str:
    return ""


def inventory(*workflows: type, activities: Any = ()) -> Inventory:
    """As it is after a file."""
    made = inventory_of(map(definition_of, workflows), activities)
    return msgspec.json.decode(msgspec.json.encode(made), type=Inventory)


def told(old: Inventory, new: Inventory) -> tuple[list[str], list[str]]:
    """What breaks, and what else has changed."""
    changes = list(difference(old, new))
    said = [(f"{change.subject}: {change.what}", change.breaks) for change in changes]
    return [text for text, breaks in said if breaks], [text for text, breaks in said if not breaks]


def test_the_same_code_has_changed_in_nothing() -> None:
    same = inventory(Order, subscription(State), activities=[charge])
    assert told(same, same) == ([], [])


def test_what_is_gone_is_told_first_and_what_is_new() -> None:
    old = inventory(Order, subscription(State), activities=[charge, refund])
    assert told(old, inventory(Order, Added, activities=[charge])) == (
        ["workflow Subscription: is gone", "activity refund: is gone"],
        ["workflow Added: is new"],
    )


def test_signatures_are_compared_as_senders_of_before_would_call_them() -> None:
    breaks, else_ = told(inventory(Order, activities=[charge]), inventory(OrderNow, activities=[charge_now]))
    assert breaks == [
        "workflow Order: run: parameter 'count' must be given now",
        "workflow Order: run: parameter 'customer' is new and must be given",
        "workflow Order: signal note is gone",
        "workflow Order: signal pay: parameter 'cents' is str, and was int",
        "workflow Order: update add: parameter 'item' is gone",
        "activity charge: parameter 'currency' is new and must be given",
    ]
    assert else_ == [
        "workflow Order: run: it returns None | str, and returned str",
        "workflow Order: signal ship is new",
        "workflow Order: query total: it returns float, and returned int",
    ]


def test_a_state_that_has_changed_needs_another_version_and_a_migration() -> None:
    old = inventory(subscription(State))
    renamed, _ = told(old, inventory(subscription(StateRenamed)))
    assert "workflow Subscription: run: state.weeks is new and has no default" in renamed
    assert renamed[-1] == (
        "workflow Subscription: what a sign keeps has changed, and state_version is 1 as before: raise it, and "
        "migrate what was signed (migrate_state)"
    )
    raised, _ = told(old, inventory(subscription(StateRaised)))
    assert raised[-1] == (
        "workflow Subscription: state_version goes from 1 to 2 without a migration: give migrate_state"
    )
    migrated, else_ = told(old, inventory(subscription(StateMigrated)))
    assert (migrated, else_[-1]) == (
        [],
        "workflow Subscription: state_version goes from 1 to 2, with a migration",
    )
    back, _ = told(inventory(subscription(StateMigrated)), old)
    assert "state_version goes back from 2 to 1" in back[-1]


def test_a_state_that_takes_what_was_signed_breaks_nothing() -> None:
    breaks, else_ = told(inventory(subscription(State)), inventory(subscription(StateWider)))
    assert breaks == []
    assert "workflow Subscription: run: state.note is new" in else_


def test_classes_within_classes_are_looked_into() -> None:
    breaks, else_ = told(inventory(subscription(State)), inventory(subscription(StateNow)))
    assert "workflow Subscription: run: state.items.size.LARGE is gone" in breaks
    assert "workflow Subscription: run: state.items.weight is new" in else_


class Struct(msgspec.Struct):
    one: int
    two: int = 2


class Named(NamedTuple):
    one: int
    two: int = 2


class Typed(TypedDict):
    one: int


@pytest.mark.parametrize(
    ("kind", "needed"),
    [(Struct, {"one": True, "two": False}), (Named, {"one": True, "two": False}), (Typed, {"one": True})],
)
def test_all_kinds_of_classes_have_fields(kind: type, needed: dict[str, bool]) -> None:
    fields = inventory(subscription(kind)).workflows["Subscription"].run.parameters[0].fields
    assert {name: field.is_required for name, field in fields.items()} == needed


def test_a_class_that_holds_itself_ends() -> None:
    fields = inventory(subscription(Tree)).workflows["Subscription"].run.parameters[0].fields
    assert set(fields) == {"value", "children"}


@dataclass
class Tree:
    value: int
    children: list[Tree]


@dataclass
class Receipt:
    number: str


@dataclass
class ReceiptNow:
    number: str
    day: str
    note: str = ""


def paying(result: Any) -> tuple[type, Any]:
    @activity.defn(name="pay")
    async def pay() -> result: ...

    @workflow.defn(name="Payment")
    class Payment:
        @workflow.run
        async def run(self) -> result: ...

        @workflow.update
        def repeat(self) -> result: ...

    return Payment, pay


def test_results_that_were_recorded_are_read_by_the_new_code() -> None:
    def between(old: Any, new: Any) -> list[tuple[str, str, bool]]:
        sides = [inventory_of([definition_of(of)], [does]) for of, does in map(paying, (old, new))]
        return [(change.subject, change.what, change.breaks) for change in difference(*sides)]

    asked = "workflow Payment"
    returns = "it returns ReceiptNow, and returned Receipt"
    assert between(Receipt, ReceiptNow) == [
        (asked, f"run: {returns}", False),
        (asked, "run: result.day is new and has no default", True),
        (asked, "run: result.note is new", False),
        (asked, f"update repeat: {returns}", False),
        (asked, "update repeat: result.day is new and has no default", False),
        (asked, "update repeat: result.note is new", False),
        ("activity pay", returns, False),
        ("activity pay", "result.day is new and has no default", True),
        ("activity pay", "result.note is new", False),
    ]
    broken = {subject for subject, _, breaks in between(str, int) if breaks}
    assert broken == {asked, "activity pay"}
    assert not any(breaks for *_, breaks in between(int, float))
    assert not any(breaks for *_, breaks in between(Any, ReceiptNow))


class Paid(Enum):
    CARD = "card"


class PaidElsewise(Enum):
    CARD = "plastic"


class Plain(msgspec.Struct):
    day: str


class Renamed(msgspec.Struct):
    day: str = msgspec.field(name="on")


@pytest.mark.parametrize(
    ("old", "new", "breaks"),
    [
        (Paid, PaidElsewise, True),
        (Plain, Renamed, True),
        (Plain | Receipt, Plain, True),
        (Literal["a", "b"], Literal["a"], True),
        (Literal["a"], Literal["a", "b"], False),
        (int, float | None, False),
        (int, object, False),
    ],
)
def test_it_breaks_what_cannot_be_read_as_the_other(old: Any, new: Any, breaks: bool) -> None:
    def taking(one: Any) -> Inventory:
        @activity.defn(name="take")
        async def take(what: one) -> None: ...

        return inventory_of([], [take])

    assert any(change.breaks for change in difference(taking(old), taking(new))) is breaks
