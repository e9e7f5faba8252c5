"""The pages of docs/ whose examples are tests: the code of all of them, in order, makes one module."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

DOCS = Path(__file__).parents[1] / "docs"


class Guide:
    """Of one page. `tests` are the names of its tests."""

    def __init__(self, page: str) -> None:
        self._path = DOCS / page
        self._blocks = re.findall(r"```python\n(.*?)```", self._path.read_text(), re.DOTALL)
        self.tests: list[str] = re.findall(r"def (test_\w+)", "".join(self._blocks))

    @contextmanager
    def module(self) -> Iterator[ModuleType]:
        """Which can be found by its name: the code of workflows is."""
        name = f"{self._path.stem}_guide"
        module = sys.modules[name] = ModuleType(name)
        try:
            for block in self._blocks:
                exec(compile(block, str(self._path), "exec"), vars(module))
            yield module
        finally:
            del sys.modules[name]
