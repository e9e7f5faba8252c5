"""What the public API speaks of can be had where users look for it: from `dalsegno`, `workflow`, `activity`."""

from __future__ import annotations

import ast
import collections.abc
import inspect
import re
import subprocess
import sys
import typing
from collections.abc import Iterator
from types import FunctionType, ModuleType
from typing import Any

import pytest

import dalsegno
from dalsegno import _runtime, activity, errors, interceptors, workflow
from dalsegno.client import ScheduleHandle
from dalsegno.client import errors as client_errors

MODULES = (dalsegno, workflow, activity, interceptors)
A_MODULE_OF_ITS_OWN = {"dalsegno.broker.port"}
"""Whoever writes a broker finds the words of that trade there; users have `Broker` and hand it on."""

NOT_MADE_BY_USERS = {
    dalsegno.AsyncActivityHandle,
    ScheduleHandle,
    dalsegno.StandaloneActivityHandle,
    dalsegno.WorkflowHandle,
    dalsegno.WorkflowUpdateHandle,
    workflow.Deadline,
    workflow.Saga,
}
"""So that their `__init__` is nobody's business."""


def named(module: ModuleType) -> dict[str, Any]:
    listed = getattr(module, "__all__", None)
    if listed is not None:
        return {name: getattr(module, name) for name in listed}
    return {
        name: value
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", "") == module.__name__
    }


PUBLIC = {name: value for module in MODULES for name, value in named(module).items()}
PUBLIC_VALUES = [value for module in MODULES for value in named(module).values()]


def functions_of(value: Any) -> Iterator[FunctionType]:
    """A function, or the public methods of a class, each with its overloads."""
    if isinstance(value, FunctionType):
        yield value
        yield from (one for one in typing.get_overloads(value) if isinstance(one, FunctionType))
    elif isinstance(value, type):
        for name, member in vars(value).items():
            if name.startswith("_") and (name != "__init__" or value in NOT_MADE_BY_USERS):
                continue
            plain = member.fget if isinstance(member, property) else inspect.unwrap(member)
            plain = getattr(plain, "__func__", plain)
            if isinstance(plain, FunctionType):
                yield from functions_of(plain)


def public_classes() -> list[type[Any]]:
    return [v for v in PUBLIC_VALUES if isinstance(v, type) and v.__module__.startswith("dalsegno")]


def annotated() -> list[Any]:
    """All that has annotations of its own."""
    classes = [cls for cls in public_classes() if cls.__module__ not in A_MODULE_OF_ITS_OWN]
    plain = [value for value in PUBLIC_VALUES if isinstance(value, FunctionType)]
    return [*classes, *(one for value in (*classes, *plain) for one in functions_of(value))]


def mentioned(hint: Any) -> Iterator[type[Any]]:
    """The classes of dalsegno in an annotation."""
    for part in typing.get_args(hint):
        yield from mentioned(part)
    if isinstance(hint, list | tuple):  # the parameters of a Callable
        for part in hint:
            yield from mentioned(part)
    bare = typing.get_origin(hint) or hint
    if isinstance(bare, type) and bare.__module__.startswith("dalsegno"):
        yield bare


def aliases(one: Any) -> Iterator[str]:
    """Names in the annotations, as written, of neither a class nor a type variable nor the standard library."""
    scope = one.__globals__ if isinstance(one, FunctionType) else vars(sys.modules[one.__module__])
    for annotation in inspect.get_annotations(one).values():
        if not isinstance(annotation, str):
            continue
        for node in ast.walk(ast.parse(annotation, mode="eval")):
            if not isinstance(node, ast.Name) or node.id not in scope or node.id.startswith("_"):
                continue
            value = scope[node.id]
            other = isinstance(value, type | ModuleType | typing.TypeVar | typing.ParamSpec | int)
            if not other and not any(hasattr(lib, node.id) for lib in (typing, collections.abc)):
                yield node.id


@pytest.mark.parametrize("one", annotated(), ids=lambda one: f"{one.__module__}.{one.__qualname__}")
def test_what_a_public_signature_mentions_is_exported(one: Any) -> None:
    hints = [hint for name, hint in typing.get_type_hints(one).items() if not name.startswith("_")]

    classes = {cls for hint in hints for cls in mentioned(hint)}

    assert {cls.__qualname__ for cls in classes if cls not in PUBLIC_VALUES} == set()
    assert {name for name in aliases(one) if name not in PUBLIC} == set()


def test_the_walk_sees_overloads_methods_fields_and_aliases() -> None:
    seen = {f"{one.__module__}.{one.__qualname__}" for one in annotated()}
    assert {
        "dalsegno.client.client.Client.start",
        "dalsegno.client.handle.WorkflowHandle.describe",
        "dalsegno.broker.protocol.replies.Description",
        "dalsegno.workers.worker.Worker.__init__",
        "dalsegno._activities.execute_activity",
    } <= seen
    assert "OnSuspended" in set(aliases(dalsegno.Client.__init__))
    assert len(list(functions_of(dalsegno.Client.start))) > 5


@pytest.mark.parametrize("module", [errors, client_errors, _runtime], ids=lambda module: module.__name__)
def test_every_error_can_be_caught_by_its_name_at_the_top(module: ModuleType) -> None:
    raised = {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, Exception) and value.__module__ == module.__name__
    }

    assert raised
    assert {name for name, error in raised.items() if getattr(dalsegno, name, None) is not error} == set()


def test_every_error_that_a_docstring_names_is_one_of_ours_or_of_python() -> None:
    texts = [one.__doc__ or "" for one in annotated()]

    words = {word for text in texts for word in re.findall(r"\b[A-Z]\w+Error\b", text)}

    assert {"NoAnswerError", "ConfigurationError"} <= words
    assert hasattr(dalsegno, "MessageTooLargeError")
    builtin = vars(__import__("builtins"))
    assert {
        w for w in words if not hasattr(dalsegno, w) and w not in builtin and w != "CancelledError"
    } == set()


def test_the_top_lists_what_it_gives_in_order_and_refuses_the_rest() -> None:
    assert len(set(dalsegno.__all__)) == len(dalsegno.__all__)
    assert set(dalsegno.__all__) <= set(dir(dalsegno))
    with pytest.raises(AttributeError, match="has no attribute 'WorkflowHandel'"):
        _ = dalsegno.WorkflowHandel  # type: ignore[attr-defined]


def test_importing_it_loads_nothing_else() -> None:
    program = "import sys, dalsegno; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    loaded = set(done.stdout.split())

    assert [name for name in loaded if name.startswith("dalsegno.")] == []
    assert loaded & {"asyncio", "cbor2", "msgspec", "structlog", "typer"} == set()


def test_what_it_gives_is_found_by_whoever_asks_for_the_module_alone() -> None:
    program = "import dalsegno; print(dalsegno.workflow.defn.__name__, dalsegno.activity.defn.__name__)"

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["defn", "defn"]
