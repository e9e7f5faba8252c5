"""Where user code stands: "orders.py:42", found by walking the frames, cheaply enough for every intent."""

from __future__ import annotations

import sys
from types import CodeType, FrameType
from typing import Any

from dalsegno.error_text import cause_of, context_of, storable, traceback_of

_CAUSES_MAX = 10
_SITE_CHARACTERS_MAX = 500

_short_names: dict[str, str] = {}
"""File name of a code object to the name shown to people; "" for files that are not the user's."""


def call_site(frame: FrameType | None, boundary: CodeType | None = None) -> str:
    """File and line of the first frame, from `frame` outwards, that is neither the standard library's nor
    ours; "" where there is none before the frame that runs `boundary`."""
    while frame is not None:
        code = frame.f_code
        if code is boundary:
            return ""
        name = _short_names.get(code.co_filename)
        if name is None:
            name = _remember(code.co_filename, frame.f_globals)
        if name:
            return f"{name}:{frame.f_lineno}"
        frame = frame.f_back
    return ""


def code_site(code: CodeType) -> str:
    """Where the code of a function begins."""
    return f"{_base_name(code.co_filename)}:{code.co_firstlineno}"


def raise_site(error: BaseException) -> str:
    """Where user code was when the exception passed: "orders.py:42 in run". Without user code in its traceback
    nor in those of its causes: the innermost frame; "" without any."""
    innermost = ""
    seen: BaseException | None = error
    for _ in range(_CAUSES_MAX):
        if seen is None:
            break
        found = ""
        traceback = traceback_of(seen)
        while traceback is not None:
            frame = traceback.tb_frame
            file_name, function = frame.f_code.co_filename, frame.f_code.co_name
            name = _remember(file_name, frame.f_globals)
            shown = f"{name or _base_name(file_name)}:{traceback.tb_lineno} in {function}"
            found = shown if name else found
            innermost = innermost if seen is not error else shown
            traceback = traceback.tb_next
        if found:
            return storable(found, _SITE_CHARACTERS_MAX)
        cause = cause_of(seen)
        seen = context_of(seen) if cause is None else cause
    return storable(innermost, _SITE_CHARACTERS_MAX)


def _base_name(file_name: str) -> str:
    return storable(file_name.replace("\\", "/").rpartition("/")[2])


def _remember(file_name: str, module_globals: dict[str, Any]) -> str:
    package = str(module_globals.get("__name__", "")).partition(".")[0]
    internal = package == "dalsegno" or package in sys.stdlib_module_names
    name = "" if internal else _base_name(file_name)
    _short_names[file_name] = name
    return name
