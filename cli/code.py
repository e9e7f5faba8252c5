"""The user's modules: workflows and activities are found by what their decorators leave."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from dalsegno.errors import ConfigurationError

NAME_ATTRIBUTE = "__dalsegno_name__"


def load(names: Sequence[str]) -> list[ModuleType]:
    """Import modules; the working folder comes first. ConfigurationError says which one and why not."""
    folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    return [_load(name) for name in names]


def _load(name: str) -> ModuleType:
    if name.endswith(".py") or "/" in name:
        raise ConfigurationError(f"{name!r} is a path: name the module, as in an import (orders.workflows)")
    try:
        return importlib.import_module(name)
    except Exception as error:
        # Whatever the user's module raises: a person must mend it.
        raise ConfigurationError(f"cannot import {name!r}: {type(error).__name__}: {error}") from error


def workflows_in(modules: Sequence[ModuleType]) -> list[type]:
    """The workflow classes. ConfigurationError if there are none."""
    found = [value for value in _decorated(modules) if isinstance(value, type)]
    if not found:
        raise ConfigurationError(f"no workflow (@workflow.defn) in {_names(modules)}")
    return found


def activities_in(modules: Sequence[ModuleType]) -> list[Callable[..., Any]]:
    """The activity functions. ConfigurationError if there are none."""
    found = [value for value in _decorated(modules) if not isinstance(value, type)]
    if not found:
        raise ConfigurationError(f"no activity (@activity.defn) in {_names(modules)}")
    return found


def _decorated(modules: Sequence[ModuleType]) -> Iterator[Any]:
    seen: set[int] = set()
    for module in modules:
        for value in vars(module).values():
            if (
                callable(value)
                and isinstance(getattr(value, NAME_ATTRIBUTE, None), str)
                and id(value) not in seen
            ):
                seen.add(id(value))
                yield value


def _names(modules: Sequence[ModuleType]) -> str:
    return ", ".join(module.__name__ for module in modules) or "no module: name one"
