"""What users may pass for a workflow, signal or query: a name, or the decorated class or function itself."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from dalsegno import given
from dalsegno.converter import return_type
from dalsegno.definition import described

Target = str | type[Any] | Callable[..., Any]

NAME = "__dalsegno_name__"
RUN = "__dalsegno_run__"
"""The decorators' marks."""


def name_of(target: Target) -> str:
    """Raises TypeError for what has no name in dalsegno."""
    if isinstance(target, str):
        return given.plain("name", target)
    name = getattr(target, NAME, None)
    if not isinstance(name, str):
        raise TypeError(
            f"{described(target)!r} has no name in dalsegno: decorate it "
            "(@workflow.defn, @workflow.signal, @workflow.query), or pass the name as a string."
        )
    return name


def result_type_of(target: Target) -> Any:
    """The return annotation, of a class that of its run method; Any for a name. Raises PayloadError."""
    if isinstance(target, str):
        return Any
    return return_type(_run_method(target) if isinstance(target, type) else target)


@lru_cache(maxsize=1024)
def _run_method(workflow_class: type[Any]) -> Callable[..., Any]:
    for _, member in inspect.getmembers_static(workflow_class):
        if getattr(member, RUN, False):
            method: Callable[..., Any] = member
            return method
    raise TypeError(f"{workflow_class.__qualname__} has no run method: decorate it with @workflow.run.")
