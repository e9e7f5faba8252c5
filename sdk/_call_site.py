"""Where user code stands: "orders.py:42", found by walking the frames, cheaply enough for every intent."""

from __future__ import annotations

import sys
from types import CodeType, FrameType, TracebackType
from typing import Any

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


def raise_site(traceback: TracebackType | None) -> str:
    """Where user code was when the exception passed: "orders.py:42 in run". Without user code: the innermost
    frame; "" without any."""
    found = innermost = ""
    while traceback is not None:
        frame = traceback.tb_frame
        code = frame.f_code
        name = _remember(code.co_filename, frame.f_globals)
        shown = name or code.co_filename.rpartition("/")[2]
        innermost = f"{shown}:{traceback.tb_lineno} in {code.co_name}"
        if name:
            found = innermost
        traceback = traceback.tb_next
    return found or innermost


def _remember(file_name: str, module_globals: dict[str, Any]) -> str:
    package = str(module_globals.get("__name__", "")).partition(".")[0]
    internal = package == "dalsegno" or package in sys.stdlib_module_names
    name = "" if internal else file_name.replace("\\", "/").rpartition("/")[2]
    _short_names[file_name] = name
    return name
