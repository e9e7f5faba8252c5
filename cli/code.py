"""The user's modules: workflows and activities are found by what their decorators leave."""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from dalsegno._log import get_logger
from dalsegno.cli.working_folder import WorkingFolder
from dalsegno.data_converter import DataConverter, required
from dalsegno.definition import DEFINITION_ATTRIBUTE, NAME_ATTRIBUTE
from dalsegno.errors import ConfigurationError
from dalsegno.given import shown
from dalsegno.interceptors.worker import WorkerInterceptor, worker_interceptors
from dalsegno.workflow import PatchActivationInput

log = get_logger()


def load(names: Sequence[str], *, warn: bool = True) -> list[ModuleType]:
    """Import modules; the working folder comes first. ConfigurationError says which one and why not.

    With `warn` it is logged which files of the working folder nothing imports, and why.
    """
    folder = WorkingFolder(Path.cwd())
    if warn:
        for hidden in folder.hidden:
            log.warning("module_hidden", reason=folder.sentence(hidden))
    return [_load(name, folder) for name in names]


def _load(name: str, folder: WorkingFolder) -> ModuleType:
    if name.endswith(".py") or "/" in name:
        raise ConfigurationError(f"{name!r} is a path: name the module, as in an import (shop.orders).")
    top = name.partition(".")[0]
    if top in folder.hidden:
        raise ConfigurationError(f"{folder.sentence(top)}.")
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{name}.".startswith(f"{error.name}."):
            raise ConfigurationError(
                f"There is no module {name!r} in {Path.cwd()}, nor among what is installed: name it as in an "
                "import, and start dalsegno in the folder that it is imported from."
            ) from error
        raise _broken(name, error, folder) from error
    except (Exception, SystemExit) as error:
        # Whatever the user's module raises: a person must mend it.
        raise _broken(name, error, folder) from error


def _broken(name: str, error: BaseException, folder: WorkingFolder) -> ConfigurationError:
    # A decorator of ours that refuses what it is given is not where the mistake is.
    ours = {
        getattr(module, "__file__", None)
        for ours, module in list(sys.modules.items())
        if ours.partition(".")[0] == "dalsegno"
    }
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename not in ours and "importlib" not in frame.filename
    ]
    where = f" ({frames[-1].filename}, line {frames[-1].lineno})" if frames else ""
    hidden = "".join(f"; {folder.sentence(name)}" for name in folder.hidden if name in str(error))
    return ConfigurationError(
        f"The module {name!r} cannot be imported: {type(error).__name__}: {error}{where}{hidden}"
    )


def data_converter(place: str | None) -> DataConverter:
    """The one that is at `module:attribute`; the default where none is named. Raises ConfigurationError."""
    if place is None:
        return DataConverter.default
    value = _at(place, "--data-converter", "a DataConverter as module:attribute (shop.converter:sealed)")
    try:
        return required(f"{place} (--data-converter)", value)
    except TypeError as error:
        raise ConfigurationError(str(error)) from None


def interceptors(places: Sequence[str] | None) -> tuple[WorkerInterceptor, ...]:
    """Those that are at `module:attribute`. Raises ConfigurationError."""
    option = "--interceptor"
    found = [
        _at(place, option, "an interceptor as module:attribute (shop.tracing:traced)") for place in places or ()
    ]
    try:
        return worker_interceptors(found)
    except ConfigurationError as error:
        raise ConfigurationError(f"{', '.join(places or ())} ({option}): {error}") from None


def patch_activation(place: str | None) -> Callable[[PatchActivationInput], bool] | None:
    """The function that is at `module:function`; None where none is named. Raises ConfigurationError."""
    if place is None:
        return None
    value = _at(place, "--patch-activation", "a function as module:function (shop.rollout:activates)")
    if not callable(value):
        raise ConfigurationError(f"{place} (--patch-activation) must be a function, not {shown(repr(value))}.")
    return cast("Callable[[PatchActivationInput], bool]", value)


def _at(place: str, option: str, wanted: str) -> Any:
    module_name, _, path = place.partition(":")
    if not module_name or not path:
        raise ConfigurationError(f"{option} is {shown(place)}, but names {wanted}.")
    [value] = load([module_name], warn=False)
    found: Any = value
    for name in path.split("."):
        try:
            found = getattr(found, name)
        except AttributeError:
            raise ConfigurationError(
                f"{option} is {shown(place)}, but the module {module_name!r} has no {path!r}."
            ) from None
    return found


def workflows_in(modules: Sequence[ModuleType]) -> list[type]:
    """The workflow classes. There need be none for activities of clients, which dalsegno's own workflows run;
    ConfigurationError if there are no activities either."""
    found = [
        value
        for value in _decorated(modules)
        if isinstance(value, type) and DEFINITION_ATTRIBUTE in vars(value)
    ]
    if not found and not activities_in(modules, may_be_none=True):
        raise ConfigurationError(
            f"There is no workflow in {_names(modules)}: a host needs modules that define or import classes "
            "decorated with @workflow.defn."
        )
    return found


def activities_in(modules: Sequence[ModuleType], *, may_be_none: bool = False) -> list[Callable[..., Any]]:
    """The activity functions. ConfigurationError if there are none, unless there may be none."""
    found = [value for value in _decorated(modules) if not isinstance(value, type)]
    if not found and not may_be_none:
        raise ConfigurationError(
            f"There is no activity in {_names(modules)}: a worker needs modules that define or import "
            "functions decorated with @activity.defn."
        )
    return found


def name_of(definition: Any) -> str:
    """What commands and tasks call it."""
    name: str = getattr(definition, NAME_ATTRIBUTE)
    return name or "(dynamic)"


def _decorated(modules: Sequence[ModuleType]) -> Iterator[Any]:
    seen: set[int] = set()
    for module in modules:
        for value in vars(module).values():
            named = callable(value) and isinstance(getattr(value, NAME_ATTRIBUTE, None), str)
            if named and id(value) not in seen:
                seen.add(id(value))
                yield value


def _names(modules: Sequence[ModuleType]) -> str:
    return ", ".join(module.__name__ for module in modules)
