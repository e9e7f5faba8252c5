"""What a worker, and a host, are given."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from dalsegno.errors import ConfigurationError
from dalsegno.given import shown
from dalsegno.interceptors.activities import ActivityInboundInterceptor
from dalsegno.interceptors.workflows import WorkflowInboundInterceptor


@dataclass(frozen=True)
class WorkflowInterceptorClassInput:
    """What Temporal gives along, which means nothing here: workflow code is in no sandbox."""

    unsafe_extern_functions: MutableMapping[str, Callable[..., Any]] = field(default_factory=dict)


class WorkerInterceptor:
    """Base: each method leaves things as they are. `dalsegno.workers.Interceptor` is another name for it.

    A worker asks it for what stands around its activities; a host for the same of local activities, and for
    what stands around its workflows."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        """For each attempt: what is called instead of `next`."""
        return next

    def workflow_interceptor_class(
        self,
        input: WorkflowInterceptorClassInput,
    ) -> type[WorkflowInboundInterceptor] | None:
        """Asked once. Of this class, if there is one, an object is made for each run that is in memory, within
        its workflow: it is workflow code, does the same each time, and may not reach out."""
        return None


def worker_interceptors(interceptors: Iterable[Any]) -> tuple[WorkerInterceptor, ...]:
    """Raises ConfigurationError for what is none."""
    return required("interceptors", interceptors, WorkerInterceptor)


def workflow_interceptor_classes(
    interceptors: Iterable[WorkerInterceptor],
) -> tuple[type[WorkflowInboundInterceptor], ...]:
    """Of those that have one, the outermost first. Raises ConfigurationError for what is none."""
    found = []
    for interceptor in interceptors:
        cls: Any = interceptor.workflow_interceptor_class(WorkflowInterceptorClassInput())
        if cls is None:
            continue
        if not (inspect.isclass(cls) and issubclass(cls, WorkflowInboundInterceptor)):
            raise ConfigurationError(
                f"workflow_interceptor_class of {type(interceptor).__name__} must return a subclass of "
                f"WorkflowInboundInterceptor, or None, not {shown(cls)}."
            )
        found.append(cls)
    return tuple(found)


def required(what: str, interceptors: Iterable[Any], cls: type[Any]) -> tuple[Any, ...]:
    """Raises ConfigurationError for what are no objects of that class, with what was probably meant."""
    if not isinstance(interceptors, list | tuple):
        raise ConfigurationError(f"{what} must be a list of {cls.__name__}, not {shown(interceptors)}.")
    for one in interceptors:
        if inspect.isclass(one) and issubclass(one, cls):
            raise ConfigurationError(f"{what} must hold objects, not the class {one.__name__}: make one of it.")
        if not isinstance(one, cls):
            raise ConfigurationError(
                f"{what} must hold objects of subclasses of {cls.__name__}, not {shown(one)}."
            )
    return tuple(interceptors)
