"""The workflow code of this host, by task queue, type and version."""

from __future__ import annotations

import hashlib
import inspect
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from dalsegno.actors.workflow_actor.built_in.types import BUILT_IN, is_built_in
from dalsegno.actors.workflow_actor.interface.run_info import RunInfo
from dalsegno.actors.workflow_actor.loop.intent_ledger import STEP_LIMIT
from dalsegno.actors.workflow_actor.patches.awaited import Activates
from dalsegno.actors.workflow_actor.program.port import ABSENT, UNVERSIONED, KnownActivities
from dalsegno.actors.workflow_actor.program.program import WorkflowProgram
from dalsegno.actors.workflow_actor.run.inputs import SignedState
from dalsegno.data_converter import DataConverter
from dalsegno.definition import BUILT_IN_PREFIX, DYNAMIC_NAME, WorkflowDefinition, definition_of
from dalsegno.errors import ConfigurationError, DefinitionError
from dalsegno.interceptors.worker import WorkerInterceptor, worker_interceptors, workflow_interceptor_classes
from dalsegno.interceptors.workflows import WorkflowInboundInterceptor
from dalsegno.payload_codec import fingerprint_of

Key = tuple[str | None, str, str]
"""Task queue, or None for all; type; version."""


class Registered(NamedTuple):
    definition: WorkflowDefinition
    fingerprint: str
    """Of the source as it was when the definition was added: its file may be another by now."""
    converter: DataConverter
    interceptors: Sequence[type[WorkflowInboundInterceptor]]
    """Of its code; what is dalsegno's own has none."""


class WorkflowRegistry:
    """Implements program.port.Code. A class is registered for one task queue, or for all (None); the former
    comes first where both are known. `data_converter` is that of all code here but the built-in, which is in
    every registry; `step_limit`: things that one step of a workflow may want; `local_activities`: those that
    this host can run. What is of `failure_exception_types` fails each workflow here, beside what its own code
    says. `patch_activation_callback`: whether a patch that the code of a run comes to for the first time is to
    count for it (all do, without one); it is called within the step of the workflow, and never when code runs
    again. `interceptors` stand around all code
    here but the built-in. The registry is changed by one thread, that of the host's loop once this runs."""

    def __init__(
        self,
        workflows: Iterable[tuple[type, str | None]],
        *,
        data_converter: DataConverter = DataConverter.default,
        step_limit: int = STEP_LIMIT,
        local_activities: KnownActivities | None = None,
        failure_exception_types: tuple[type[BaseException], ...] = (),
        patch_activation_callback: Activates | None = None,
        interceptors: Sequence[WorkerInterceptor] = (),
    ) -> None:
        """Raises as `add`, TypeError for a callback that cannot be called, and ConfigurationError for what is
        no interceptor."""
        if patch_activation_callback is not None and not callable(patch_activation_callback):
            raise TypeError(
                "patch_activation_callback must be a function of a PatchActivationInput that returns True or "
                f"False, not {patch_activation_callback!r}."
            )
        self._interceptors = workflow_interceptor_classes(worker_interceptors(interceptors))
        self._also_failures = failure_exception_types
        self._activates_patch = patch_activation_callback
        self._local_activities = local_activities
        self._converter = data_converter
        self._step_limit = step_limit
        self._registered: dict[Key, Registered] = {}
        for cls in BUILT_IN:
            self._put(None, definition_of(cls), DataConverter.default)
        for cls, task_queue in workflows:
            self.add(cls, task_queue)

    def add(self, cls: type, task_queue: str | None = None) -> None:
        """To add a class again is ordinary.

        Raises DefinitionError for a class that is no workflow, whose annotations cannot be resolved, whose type
        only dalsegno may give, or whose place another class has: that one is to be withdrawn first.
        """
        try:
            definition = definition_of(cls)
            definition.resolve()
        except DefinitionError as error:
            raise DefinitionError(f"A workflow cannot be registered. {error.what}", error.where) from error
        if is_built_in(definition.name):
            raise DefinitionError(
                f"{cls.__qualname__} is workflow {definition.name!r}, but types that begin with "
                f"{BUILT_IN_PREFIX!r} are dalsegno's own: give it another name with @workflow.defn(name=...).",
                definition.place,
            )
        key = (task_queue, definition.name, UNVERSIONED)
        known = self._registered.get(key)
        if known is None:
            self._put(task_queue, definition, self._converter)
        elif known.definition is not definition:
            raise DefinitionError(
                f"{known.definition.cls.__qualname__} and {cls.__qualname__} are both workflow "
                f"{definition.name!r} for {_shown(task_queue)}: give one of them another name with "
                "@workflow.defn(name=...).",
                definition.place,
            )

    def _put(self, task_queue: str | None, definition: WorkflowDefinition, converter: DataConverter) -> None:
        around = () if is_built_in(definition.name) else self._interceptors
        fingerprint = _fingerprint(definition, converter, around)
        self._registered[task_queue, definition.name, UNVERSIONED] = Registered(
            definition, fingerprint, converter, around
        )

    def withdraw(self, workflow_type: str, task_queue: str | None = None) -> None:
        """Where it was added for a task queue, that is to be named. ConfigurationError if it was not."""
        key = (task_queue, workflow_type, UNVERSIONED)
        if is_built_in(workflow_type) or self._registered.pop(key, None) is None:
            raise ConfigurationError(
                f"Workflow {workflow_type!r} cannot be withdrawn: there is none for {_shown(task_queue)}."
            )

    @property
    def types(self) -> tuple[str, ...]:
        """The workflow types, for people, but for the built-in."""
        names = {name for _, name, _ in self._registered if not is_built_in(name)}
        return tuple(sorted(name or "(dynamic)" for name in names))

    def fingerprint(self, task_queue: str, workflow_type: str, version: str = UNVERSIONED) -> str:
        registered, key = self._registered, (task_queue, workflow_type, version)
        found = registered.get(key) or registered.get((None, workflow_type, version)) or self._dynamic(*key)
        return ABSENT if found is None else found.fingerprint

    def sets_signals_aside(self, task_queue: str, workflow_type: str, version: str = UNVERSIONED) -> bool:
        registered, key = self._registered, (task_queue, workflow_type, version)
        found = registered.get(key) or registered.get((None, workflow_type, version)) or self._dynamic(*key)
        return found is not None and found.definition.unfit_signals == "quarantine"

    def _dynamic(self, task_queue: str, workflow_type: str, version: str) -> Registered | None:
        """The one for all types that have none of their own, and may be of users."""
        if is_built_in(workflow_type):
            return None
        registered = self._registered
        return registered.get((task_queue, DYNAMIC_NAME, version)) or registered.get(
            (None, DYNAMIC_NAME, version)
        )

    def build(self, info: RunInfo, signed: SignedState, patches: Sequence[str] = ()) -> WorkflowProgram | None:
        registered, key = self._registered, (info.task_queue, info.workflow_type, UNVERSIONED)
        found = registered.get(key) or registered.get((None, *key[1:])) or self._dynamic(*key)
        if found is None:
            return None
        definition, converter = found.definition, found.converter
        if converter.is_bound:
            converter = converter.of_workflow(info.workflow_id)
        if definition.dynamic:
            definition = replace(definition, name=info.workflow_type)
        if self._also_failures:
            types = (*definition.failure_exception_types, *self._also_failures)
            definition = replace(definition, failure_exception_types=types)
        return WorkflowProgram(
            definition,
            info,
            signed,
            converter,
            step_limit=self._step_limit,
            local_activities=self._local_activities,
            patches=(patches, self._activates_patch),
            interceptors=found.interceptors,
        )


def _shown(task_queue: str | None) -> str:
    return "all task queues" if task_queue is None else f"task queue {task_queue!r}"


def _fingerprint(
    definition: WorkflowDefinition,
    converter: DataConverter,
    interceptors: Sequence[type[WorkflowInboundInterceptor]],
) -> str:
    """Of the class, the files that it and what it derives from are in, Python's minor version, a converter of
    the user's own (what the code could not read before, it may be able to read with another), and interceptors,
    which are code that runs with it."""
    own, *bases = definition.cls.__mro__
    users = [base for base in bases if base.__module__.partition(".")[0] not in sys.stdlib_module_names]
    sources = [_source_digest(definition.run), *map(_source_digest, users)]
    around = [(cls.__qualname__, _source_digest(cls)) for cls in interceptors]
    identity = (sys.version_info[:2], own.__qualname__, sources, *_of_converters(converter), *around)
    return hashlib.sha256(repr(identity).encode()).hexdigest()


def _of_converters(converter: DataConverter) -> list[tuple[str, str]]:
    if converter == DataConverter.default:
        return []
    kinds = (type(converter.payload_converter), type(converter.failure_converter))
    codec = converter.payload_codec
    named = [(kind.__qualname__, _source_digest(kind)) for kind in kinds]
    if converter.payload_store is not None:
        named.append((type(converter.payload_store).__qualname__, "store"))
    return named if codec is None else [*named, (fingerprint_of(codec), _source_digest(type(codec)))]


def _source_digest(part: type | Callable[..., Any]) -> str:
    """Of the whole file, for a workflow uses what stands beside it; "" for code without one (a notebook)."""
    try:
        return hashlib.sha256(Path(inspect.getfile(part)).read_bytes()).hexdigest()
    except (OSError, TypeError):
        return ""
