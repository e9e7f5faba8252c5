"""Declaring workflows: what is noted on the class, and what is refused when it is made."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

from dalsegno import activity, workflow
from dalsegno.actors.workflow_actor.program.registry import WorkflowRegistry
from dalsegno.data_converter import DataConverter
from dalsegno.definition import definition_of
from dalsegno.errors import DefinitionError, PayloadError
from dalsegno.signed_state import restore, version_of
from tests.default_converter import to_payload


@workflow.defn(name="order-workflow")
class Order:
    @workflow.run
    async def run(self, number: int) -> str:
        return str(number)

    @workflow.signal
    async def approve(self, who: str) -> None: ...

    @workflow.signal(name="re-price")
    def reprice(self, price: int) -> None: ...

    @workflow.signal(dynamic=True)
    def other(self, name: str, args: list[Any]) -> None: ...

    @workflow.query
    def price(self) -> int:
        return 1

    @workflow.query(name="long-name")
    def short(self) -> int:
        return 2


def noted(target: object, attribute: str = "__dalsegno_name__") -> object:
    return getattr(target, attribute)


def test_decorated_things_carry_their_names() -> None:
    assert noted(Order) == noted(Order.run) == "order-workflow"
    assert noted(Order.run, "__dalsegno_run__") is True
    assert [noted(Order.approve), noted(Order.reprice)] == ["approve", "re-price"]
    assert [noted(Order.price), noted(Order.short)] == ["price", "long-name"]


def test_the_definition_knows_all_handlers() -> None:
    definition = definition_of(Order)
    assert sorted(definition.signals, key=str) == [None, "approve", "re-price"]
    assert sorted(definition.queries, key=str) == ["long-name", "price"]
    assert definition.state_hint is int


class Base:
    @workflow.signal
    def stop(self) -> None: ...

    @workflow.query
    def state(self) -> str:
        return "base"


@workflow.defn
class Derived(Base):
    @workflow.run
    async def run(self) -> None: ...

    @workflow.query
    def state(self) -> str:
        return "derived"


def test_handlers_are_inherited_and_can_be_overridden() -> None:
    definition = definition_of(Derived)
    assert definition.name == "Derived"
    assert definition.signals["stop"].function is Base.stop
    assert definition.queries["state"].function is Derived.state


@workflow.defn
class WithInit:
    @workflow.init
    def __init__(self, number: int) -> None:
        self.number = number

    @workflow.run
    async def run(self, number: int) -> None: ...


def test_init_can_take_the_arguments_of_the_run_method() -> None:
    assert definition_of(WithInit).init_takes_args
    assert not definition_of(Order).init_takes_args


def no_run() -> None:
    @workflow.defn
    class NoRun: ...


def two_runs() -> None:
    @workflow.defn
    class TwoRuns:
        @workflow.run
        async def run(self) -> None: ...

        @workflow.run
        async def run_too(self) -> None: ...


def inherited_run() -> None:
    @workflow.defn
    class Inherits(Order): ...


def sync_run() -> None:
    class SyncRun:
        @workflow.run
        def run(self) -> None: ...


def generator_run() -> None:
    class GeneratorRun:
        @workflow.run
        async def run(self) -> AsyncIterator[int]:
            yield 1


def run_without_self() -> None:
    class RunWithoutSelf:
        @workflow.run
        async def run() -> None: ...  # type: ignore[misc]


def static_run() -> None:
    class StaticRun:
        @workflow.run
        @staticmethod
        async def run(number: int) -> None: ...


def keyword_only() -> None:
    class KeywordOnly:
        @workflow.run
        async def run(self, *, number: int) -> None: ...


def name_and_dynamic() -> None:
    class NameAndDynamic:
        @workflow.signal(name="x", dynamic=True)
        def any(self, name: str, args: list[Any]) -> None: ...


def same_name() -> None:
    @workflow.defn
    class SameName:
        @workflow.run
        async def run(self) -> None: ...

        @workflow.signal(name="x")
        def one(self) -> None: ...

        @workflow.signal(name="x")
        def two(self) -> None: ...


def undecorated_override() -> None:
    @workflow.defn
    class Forgot(Base):
        @workflow.run
        async def run(self) -> None: ...

        def stop(self) -> None: ...


def init_with_parameters() -> None:
    @workflow.defn
    class InitWithParameters:
        def __init__(self, number: int) -> None: ...

        @workflow.run
        async def run(self, number: int) -> None: ...


def init_with_others() -> None:
    @workflow.defn
    class InitWithOthers:
        @workflow.init
        def __init__(self, text: str, more: str) -> None: ...

        @workflow.run
        async def run(self, number: int) -> None: ...


def init_on_method() -> None:
    class InitOnMethod:
        @workflow.init
        def begin(self) -> None: ...


def long_name() -> None:
    @workflow.defn(name="x" * 256)
    class LongName:
        @workflow.run
        async def run(self) -> None: ...


def function() -> None:
    @workflow.defn  # type: ignore[call-overload]
    def not_a_class() -> None: ...


@pytest.mark.parametrize(
    ("make", "error", "why"),
    [
        (no_run, TypeError, "NoRun has no run method: decorate one `async def` method with @workflow.run"),
        (two_runs, TypeError, r"TwoRuns has 2 methods with @workflow.run \(run, run_too\): keep one"),
        (inherited_run, TypeError, "Inherits inherits its run method: define run in the class itself"),
        (sync_run, TypeError, "SyncRun.run must be `async def`"),
        (generator_run, TypeError, "GeneratorRun.run is a generator"),
        (run_without_self, TypeError, "takes `self` first"),
        (static_run, TypeError, "@workflow.run is for methods, but .*run is not one"),
        (keyword_only, TypeError, "Parameter 'number' of .*KeywordOnly.run can only be given by keyword"),
        (name_and_dynamic, ValueError, "a name or dynamic=True, not both"),
        (same_name, ValueError, "SameName has two signal handlers for 'x': keep one"),
        (
            undecorated_override,
            TypeError,
            "Forgot.stop overrides a method that is decorated with @workflow.signal",
        ),
        (init_with_parameters, TypeError, "has parameters without defaults.*@workflow.init"),
        (init_with_others, TypeError, r"must take the same arguments, by position, as run \(number: .int.\)"),
        (init_on_method, TypeError, "@workflow.init is for __init__, but .*begin is not it"),
        (
            long_name,
            ValueError,
            "is longer than 255 bytes in UTF-8: it must be printable text of 1 to 255 bytes",
        ),
        (function, TypeError, "@workflow.defn is for classes, but .*not_a_class is not one"),
    ],
)
def test_wrong_use_is_refused_in_a_sentence(make: Callable[[], None], error: type[Exception], why: str) -> None:
    with pytest.raises(error, match=why) as caught:
        make()
    assert isinstance(caught.value, DefinitionError)
    assert isinstance(caught.value, TypeError), "whichever of the two somebody catches"
    assert isinstance(caught.value, ValueError)
    assert caught.value.what == str(caught.value)


def test_a_refused_declaration_is_told_with_its_line() -> None:
    def declare() -> None:
        class Wrong:
            @workflow.run
            def run(self) -> None: ...

    with pytest.raises(DefinitionError) as caught:
        declare()
    line = declare.__code__.co_firstlineno + 2
    assert caught.value.where == f"test_workflow_definition.py:{line}"


def test_annotations_that_cannot_be_resolved_are_refused_with_the_place_of_the_handler() -> None:
    @workflow.defn
    class Lost:
        @workflow.run
        async def run(self) -> None: ...

        @workflow.signal
        def take(self, what: Nowhere) -> None: ...  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(DefinitionError, match="cannot be resolved") as caught:
        WorkflowRegistry([(Lost, None)])
    assert caught.value.where.startswith("test_workflow_definition.py:")
    assert int(caught.value.where.rpartition(":")[2]) > Lost.run.__code__.co_firstlineno


class Socket:
    pass


@dataclass
class Connected:
    line: dict[str, Socket | None]


def run_parameter() -> None:
    @workflow.defn
    class Run:
        @workflow.run
        async def run(self, state: Connected) -> None: ...


def run_parameter_among_the_rest() -> None:
    @workflow.defn
    class Run:
        @workflow.run
        async def run(self, *lines: Socket) -> None: ...


def run_result() -> None:
    @workflow.defn
    class Run:
        @workflow.run
        async def run(self) -> list[Socket]: ...  # type: ignore[empty-body]


def signal_parameter() -> None:
    @workflow.defn
    class Run:
        @workflow.run
        async def run(self) -> None: ...

        @workflow.signal
        def connect(self, line: Socket | None) -> None: ...


def query_parameter() -> None:
    @workflow.defn
    class Run:
        @workflow.run
        async def run(self) -> None: ...

        @workflow.query
        def line(self, of: Callable[[], int]) -> int: ...  # type: ignore[empty-body]


def query_result() -> None:
    @workflow.defn
    class Run:
        @workflow.run
        async def run(self) -> None: ...

        @workflow.query
        def line(self) -> tuple[int, Socket]: ...  # type: ignore[empty-body]


def activity_result() -> None:
    @activity.defn
    def connect() -> Socket: ...  # type: ignore[empty-body]


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (run_parameter, r"Parameter 'state' of .*Run\.run is annotated Connected"),
        (
            run_parameter_among_the_rest,
            r"Parameter 'lines' of .*Run\.run is annotated Socket, which cannot be restored",
        ),
        (run_result, r"The result of .*Run\.run is annotated list\[Socket\]"),
        (
            signal_parameter,
            r"Parameter 'line' of .*Run\.connect is annotated Socket \| None, which cannot be restored",
        ),
        (query_parameter, r"Parameter 'of' of .*Run\.line is annotated .*Callable"),
        (
            query_result,
            r"The result of .*Run\.line is annotated tuple\[int, Socket\], which cannot be restored",
        ),
        (activity_result, r"The result of .*connect is annotated Socket"),
    ],
)
def test_what_cannot_be_restored_is_refused_wherever_it_is_annotated(
    make: Callable[[], None], why: str
) -> None:
    with pytest.raises(TypeError, match=why):
        make()


@workflow.defn
class TakesWhatComesLater:
    @workflow.run
    async def run(self, line: LaterSocket) -> None: ...


class LaterSocket:
    pass


def test_an_annotation_of_what_is_defined_later_is_looked_at_when_the_definition_is_used() -> None:
    with pytest.raises(DefinitionError, match=r"Parameter 'line' of .*, which cannot be restored"):
        definition_of(TakesWhatComesLater).resolve()


@dataclass
class Later:
    state_version: ClassVar[int] = 2
    total: int


@dataclass
class Other:
    state_version: ClassVar[int] = 5
    total: int


@dataclass
class Huge:
    state_version: ClassVar[int] = 2**70
    total: int


@dataclass
class Wrong:
    state_version: ClassVar[str] = "two"
    total: int


@pytest.mark.parametrize(
    ("hint", "version"), [(int, 1), (dict[str, int], 1), (Later, 2), (Later | None, 2), (Any, 1)]
)
def test_the_version_of_a_state_is_that_of_its_class(hint: Any, version: int) -> None:
    assert version_of(hint) == version


def test_odd_versions_are_refused() -> None:
    with pytest.raises(PayloadError, match="several classes with a state_version"):
        version_of(Later | Other)
    with pytest.raises(PayloadError, match="must be a whole number"):
        version_of(Wrong)
    with pytest.raises(PayloadError, match=r"must be a whole number from 1 to 9,007,199,254,740,992, declared"):
        version_of(Huge)


def test_an_older_state_without_a_migration_is_refused() -> None:
    with pytest.raises(PayloadError, match=r"give it a classmethod migrate_state"):
        restore(to_payload({"total": 1}), 1, Later, DataConverter.default)
