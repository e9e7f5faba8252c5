"""The examples of docs/interceptors.md are tests that pass."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

GUIDE = Path(__file__).parents[2] / "docs" / "interceptors.md"
BLOCKS = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
TESTS = re.findall(r"def (test_\w+)", "".join(BLOCKS))


@pytest.fixture(scope="module")
def guide() -> Iterator[Any]:
    """A module made of all examples, in order."""
    module = sys.modules["interceptors_guide"] = ModuleType("interceptors_guide")
    for block in BLOCKS:
        exec(compile(block, str(GUIDE), "exec"), vars(module))
    yield module
    del sys.modules["interceptors_guide"]


@pytest.mark.parametrize("name", TESTS)
async def test_an_example_passes(guide: Any, name: str) -> None:
    await getattr(guide, name)()


def test_there_are_several() -> None:
    assert len(TESTS) == 2
