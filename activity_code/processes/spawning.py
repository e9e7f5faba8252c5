"""What a new process is given: how to begin, as multiprocessing's spawned ones do, and the activities' code.

Not a fork: that would copy the locks of the worker's threads as they are, to be held for ever.
"""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing import process, spawn
from typing import Any

from dalsegno._log import get_logger
from dalsegno.activity_code.registry import Definition, Registry
from dalsegno.converter import signature_of
from dalsegno.data_converter import DataConverter
from dalsegno.declaring import place_of
from dalsegno.errors import ConfigurationError, DefinitionError
from dalsegno.interceptors.worker import WorkerInterceptor

PROGRAM = (
    "import sys; sys.path[:] = {path!r}; from dalsegno.activity_code.processes.in_child import main; main({fd})"
)
NAME = "dalsegno-activity"
INHERITING = "_inheriting"
"""The mark of multiprocessing on a process that imports what its parent has."""


@dataclass(frozen=True)
class GivenCode:
    """One activity, pickled."""

    function: bytes
    is_interrupted: bool


@dataclass(frozen=True)
class Beginning:
    """What a process is told first of all."""

    worker_pid: int
    preparation: dict[str, Any]
    """Of multiprocessing: paths, the working folder, and the main module where that is needed."""
    converter: bytes
    activities: dict[str, GivenCode]
    interceptors: bytes
    """Of each its pickle, the outermost first, in one."""
    log_level: int


def beginning_of(
    registry: Registry, converter: DataConverter, interceptors: Sequence[WorkerInterceptor] = ()
) -> bytes | None:
    """For all processes of a worker; None where it has no activity that needs one.

    Raises DefinitionError for an activity, and ConfigurationError for a data converter or an interceptor, that
    pickle does not take, and in a process that is itself about to begin.
    """
    if not registry.in_processes:
        return None
    if getattr(process.current_process(), INHERITING, False):
        raise ConfigurationError(
            "The program starts a worker when it is imported, which each process of a worker does: put what "
            'starts it under `if __name__ == "__main__":`.'
        )
    parts = (
        converter.payload_converter_class,
        converter.failure_converter_class,
        converter.payload_codec,
        converter.payload_store,
        converter.threshold,
    )
    try:
        pickled_converter = pickle.dumps(parts)
    except Exception as error:
        raise ConfigurationError(
            'The data converter cannot be given to the processes of activities with executor="process", since '
            f"pickle does not take its parts ({error}): define its classes at the top level of a module."
        ) from error
    activities = {
        definition.name: GivenCode(_pickled(definition), definition.is_interrupted)
        for definition in registry.in_processes
    }
    preparation = spawn.get_preparation_data(NAME)
    # Theirs refuses to be pickled, so that nobody sends it by mistake.
    preparation["authkey"] = bytes(preparation["authkey"])
    pickled_interceptors = [_pickled_interceptor(interceptor) for interceptor in interceptors]
    code = [pickled_converter, *pickled_interceptors, *(given.function for given in activities.values())]
    if not any(b"__main__" in pickled for pickled in code):
        preparation = {key: value for key, value in preparation.items() if not key.startswith("init_main")}
    level = get_logger("dalsegno.activity").get_effective_level()
    around = pickle.dumps(pickled_interceptors)
    return pickle.dumps(Beginning(os.getpid(), preparation, pickled_converter, activities, around, level))


def _pickled_interceptor(interceptor: WorkerInterceptor) -> bytes:
    try:
        return pickle.dumps(interceptor)
    except Exception as error:
        raise ConfigurationError(
            f"The interceptor {type(interceptor).__name__} cannot be given to the processes of activities with "
            f'executor="process", since pickle does not take it ({error}): define its class, and what it has, '
            "at the top level of a module, without locks, sockets or the like; or give such activities a "
            "worker of their own, without it."
        ) from error


def _pickled(definition: Definition) -> bytes:
    try:
        return pickle.dumps(definition.function)
    except Exception as error:
        raise DefinitionError(
            f"{definition.signature.name} cannot run in a process of its own, since pickle does not take it "
            f"({error}): define it at the top level of a module, and give the object that it belongs to no "
            'locks, sockets or the like; or leave out executor="process".',
            place_of(definition.function),
        ) from error


def restored_interceptors(pickled: bytes) -> tuple[WorkerInterceptor, ...]:
    """In the process. Raises whatever the user's modules raise."""
    return tuple(pickle.loads(one) for one in pickle.loads(pickled))


def restored(name: str, given: GivenCode) -> Definition:
    """In the process. Raises whatever the user's modules raise."""
    function = pickle.loads(given.function)
    return Definition(name, function, signature_of(function), False, given.is_interrupted, True)


def command_line(fd: int) -> Sequence[str]:
    """`fd` is the process's end of the pair of sockets."""
    interpreter = spawn.get_command_line()[:-3]  # with its flags, and without what multiprocessing lets it do
    path = [entry for entry in sys.path if isinstance(entry, str)]
    return [*interpreter, "-c", PROGRAM.format(path=path, fd=fd)]
