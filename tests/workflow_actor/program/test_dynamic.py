"""Workflows and handlers that take all names, and activities that are classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from dalsegno import DefinitionError, RawValue, activity, workflow
from dalsegno.actors.workflow_actor.interface.run_info import RunInfo
from dalsegno.actors.workflow_actor.program.port import ABSENT, WorkflowCodeError
from dalsegno.actors.workflow_actor.program.registry import WorkflowRegistry
from dalsegno.actors.workflow_actor.run.inputs import Begin, SignedState
from dalsegno.actors.workflow_actor.run.intents import CompleteRun
from dalsegno.targets import name_of
from tests.default_converter import from_payload, to_payload
from tests.workflow_actor.program.play import Play, built


@dataclass
class Order:
    number: int


@workflow.defn(dynamic=True)
class Anything:
    def __init__(self) -> None:
        self.heard: list[Any] = []

    @workflow.run
    async def run(self, args: Sequence[RawValue]) -> list[Any]:
        convert = workflow.payload_converter().from_payload
        types: list[Any] = [Order, str]
        found = [convert(raw.payload, as_type) for raw, as_type in zip(args, types, strict=True)]
        await workflow.wait_condition(lambda: bool(self.heard))
        return [workflow.info().workflow_type, found[0].number, found[1], *self.heard]

    @workflow.signal(dynamic=True)
    def told(self, name: str, args: Sequence[RawValue]) -> None:
        order = workflow.payload_converter().from_payload(args[0].payload, Order)
        self.heard += [name, order.number, len(args)]

    @workflow.query(dynamic=True)
    def asked(self, name: str, args: Sequence[Any]) -> list[Any]:
        return [name, *args]


@workflow.defn
class Known:
    @workflow.run
    async def run(self, number: int) -> int:
        return number


def begun(registry: WorkflowRegistry, workflow_type: str, *args: Any) -> Any:
    info = RunInfo(workflow_id="w", run_id="r", workflow_type=workflow_type, task_queue="main", started_at=0)
    program = registry.build(info, SignedState())
    assert program is not None
    built.append(program)
    return program, program.step(Begin(args=tuple(map(to_payload, args))), now=1, replaying=False)


def test_a_dynamic_workflow_is_run_for_all_types_that_nothing_else_is_registered_for() -> None:
    registry = WorkflowRegistry([(Anything, None), (Known, None)])
    _, (done,) = begun(registry, "Known", 7)
    assert isinstance(done, CompleteRun)
    assert from_payload(done.result) == 7
    program, wanted = begun(registry, "NeverHeardOf", Order(3), "text")
    assert wanted == []
    assert from_payload(program.query("how", (to_payload({"a": 1}),))) == ["how", {"a": 1}]


def test_a_dynamic_workflow_knows_its_type_and_restores_what_it_is_given_as_it_likes() -> None:
    play = Play(Anything)
    play.begin(Order(3), "text")
    play.signal("go", Order(4), 5)
    assert play.result == [play.info.workflow_type, 3, "text", "go", 4, 2]
    play.replayed()


def test_a_dynamic_workflow_has_the_fingerprint_of_whatever_type_is_asked_for() -> None:
    registry = WorkflowRegistry([(Anything, "main")])
    assert registry.fingerprint("main", "One") == registry.fingerprint("main", "Other") != ABSENT
    assert registry.fingerprint("elsewhere", "One") == ABSENT
    assert registry.types == ("(dynamic)",)


@workflow.defn
class OneByOne:
    """Takes arguments one by one, as once was the form of dynamic handlers."""

    def __init__(self) -> None:
        self.heard: list[Any] = []

    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: False)

    @workflow.signal(dynamic=True)
    async def told(self, name: str, *args: Any) -> None:
        self.heard.append([name, *args])

    @workflow.query(dynamic=True)
    def asked(self, name: str, *args: RawValue) -> list[Any]:
        convert = workflow.payload_converter().from_payload
        return [*self.heard, name, *(convert(raw.payload, int) for raw in args)]


def test_a_dynamic_handler_with_star_args_is_given_them_one_by_one() -> None:
    play = Play(OneByOne)
    play.begin()
    play.signal("go", {"a": 1}, 5)
    play.signal("gone")
    assert play.query("how", 7, 8) == [["go", {"a": 1}, 5], ["gone"], "how", 7, 8]
    play.replayed()


def named_and_dynamic() -> None:
    @workflow.defn(name="x", dynamic=True)  # type: ignore[call-overload]
    class Both:
        @workflow.run
        async def run(self, args: Sequence[RawValue]) -> None: ...


def of_two_parameters() -> None:
    @workflow.defn(dynamic=True)
    class Two:
        @workflow.run
        async def run(self, one: int, two: int) -> None: ...


def dynamic_activity_of_none() -> None:
    @activity.defn(dynamic=True)
    def none() -> None: ...


@pytest.mark.parametrize(
    ("declare", "why"),
    [
        (named_and_dynamic, "a name or dynamic=True, not both"),
        (of_two_parameters, r"run must take one parameter besides self.*Sequence\[RawValue\]"),
        (dynamic_activity_of_none, r"none must take one parameter, the list"),
    ],
)
def test_what_cannot_take_all_names_is_refused(declare: Any, why: str) -> None:
    with pytest.raises(DefinitionError, match=why):
        declare()


def test_a_dynamic_workflow_cannot_be_started_without_a_type() -> None:
    with pytest.raises(TypeError, match="Anything is dynamic, it takes all names"):
        name_of(Anything)


@workflow.defn(dynamic=True)
class Signs:
    @workflow.run
    async def run(self, args: Sequence[RawValue]) -> None:
        workflow.checkpoint(list(args))


def test_a_dynamic_workflow_sets_no_sign() -> None:
    with pytest.raises(WorkflowCodeError, match="checkpoint cannot be used by a dynamic workflow"):
        Play(Signs).begin(1)


@activity.defn
class Adds:
    def __init__(self, start: int) -> None:
        self.start = start

    async def __call__(self, number: int) -> int:
        return self.start + number


@activity.defn(dynamic=True)
async def any_activity(args: Sequence[RawValue]) -> int:
    return len(args)


@workflow.defn
class UsesClass:
    @workflow.run
    async def run(self) -> int:
        first = await workflow.execute_activity_class(Adds, 1)
        return first + await workflow.start_activity_class(Adds, 2)


def test_an_activity_that_is_a_class_is_called_by_its_name_and_its_result_is_restored() -> None:
    play = Play(UsesClass)
    play.begin()
    assert [one.activity_type for one in play.activities.values()] == ["Adds"]
    assert play.run(lambda one: 10 * from_payload(one.args[0])) == 30
    play.replayed()


@workflow.defn
class UsesDynamic:
    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity(any_activity, args=[[]])


def test_a_dynamic_activity_cannot_be_asked_for_without_a_type() -> None:
    with pytest.raises(WorkflowCodeError, match="any_activity is dynamic, it takes all names"):
        Play(UsesDynamic).begin()
