"""The examples of docs/testing.md are tests that pass, and examples/orders is tested as users would."""

from __future__ import annotations

import asyncio
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

GUIDE = Path(__file__).parents[2] / "docs" / "testing.md"
BLOCKS = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
TESTS = re.findall(r"def (test_\w+)", "".join(BLOCKS))


@pytest.fixture(scope="module")
def guide() -> Iterator[Any]:
    """A module made of all examples, in order."""
    module = sys.modules["testing_guide"] = ModuleType("testing_guide")
    for block in BLOCKS:
        exec(compile(block, str(GUIDE), "exec"), vars(module))
    yield module
    del sys.modules["testing_guide"]


@pytest.mark.parametrize("name", TESTS)
async def test_an_example_passes(guide: Any, name: str) -> None:
    test = getattr(guide, name)
    if inspect.iscoroutinefunction(test):
        await test()
    else:  # it has a loop of its own
        await asyncio.to_thread(test)


def test_there_are_several() -> None:
    assert len(TESTS) >= 6
