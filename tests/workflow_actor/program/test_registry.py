"""Which code a host has."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from dalsegno import workflow
from dalsegno.actors.workflow_actor.interface.run_info import RunInfo
from dalsegno.actors.workflow_actor.program.port import ABSENT
from dalsegno.actors.workflow_actor.program.registry import WorkflowRegistry
from dalsegno.actors.workflow_actor.run.inputs import SignedState
from dalsegno.errors import ConfigurationError


@workflow.defn
class Common:
    @workflow.run
    async def run(self) -> str:
        return "common"


@workflow.defn(name="Common")
class Special:
    @workflow.run
    async def run(self) -> str:
        return "special"


def info(workflow_type: str, task_queue: str) -> RunInfo:
    return RunInfo(
        workflow_id="w", run_id="r", workflow_type=workflow_type, task_queue=task_queue, started_at=0
    )


def test_code_is_looked_up_by_task_queue_first() -> None:
    registry = WorkflowRegistry([(Common, None), (Special, "special")])
    special = registry.build(info("Common", "special"), SignedState())
    common = registry.build(info("Common", "any"), SignedState())
    assert special is not None
    assert common is not None
    assert (special._definition.cls, common._definition.cls) == (Special, Common)
    assert registry.types == ("Common",)


def test_unknown_types_and_queues_give_nothing() -> None:
    registry = WorkflowRegistry([(Special, "special")])
    assert registry.build(info("Common", "other"), SignedState()) is None
    assert registry.build(info("Special", "special"), SignedState()) is None


def test_two_classes_for_one_type_are_refused() -> None:
    with pytest.raises(
        ConfigurationError, match="Common and Special are both workflow 'Common' for all task queues"
    ):
        WorkflowRegistry([(Common, None), (Special, None)])
    assert WorkflowRegistry([(Common, None), (Common, None)]).types == ("Common",)


def test_a_class_that_is_no_workflow_is_refused() -> None:
    class Plain: ...

    with pytest.raises(
        ConfigurationError, match=r"Plain is not a workflow: decorate the class with @workflow\.defn"
    ):
        WorkflowRegistry([(Plain, None)])

    class Derived(Common): ...

    with pytest.raises(ConfigurationError, match="Derived is not a workflow"):
        WorkflowRegistry([(Derived, None)])


def test_annotations_that_cannot_be_resolved_are_refused_at_once() -> None:
    @workflow.defn
    class Unresolved:
        @workflow.run
        async def run(self) -> None: ...

        @workflow.signal
        def note(self, text: NowhereToBeFound) -> None: ...  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(ConfigurationError, match="NowhereToBeFound"):
        WorkflowRegistry([(Unresolved, None)])


def load(path: Path, source: str) -> ModuleType:
    path.write_text("from dalsegno import workflow\n" + source)
    spec = importlib.util.spec_from_file_location("made_up", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SOURCE = """
def helper(): return 1
@workflow.defn
class Made:
    @workflow.run
    async def run(self): return helper()
"""


def fingerprint(cls: Any, task_queue: str | None = None) -> str:
    """As a host has it that has this class alone."""
    return WorkflowRegistry([(cls, task_queue)]).fingerprint(task_queue or "any", "Made")


def test_a_fingerprint_changes_with_any_line_of_the_files_that_its_definition_is_in(tmp_path: Path) -> None:
    made: Any = load(tmp_path / "made_up.py", SOURCE).Made
    first = fingerprint(made)
    assert fingerprint(made, "q") == first, "the same code"
    changed: Any = load(tmp_path / "made_up.py", SOURCE.replace("return 1", "return 2")).Made
    assert fingerprint(changed) != first


def test_a_fingerprint_changes_with_the_files_that_its_definition_derives_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "base_of_made.py").write_text("class Base: ...\n")
    derived = SOURCE.replace("class Made:", "class Made(Base):")
    source = f"from base_of_made import Base\n{derived}"
    made: Any = load(tmp_path / "made_up.py", source).Made
    first = fingerprint(made)
    assert fingerprint(made) == first
    (tmp_path / "base_of_made.py").write_text("class Base: word = 1\n")
    assert fingerprint(made) != first


def test_a_fingerprint_is_of_the_source_as_it_was_when_the_definition_was_added(tmp_path: Path) -> None:
    made: Any = load(tmp_path / "made_up.py", SOURCE).Made
    registry = WorkflowRegistry([(made, None)])
    first = registry.fingerprint("any", "Made")
    load(tmp_path / "made_up.py", SOURCE.replace("return 1", "return 2"))
    assert registry.fingerprint("any", "Made") == first


def test_other_definitions_leave_a_fingerprint_as_it_is(tmp_path: Path) -> None:
    made: Any = load(tmp_path / "made_up.py", SOURCE).Made
    registry = WorkflowRegistry([(made, None)])
    first = registry.fingerprint("any", "Made")
    registry.add(Common)
    registry.add(Special, "special")
    assert registry.fingerprint("any", "Made") == first
    assert registry.fingerprint("special", "Common") != registry.fingerprint("any", "Common")
    registry.withdraw("Common", "special")
    assert registry.fingerprint("any", "Made") == first
    assert registry.fingerprint("special", "Common") == registry.fingerprint("any", "Common")


def test_what_is_withdrawn_is_absent_until_it_is_back() -> None:
    registry = WorkflowRegistry([(Common, None)])
    first = registry.fingerprint("any", "Common")
    registry.withdraw("Common")
    assert registry.fingerprint("any", "Common") == ABSENT
    assert registry.build(info("Common", "any"), SignedState()) is None
    assert registry.types == ()
    registry.add(Common)
    assert registry.fingerprint("any", "Common") == first
    assert registry.build(info("Common", "any"), SignedState()) is not None


def test_only_what_was_added_for_these_can_be_withdrawn() -> None:
    registry = WorkflowRegistry([(Special, "special")])
    with pytest.raises(
        ConfigurationError,
        match=r"Workflow 'Common' cannot be withdrawn: there is none for all task queues\.",
    ):
        registry.withdraw("Common")
    with pytest.raises(ConfigurationError, match="there is none for task queue 'other'"):
        registry.withdraw("Common", "other")
    assert registry.types == ("Common",)


def test_no_class_takes_the_place_of_another_unsaid() -> None:
    registry = WorkflowRegistry([(Common, None)])
    with pytest.raises(ConfigurationError, match="Common and Special are both workflow 'Common'"):
        registry.add(Special)
    registry.withdraw("Common")
    registry.add(Special)
    special = registry.build(info("Common", "any"), SignedState())
    assert special is not None
    assert special._definition.cls is Special
