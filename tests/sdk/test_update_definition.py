"""How updates are declared, and what is refused where it is written."""

from __future__ import annotations

from typing import Any

import pytest

from dalsegno import DefinitionError, workflow
from dalsegno.definition import definition_of


def test_a_class_knows_its_updates_and_their_validators() -> None:
    @workflow.defn
    class Counter:
        @workflow.run
        async def run(self) -> None: ...

        @workflow.update(name="add", unfinished_policy=workflow.HandlerUnfinishedPolicy.ABANDON)
        async def plus(self, number: int, times: int = 1) -> int:
            return number * times

        @plus.validator
        def check(self, what: int, how_often: int = 1) -> None: ...

        @workflow.update(dynamic=True)
        def any_other(self, name: str, args: Any) -> str:
            return name

    updates = definition_of(Counter).updates
    assert set(updates) == {"add", None}
    assert updates["add"].validator is Counter.check
    assert updates["add"].unfinished_policy is workflow.HandlerUnfinishedPolicy.ABANDON
    assert updates[None].validator is None


def declared_twice() -> None:
    @workflow.defn
    class Twice:
        @workflow.run
        async def run(self) -> None: ...

        @workflow.update(name="add")
        def one(self) -> None: ...

        @workflow.update(name="add")
        def other(self) -> None: ...


def validated_twice() -> None:
    class Twice:
        @workflow.update
        def add(self) -> None: ...

        @add.validator
        def one(self) -> None: ...

        @add.validator
        def other(self) -> None: ...


def validated_in_async() -> None:
    class Slow:
        @workflow.update
        def add(self) -> None: ...

        @add.validator  # type: ignore[arg-type]
        async def check(self) -> None: ...


def validated_with_other_arguments() -> None:
    @workflow.defn
    class Other:
        @workflow.run
        async def run(self) -> None: ...

        @workflow.update
        def add(self, item: str) -> None: ...

        @add.validator  # type: ignore[arg-type]
        def check(self) -> None: ...


def named_and_dynamic() -> None:
    class Both:
        @workflow.update(name="add", dynamic=True)
        def add(self, name: str, args: Any) -> None: ...


def a_generator() -> None:
    class Generator:
        @workflow.update
        def add(self) -> Any:
            yield 1


def an_odd_policy() -> None:
    class Odd:
        @workflow.update(unfinished_policy="never")  # type: ignore[arg-type]
        def add(self) -> None: ...


@pytest.mark.parametrize(
    ("declare", "why"),
    [
        (declared_twice, "two update handlers for 'add'"),
        (validated_twice, "two validators"),
        (validated_in_async, "not async"),
        (validated_with_other_arguments, "same arguments, by position"),
        (named_and_dynamic, "not both"),
        (a_generator, "generator"),
        (an_odd_policy, "unfinished_policy"),
    ],
)
def test_what_cannot_be_is_refused_where_it_is_written(declare: Any, why: str) -> None:
    with pytest.raises(DefinitionError, match=why):
        declare()
