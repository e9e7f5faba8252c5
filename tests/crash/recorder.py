"""What clients and workers saw: JSON lines, appended by all processes to one file, whole lines at a time."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any, Literal

What = Literal["invoke", "ok", "run-start", "run-end"]
"""Of a client: it asks, and is answered; without an answer the outcome is unknown. Of a worker: an attempt
begins, and ends."""


class Recorder:
    def __init__(self, path: Path) -> None:
        self._path = path

    def note(self, who: str, what: What, **details: Any) -> None:
        line = {"time": time.time(), "who": who, "pid": os.getpid(), "what": what, **details}
        # One write to a file that is only appended to: lines of several processes do not mix.
        file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            os.write(file, json.dumps(line).encode() + b"\n")
        finally:
            os.close(file)

    def lines(self) -> list[dict[str, Any]]:
        if not self._path.exists():
            return []
        return [json.loads(line) for line in self._path.read_text().splitlines()]
