"""The workflow code of this host, by task queue and type."""

from __future__ import annotations

import hashlib
import inspect
import sys
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

from dalsegno.actors.workflow_actor.interface.run_info import RunInfo
from dalsegno.actors.workflow_actor.loop.intent_ledger import STEP_LIMIT
from dalsegno.actors.workflow_actor.program.program import WorkflowProgram
from dalsegno.actors.workflow_actor.run.inputs import SignedState
from dalsegno.definition import WorkflowDefinition, definition_of
from dalsegno.errors import ConfigurationError, PayloadError


class WorkflowRegistry:
    """Implements program_port.Code. A class is registered for one task queue, or for all (None); the former
    comes first where both are known. `step_limit`: things that one step of a workflow may want.

    Raises ConfigurationError for classes that are no workflows, whose annotations cannot be resolved, or that
    are two for one type.
    """

    def __init__(self, workflows: Iterable[tuple[type, str | None]], *, step_limit: int = STEP_LIMIT) -> None:
        self._step_limit = step_limit
        self._definitions: dict[tuple[str | None, str], WorkflowDefinition] = {}
        for cls, task_queue in workflows:
            self._add(cls, task_queue)

    def _add(self, cls: type, task_queue: str | None) -> None:
        try:
            definition = definition_of(cls)
            definition.resolve()
        except (TypeError, PayloadError) as error:
            raise ConfigurationError(f"A workflow cannot be registered. {error}") from error
        known = self._definitions.setdefault((task_queue, definition.name), definition)
        if known is not definition:
            where = "all task queues" if task_queue is None else f"task queue {task_queue!r}"
            raise ConfigurationError(
                f"{known.cls.__qualname__} and {cls.__qualname__} are both workflow {definition.name!r} for "
                f"{where}: give one of them another name with @workflow.defn(name=...)."
            )

    @property
    def types(self) -> tuple[str, ...]:
        """The workflow types, for people."""
        return tuple(sorted({name for _, name in self._definitions}))

    @cached_property
    def fingerprint(self) -> str:
        """Of the types, where they are registered, the source files they are in, and Python's minor version."""
        known = sorted(
            (
                task_queue or "",
                task_queue is None,
                name,
                definition.cls.__qualname__,
                _source_digest(definition),
            )
            for (task_queue, name), definition in self._definitions.items()
        )
        return hashlib.sha256(repr((sys.version_info[:2], known)).encode()).hexdigest()

    def build(self, info: RunInfo, signed: SignedState) -> WorkflowProgram | None:
        definitions = self._definitions
        definition = definitions.get((info.task_queue, info.workflow_type)) or definitions.get(
            (None, info.workflow_type)
        )
        if definition is None:
            return None
        return WorkflowProgram(definition, info, signed, step_limit=self._step_limit)


def _source_digest(definition: WorkflowDefinition) -> str:
    """Of the whole file, for a workflow uses what stands beside it; "" for code without one (a notebook)."""
    try:
        return hashlib.sha256(Path(inspect.getfile(definition.run)).read_bytes()).hexdigest()
    except OSError:
        return ""
