"""Python files that change below a folder, as watchfiles sees them."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Self

from watchfiles import PythonFilter, watch

NAMES_MAX = 5
"""Of changed files, when they are told."""


class SourceChanges:
    """Watches while it is entered; files of environments, caches and version control are left out."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names: dict[str, None] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="source changes", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def are_there(self) -> bool:
        return bool(self._names)

    def take(self) -> list[str]:
        """The first names of files that have changed since it was asked before."""
        with self._lock:
            names, self._names = list(self._names), {}
        more = len(names) - NAMES_MAX
        return [*names[:NAMES_MAX], *([f"{more} more"] if more > 0 else [])]

    def _watch(self) -> None:
        for found in watch(self._folder, watch_filter=PythonFilter(), stop_event=self._stop):
            with self._lock:
                for _, path in sorted(found):
                    self._names[str(Path(path).relative_to(self._folder))] = None
