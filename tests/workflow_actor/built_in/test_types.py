"""The workflows that every host knows by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from dalsegno import ConfigurationError, DefinitionError, RawValue, workflow
from dalsegno.actors.workflow_actor.built_in.types import BUILT_IN
from dalsegno.actors.workflow_actor.interface.run_info import RunInfo
from dalsegno.actors.workflow_actor.program.port import ABSENT
from dalsegno.actors.workflow_actor.program.registry import WorkflowRegistry
from dalsegno.actors.workflow_actor.run.inputs import SignedState
from dalsegno.definition import BUILT_IN_PREFIX, definition_of

TYPES = [definition_of(cls).name for cls in BUILT_IN]


@workflow.defn(name="dalsegno.activity")
class OfAUser:
    @workflow.run
    async def run(self) -> None: ...


@workflow.defn(dynamic=True)
class Anything:
    @workflow.run
    async def run(self, args: Sequence[RawValue]) -> None: ...


def built(registry: WorkflowRegistry, workflow_type: str) -> Any:
    info = RunInfo(workflow_id="w", run_id="r", workflow_type=workflow_type, task_queue="any", started_at=0)
    program = registry.build(info, SignedState())
    return None if program is None else program._definition.cls


@pytest.mark.parametrize("workflow_type", TYPES)
def test_a_host_without_any_code_knows_the_built_in_types_on_every_task_queue(workflow_type: str) -> None:
    registry = WorkflowRegistry([])
    assert registry.fingerprint("any", workflow_type) != ABSENT
    assert built(registry, workflow_type) in BUILT_IN
    assert registry.types == (), "people are shown their own"


def test_the_built_in_types_have_names_that_no_user_may_give() -> None:
    assert all(name.startswith(BUILT_IN_PREFIX) for name in TYPES)
    for task_queue in (None, "special"):
        with pytest.raises(DefinitionError, match=r"'dalsegno\.activity', but types that begin"):
            WorkflowRegistry([(OfAUser, task_queue)])


def test_a_dynamic_workflow_is_not_run_for_types_that_only_newer_hosts_know() -> None:
    registry = WorkflowRegistry([(Anything, None)])
    assert built(registry, "dalsegno.of-a-later-version") is None
    assert registry.fingerprint("any", "dalsegno.of-a-later-version") == ABSENT
    assert built(registry, "dalsegnox") is Anything


def test_a_built_in_type_cannot_be_withdrawn() -> None:
    with pytest.raises(ConfigurationError, match="cannot be withdrawn"):
        WorkflowRegistry([]).withdraw(TYPES[0])
