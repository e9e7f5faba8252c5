"""What workflow code must not call, for it would give something else when the code runs again.

The functions are replaced once in a process, by ones that ask whether the running loop is a workflow's. Outside
of workflow code that is all they do. Inside they raise, with the line and what to use instead. Nothing is
refused to what has code of its own that is no workflow's, wherever it is called from: imports, logging, data
converters.

A name that a module has imported before the engine was loaded (`from time import time`) stays what it was.
`dalsegno host` loads the engine first.
"""

from __future__ import annotations

import builtins
import ctypes
import datetime
import gc
import io
import os
import random
import socket
import subprocess
import sys
import threading
import time
import uuid
from asyncio import _get_running_loop
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import wraps
from importlib import import_module
from types import FrameType
from typing import Any

from dalsegno._runtime import unrestricted

_CLOCK = "use workflow.now(), workflow.time() or workflow.time_ns()"
_RANDOM = "use workflow.random()"
_UUID = "use workflow.uuid4() or workflow.uuid7()"
_ACTIVITY = "do it in an activity"

_REFUSED: tuple[tuple[Any, str, str], ...] = (
    (time, "time time_ns monotonic monotonic_ns perf_counter perf_counter_ns", _CLOCK),
    (time, "sleep", "use `await asyncio.sleep(...)`, which is a durable timer"),
    (uuid, "uuid1 uuid4 uuid7", _UUID),
    (os, "urandom", f"{_RANDOM} or workflow.uuid4(), and take secrets from an activity"),
    (random, "_urandom", f"{_RANDOM}, and take secrets from an activity"),
    (os, "system popen fork", _ACTIVITY),
    (builtins, "open", _ACTIVITY),
    (io, "open", _ACTIVITY),
    (threading.Thread, "start", f"{_ACTIVITY}, or use asyncio's tasks"),
    (socket.socket, "__init__", _ACTIVITY),
    (subprocess.Popen, "__init__", _ACTIVITY),
)
_RANDOM_FUNCTIONS = " ".join(
    name for name in random.__all__ if getattr(getattr(random, name), "__self__", None) is random._inst
)
_SHOWN = {
    "Popen.__init__": "subprocess.Popen",
    "socket.__init__": "socket.socket",
    "Thread.start": "threading.Thread.start",
    "Random.seed": "random.Random() without a seed",
    "random._urandom": "random.SystemRandom",
}

_OF_ITS_OWN = frozenset(
    (
        *("importlib", "_frozen_importlib", "_frozen_importlib_external", "zipimport", "pkgutil"),
        *("logging", "structlog", "warnings", "traceback", "linecache"),
        *("zoneinfo", "pytz", "dateutil"),
    )
)
"""What reads the clock or files for itself, and shows workflow code none of it."""
_OURS_OF_ITS_OWN = frozenset(
    (
        *("dalsegno._log", "dalsegno.user_logger", "dalsegno.workflow_logger"),
        *("dalsegno.converter", "dalsegno.data_converter", "dalsegno.payload", "dalsegno.failure_capture"),
        "dalsegno.payload_codec",
    )
)
_LIBRARIES = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")


def guard(workflow_loop: type) -> None:
    """Replace them, for code whose running loop is such a one."""
    with suppress(
        ImportError
    ):  # it takes what it finds in these places for functions of C, so it has to come first
        import_module("_time_machine")
    for owner, names, instead in (*_REFUSED, (random, _RANDOM_FUNCTIONS, _RANDOM)):
        for name in names.split():
            if (original := getattr(owner, name, None)) is not None:
                shown = _shown(owner.__name__, name)
                setattr(owner, name, _guarded(original, shown, instead, workflow_loop))
    unseeded: Callable[..., bool] = lambda _, a=None, *__, **___: a is None  # noqa: E731
    seed = _guarded(random.Random.seed, _SHOWN["Random.seed"], _RANDOM, workflow_loop, unseeded)
    random.Random.seed = seed  # type: ignore[method-assign]
    with suppress(Exception):  # another Python than ours: then these two are not refused
        for name in ("now", "utcnow"):
            _guard_class_method(datetime.datetime, name, f"datetime.{name}", workflow_loop)


def _shown(owner: str, name: str) -> str:
    full = f"{owner}.{name}"
    return _SHOWN.get(full, full.removeprefix("builtins.").replace("io.open", "open"))


def _guarded(
    original: Callable[..., Any],
    shown: str,
    instead: str,
    workflow_loop: type,
    only: Callable[..., bool] | None = None,
) -> Callable[..., Any]:
    @wraps(original)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        if type(_get_running_loop()) is workflow_loop and (only is None or only(*args, **kwargs)):
            _require_no_workflow(shown, instead, sys._getframe(1))
        return original(*args, **kwargs)

    return guarded


def _guard_class_method(owner: type, name: str, shown: str, workflow_loop: type) -> None:
    """Of a class of C, whose attributes Python does not let be set."""
    attributes: dict[str, Any] = gc.get_referents(vars(owner))[0]
    original = attributes[name]

    def guarded(cls: type, /, *args: Any, **kwargs: Any) -> Any:
        if type(_get_running_loop()) is workflow_loop:
            _require_no_workflow(shown, _CLOCK, sys._getframe(1))
        return original.__get__(None, cls)(*args, **kwargs)

    guarded.__name__, guarded.__qualname__, guarded.__doc__ = name, f"{owner.__name__}.{name}", original.__doc__
    attributes[name] = classmethod(guarded)
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(owner))


def _require_no_workflow(shown: str, instead: str, frame: FrameType) -> None:
    if unrestricted.get():
        return
    for module, caller in _callers(frame):
        if module in _OURS_OF_ITS_OWN or module.partition(".")[0] in _OF_ITS_OWN:
            return
        if shown == "open" and any(part in caller.f_code.co_filename for part in _LIBRARIES):
            return  # a library reads its own data, when they are first needed
    what = _asked_for(frame) or shown
    raise RuntimeError(f"Workflow code must do the same each time it runs, so it cannot use {what}: {instead}.")


def _callers(frame: FrameType | None) -> Iterator[tuple[str, FrameType]]:
    """From within outwards, to where the engine has called user code."""
    while frame is not None:
        module = str(frame.f_globals.get("__name__", ""))
        if module != __name__:
            if module.startswith("dalsegno.actors."):
                return
            yield module, frame
        frame = frame.f_back


def _asked_for(frame: FrameType) -> str:
    """The function of the standard library that the workflow's code has called, where it is not the refused one
    itself: secrets.token_hex, not the os.urandom that it uses."""
    asked = ""
    for module, caller in _callers(frame):
        if module.partition(".")[0] not in sys.stdlib_module_names:
            break
        asked = f"{module}.{caller.f_code.co_qualname}"
    return "" if "__" in asked else asked
