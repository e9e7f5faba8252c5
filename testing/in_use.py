"""The code that the workers of an environment have brought, while they are there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from dalsegno.activity_code.registry import Definition, Registry
from dalsegno.actors.workflow_actor.program.registry import WorkflowRegistry
from dalsegno.definition import definition_of


class LocalActivities(Registry):
    """Those of all workers, for the host, which runs local ones. Of two of one name the latest counts."""

    def __init__(self) -> None:
        self._brought: list[Registry] = []

    @property
    def names(self) -> list[str]:
        return sorted({name for registry in self._brought for name in registry.names})

    @property
    def in_processes(self) -> list[Definition]:
        return [definition for registry in self._brought for definition in registry.in_processes]

    def find(self, name: str) -> Definition | None:
        found = (registry.find(name) for registry in reversed(self._brought))
        return next((definition for definition in found if definition is not None), None)

    def bring(self, activities: Sequence[Callable[..., Any]]) -> Callable[[], None]:
        """They are there until what is returned is called."""
        registry = Registry(activities)
        self._brought.append(registry)
        return lambda: self._brought.remove(registry)


class WorkflowsInUse:
    """Two workers may have the same class on one task queue: it goes with the last."""

    def __init__(self, code: WorkflowRegistry, changed: Callable[[], None]) -> None:
        self._code = code
        self._changed = changed
        self._workers: Counter[tuple[type, str]] = Counter()

    def bring(self, workflows: Sequence[type], task_queue: str) -> Callable[[], None]:
        """They are there until what is returned is called. Raises DefinitionError, and then none is."""
        brought: list[type] = []

        def withdraw() -> None:
            for cls in brought:
                self._workers[cls, task_queue] -= 1
                if not self._workers[cls, task_queue]:
                    self._code.withdraw(definition_of(cls).name, task_queue)
            self._changed()

        try:
            for cls in workflows:
                self._code.add(cls, task_queue)
                self._workers[cls, task_queue] += 1
                brought.append(cls)
        except BaseException:
            withdraw()
            raise
        self._changed()
        return withdraw
